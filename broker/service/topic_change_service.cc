#include "broker/service/topic_change_service.h"

#include <fmt/core.h>

#include "broker/service/controller_call.h"
#include "broker/service/topic_service.h"

namespace sluice::broker {

void TopicChangeService::grow(std::vector<GrowTopicRequest> topics, Millis limit,
                              UniqueFunction<void(std::vector<Result<void>>)> done) {
  ask_controller<GrowTopicRequest, Result<void>>(
      context_, std::move(topics), limit,
      [](ShardServices& controller, GrowTopicRequest request, Answer answer) {
        controller.topic_changes().change_here(std::move(request), &TopicChangeService::plan_growth, std::move(answer));
      },
      std::move(done));
}

void TopicChangeService::alter(std::vector<AlterTopicRequest> topics, Millis limit,
                               UniqueFunction<void(std::vector<Result<void>>)> done) {
  ask_controller<AlterTopicRequest, Result<void>>(
      context_, std::move(topics), limit,
      [](ShardServices& controller, AlterTopicRequest request, Answer answer) {
        controller.topic_changes().change_here(std::move(request), &TopicChangeService::plan_settings,
                                               std::move(answer));
      },
      std::move(done));
}

// ---- On the controller's shard ----

/// `plan` gives the topic with what is to be done to it; nothing is done where it asks for nothing.
template <class Request>
void TopicChangeService::change_here(Request request,
                                     Result<TopicInfo> (TopicChangeService::*plan)(const Request&) const,
                                     Answer answer) {
  const std::string name = request.name;
  jobs_.when_free(name,
                  [this, request = std::move(request), plan, answer = std::move(answer)](Result<void> ok) mutable {
                    if (ok) ok = jobs_.controller_ready();
                    if (!ok) return answer(std::move(ok));
                    auto topic = (this->*plan)(request);
                    if (!topic) return answer(fail(topic.error()));
                    if (request.validate_only || (topic->growing.empty() && !topic->altering)) return answer({});
                    jobs_.change(std::move(*topic), [answer = std::move(answer)](std::optional<Error> error) mutable {
                      if (!error) return answer({});
                      // Its row was changed by somebody else: to look again is all it takes.
                      if (error->code == Errc::busy) error->code = Errc::not_ready;
                      answer(fail(std::move(*error)));
                    });
                  });
}

Result<TopicInfo> TopicChangeService::live_topic(const std::string& name) const {
  const TopicInfo* const topic = context_.view.find(name);
  if (topic == nullptr || topic->phase == TopicPhase::deleting)
    return fail(Errc::unknown_topic, fmt::format("there is no topic '{}'", name.substr(0, kMaxTopicNameSize)));
  if (topic->internal) return fail(Errc::invalid_topic, fmt::format("'{}' belongs to the broker", name));
  // Not whole, and no job goes on with it: that is what the next start of the controller does.
  if (topic->phase == TopicPhase::creating || !topic->growing.empty() || topic->altering)
    return fail(Errc::not_ready, fmt::format("topic '{}' is being created or changed; retry", name));
  return *topic;
}

Result<TopicInfo> TopicChangeService::plan_growth(const GrowTopicRequest& request) const {
  auto topic = live_topic(request.name);
  if (!topic) return topic;
  const auto have = static_cast<std::int64_t>(topic->partitions.size());
  if (request.count <= have)
    return fail(Errc::invalid_partitions, fmt::format("topic '{}' has {} partitions already; it can have more, not {}",
                                                      request.name, have, request.count));
  if (request.count > static_cast<std::int64_t>(kMaxPartitionsOfTopic))
    return fail(Errc::invalid_partitions,
                fmt::format("{} partitions were asked for; a topic can have {}", request.count, kMaxPartitionsOfTopic));
  const std::int64_t more = request.count - have;
  if (request.assignments) {
    if (static_cast<std::int64_t>(request.assignments->size()) != more)
      return fail(Errc::invalid_argument, fmt::format("{} new partitions need as many assignments; {} are given", more,
                                                      request.assignments->size()));
    std::vector<std::pair<std::int32_t, std::vector<std::int32_t>>> assignments;
    for (const std::vector<std::int32_t>& nodes : *request.assignments)
      assignments.emplace_back(static_cast<std::int32_t>(have) + static_cast<std::int32_t>(assignments.size()), nodes);
    if (auto ok = check_assignments(context_.options, have, assignments); !ok) return fail(ok.error());
  }
  if (request.validate_only) {
    if (auto room = jobs_.has_room_for(static_cast<std::size_t>(more)); !room) return fail(room.error());
    return topic;
  }
  auto placed = jobs_.place(static_cast<std::size_t>(more));
  if (!placed) return fail(placed.error());
  topic->growing = std::move(*placed);
  return topic;
}

Result<TopicInfo> TopicChangeService::plan_settings(const AlterTopicRequest& request) const {
  auto topic = live_topic(request.name);
  if (!topic) return topic;
  auto settings = change_topic_settings(topic->settings, request.changes, request.replace);
  if (!settings) return fail(settings.error());
  topic->altering = *settings != topic->settings;
  topic->settings = *settings;
  return topic;
}

}  // namespace sluice::broker
