// Fetch: stored record batches of partitions (API 1). Source: Apache Kafka's public FetchRequest and FetchResponse.
// The response's records are gather lists of stored bytes; its topic names are views, usually into the request's frame,
// and must outlive its encoding.
// Owner: protocol/kafka.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "protocol/kafka/shared_parts.h"

namespace sluice::kafka {

struct ReplicaState {
  NodeId replica_id{-1};
  std::int64_t replica_epoch = -1;

  friend bool operator==(const ReplicaState&, const ReplicaState&) = default;
  template <class A>
  void io(A& a) {
    a(replica_id);
    a(replica_epoch);
  }
};
struct FetchPartition {
  PartitionIndex partition;
  LeaderEpoch current_leader_epoch{-1};
  Offset fetch_offset;
  LeaderEpoch last_fetched_epoch{-1};
  Offset log_start_offset{-1};  ///< of followers only
  std::int32_t partition_max_bytes = 0;

  template <class A>
  void io(A& a) {
    a(partition);
    a(current_leader_epoch, since(9));
    a(fetch_offset);
    a(last_fetched_epoch, since(12));
    a(log_start_offset, since(5));
    a(partition_max_bytes);
  }
};
struct FetchTopic {
  std::string_view topic;
  TopicId topic_id;
  std::vector<FetchPartition> partitions;

  template <class A>
  void io(A& a) {
    a(topic, until(12));
    a(topic_id, since(13));
    a(partitions);
  }
};
struct ForgottenTopic {
  std::string_view topic;
  TopicId topic_id;
  std::vector<PartitionIndex> partitions;

  template <class A>
  void io(A& a) {
    a(topic, until(12));
    a(topic_id, since(13));
    a(partitions);
  }
};
struct FetchRequest {
  static constexpr ApiKey kApi = ApiKey::fetch;
  std::optional<std::string_view> cluster_id;
  NodeId replica_id{-1};
  ReplicaState replica_state;
  std::int32_t max_wait_ms = 0;
  std::int32_t min_bytes = 0;
  std::int32_t max_bytes = std::numeric_limits<std::int32_t>::max();
  std::int8_t isolation_level = 0;  ///< 0 read_uncommitted, 1 read_committed
  std::int32_t session_id = 0;
  std::int32_t session_epoch = -1;
  std::vector<FetchTopic> topics;
  std::vector<ForgottenTopic> forgotten_topics_data;
  std::string_view rack_id;

  template <class A>
  void io(A& a) {
    a(cluster_id, since(12), nullable, tagged<0>);
    a(replica_id, until(14));
    a(replica_state, since(15), tagged<1>);
    a(max_wait_ms);
    a(min_bytes);
    a(max_bytes);
    a(isolation_level);
    a(session_id, since(7));
    a(session_epoch, since(7));
    a(topics);
    a(forgotten_topics_data, since(7));
    a(rack_id, since(11));
  }
};

struct EpochEndOffset {
  LeaderEpoch epoch{-1};
  Offset end_offset{-1};

  friend bool operator==(const EpochEndOffset&, const EpochEndOffset&) = default;
  template <class A>
  void io(A& a) {
    a(epoch);
    a(end_offset);
  }
};
struct SnapshotId {
  Offset end_offset{-1};
  LeaderEpoch epoch{-1};

  friend bool operator==(const SnapshotId&, const SnapshotId&) = default;
  template <class A>
  void io(A& a) {
    a(end_offset);
    a(epoch);
  }
};
struct AbortedTransaction {
  ProducerId producer_id;
  Offset first_offset;

  template <class A>
  void io(A& a) {
    a(producer_id);
    a(first_offset);
  }
};
struct FetchPartitionResponse {
  PartitionIndex partition_index;
  ErrorCode error_code = ErrorCode::none;
  Offset high_watermark{-1};
  Offset last_stable_offset{-1};
  Offset log_start_offset{-1};
  EpochEndOffset diverging_epoch;
  LeaderIdAndEpoch current_leader;
  SnapshotId snapshot_id;
  std::optional<std::vector<AbortedTransaction>> aborted_transactions;  ///< null for read_uncommitted
  NodeId preferred_read_replica{-1};
  /// Present even when empty: the Java client treats null as an empty set too, others do not.
  std::optional<Records> records = Records{};

  template <class A>
  void io(A& a) {
    a(partition_index);
    a(error_code);
    a(high_watermark);
    a(last_stable_offset);
    a(log_start_offset, since(5));
    a(diverging_epoch, since(12), tagged<0>);
    a(current_leader, since(12), tagged<1>);
    a(snapshot_id, since(12), tagged<2>);
    a(aborted_transactions, nullable);
    a(preferred_read_replica, since(11));
    a(records, nullable);
  }
};
struct FetchTopicResponse {
  std::string_view topic;
  TopicId topic_id;
  std::vector<FetchPartitionResponse> partitions;

  template <class A>
  void io(A& a) {
    a(topic, until(12));
    a(topic_id, since(13));
    a(partitions);
  }
};
struct FetchResponse {
  static constexpr ApiKey kApi = ApiKey::fetch;
  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::int32_t session_id = 0;
  std::vector<FetchTopicResponse> responses;
  std::vector<NodeEndpoint> node_endpoints;

  template <class A>
  void io(A& a) {
    a(throttle_time_ms);
    a(error_code, since(7));
    a(session_id, since(7));
    a(responses);
    a(node_endpoints, since(16), tagged<0>);
  }
};

}  // namespace sluice::kafka
