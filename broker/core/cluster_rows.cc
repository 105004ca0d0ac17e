// The rows of `_cluster`: keys, values, and what a topic may be called. Declared in cluster_view.h. Rows come from disk
// and from peers: every value is checked.
#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "broker/core/cluster.pb.h"
#include "broker/core/cluster_view.h"
#include "broker/core/stored_values.h"

namespace sluice::broker {
namespace {

template <class Message>
Result<Message> parse(std::string_view what, std::string_view value) {
  Message message;
  if (value.size() > std::numeric_limits<std::int32_t>::max() ||
      !message.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return fail(Errc::malformed,
                fmt::format("the value of {}, {} bytes, is not the message of its kind", what, value.size()));
  }
  return message;
}

bool legal_in_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

void store_placement(const PartitionPlacement& placement, pb::PartitionPlacement& into) {
  into.set_group(placement.group.value);
  into.set_epoch_base(placement.epoch_base.value);
}

template <class Stored>
Result<void> load_placements(const Stored& from, std::vector<PartitionPlacement>& into) {
  into.reserve(static_cast<std::size_t>(from.size()));
  for (const pb::PartitionPlacement& stored : from) {
    if (stored.epoch_base() < 0)
      return fail(Errc::malformed, fmt::format("epoch base {} is negative", stored.epoch_base()));
    into.push_back({GroupId(stored.group()), LeaderEpoch(stored.epoch_base())});
  }
  return {};
}

/// What holds for internal topics too.
Result<void> check_any_topic_name(std::string_view name) {
  if (name.empty()) return fail(Errc::invalid_topic, "a topic's name can't be empty");
  if (name.size() > kMaxTopicNameSize) {
    return fail(Errc::invalid_topic,
                fmt::format("a topic's name of {} characters is longer than {}", name.size(), kMaxTopicNameSize));
  }
  if (name == "." || name == "..") return fail(Errc::invalid_topic, fmt::format("a topic can't be called '{}'", name));
  if (!std::all_of(name.begin(), name.end(), legal_in_name)) {
    return fail(Errc::invalid_topic,
                "a topic's name consists of the letters a-z and A-Z, digits, '.', '_' and '-' alone");
  }
  return {};
}

}  // namespace

Result<void> check_topic_name(std::string_view name) {
  if (auto ok = check_any_topic_name(name); !ok) return ok;
  if (name.front() == '_') {
    return fail(Errc::invalid_topic, fmt::format("topic '{}': names that begin with '_' belong to the broker", name));
  }
  return {};
}

std::string topic_row_key(std::string_view name) { return "topic/" + std::string(name); }

std::string encode_topic_row(const TopicInfo& topic) {
  pb::TopicRow row;
  row.set_id(store_topic_id(topic.id));
  row.set_phase(static_cast<std::uint32_t>(topic.phase));
  row.set_internal(topic.internal);
  row.set_replication_factor(topic.replication_factor);
  store_settings(topic.settings, *row.mutable_settings());
  for (const PartitionPlacement& placement : topic.partitions) store_placement(placement, *row.add_partitions());
  for (const PartitionPlacement& placement : topic.growing) store_placement(placement, *row.add_growing());
  row.set_altering(topic.altering);
  return serialized(row);
}

Result<TopicInfo> decode_topic_row(std::string_view name, std::string_view value) {
  if (auto ok = check_any_topic_name(name); !ok) return fail(Errc::malformed, "a topic's row: " + ok.error().message);
  const auto broken = [&](std::string_view what) {
    return fail(Errc::malformed, fmt::format("the row of topic {}: {}", name, what));
  };
  const Result<pb::TopicRow> row = parse<pb::TopicRow>("a topic's row", value);
  if (!row) return broken(row.error().message);
  TopicInfo topic;
  topic.name = name;
  const Result<TopicId> id = load_topic_id(row->id());
  if (!id) return broken(id.error().message);
  topic.id = *id;
  if (row->phase() < static_cast<std::uint32_t>(TopicPhase::creating) ||
      row->phase() > static_cast<std::uint32_t>(TopicPhase::deleting)) {
    return broken(fmt::format("there is no phase {}", row->phase()));
  }
  topic.phase = static_cast<TopicPhase>(row->phase());
  topic.internal = row->internal();
  if (row->replication_factor() < 1 || row->replication_factor() > std::numeric_limits<std::int16_t>::max()) {
    return broken(fmt::format("replication factor {}", row->replication_factor()));
  }
  topic.replication_factor = static_cast<std::int16_t>(row->replication_factor());
  const Result<TopicSettings> settings = load_settings(row->settings());
  if (!settings) return broken(settings.error().message);
  topic.settings = *settings;
  const auto count = static_cast<std::size_t>(row->partitions_size()) + static_cast<std::size_t>(row->growing_size());
  if (count > kMaxPartitionsOfTopic)
    return broken(fmt::format("{} partitions are more than {}", count, kMaxPartitionsOfTopic));
  if (auto ok = load_placements(row->partitions(), topic.partitions); !ok) return broken(ok.error().message);
  if (auto ok = load_placements(row->growing(), topic.growing); !ok) return broken(ok.error().message);
  topic.altering = row->altering();
  if (topic.phase != TopicPhase::live && (!topic.growing.empty() || topic.altering))
    return broken("a topic that is not live changes");
  return topic;
}

std::string node_row_key(NodeId id) { return fmt::format("node/{}", id.value); }

std::string encode_node_row(const NodeInfo& node) {
  pb::NodeRow row;
  row.set_id(node.id.value);
  row.set_kafka_host(node.kafka_host);
  row.set_kafka_port(static_cast<std::uint32_t>(node.kafka_port));
  row.set_native_host(node.native_host);
  row.set_native_port(static_cast<std::uint32_t>(node.native_port));
  return serialized(row);
}

Result<NodeInfo> decode_node_row(std::string_view value) {
  constexpr std::size_t kMaxHostSize = 255;
  const Result<pb::NodeRow> row = parse<pb::NodeRow>("a node's row", value);
  if (!row) return fail(row.error());
  const auto wrong = [](const std::string& host, std::uint32_t port) {
    return port > 65535 || host.size() > kMaxHostSize;
  };
  if (row->id() < 1 || wrong(row->kafka_host(), row->kafka_port()) || wrong(row->native_host(), row->native_port())) {
    return fail(Errc::malformed, fmt::format("a node's row: id {}, hosts of {} and {} characters, ports {} and {}",
                                             row->id(), row->kafka_host().size(), row->native_host().size(),
                                             row->kafka_port(), row->native_port()));
  }
  return NodeInfo{NodeId(row->id()), row->kafka_host(), static_cast<int>(row->kafka_port()), row->native_host(),
                  static_cast<int>(row->native_port())};
}

std::string encode_number_row(std::int64_t value) {
  pb::NumberRow row;
  row.set_value(value);
  return serialized(row);
}

Result<std::int64_t> decode_number_row(std::string_view value) {
  const Result<pb::NumberRow> row = parse<pb::NumberRow>("a number's row", value);
  if (!row) return fail(row.error());
  if (!row->has_value() || row->value() < 0)
    return fail(Errc::malformed, "a number's row holds none, or a negative one");
  return row->value();
}

}  // namespace sluice::broker
