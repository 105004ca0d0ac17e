// What follows from a step of the core, in the order in which the owner must see it: term and vote, role, entries (a
// new leader's replace what was speculative), messages, snapshot, commit.
#include <algorithm>
#include <utility>

#include "broker/raft/core.h"
#include "protocol/base/check.h"

namespace sluice::broker {
namespace {

constexpr std::size_t kMaxBehindChange = 256;  // more are lost, as any message may be

}  // namespace

void RaftGroup::Core::publish(const raft_update& update, const Event& brought) {
  gate_.want({Term(raft_.current_term), NodeId(static_cast<std::int32_t>(raft_.voted_for))});
  write_hard_state();
  publish_standing();
  if (update.flags & RAFT_UPDATE_ENTRIES) publish_entries(update, brought);
  release_appends();
  if (update.flags & RAFT_UPDATE_MESSAGES) publish_messages(update, brought);
  if ((update.flags & RAFT_UPDATE_SNAPSHOT) && brought.snapshot != nullptr) {
    installing_ = *brought.snapshot;
    offered_ = installing_->last_index;
    tail_.clear();
    configurations_.reset();
    configurations_.append(installing_->configuration_index, installing_->configuration);
    output_.install_snapshot(*installing_);
  }
  publish_committed();
}

void RaftGroup::Core::write_hard_state() {
  if (const auto state = gate_.next_to_write()) output_.persist_hard_state(*state);
}

void RaftGroup::Core::publish_standing() {
  const Standing standing{role(), term(), leader()};
  if (standing == standing_) return;
  if (standing.role != RaftRole::leader) tail_.clear();
  standing_ = standing;
  output_.role_changed(standing.role, standing.term, standing.leader);
}

void RaftGroup::Core::publish_entries(const raft_update& update, const Event& brought) {
  const LogIndex first(update.entries.index);
  const std::size_t count = update.entries.n;
  std::span<const Entry> entries;
  Entry own_barrier;
  if (brought.entries.empty()) {
    CHECK(count == 1 && update.entries.batch[0].type == RAFT_BARRIER, "the core makes up barriers alone");
    own_barrier = {Term(update.entries.batch[0].term), EntryType::barrier, {}};
    entries = {&own_barrier, 1};
  } else {
    CHECK(first >= brought.first && first.value - brought.first.value + count == brought.entries.size());
    entries = brought.entries.last(count);
  }
  if (void* batch = update.entries.batch[0].batch; batch != nullptr) raft_free(batch);

  const bool leads = role() == RaftRole::leader;
  configurations_.truncate(first);
  for (std::size_t i = 0; i < count; ++i) {
    const LogIndex index = first.plus(i);
    if (entries[i].type == EntryType::change) configurations_.append(index, *decode_configuration(entries[i].payload));
    if (!leads) continue;
    tail_.push(index, entries[i].payload.size());
    if (entries[i].type == EntryType::barrier && barrier_term_ != term()) {
      barrier_term_ = term();
      barrier_index_ = index;
    }
  }
  output_.persist_entries(first, entries);
}

void RaftGroup::Core::publish_messages(const raft_update& update, const Event& brought) {
  for (unsigned i = 0; i < update.messages.n; ++i) {
    RaftMessage message = from_core(update.messages.batch[i], self_);
    // The answer to claim_next_term(), or to a leader that vote_as_asked() has made forget.
    if (message.to == self_ || message.to.value == 0) continue;
    switch (message.kind) {
      case RaftMessage::Kind::append: split_append(std::move(message)); continue;
      case RaftMessage::Kind::append_result:
        // All that the refusal of an older term's request says is our term. The core leaves its last index
        // uninitialised; should the asker lead our term by now, it would take that for an acknowledgement.
        if (brought.outdated) message.rejected = message.last_log_index = {};
        break;
      case RaftMessage::Kind::vote_result:
        // The core answers a pre-vote with the asker's term, from which a candidate behind us would never learn ours.
        if (message.pre_vote && !message.granted) message.term = std::max(message.term, term());
        break;
      case RaftMessage::Kind::install_snapshot:
        CHECK(snapshot_ && snapshot_->last_index.value == update.messages.batch[i].install_snapshot.last_index);
        message.snapshot = snapshot_;
        break;
      default: break;
    }
    send(std::move(message));
  }
}

void RaftGroup::Core::split_append(RaftMessage message) {
  if (message.prev_index.value == 0 && raft_.trail.offset > 0) {
    // The core takes a checkpoint at index 1 for entry 1 itself, and would send nothing for ever.
    message.kind = RaftMessage::Kind::install_snapshot;
    message.snapshot = snapshot_;
    return send(std::move(message));
  }
  const LogIndex last = message.prev_index.plus(message.entry_count);
  const ConfigurationLog::Item* change = configurations_.next_after(message.prev_index.next());
  while (change != nullptr && change->index <= last) {
    RaftMessage head = message;
    head.entry_count = static_cast<std::uint32_t>(change->index.value - 1 - message.prev_index.value);
    message.prev_index = LogIndex(change->index.value - 1);
    message.prev_term = term_at(message.prev_index);
    message.entry_count -= head.entry_count;
    send_append(std::move(head));
    change = configurations_.next_after(change->index);
  }
  send_append(std::move(message));
}

LogIndex RaftGroup::Core::unwritten_change() const {
  const ConfigurationLog::Item* change = configurations_.latest();
  return change != nullptr && change->index.value > raft_.last_stored ? change->index : LogIndex();
}

void RaftGroup::Core::send_append(RaftMessage message) {
  // A change leaves only when it is durable here. Of two voters, one is voted out, and has the change; the other
  // crashes before it has: then the first would not stand, nor vote for the second, whose log is shorter.
  const LogIndex change = unwritten_change();
  if (change.value != 0 && message.prev_index.plus(message.entry_count) >= change) {
    if (behind_change_.size() < kMaxBehindChange) behind_change_.push_back(std::move(message));
    return;
  }
  send(std::move(message));
}

void RaftGroup::Core::release_appends() {
  if (behind_change_.empty() || (role() == RaftRole::leader && unwritten_change().value != 0)) return;
  std::vector<RaftMessage> appends = std::exchange(behind_change_, {});
  for (RaftMessage& append : appends) {
    if (role() == RaftRole::leader && append.term == term()) send(std::move(append));
  }
}

void RaftGroup::Core::send(RaftMessage message) {
  if (gate_.must_hold()) {
    gate_.hold(std::move(message));
  } else {
    output_.send(std::move(message));
  }
}

void RaftGroup::Core::publish_committed() {
  // The core's commit index goes back when an older message of a leader arrives late.
  commit_ = std::max(commit_, LogIndex(raft_.commit_index));
  if (installing_) return;
  const LogIndex upto = std::min(commit_, LogIndex(raft_.last_stored));
  if (upto <= given_) return;
  given_ = upto;
  tail_.committed(upto);
  output_.committed(upto);
}

}  // namespace sluice::broker
