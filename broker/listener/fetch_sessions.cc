#include "broker/listener/fetch_sessions.h"

#include <limits>
#include <string>

#include "protocol/base/check.h"

namespace sluice::broker {

namespace {

using kafka::ErrorCode;

constexpr std::int32_t kOpenEpoch = 0;
constexpr std::int32_t kNoSessionEpoch = -1;
constexpr std::int16_t kFirstTopicIdVersion = 13;

}  // namespace

std::int32_t FetchSessions::epoch_after(std::int32_t epoch) {
  return epoch == std::numeric_limits<std::int32_t>::max() ? 1 : epoch + 1;
}

std::size_t FetchSessions::KeyHash::operator()(const Key& key) const noexcept {
  const std::size_t topic = std::hash<std::string_view>{}(key.name) ^ std::hash<TopicId>{}(key.id);
  return topic * 31 + static_cast<std::size_t>(key.partition.value);
}

FetchSessions::Key FetchSessions::key_of(const FetchPlan::Part& part) {
  return {cut_topic_name(part.topic->name), part.topic->id, part.partition.partition};
}

std::vector<FetchPlan::Part> FetchSessions::parts_of(const kafka::FetchRequest& request) {
  std::vector<FetchPlan::Part> parts;
  std::size_t count = 0;
  for (const kafka::FetchTopic& topic : request.topics) count += topic.partitions.size();
  parts.reserve(count);
  tsl::robin_map<Key, std::size_t, KeyHash> seen;
  for (const kafka::FetchTopic& topic : request.topics) {
    const auto ref = std::make_shared<const TopicRef>(TopicRef{std::string(topic.topic), topic.topic_id});
    for (const kafka::FetchPartition& partition : topic.partitions) {
      FetchPlan::Part part{ref, partition};
      if (count > 1) {
        // One that is named twice counts as it was named last, as it does in Kafka.
        const auto [first, is_new] = seen.try_emplace(key_of(part), parts.size());
        if (!is_new) {
          parts[first->second].partition = partition;
          continue;
        }
      }
      parts.push_back(std::move(part));
    }
  }
  return parts;
}

FetchPlan FetchSessions::plan(const kafka::FetchRequest& request, std::int16_t version, std::uint64_t connection,
                              SteadyTime now) {
  if (request.session_epoch != kOpenEpoch && request.session_epoch != kNoSessionEpoch) {
    return plan_use(request, version, connection, now);
  }
  // A full fetch closes the session that it names.
  if (const auto old = sessions_.find(request.session_id); old != sessions_.end()) remove(old);
  FetchPlan plan;
  plan.parts = parts_of(request);
  plan.by_id = version >= kFirstTopicIdVersion;
  plan.connection = connection;
  if (request.session_epoch == kOpenEpoch && !plan.parts.empty()) plan.session = FetchPlan::Session::open;
  return plan;
}

FetchPlan FetchSessions::plan_use(const kafka::FetchRequest& request, std::int16_t version, std::uint64_t connection,
                                  SteadyTime now) {
  FetchPlan plan;
  const auto found = sessions_.find(request.session_id);
  if (found == sessions_.end()) {
    plan.error = ErrorCode::fetch_session_id_not_found;
    return plan;
  }
  Session& session = found->second;
  if (session.epoch != request.session_epoch) {
    plan.error = ErrorCode::invalid_fetch_session_epoch;
    return plan;
  }
  if (session.by_id != (version >= kFirstTopicIdVersion)) {
    plan.error = ErrorCode::fetch_session_topic_id_error;
    return plan;
  }
  const bool legal = update(session, request);
  session.epoch = epoch_after(session.epoch);
  plan.session_id = request.session_id;
  plan.session_epoch = session.epoch;
  plan.by_id = session.by_id;
  plan.connection = connection;
  plan.session = FetchPlan::Session::use;
  plan.parts.reserve(session.entries.size());
  for (const Entry& entry : session.entries) plan.parts.push_back(entry.part);

  touch(found, connection, now);
  if (session.entries.empty() || !legal || !fits(found, now)) {
    remove(found);
    plan.session = FetchPlan::Session::none;
    plan.session_id = 0;
  }
  return plan;
}

bool FetchSessions::fits(Sessions::iterator at, SteadyTime now) {
  if (partition_count_ <= limits_.max_partitions) return true;
  // It stands aside while room is made for it, so that it isn't evicted itself.
  auto& [id, session] = *at;
  if (std::exchange(session.in_by_size, false)) by_size_.erase({session.counted, id});
  partition_count_ -= std::exchange(session.counted, 0);
  Recency aside;
  aside.splice(aside.end(), recent_, session.recency);
  const bool room = make_room(0, session.entries.size(), now);
  recent_.splice(recent_.end(), aside);
  touch(at, session.connection, now);
  return room;
}

bool FetchSessions::update(Session& session, const kafka::FetchRequest& request) {
  bool legal = true;
  for (const kafka::FetchTopic& topic : request.topics) {
    legal &= topic.topic.size() <= kMaxTopicNameSize;
    std::shared_ptr<const TopicRef> ref;
    for (const kafka::FetchPartition& partition : topic.partitions) {
      const auto found = session.by_key.find(Key{cut_topic_name(topic.topic), topic.topic_id, partition.partition});
      if (found != session.by_key.end()) {
        found->second->part.partition = partition;
        continue;
      }
      if (!ref) ref = std::make_shared<const TopicRef>(TopicRef{std::string(topic.topic), topic.topic_id});
      const auto entry = session.entries.insert(session.entries.end(), Entry{{ref, partition}});
      session.by_key.emplace(key_of(entry->part), entry);
    }
  }
  for (const kafka::ForgottenTopic& topic : request.forgotten_topics_data) {
    for (const PartitionIndex partition : topic.partitions) {
      const auto found = session.by_key.find(Key{cut_topic_name(topic.topic), topic.topic_id, partition});
      if (found == session.by_key.end()) continue;
      const Entries::iterator entry = found->second;
      session.by_key.erase(found);
      session.entries.erase(entry);
    }
  }
  return legal;
}

FetchSessions::Reply FetchSessions::reply(const FetchPlan& plan, SteadyTime now) {
  Reply reply;
  if (plan.session == FetchPlan::Session::none) return reply;
  auto found = sessions_.end();
  if (plan.session == FetchPlan::Session::open) {
    found = open(plan, now);
    if (found == sessions_.end()) return reply;  // no room: all is listed, and there is no session
  } else {
    found = sessions_.find(plan.session_id);
    // Closed or evicted meanwhile: what was read is told in full, and that the session is over.
    if (found == sessions_.end()) return reply;
    if (found->second.epoch != plan.session_epoch) {
      reply.error_ = ErrorCode::invalid_fetch_session_epoch;
      reply.session_id_ = plan.session_id;
      return reply;
    }
    if (!found->second.orphaned) touch(found, found->second.connection, now);
    reply.full_ = false;
  }
  reply.session_id_ = found->first;
  reply.session_ = &found->second;
  reply.next_ = found->second.entries.begin();
  return reply;
}

bool FetchSessions::Reply::lists(const kafka::FetchPartitionResponse& outcome) {
  if (session_ == nullptr) return error_ == ErrorCode::none;
  CHECK(next_ != session_->entries.end(), "the session has the plan's parts while its epoch is the plan's");
  const Entries::iterator entry = next_++;
  const bool has_records = outcome.records && outcome.records->size_bytes() > 0;
  const bool failed = outcome.error_code != ErrorCode::none;
  const bool told =
      entry->high_watermark == outcome.high_watermark && entry->log_start_offset == outcome.log_start_offset;
  const bool listed = full_ || has_records || failed || !told || outcome.diverging_epoch != kafka::EpochEndOffset{};
  // Once the error is gone the client is to hear of that, so nothing counts as told.
  entry->high_watermark = failed ? Offset(-1) : outcome.high_watermark;
  entry->log_start_offset = outcome.log_start_offset;
  // Only records spend the budget. A partition that is listed without any keeps its place, or one whose high watermark
  // moves all the time would never come to the front.
  if (has_records) session_->entries.splice(session_->entries.end(), session_->entries, entry);
  return listed;
}

FetchSessions::Sessions::iterator FetchSessions::open(const FetchPlan& plan, SteadyTime now) {
  if (!connections_.contains(plan.connection)) return sessions_.end();  // who would use it?
  for (const FetchPlan::Part& part : plan.parts) {
    if (part.topic->name.size() > kMaxTopicNameSize) return sessions_.end();  // no such topic can be
  }
  if (!make_room(1, plan.parts.size(), now)) return sessions_.end();
  const auto made = sessions_.try_emplace(new_id()).first;
  Session& session = made->second;
  session.by_id = plan.by_id;
  session.opened = now;
  session.recency = recent_.insert(recent_.end(), made->first);
  session.by_key.reserve(plan.parts.size());
  for (const FetchPlan::Part& part : plan.parts) {
    const auto entry = session.entries.insert(session.entries.end(), Entry{part});
    session.by_key.emplace(key_of(entry->part), entry);
  }
  touch(made, plan.connection, now);
  return made;
}

std::int32_t FetchSessions::new_id() {
  while (true) {
    const auto id = static_cast<std::int32_t>(1 + random_.below(std::numeric_limits<std::int32_t>::max()));
    if (!sessions_.contains(id)) return id;
  }
}

void FetchSessions::touch(Sessions::iterator at, std::uint64_t connection, SteadyTime now) {
  auto& [id, session] = *at;
  recent_.splice(recent_.end(), session.orphaned ? orphans_ : recent_, session.recency);
  session.orphaned = false;
  session.connection = connection;
  session.last_used = now;
  if (session.in_by_size) by_size_.erase({session.counted, id});
  partition_count_ += session.entries.size() - session.counted;
  session.counted = session.entries.size();
  session.in_by_size = now - session.opened > limits_.evict_after;
  if (session.in_by_size) by_size_.insert({session.counted, id});
}

void FetchSessions::remove(Sessions::iterator at) {
  auto& [id, session] = *at;
  (session.orphaned ? orphans_ : recent_).erase(session.recency);
  if (session.in_by_size) by_size_.erase({session.counted, id});
  partition_count_ -= session.counted;
  sessions_.erase(at);
}

bool FetchSessions::make_room(std::size_t sessions, std::size_t partitions, SteadyTime now) {
  if (partitions > limits_.max_partitions) return false;
  while (sessions_.size() + sessions > limits_.max_sessions || partition_count_ + partitions > limits_.max_partitions) {
    if (!evict_one(partitions, now)) return false;
  }
  return true;
}

bool FetchSessions::evict_one(std::size_t for_partitions, SteadyTime now) {
  std::int32_t victim = 0;
  if (!orphans_.empty()) {
    victim = orphans_.front();
  } else if (!recent_.empty() && now - sessions_.at(recent_.front()).last_used > limits_.evict_after) {
    victim = recent_.front();
  } else if (!by_size_.empty() && by_size_.begin()->first < for_partitions) {
    victim = by_size_.begin()->second;
  } else {
    return false;
  }
  remove(sessions_.find(victim));
  return true;
}

std::uint64_t FetchSessions::connect() {
  connections_.insert(++last_connection_);
  return last_connection_;
}

void FetchSessions::disconnect(std::uint64_t connection, SteadyTime now) {
  connections_.erase(connection);
  for (auto& [id, session] : sessions_) {
    if (session.orphaned || session.connection != connection) continue;
    session.orphaned = true;
    session.last_used = now;
    orphans_.splice(orphans_.end(), recent_, session.recency);
  }
}

void FetchSessions::expire(SteadyTime now) {
  while (!orphans_.empty()) {
    const auto oldest = sessions_.find(orphans_.front());
    if (now - oldest->second.last_used <= limits_.evict_after) return;
    remove(oldest);
  }
}

}  // namespace sluice::broker
