// LAYOUT and WATCH_LAYOUT: topics, and who leads their partitions, from this shard's picture of the cluster.
#include <fmt/core.h>

#include "broker/listener/native_handlers.h"
#include "broker/listener/native_session.h"
#include "protocol/base/topic_pattern.h"
#include "protocol/native/layout.pb.h"

namespace sluice::broker {
namespace {

using native::FrameKind;

constexpr Millis kCreateTimeout{10'000};

void fill_partition(const BrokerApi& broker, const TopicInfo& topic, std::size_t index,
                    native::pb::PartitionLayout& into) {
  const std::optional<LeaderEpoch> epoch = broker.leader_epoch(topic, PartitionIndex(static_cast<std::int32_t>(index)));
  into.set_leader_epoch(epoch ? epoch->value : -1);
  if (epoch) into.set_leader_node(broker.cluster().leadership(topic.partitions[index].group).leader.value);
}

/// Why a topic that was asked for by name is not in the answer.
std::optional<Error> absence(const TopicInfo* topic, const std::string& name) {
  if (auto legal = native::to_topic(name, {}); !legal) return Error{Errc::invalid_topic, legal.error().message};
  if (topic == nullptr || topic->phase == TopicPhase::deleting)
    return Error{Errc::unknown_topic, fmt::format("there is no topic '{}'", name)};
  if (topic->phase == TopicPhase::creating)
    return Error{Errc::not_ready, fmt::format("topic '{}' is being created", name)};
  return std::nullopt;
}

bool found_by_pattern(const TopicInfo& topic, const std::vector<TopicPattern>& patterns, bool all) {
  if (topic.internal || topic.name.starts_with('_') || topic.phase != TopicPhase::live) return false;
  return all || std::any_of(patterns.begin(), patterns.end(), [&](const auto& p) { return p.matches(topic.name); });
}

void answer_layout(NativeCall& call, const native::pb::Layout& asked) {
  const BrokerApi& broker = call.broker();
  std::vector<TopicPattern> patterns;
  for (const std::string& text : asked.patterns()) {
    auto pattern = TopicPattern::parse(text);
    if (!pattern) return call.fail(pattern.error());
    patterns.push_back(std::move(*pattern));
  }
  native::pb::LayoutReply reply;
  reply.set_revision(broker.layout_revision());
  fill_nodes(broker.cluster(), *reply.mutable_nodes());
  for (const std::string& name : asked.names()) {
    const TopicInfo* const topic = broker.cluster().find(name);
    if (const auto missing = absence(topic, name)) {
      native::pb::Error& error = *reply.add_errors();
      call.fill(error, *missing);
      error.set_topic(name);
    } else if (!found_by_pattern(*topic, patterns, asked.all())) {
      fill_topic(broker, *topic, asked.with_settings(), *reply.add_topics());
    }
  }
  if (asked.all() || !patterns.empty()) {
    for (const auto& [name, topic] : broker.cluster().topics()) {
      if (found_by_pattern(topic, patterns, asked.all()))
        fill_topic(broker, topic, asked.with_settings(), *reply.add_topics());
    }
  }
  call.reply(FrameKind::layout_reply, reply);
}

/// The topics that are to be made before the answer.
std::vector<CreateTopicRequest> to_create(const BrokerApi& broker, const native::pb::Layout& asked) {
  std::vector<CreateTopicRequest> topics;
  if (!asked.create_missing() || !broker.auto_create_allowed()) return topics;
  for (const std::string& name : asked.names()) {
    const TopicInfo* const topic = broker.cluster().find(name);
    if (topic == nullptr && check_topic_name(name)) topics.push_back({.name = name, .assignments = {}, .settings = {}});
  }
  return topics;
}

}  // namespace

void fill_nodes(const ClusterView& cluster, google::protobuf::RepeatedPtrField<native::pb::Node>& nodes) {
  for (const auto& [id, node] : cluster.nodes()) {
    if (node.native_port == 0) continue;
    native::pb::Node& to = *nodes.Add();
    to.set_id(id.value);
    to.set_host(node.native_host);
    to.set_port(static_cast<std::uint32_t>(node.native_port));
  }
}

void fill_topic(const BrokerApi& broker, const TopicInfo& topic, bool with_settings, native::pb::TopicLayout& into) {
  into.set_name(topic.name);
  into.set_topic_id(std::string(native::topic_id_bytes(topic.id)));
  into.set_storage(topic.settings.storage == TopicStorage::memory ? native::pb::STORAGE_MEMORY
                                                                  : native::pb::STORAGE_LOG);
  for (std::size_t index = 0; index < topic.partitions.size(); ++index)
    fill_partition(broker, topic, index, *into.add_partitions());
  if (!with_settings) return;
  for (const TopicSettingText& setting : describe_topic_settings(topic.settings)) {
    if (setting.is_default) continue;
    native::pb::Setting& to = *into.add_settings();
    to.set_name(setting.name);
    to.set_value(setting.value);
  }
}

void handle_layout(NativeCallPtr call) {
  auto asked = call->parse<native::pb::Layout>();
  if (!asked) return;
  std::vector<CreateTopicRequest> missing = to_create(call->broker(), *asked);
  if (missing.empty()) return answer_layout(*call, *asked);
  BrokerApi& broker = call->broker();
  broker.create_topics(std::move(missing), kCreateTimeout,
                       [call = std::move(call), asked = std::move(*asked)](std::vector<CreateTopicResult>) {
                         answer_layout(*call, asked);  // what could not be made is missing in it
                       });
}

void handle_watch_layout(NativeCallPtr call) {
  const auto asked = call->parse<native::pb::WatchLayout>();
  if (!asked) return;
  if (const auto session = call->session()) session->watch_layout(call->frame().id, asked->known_revision());
  call->context().layout_watched();
  call->finish();
}

}  // namespace sluice::broker
