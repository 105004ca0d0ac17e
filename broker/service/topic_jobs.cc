#include "broker/service/topic_jobs.h"

#include <fmt/core.h>

#include <algorithm>

#include "broker/service/shard_services.h"
#include "protocol/base/log.h"

namespace sluice::broker {
namespace {

constexpr Nanos kRetryAfter = std::chrono::milliseconds(50);
constexpr Nanos kRetryRowAfter = std::chrono::seconds(1);
constexpr std::size_t kMostWaiting = 64;

PartitionId partition_id(const TopicInfo& topic, std::size_t index) {
  return {topic.id, PartitionIndex(static_cast<std::int32_t>(index))};
}

}  // namespace

Result<void> TopicJobs::controller_ready() const {
  if (context_.draining) return fail(Errc::not_leader, "the node shuts down");
  const Replica* const controller = context_.shard->replica(kControllerGroup);
  if (controller == nullptr || !controller->ready()) return fail(Errc::not_ready, "the controller is starting; retry");
  return {};
}

void TopicJobs::when_free(const std::string& topic, UniqueFunction<void(Result<void>)> work) {
  if (!busy(topic)) return work({});
  auto& waiting = waiting_[topic];
  if (waiting.size() >= kMostWaiting)
    return work(
        fail(Errc::busy, fmt::format("{} changes of topic '{}' wait already; retry later", waiting.size(), topic)));
  waiting.push_back(std::move(work));
}

void TopicJobs::wake_waiting(const std::string& topic) {
  // One at a time: it may begin a job, whose end wakes the next.
  while (!busy(topic)) {
    const auto at = waiting_.find(topic);
    if (at == waiting_.end()) return;
    auto work = std::move(at->second.front());
    at->second.pop_front();
    if (at->second.empty()) waiting_.erase(at);
    work({});
  }
}

Result<void> TopicJobs::has_room_for(std::size_t count) const {
  const std::size_t have = context_.view.partition_count() + planned_partitions_;
  if (have + count > static_cast<std::size_t>(context_.options.max_partitions))
    return fail(Errc::limit_reached, fmt::format("the node has {} partitions and may have {} (topics.max_partitions)",
                                                 have, context_.options.max_partitions));
  return {};
}

Result<std::vector<PartitionPlacement>> TopicJobs::place(std::size_t count) const {
  if (auto room = has_room_for(count); !room) return fail(room.error());
  // The groups that the view would choose next: those that were planned and are not in it yet come first.
  const std::vector<GroupId> groups = place_partitions(context_.view, planned_partitions_ + count);
  std::vector<PartitionPlacement> placed;
  for (std::size_t nth = planned_partitions_; nth < groups.size(); ++nth) {
    const auto term = static_cast<std::int64_t>(context_.view.leadership(groups[nth]).term.value);
    const std::int64_t base = std::max<std::int64_t>(0, context_.view.epoch_floor() + 1 - term);
    placed.push_back({groups[nth], LeaderEpoch(static_cast<std::int32_t>(base))});
  }
  if (placed.size() < count) return fail(Errc::not_ready, "no group takes partitions yet; retry");
  return placed;
}

// ---- The beginnings ----

TopicJobs::JobPtr TopicJobs::begin(Kind kind, TopicInfo topic, std::size_t planned, Done done) {
  auto job = std::make_shared<Job>();
  job->kind = kind;
  job->topic = std::move(topic);
  job->planned = planned;
  job->done = std::move(done);
  CHECK(working_.insert(job->topic.name).second, "one job a topic");
  planned_partitions_ += planned;
  return job;
}

void TopicJobs::create(TopicInfo topic, Done done) {
  topic.phase = TopicPhase::creating;
  topic.revision = 0;
  const std::size_t planned = topic.partitions.size();
  const JobPtr job = begin(Kind::create, std::move(topic), planned, std::move(done));
  write(job, {row_of(*job)}, &TopicJobs::send_commands);
}

void TopicJobs::change(TopicInfo topic, Done done) {
  CHECK(topic.phase == TopicPhase::live);
  const std::size_t planned = topic.growing.size();
  const JobPtr job = begin(Kind::change, std::move(topic), planned, std::move(done));
  write(job, {row_of(*job)}, &TopicJobs::send_commands);
}

void TopicJobs::remove(TopicInfo topic, Done done) {
  topic.phase = TopicPhase::deleting;
  topic.partitions.insert(topic.partitions.end(), topic.growing.begin(), topic.growing.end());
  topic.growing.clear();
  topic.altering = false;
  // Whoever is created later begins above every epoch that this topic's clients may have seen.
  std::int64_t floor = context_.view.epoch_floor();
  for (const PartitionPlacement& placement : topic.partitions)
    floor = std::max(floor, placement.epoch_base.value +
                                static_cast<std::int64_t>(context_.view.leadership(placement.group).term.value));
  const JobPtr job = begin(Kind::remove, std::move(topic), 0, std::move(done));
  std::vector<TableWrite> writes{row_of(*job)};
  if (floor > context_.view.epoch_floor())
    writes.push_back({std::string(kEpochFloorKey), encode_number_row(floor), {}});
  write(job, std::move(writes), &TopicJobs::send_commands);
}

void TopicJobs::resume() {
  std::vector<TopicInfo> unfinished;
  for (const auto& [name, topic] : context_.view.topics()) {
    const bool whole = topic.phase == TopicPhase::live && topic.growing.empty() && !topic.altering;
    if (!whole && !busy(name)) unfinished.push_back(topic);
  }
  for (TopicInfo& topic : unfinished) {
    const Kind kind = topic.phase == TopicPhase::creating ? Kind::create
                      : topic.phase == TopicPhase::live   ? Kind::change
                                                          : Kind::remove;
    log_info("going on to {} topic '{}', which a stop interrupted",
             kind == Kind::create   ? "create"
             : kind == Kind::change ? "change"
                                    : "delete",
             topic.name);
    send_commands(begin(kind, topic, 0, [name = topic.name](const std::optional<Error>& error) {
      if (error) log_warn("topic '{}' is still half made, changed or deleted: {}", name, error->message);
    }));
  }
}

// ---- The steps ----

TableWrite TopicJobs::row_of(const Job& job) const {
  return {topic_row_key(job.topic.name), encode_topic_row(job.topic), job.topic.revision};
}

void TopicJobs::write(const JobPtr& job, std::vector<TableWrite> writes, void (TopicJobs::*then)(const JobPtr&)) {
  context_.shard->replica(kControllerGroup)
      ->submit(WriteTableCommand{std::string(kClusterTable), std::move(writes)},
               [this, job, then](Result<std::uint64_t> revision) {
                 if (!revision) return finish(job, revision.error());
                 job->topic.revision = *revision;
                 (this->*then)(job);
               });
}

/// The row that ends a job. The topic must not be left half changed: it is tried again until it stands, or until the
/// controller is another one or the node stops, and then whoever leads next goes on (resume()).
void TopicJobs::write_last(const JobPtr& job, const TableWrite& row) {
  context_.shard->replica(kControllerGroup)
      ->submit(WriteTableCommand{std::string(kClusterTable), {row}}, [this, job, row](Result<std::uint64_t> revision) {
        if (revision) {
          job->topic.revision = *revision;
          return until_all_shards_saw(job);
        }
        if (revision.error().code == Errc::busy || !controller_ready()) return finish(job, revision.error());
        log_warn("topic '{}': its row could not be written and is tried again: {}", job->topic.name,
                 revision.error().message);
        context_.clock.call_after(kRetryRowAfter, [this, job, row] { write_last(job, row); });
      });
}

std::size_t TopicJobs::step_count(const Job& job) {
  if (job.kind != Kind::change) return job.topic.partitions.size();
  return (job.topic.altering ? job.topic.partitions.size() : 0) + job.topic.growing.size();
}

TopicJobs::Step TopicJobs::step_of(const Job& job, std::size_t nth) {
  const TopicInfo& topic = job.topic;
  if (job.kind == Kind::remove) return {topic.partitions[nth].group, DeletePartitionCommand{partition_id(topic, nth)}};
  if (job.kind == Kind::create) {
    const PartitionPlacement& made = topic.partitions[nth];
    return {made.group, CreatePartitionCommand{partition_id(topic, nth), made.epoch_base, topic.settings}};
  }
  const std::size_t altered = topic.altering ? topic.partitions.size() : 0;
  if (nth < altered)
    return {topic.partitions[nth].group, AlterPartitionCommand{partition_id(topic, nth), topic.settings}};
  const PartitionPlacement& made = topic.growing[nth - altered];
  const std::size_t index = topic.partitions.size() + nth - altered;
  return {made.group, CreatePartitionCommand{partition_id(topic, index), made.epoch_base, topic.settings}};
}

void TopicJobs::send_commands(const JobPtr& job) {
  planned_partitions_ -= std::exchange(job->planned, 0);  // the view has them now
  job->waiting = step_count(*job);
  if (job->waiting == 0) return write_end(job);
  for (std::size_t nth = 0, count = job->waiting; nth < count; ++nth) send_command(job, nth);
}

void TopicJobs::send_command(const JobPtr& job, std::size_t nth) {
  Step step = step_of(*job, nth);
  const ShardId shard = context_.shard_of(step.group);
  context_.post(shard, [this, job, nth, step = std::move(step), home = context_.id](ShardServices& owner) mutable {
    auto answer = [this, job, nth, home, &owner](Result<std::uint64_t> result) {
      owner.post(home, [this, job, nth, failed = !result](ShardServices&) {
        if (job->waiting == 0) return;  // it ended meanwhile
        if (context_.draining)
          return finish(job, Error{Errc::not_leader, "the node shuts down; the rest is done at its start"});
        if (failed) {  // its group is not ready, or just lost its leader: the command is idempotent
          context_.clock.call_after(kRetryAfter, [this, job, nth] { send_command(job, nth); });
          return;
        }
        if (--job->waiting == 0) write_end(job);
      });
    };
    Replica* const replica = owner.shard().replica(step.group);
    if (replica == nullptr) return answer(fail(Errc::not_leader, "the group is not served here"));
    replica->submit(std::move(step.command), std::move(answer));
  });
}

void TopicJobs::write_end(const JobPtr& job) {
  if (job->kind == Kind::remove)
    return write_last(job, {topic_row_key(job->topic.name), std::nullopt, job->topic.revision});
  TopicInfo& topic = job->topic;
  topic.phase = TopicPhase::live;
  topic.partitions.insert(topic.partitions.end(), topic.growing.begin(), topic.growing.end());
  topic.growing.clear();
  topic.altering = false;
  write_last(job, row_of(*job));
}

void TopicJobs::until_all_shards_saw(const JobPtr& job) {
  // Row changes were posted to every shard before this: messages keep their order, so who answers has seen them.
  job->waiting = context_.shard_count;
  for (std::uint32_t shard = 0; shard < context_.shard_count; ++shard)
    context_.post(ShardId(shard), [this, job, home = context_.id](ShardServices& seen) {
      seen.post(home, [this, job](ShardServices&) {
        if (--job->waiting == 0) finish(job, std::nullopt);
      });
    });
}

void TopicJobs::finish(const JobPtr& job, std::optional<Error> error) {
  job->waiting = 0;
  working_.erase(job->topic.name);
  planned_partitions_ -= std::exchange(job->planned, 0);
  if (job->done) std::exchange(job->done, nullptr)(std::move(error));
  wake_waiting(job->topic.name);
}

}  // namespace sluice::broker
