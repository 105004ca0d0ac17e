#include "broker/service/topic_service.h"

#include <fmt/core.h>

#include "broker/service/shard_services.h"
#include "protocol/base/log.h"

namespace sluice::broker {
namespace {

constexpr Nanos kRetryAfter = std::chrono::milliseconds(50);
constexpr std::int32_t kMaxPartitionsOfATopic = 100'000;

}  // namespace

/// A topic on its way to live or gone.
struct TopicService::Job {
  TopicInfo topic;
  bool deleting = false;
  std::size_t planned = 0;  ///< partitions that were placed and are not in the view yet
  std::size_t waiting = 0;
  UniqueFunction<void(std::optional<Error>)> done;
};

// ---- Requests, from any shard ----

void TopicService::create(std::vector<CreateTopicRequest> topics,
                          UniqueFunction<void(std::vector<CreateTopicResult>)> done) {
  struct Call {
    std::vector<CreateTopicResult> results;
    std::size_t waiting;
    UniqueFunction<void(std::vector<CreateTopicResult>)> done;
  };
  auto call =
      std::make_shared<Call>(Call{std::vector<CreateTopicResult>(topics.size()), topics.size(), std::move(done)});
  if (topics.empty()) return context_.defer([call] { call->done({}); });
  for (std::size_t nth = 0; nth < topics.size(); ++nth)
    context_.post(context_.shard_of(kControllerGroup), [request = std::move(topics[nth]), call, nth,
                                                        origin = context_.id](ShardServices& controller) {
      controller.topic_service().create_here(request, [call, nth, origin, &controller](CreateTopicResult result) {
        controller.post(origin, [call, nth, result = std::move(result)](ShardServices&) mutable {
          call->results[nth] = std::move(result);
          if (--call->waiting == 0) call->done(std::move(call->results));
        });
      });
    });
}

void TopicService::remove(std::vector<TopicRef> topics, UniqueFunction<void(std::vector<DeleteTopicResult>)> done) {
  struct Call {
    std::vector<DeleteTopicResult> results;
    std::size_t waiting;
    UniqueFunction<void(std::vector<DeleteTopicResult>)> done;
  };
  auto call =
      std::make_shared<Call>(Call{std::vector<DeleteTopicResult>(topics.size()), topics.size(), std::move(done)});
  if (topics.empty()) return context_.defer([call] { call->done({}); });
  for (std::size_t nth = 0; nth < topics.size(); ++nth)
    context_.post(context_.shard_of(kControllerGroup), [topic = std::move(topics[nth]), call, nth,
                                                        origin = context_.id](ShardServices& controller) {
      controller.topic_service().remove_here(topic, [call, nth, origin, &controller](DeleteTopicResult result) {
        controller.post(origin, [call, nth, result = std::move(result)](ShardServices&) mutable {
          call->results[nth] = std::move(result);
          if (--call->waiting == 0) call->done(std::move(call->results));
        });
      });
    });
}

// ---- On the controller's shard ----

Result<TopicInfo> TopicService::plan(const CreateTopicRequest& request) {
  if (auto name = check_topic_name(request.name); !name) return fail(name.error());
  if (context_.view.find(request.name) != nullptr || working_.contains(request.name))
    return fail(Errc::topic_exists, fmt::format("topic '{}' exists already", request.name));
  TopicInfo topic;
  topic.name = request.name;
  topic.replication_factor = 1;
  std::int64_t partitions = request.partitions;
  if (!request.assignments.empty()) {
    if (request.partitions != -1 || request.replication_factor != -1)
      return fail(Errc::invalid_argument, "give replica assignments, or counts of partitions and replicas, not both");
    partitions = static_cast<std::int64_t>(request.assignments.size());
    std::vector<bool> named(request.assignments.size());
    for (const auto& [index, nodes] : request.assignments) {
      if (index < 0 || index >= partitions || named[static_cast<std::size_t>(index)])
        return fail(Errc::invalid_argument,
                    fmt::format("assignments must name partitions 0 to {} once each", partitions - 1));
      named[static_cast<std::size_t>(index)] = true;
      if (nodes != std::vector<std::int32_t>{context_.options.node.value})
        return fail(Errc::invalid_argument,
                    fmt::format("partition {} is assigned to nodes that are not in the cluster; it has node {} alone",
                                index, context_.options.node.value));
    }
  } else if (request.replication_factor != -1 && request.replication_factor != 1) {
    return fail(Errc::invalid_replication,
                fmt::format("replication factor {} can't be had: the cluster has 1 node", request.replication_factor));
  }
  if (partitions == -1) partitions = context_.options.default_partitions;
  if (partitions < 1 || partitions > kMaxPartitionsOfATopic)
    return fail(Errc::invalid_partitions,
                fmt::format("{} partitions were asked for; 1 to {} are possible", partitions, kMaxPartitionsOfATopic));
  const std::size_t have = context_.view.partition_count() + planned_partitions_;
  if (have + static_cast<std::size_t>(partitions) > static_cast<std::size_t>(context_.options.max_partitions))
    return fail(Errc::limit_reached, fmt::format("the node has {} partitions and may have {} (topics.max_partitions)",
                                                 have, context_.options.max_partitions));
  for (const auto& [name, value] : request.settings) {
    auto set = set_topic_setting(topic.settings, name, value ? std::optional<std::string_view>(*value) : std::nullopt);
    if (!set) return fail(set.error());
  }
  topic.id = context_.random.topic_id();
  place(topic, static_cast<std::size_t>(partitions));
  return topic;
}

void TopicService::place(TopicInfo& topic, std::size_t partitions) {
  // The groups that the view would choose next: those that were planned and are not in it yet come first.
  const std::vector<GroupId> groups = place_partitions(context_.view, planned_partitions_ + partitions);
  for (std::size_t nth = planned_partitions_; nth < groups.size(); ++nth) {
    const auto term = static_cast<std::int64_t>(context_.view.leadership(groups[nth]).term.value);
    const std::int64_t base = std::max<std::int64_t>(0, context_.view.epoch_floor() + 1 - term);
    topic.partitions.push_back({groups[nth], LeaderEpoch(static_cast<std::int32_t>(base))});
  }
}

void TopicService::create_here(const CreateTopicRequest& request, UniqueFunction<void(CreateTopicResult)> done) {
  CreateTopicResult result;
  result.topic.name = request.name;
  const Replica* const controller = context_.shard->replica(kControllerGroup);
  if (controller == nullptr || !controller->ready()) {
    result.error = Error{Errc::not_ready, "the controller is starting; retry"};
    return done(std::move(result));
  }
  auto topic = plan(request);
  if (topic && topic->partitions.empty()) topic = fail(Errc::not_ready, "no group takes partitions yet; retry");
  if (!topic) {
    result.error = topic.error();
    return done(std::move(result));
  }
  result.topic = *topic;
  if (request.validate_only) return done(std::move(result));

  auto job = std::make_shared<Job>();
  job->topic = std::move(*topic);
  working_.insert(job->topic.name);
  job->planned = job->topic.partitions.size();
  planned_partitions_ += job->planned;
  job->done = [result = std::move(result), done = std::move(done)](std::optional<Error> error) mutable {
    result.error = std::move(error);
    if (result.error && result.error->code == Errc::busy) result.error->code = Errc::topic_exists;
    done(std::move(result));
  };
  write(job, {{topic_row_key(job->topic.name), encode_topic_row(job->topic), 0}}, &TopicService::row_made);
}

void TopicService::remove_here(const TopicRef& ref, UniqueFunction<void(DeleteTopicResult)> done) {
  DeleteTopicResult result{std::nullopt, ref.name, ref.id};
  const TopicInfo* const topic = ref.name.empty() ? context_.view.find(ref.id) : context_.view.find(ref.name);
  const Replica* const controller = context_.shard->replica(kControllerGroup);
  if (controller == nullptr || !controller->ready())
    result.error = Error{Errc::not_ready, "the controller is starting; retry"};
  else if (topic == nullptr)
    result.error = ref.name.empty() ? Error{Errc::unknown_topic_id, "there is no topic with id " + ref.id.hex()}
                                    : Error{Errc::unknown_topic, fmt::format("there is no topic '{}'", ref.name)};
  else if (topic->internal)
    result.error = Error{Errc::invalid_topic, fmt::format("'{}' belongs to the broker", topic->name)};
  else if (working_.contains(topic->name))
    result.error = Error{Errc::not_ready, fmt::format("topic '{}' is being created or deleted; retry", topic->name)};
  if (result.error) return done(std::move(result));
  result.name = topic->name;
  result.id = topic->id;

  auto job = std::make_shared<Job>();
  job->topic = *topic;
  job->topic.phase = TopicPhase::deleting;
  job->deleting = true;
  working_.insert(job->topic.name);
  job->done = [result = std::move(result), done = std::move(done)](std::optional<Error> error) mutable {
    result.error = std::move(error);
    done(std::move(result));
  };
  // Whoever is created later begins above every epoch that this topic's clients may have seen.
  std::int64_t floor = context_.view.epoch_floor();
  for (const PartitionPlacement& placement : job->topic.partitions)
    floor = std::max(floor, placement.epoch_base.value +
                                static_cast<std::int64_t>(context_.view.leadership(placement.group).term.value));
  std::vector<TableWrite> writes{{topic_row_key(job->topic.name), encode_topic_row(job->topic), job->topic.revision}};
  if (floor > context_.view.epoch_floor())
    writes.push_back({std::string(kEpochFloorKey), encode_number_row(floor), {}});
  write(job, std::move(writes), &TopicService::drop_partitions);
}

void TopicService::resume() {
  std::vector<std::shared_ptr<Job>> jobs;
  for (const auto& [name, topic] : context_.view.topics()) {
    if (topic.phase == TopicPhase::live || working_.contains(name)) continue;
    auto job = std::make_shared<Job>();
    job->topic = topic;
    job->deleting = topic.phase == TopicPhase::deleting;
    job->done = [which = name](const std::optional<Error>& error) {
      if (error) log_warn("topic '{}' is still half made or half deleted: {}", which, error->message);
    };
    jobs.push_back(std::move(job));
  }
  for (auto& job : jobs) {
    working_.insert(job->topic.name);
    log_info("going on to {} topic '{}', which a stop interrupted", job->deleting ? "delete" : "create",
             job->topic.name);
    job->deleting ? drop_partitions(job) : make_partitions(job);
  }
}

// ---- The steps ----

void TopicService::write(const std::shared_ptr<Job>& job, std::vector<TableWrite> writes,
                         void (TopicService::*then)(const std::shared_ptr<Job>&)) {
  context_.shard->replica(kControllerGroup)
      ->submit(WriteTableCommand{std::string(kClusterTable), std::move(writes)},
               [this, job, then](Result<std::uint64_t> revision) {
                 if (!revision) return finish(job, revision.error());
                 job->topic.revision = *revision;
                 (this->*then)(job);
               });
}

void TopicService::row_made(const std::shared_ptr<Job>& job) {
  planned_partitions_ -= std::exchange(job->planned, 0);
  make_partitions(job);
}

void TopicService::make_partitions(const std::shared_ptr<Job>& job) { command_each(job, &TopicService::go_live); }
void TopicService::drop_partitions(const std::shared_ptr<Job>& job) { command_each(job, &TopicService::forget_row); }

Command TopicService::command_for(const Job& job, std::size_t partition) const {
  const PartitionId id{job.topic.id, PartitionIndex(static_cast<std::int32_t>(partition))};
  if (job.deleting) return DeletePartitionCommand{id};
  return CreatePartitionCommand{id, job.topic.partitions[partition].epoch_base, job.topic.settings};
}

void TopicService::command_each(const std::shared_ptr<Job>& job,
                                void (TopicService::*then)(const std::shared_ptr<Job>&)) {
  job->waiting = job->topic.partitions.size();
  for (std::size_t partition = 0; partition < job->topic.partitions.size(); ++partition)
    command_one(job, partition, then);
}

void TopicService::command_one(const std::shared_ptr<Job>& job, std::size_t partition,
                               void (TopicService::*then)(const std::shared_ptr<Job>&)) {
  const GroupId group = job->topic.partitions[partition].group;
  context_.post(context_.shard_of(group), [this, job, partition, then, group, command = command_for(*job, partition),
                                           home = context_.id](ShardServices& owner) mutable {
    auto answer = [this, job, partition, then, home, &owner](Result<std::uint64_t> result) {
      owner.post(home, [this, job, partition, then, failed = !result](ShardServices&) {
        if (context_.draining)
          return finish(job, Error{Errc::not_leader, "the node shuts down; the rest is done at its start"});
        if (failed) {  // its group is not ready, or just lost its leader: the command is idempotent
          context_.clock.call_after(kRetryAfter, [this, job, partition, then] { command_one(job, partition, then); });
          return;
        }
        if (--job->waiting == 0) (this->*then)(job);
      });
    };
    Replica* const replica = owner.shard().replica(group);
    if (replica == nullptr) return answer(fail(Errc::not_leader, "the group is not served here"));
    replica->submit(std::move(command), std::move(answer));
  });
}

void TopicService::go_live(const std::shared_ptr<Job>& job) {
  job->topic.phase = TopicPhase::live;
  write(job, {{topic_row_key(job->topic.name), encode_topic_row(job->topic), job->topic.revision}},
        &TopicService::until_all_shards_saw);
}

void TopicService::forget_row(const std::shared_ptr<Job>& job) {
  write(job, {{topic_row_key(job->topic.name), std::nullopt, job->topic.revision}},
        &TopicService::until_all_shards_saw);
}

void TopicService::until_all_shards_saw(const std::shared_ptr<Job>& job) {
  // Row changes were posted to every shard before this: messages keep their order, so who answers has seen them.
  job->waiting = context_.shard_count;
  for (std::uint32_t shard = 0; shard < context_.shard_count; ++shard)
    context_.post(ShardId(shard), [this, job, home = context_.id](ShardServices& seen) {
      seen.post(home, [this, job](ShardServices&) {
        if (--job->waiting == 0) finish(job, std::nullopt);
      });
    });
}

void TopicService::finish(const std::shared_ptr<Job>& job, std::optional<Error> error) {
  working_.erase(job->topic.name);
  planned_partitions_ -= std::exchange(job->planned, 0);
  if (job->done) std::exchange(job->done, nullptr)(std::move(error));
}

}  // namespace sluice::broker
