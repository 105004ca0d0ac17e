// What every shard knows of the cluster: the typed picture of the table `_cluster`, and who leads which group. Each
// shard keeps its own copy, fed with row changes and role changes as messages. Pure.
//
// Rows of `_cluster` (values are Protobuf, cluster.proto):
//   topic/NAME       TopicRow
//   epoch_floor      NumberRow       every new partition's leader epoch begins above it; fits an int32
//   producer_ids     NumberRow       the next producer id that was not given to any node
//   node/ID          NodeRow         its advertised addresses
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/topic_settings.h"
#include "protocol/base/error.h"
#include "protocol/base/ids.h"

namespace sluice::broker {

inline constexpr std::string_view kClusterTable = "_cluster";
inline constexpr std::string_view kEpochFloorKey = "epoch_floor";
inline constexpr std::string_view kProducerIdsKey = "producer_ids";
inline constexpr GroupId kControllerGroup{0};
inline constexpr std::size_t kMaxTopicNameSize = 249;
inline constexpr std::size_t kMaxPartitionsOfTopic = 40'000;  ///< its row must fit into a table's largest row

enum class TopicPhase : std::uint8_t { creating = 1, live = 2, deleting = 3 };

struct PartitionPlacement {
  GroupId group;
  LeaderEpoch epoch_base;
  friend bool operator==(const PartitionPlacement&, const PartitionPlacement&) = default;
};

struct TopicInfo {
  std::string name;
  TopicId id;
  TopicPhase phase = TopicPhase::creating;
  bool internal = false;
  std::int16_t replication_factor = 1;
  TopicSettings settings;
  std::vector<PartitionPlacement> partitions;  ///< by partition index
  std::vector<PartitionPlacement> growing;     ///< of a live topic: behind `partitions`, being made, not served yet
  bool altering = false;                       ///< of a live topic: `settings` have not reached every partition yet
  std::uint64_t revision = 0;                  ///< of its row; not encoded
  friend bool operator==(const TopicInfo&, const TopicInfo&) = default;
};
std::string topic_row_key(std::string_view name);
std::string encode_topic_row(const TopicInfo& topic);
Result<TopicInfo> decode_topic_row(std::string_view name, std::string_view value);

struct NodeInfo {
  NodeId id;
  std::string kafka_host;
  int kafka_port = 0;
  std::string native_host = {};
  int native_port = 0;  ///< 0 = it has no native listener
  friend bool operator==(const NodeInfo&, const NodeInfo&) = default;
};
std::string node_row_key(NodeId id);
std::string encode_node_row(const NodeInfo& node);
Result<NodeInfo> decode_node_row(std::string_view value);

std::string encode_number_row(std::int64_t value);  ///< epoch_floor, producer_ids; >= 0
Result<std::int64_t> decode_number_row(std::string_view value);

struct GroupLeadership {
  NodeId leader;  ///< 0 = unknown
  Term term;
  bool ready = false;  ///< leads here, past its barrier
};

/// Kafka's rules: 1-249 characters of [a-zA-Z0-9._-], not "." or ".."; names that begin with '_' belong to the broker.
Result<void> check_topic_name(std::string_view name);

class ClusterView {
 public:
  /// Takes one row change. Rows of unknown kinds are ignored. Errors: malformed; then nothing changed.
  Result<void> apply_row(std::string_view key, std::optional<std::string_view> value, std::uint64_t revision);
  void set_leadership(GroupId group, GroupLeadership leadership);

  const TopicInfo* find(std::string_view name) const;
  const TopicInfo* find(const TopicId& id) const;
  const std::map<std::string, TopicInfo, std::less<>>& topics() const { return topics_; }
  const std::map<NodeId, NodeInfo>& nodes() const { return nodes_; }
  GroupLeadership leadership(GroupId group) const;
  const std::map<GroupId, GroupLeadership>& groups() const { return groups_; }
  std::size_t partition_count() const { return partition_count_; }  ///< of all topics but internal ones
  std::size_t partitions_in(GroupId group) const;
  std::int64_t epoch_floor() const { return epoch_floor_; }
  std::uint64_t epoch_floor_revision() const { return epoch_floor_revision_; }

 private:
  Result<void> apply_topic(std::string_view name, std::optional<std::string_view> value, std::uint64_t revision);
  Result<void> apply_node(std::string_view key, std::optional<std::string_view> value);
  void forget_topic(std::string_view name);
  void count_partitions(const TopicInfo& topic, bool more);

  std::map<std::string, TopicInfo, std::less<>> topics_;
  std::map<TopicId, std::string> names_by_id_;
  std::map<NodeId, NodeInfo> nodes_;
  std::map<GroupId, GroupLeadership> groups_;
  std::map<GroupId, std::size_t> partitions_by_group_;  ///< those with none are absent
  std::size_t partition_count_ = 0;
  std::int64_t epoch_floor_ = 0;
  std::uint64_t epoch_floor_revision_ = 0;
};

/// Chooses groups for `count` new partitions among those whose leadership was ever told: each goes to the one with the
/// fewest partitions then, ties by id; never the controller. Empty where there is no group. O(groups + count log
/// groups).
std::vector<GroupId> place_partitions(const ClusterView& view, std::size_t count);

}  // namespace sluice::broker
