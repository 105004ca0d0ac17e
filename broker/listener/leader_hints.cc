#include "broker/listener/leader_hints.h"

#include <algorithm>

namespace sluice::broker {

kafka::LeaderIdAndEpoch known_leader(const BrokerApi& broker, const TopicInfo& topic, PartitionIndex partition) {
  const auto index = static_cast<std::size_t>(partition.value);
  if (partition.value < 0 || index >= topic.partitions.size()) return {};
  const ClusterView& cluster = broker.cluster();
  const NodeId leader = cluster.leadership(topic.partitions[index].group).leader;
  const std::optional<LeaderEpoch> epoch = broker.leader_epoch(topic, partition);
  if (leader.value <= 0 || !epoch || !cluster.nodes().contains(leader)) return {};
  return {leader, *epoch};
}

bool sends_elsewhere(kafka::ErrorCode code) {
  return code == kafka::ErrorCode::not_leader_or_follower || code == kafka::ErrorCode::fenced_leader_epoch;
}

kafka::LeaderIdAndEpoch LeaderHints::hint(const TopicRef& ref, PartitionIndex partition, kafka::ErrorCode code) {
  if (!sends_elsewhere(code)) return {};
  const ClusterView& cluster = broker_.cluster();
  const TopicInfo* topic = ref.name.empty() ? cluster.find(ref.id) : cluster.find(ref.name);
  if (!topic) return {};
  const kafka::LeaderIdAndEpoch leader = known_leader(broker_, *topic, partition);
  if (leader.leader_id.value < 0) return {};
  const bool listed = std::any_of(endpoints_.begin(), endpoints_.end(),
                                  [&](const auto& endpoint) { return endpoint.node_id == leader.leader_id; });
  if (!listed) {
    const NodeInfo& node = cluster.nodes().at(leader.leader_id);
    endpoints_.push_back({leader.leader_id, node.kafka_host, node.kafka_port, std::nullopt});
  }
  return leader;
}

}  // namespace sluice::broker
