#include "broker/service/topic_service.h"

#include <fmt/core.h>

#include "broker/service/controller_call.h"

namespace sluice::broker {

Result<void> check_assignments(const ServiceOptions& options, std::int64_t first,
                               const std::vector<std::pair<std::int32_t, std::vector<std::int32_t>>>& assignments) {
  std::vector<bool> named(assignments.size());
  for (const auto& [index, nodes] : assignments) {
    const std::int64_t nth = index - first;
    if (nth < 0 || nth >= static_cast<std::int64_t>(named.size()) || named[static_cast<std::size_t>(nth)])
      return fail(Errc::invalid_argument, fmt::format("assignments must name partitions {} to {} once each", first,
                                                      first + static_cast<std::int64_t>(named.size()) - 1));
    named[static_cast<std::size_t>(nth)] = true;
    if (nodes != std::vector<std::int32_t>{options.node.value})
      return fail(Errc::invalid_argument,
                  fmt::format("partition {} is assigned to nodes that are not in the cluster; it has node {} alone",
                              index, options.node.value));
  }
  return {};
}

void TopicService::create(std::vector<CreateTopicRequest> topics, Millis limit,
                          UniqueFunction<void(std::vector<CreateTopicResult>)> done) {
  ask_controller<CreateTopicRequest, CreateTopicResult>(
      context_, std::move(topics), limit,
      [](ShardServices& controller, CreateTopicRequest request, UniqueFunction<void(CreateTopicResult)> answer) {
        controller.topic_service().create_here(request, std::move(answer));
      },
      std::move(done));
}

void TopicService::remove(std::vector<TopicRef> topics, Millis limit,
                          UniqueFunction<void(std::vector<DeleteTopicResult>)> done) {
  ask_controller<TopicRef, DeleteTopicResult>(
      context_, std::move(topics), limit,
      [](ShardServices& controller, TopicRef topic, UniqueFunction<void(DeleteTopicResult)> answer) {
        controller.topic_service().remove_here(topic, std::move(answer));
      },
      std::move(done));
}

// ---- On the controller's shard ----

Result<std::int32_t> TopicService::count_partitions(const CreateTopicRequest& request) const {
  std::int64_t partitions = request.partitions;
  if (!request.assignments.empty()) {
    if (request.partitions != -1 || request.replication_factor != -1)
      return fail(Errc::invalid_argument, "give replica assignments, or counts of partitions and replicas, not both");
    partitions = static_cast<std::int64_t>(request.assignments.size());
    if (auto ok = check_assignments(context_.options, 0, request.assignments); !ok) return fail(ok.error());
  } else if (request.replication_factor != -1 && request.replication_factor != 1) {
    return fail(Errc::invalid_replication,
                fmt::format("replication factor {} can't be had: the cluster has 1 node", request.replication_factor));
  }
  if (partitions == -1) partitions = context_.options.default_partitions;
  if (partitions < 1 || partitions > static_cast<std::int64_t>(kMaxPartitionsOfTopic))
    return fail(Errc::invalid_partitions,
                fmt::format("{} partitions were asked for; 1 to {} are possible", partitions, kMaxPartitionsOfTopic));
  return static_cast<std::int32_t>(partitions);
}

Result<CreateTopicResult> TopicService::plan(const CreateTopicRequest& request) {
  if (auto name = check_topic_name(request.name); !name) return fail(name.error());
  if (context_.view.find(request.name) != nullptr || jobs_.busy(request.name))
    return fail(Errc::topic_exists, fmt::format("topic '{}' already exists", request.name));
  CreateTopicResult planned;
  TopicInfo& topic = planned.topic;
  topic.name = request.name;
  topic.replication_factor = 1;
  const auto count = count_partitions(request);
  if (!count) return fail(count.error());
  planned.partitions = *count;
  for (const auto& [name, value] : request.settings) {
    auto set = set_topic_setting(topic.settings, name, value ? std::optional<std::string_view>(*value) : std::nullopt);
    if (!set) return fail(set.error());
  }
  topic.id = context_.random.topic_id();
  const auto partitions = static_cast<std::size_t>(*count);
  if (request.validate_only) {
    if (auto room = jobs_.has_room_for(partitions); !room) return fail(room.error());
    return planned;
  }
  auto placed = jobs_.place(partitions);
  if (!placed) return fail(placed.error());
  topic.partitions = std::move(*placed);
  return planned;
}

void TopicService::create_here(const CreateTopicRequest& request, UniqueFunction<void(CreateTopicResult)> done) {
  const auto ready = jobs_.controller_ready();
  auto planned = ready ? plan(request) : Result<CreateTopicResult>(fail(ready.error()));
  if (!planned) {
    CreateTopicResult refused;
    refused.error = planned.error();
    return done(std::move(refused));
  }
  if (request.validate_only) return done(std::move(*planned));
  TopicInfo topic = planned->topic;
  jobs_.create(std::move(topic),
               [result = std::move(*planned), done = std::move(done)](std::optional<Error> error) mutable {
                 result.error = std::move(error);
                 if (result.error && result.error->code == Errc::busy) result.error->code = Errc::topic_exists;
                 done(std::move(result));
               });
}

void TopicService::remove_here(const TopicRef& ref, UniqueFunction<void(DeleteTopicResult)> done) {
  const TopicInfo* const topic = ref.name.empty() ? context_.view.find(ref.id) : context_.view.find(ref.name);
  const std::string name = topic == nullptr ? ref.name : topic->name;
  jobs_.when_free(name, [this, ref, done = std::move(done)](Result<void> ok) mutable {
    if (ok) return remove_now(ref, std::move(done));
    done({ok.error(), ref.name, ref.id});
  });
}

void TopicService::remove_now(const TopicRef& ref, UniqueFunction<void(DeleteTopicResult)> done) {
  DeleteTopicResult result{std::nullopt, ref.name, ref.id};
  const TopicInfo* const topic = ref.name.empty() ? context_.view.find(ref.id) : context_.view.find(ref.name);
  if (const auto ready = jobs_.controller_ready(); !ready)
    result.error = ready.error();
  else if (topic == nullptr)
    result.error = ref.name.empty() ? Error{Errc::unknown_topic_id, "there is no topic with id " + ref.id.hex()}
                                    : Error{Errc::unknown_topic, fmt::format("there is no topic '{}'", ref.name)};
  else if (topic->internal)
    result.error = Error{Errc::invalid_topic, fmt::format("'{}' belongs to the broker", topic->name)};
  if (result.error) return done(std::move(result));
  result.name = topic->name;
  result.id = topic->id;
  jobs_.remove(*topic, [result = std::move(result), done = std::move(done)](std::optional<Error> error) mutable {
    result.error = std::move(error);
    done(std::move(result));
  });
}

}  // namespace sluice::broker
