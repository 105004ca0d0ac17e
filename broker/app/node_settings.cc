#include "broker/app/node_settings.h"

#include <fmt/core.h>

#include <array>

namespace sluice::broker {
namespace {

struct Alias {
  std::string_view kafka, ours;
  SettingType type;
};
/// Kafka's word for a setting of ours.
constexpr std::array kAliases{
    Alias{"auto.create.topics.enable", "topics.auto_create", SettingType::boolean},
    Alias{"connections.max.idle.ms", "kafka.idle_timeout_ms", SettingType::int64},
    Alias{"log.dir", "data_dir", SettingType::text},
    Alias{"log.dirs", "data_dir", SettingType::list},
    Alias{"log.retention.check.interval.ms", "log.retention_check_ms", SettingType::int64},
    Alias{"max.connections", "kafka.max_connections", SettingType::int32},
    Alias{"num.partitions", "topics.default_partitions", SettingType::int32},
    Alias{"producer.id.expiration.ms", "log.producer_expiry_ms", SettingType::int32},
    Alias{"socket.request.max.bytes", "kafka.max_request_bytes", SettingType::int32},
};

/// Kafka's word for what a topic begins with: the default of a topic's setting.
struct TopicDefault {
  std::string_view kafka, topic;
};
constexpr std::array kTopicDefaults{
    TopicDefault{"compression.type", "compression.type"},
    TopicDefault{"log.cleanup.policy", "cleanup.policy"},
    TopicDefault{"log.message.timestamp.after.max.ms", "message.timestamp.after.max.ms"},
    TopicDefault{"log.message.timestamp.before.max.ms", "message.timestamp.before.max.ms"},
    TopicDefault{"log.message.timestamp.type", "message.timestamp.type"},
    TopicDefault{"log.retention.bytes", "retention.bytes"},
    TopicDefault{"log.retention.ms", "retention.ms"},
    TopicDefault{"log.roll.ms", "segment.ms"},
    TopicDefault{"log.segment.bytes", "segment.bytes"},
    TopicDefault{"message.max.bytes", "max.message.bytes"},
    TopicDefault{"min.insync.replicas", "min.insync.replicas"},
};

NodeSetting fixed(std::string_view name, std::string value, SettingType type, std::string_view help) {
  return {std::string(name), value, value, true, type, std::string(help), {}};
}

}  // namespace

std::vector<NodeSetting> describe_node_settings(const Settings& settings, const NodeIdentity& identity) {
  std::vector<NodeSetting> all;
  const std::vector<SettingText> ours = list_settings(settings);
  for (const SettingText& own : ours)
    all.push_back({own.name, own.value, own.default_value, own.value == own.default_value, own.type, own.help, {}});
  for (const Alias& alias : kAliases)
    for (const SettingText& own : ours)
      if (own.name == alias.ours)
        all.push_back({std::string(alias.kafka), own.value, own.default_value, own.value == own.default_value,
                       alias.type, own.help, own.name});
  for (const auto& [kafka, topic] : kTopicDefaults)
    for (const TopicSettingText& setting : describe_topic_settings({}))
      if (setting.name == topic) all.push_back(fixed(kafka, setting.value, setting.type, setting.help));
  all.push_back(fixed("broker.id", fmt::format("{}", identity.node.value), SettingType::int32, "The node's id."));
  all.push_back(fixed("node.id", fmt::format("{}", identity.node.value), SettingType::int32, "The node's id."));
  all.push_back(
      fixed("default.replication.factor", "1", SettingType::int32, "Replicas of a topic that asks for no number."));
  all.push_back(fixed("delete.topic.enable", "true", SettingType::boolean, "Whether topics can be deleted."));
  return all;
}

}  // namespace sluice::broker
