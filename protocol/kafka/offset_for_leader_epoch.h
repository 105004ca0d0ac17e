// OffsetForLeaderEpoch: where the log of a leader epoch ends (API 23), by which clients notice truncation. Source:
// Apache Kafka's public OffsetForLeaderEpochRequest and OffsetForLeaderEpochResponse. Owner: protocol/kafka.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/kafka/shared_parts.h"

namespace sluice::kafka {

struct OffsetForLeaderPartition {
  PartitionIndex partition;
  LeaderEpoch current_leader_epoch{-1};
  LeaderEpoch leader_epoch{-1};

  template <class A>
  void io(A& a) {
    a(partition);
    a(current_leader_epoch);
    a(leader_epoch);
  }
};
struct OffsetForLeaderTopic {
  std::string_view topic;
  std::vector<OffsetForLeaderPartition> partitions;

  template <class A>
  void io(A& a) {
    a(topic);
    a(partitions);
  }
};
struct OffsetForLeaderEpochRequest {
  static constexpr ApiKey kApi = ApiKey::offset_for_leader_epoch;
  NodeId replica_id{-2};
  std::vector<OffsetForLeaderTopic> topics;

  template <class A>
  void io(A& a) {
    a(replica_id, since(3));
    a(topics);
  }
};

struct OffsetForLeaderPartitionResponse {
  ErrorCode error_code = ErrorCode::none;
  PartitionIndex partition;
  LeaderEpoch leader_epoch{-1};
  Offset end_offset{-1};

  template <class A>
  void io(A& a) {
    a(error_code);
    a(partition);
    a(leader_epoch);
    a(end_offset);
  }
};
struct OffsetForLeaderTopicResponse {
  std::string topic;
  std::vector<OffsetForLeaderPartitionResponse> partitions;

  template <class A>
  void io(A& a) {
    a(topic);
    a(partitions);
  }
};
struct OffsetForLeaderEpochResponse {
  static constexpr ApiKey kApi = ApiKey::offset_for_leader_epoch;
  std::int32_t throttle_time_ms = 0;
  std::vector<OffsetForLeaderTopicResponse> topics;

  template <class A>
  void io(A& a) {
    a(throttle_time_ms);
    a(topics);
  }
};

}  // namespace sluice::kafka
