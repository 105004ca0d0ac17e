// Metadata: nodes, topics, partitions and their leaders (API 3). Source: Apache Kafka's public MetadataRequest and
// MetadataResponse.
// Owner: protocol/kafka.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/kafka/shared_parts.h"

namespace sluice::kafka {

struct MetadataRequestTopic {
  TopicId topic_id;  ///< zero when the topic is asked for by name
  std::optional<std::string_view> name;

  template <class A>
  void io(A& a) {
    a(topic_id, since(10));
    a(name, nullable_since(10));
  }
};
struct MetadataRequest {
  static constexpr ApiKey kApi = ApiKey::metadata;
  std::optional<std::vector<MetadataRequestTopic>> topics;
  bool allow_auto_topic_creation = true;  ///< versions without the field mean yes
  bool include_cluster_authorized_operations = false;
  bool include_topic_authorized_operations = false;

  template <class A>
  void io(A& a) {
    a(topics, nullable_since(1));
    a(allow_auto_topic_creation, since(4));
    a(include_cluster_authorized_operations, since(8), until(10));
    a(include_topic_authorized_operations, since(8));
  }
  /// An empty list means all topics in v0 and none from v1 on, where null means all.
  bool asks_for_all(std::int16_t version) const { return !topics || (version == 0 && topics->empty()); }
};

struct MetadataResponseBroker {
  NodeId node_id;
  std::string host;
  std::int32_t port = 0;
  std::optional<std::string> rack;

  template <class A>
  void io(A& a) {
    a(node_id);
    a(host);
    a(port);
    a(rack, since(1), nullable);
  }
};
struct MetadataResponsePartition {
  ErrorCode error_code = ErrorCode::none;
  PartitionIndex partition_index;
  NodeId leader_id{-1};
  LeaderEpoch leader_epoch{-1};
  std::vector<NodeId> replica_nodes;
  std::vector<NodeId> isr_nodes;
  std::vector<NodeId> offline_replicas;

  template <class A>
  void io(A& a) {
    a(error_code);
    a(partition_index);
    a(leader_id);
    a(leader_epoch, since(7));
    a(replica_nodes);
    a(isr_nodes);
    a(offline_replicas, since(5));
  }
};
struct MetadataResponseTopic {
  ErrorCode error_code = ErrorCode::none;
  std::optional<std::string> name;
  TopicId topic_id;
  bool is_internal = false;
  std::vector<MetadataResponsePartition> partitions;
  std::int32_t topic_authorized_operations = kOperationsNotAsked;

  template <class A>
  void io(A& a) {
    a(error_code);
    a(name, nullable_since(12));
    a(topic_id, since(10));
    a(is_internal, since(1));
    a(partitions);
    a(topic_authorized_operations, since(8));
  }
};
struct MetadataResponse {
  static constexpr ApiKey kApi = ApiKey::metadata;
  std::int32_t throttle_time_ms = 0;
  std::vector<MetadataResponseBroker> brokers;
  std::optional<std::string> cluster_id;
  NodeId controller_id{-1};
  std::vector<MetadataResponseTopic> topics;
  std::int32_t cluster_authorized_operations = kOperationsNotAsked;

  template <class A>
  void io(A& a) {
    a(throttle_time_ms, since(3));
    a(brokers);
    a(cluster_id, since(2), nullable);
    a(controller_id, since(1));
    a(topics);
    a(cluster_authorized_operations, since(8), until(10));
  }
};

}  // namespace sluice::kafka
