// Topics made, deleted, changed, grown and described.
#include <fmt/core.h>

#include <limits>
#include <utility>

#include "broker/listener/native_handlers.h"
#include "protocol/native/topics.pb.h"

namespace sluice::broker {
namespace {

using native::FrameKind;

/// The one outcome of a question about one topic.
template <class Outcome>
Outcome only(std::vector<Outcome> outcomes) {
  CHECK(outcomes.size() == 1, "one outcome a topic");
  return std::move(outcomes.front());
}

void reply_done(NativeCall& call, const Result<void>& outcome, std::string_view topic) {
  if (!outcome) return call.fail(outcome.error(), topic);
  call.reply(FrameKind::done, native::pb::Done());
}

void describe(NativeCall& call, const TopicInfo& topic, const std::vector<PartitionDescription>& partitions) {
  native::pb::TopicDescription reply;
  fill_topic(call.broker(), topic, true, *reply.mutable_topic());
  reply.set_replication_factor(static_cast<std::uint32_t>(topic.replication_factor));
  for (const TopicSettingText& setting : describe_topic_settings(topic.settings)) {
    auto& to = *reply.add_settings();
    to.set_name(setting.name);
    to.set_value(setting.value);
    to.set_default_value(setting.default_value);
    to.set_is_default(setting.is_default);
    to.set_help(std::string(setting.help));
  }
  for (const PartitionDescription& partition : partitions) {
    auto& to = *reply.add_partitions();
    if (partition.error) {
      call.fill(*to.mutable_error(), *partition.error);
      continue;
    }
    to.set_start_offset(partition.log_start_offset.value);
    to.set_end_offset(partition.high_watermark.value);
    to.set_size_bytes(partition.size_bytes);
  }
  call.reply(FrameKind::topic_description, reply);
}

}  // namespace

void handle_create_topic(NativeCallPtr call) {
  const auto asked = call->parse<native::pb::CreateTopic>();
  if (!asked) return;
  CreateTopicRequest topic;
  topic.name = asked->name();
  if (asked->partitions() > kMaxPartitionsOfTopic) {
    return call->fail(Errc::invalid_partitions, fmt::format("a topic has at most {} partitions, not {}",
                                                            kMaxPartitionsOfTopic, asked->partitions()));
  }
  if (asked->partitions() > 0) topic.partitions = static_cast<std::int32_t>(asked->partitions());
  if (asked->replication_factor() > static_cast<std::uint32_t>(std::numeric_limits<std::int16_t>::max())) {
    return call->fail(Errc::invalid_replication,
                      fmt::format("a replication factor of {} can't be had", asked->replication_factor()));
  }
  if (asked->replication_factor() > 0)
    topic.replication_factor = static_cast<std::int16_t>(asked->replication_factor());
  for (const native::pb::Setting& setting : asked->settings())
    topic.settings.emplace_back(setting.name(), setting.value());
  topic.validate_only = asked->validate_only();
  const Millis timeout = call->timeout(asked->timeout_ms());
  BrokerApi& broker = call->broker();
  broker.create_topics({std::move(topic)}, timeout, [call = std::move(call)](std::vector<CreateTopicResult> results) {
    const CreateTopicResult result = only(std::move(results));
    if (result.error) return call->fail(*result.error, result.topic.name);
    native::pb::TopicCreated reply;
    fill_topic(call->broker(), result.topic, true, *reply.mutable_topic());
    call->reply(FrameKind::topic_created, reply);
  });
}

void handle_delete_topic(NativeCallPtr call) {
  const auto asked = call->parse<native::pb::DeleteTopic>();
  if (!asked) return;
  auto topic = topic_ref(asked->name(), asked->topic_id());
  if (!topic) return call->fail(topic.error());
  const Millis timeout = call->timeout(asked->timeout_ms());
  BrokerApi& broker = call->broker();
  broker.delete_topics({std::move(*topic)}, timeout, [call = std::move(call)](std::vector<DeleteTopicResult> results) {
    const DeleteTopicResult result = only(std::move(results));
    if (result.error) return call->fail(*result.error, result.name);
    call->reply(FrameKind::done, native::pb::Done());
  });
}

void handle_alter_topic(NativeCallPtr call) {
  const auto asked = call->parse<native::pb::AlterTopic>();
  if (!asked) return;
  AlterTopicRequest topic;
  topic.name = asked->name();
  for (const native::pb::AlterTopic::Change& change : asked->changes()) {
    using Operation = TopicSettingChange::Operation;
    std::optional<std::string> value;
    if (change.has_value()) value = change.value();
    topic.changes.push_back({change.name(), value ? Operation::set : Operation::remove, std::move(value)});
  }
  topic.validate_only = asked->validate_only();
  const Millis timeout = call->timeout(asked->timeout_ms());
  BrokerApi& broker = call->broker();
  broker.alter_topics({std::move(topic)}, timeout,
                      [call = std::move(call), name = asked->name()](std::vector<Result<void>> results) {
                        reply_done(*call, only(std::move(results)), name);
                      });
}

void handle_grow_topic(NativeCallPtr call) {
  const auto asked = call->parse<native::pb::GrowTopic>();
  if (!asked) return;
  if (asked->partitions() > kMaxPartitionsOfTopic) {
    return call->fail(Errc::invalid_partitions, fmt::format("a topic has at most {} partitions, not {}",
                                                            kMaxPartitionsOfTopic, asked->partitions()));
  }
  GrowTopicRequest topic;
  topic.name = asked->name();
  topic.count = static_cast<std::int32_t>(asked->partitions());
  topic.validate_only = asked->validate_only();
  const Millis timeout = call->timeout(asked->timeout_ms());
  BrokerApi& broker = call->broker();
  broker.grow_topics({std::move(topic)}, timeout,
                     [call = std::move(call), name = asked->name()](std::vector<Result<void>> results) {
                       reply_done(*call, only(std::move(results)), name);
                     });
}

void handle_describe_topic(NativeCallPtr call) {
  const auto asked = call->parse<native::pb::DescribeTopic>();
  if (!asked) return;
  const auto ref = topic_ref(asked->name(), asked->topic_id());
  if (!ref) return call->fail(ref.error());
  const ClusterView& cluster = call->broker().cluster();
  const TopicInfo* const topic = ref->name.empty() ? cluster.find(ref->id) : cluster.find(ref->name);
  if (topic == nullptr || topic->phase != TopicPhase::live) {
    if (ref->name.empty()) return call->fail(Errc::unknown_topic_id, "there is no topic with id " + ref->id.hex());
    return call->fail(Error{Errc::unknown_topic, fmt::format("there is no topic '{}'", ref->name)}, ref->name);
  }
  std::vector<DescribePartitionPart> parts;
  for (std::size_t i = 0; i < topic->partitions.size(); ++i)
    parts.push_back({{topic->name, {}}, PartitionIndex(static_cast<std::int32_t>(i))});
  BrokerApi& broker = call->broker();
  const Millis timeout = call->context().settings.usual_timeout;
  // The topic as it is now: it may be gone or grown by the time of the answer.
  broker.describe_partitions(
      std::move(parts), timeout,
      [call = std::move(call), topic = std::make_shared<TopicInfo>(*topic)](
          std::vector<PartitionDescription> partitions) { describe(*call, *topic, partitions); });
}

}  // namespace sluice::broker
