// ListOffsets: the offset that belongs to a time, or to an end of the log (API 2). Source: Apache Kafka's public
// ListOffsetsRequest and ListOffsetsResponse.
// Owner: protocol/kafka.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/kafka/shared_parts.h"

namespace sluice::kafka {

/// Values of `timestamp` that are no times.
inline constexpr std::int64_t kLatestTimestamp = -1;
inline constexpr std::int64_t kEarliestTimestamp = -2;
inline constexpr std::int64_t kMaxTimestamp = -3;            ///< the record with the highest time, v7
inline constexpr std::int64_t kEarliestLocalTimestamp = -4;  ///< v8

struct ListOffsetsPartition {
  PartitionIndex partition_index;
  LeaderEpoch current_leader_epoch{-1};
  std::int64_t timestamp = 0;

  template <class A>
  void io(A& a) {
    a(partition_index);
    a(current_leader_epoch, since(4));
    a(timestamp);
  }
};
struct ListOffsetsTopic {
  std::string_view name;
  std::vector<ListOffsetsPartition> partitions;

  template <class A>
  void io(A& a) {
    a(name);
    a(partitions);
  }
};
struct ListOffsetsRequest {
  static constexpr ApiKey kApi = ApiKey::list_offsets;
  NodeId replica_id{-1};
  std::int8_t isolation_level = 0;
  std::vector<ListOffsetsTopic> topics;

  template <class A>
  void io(A& a) {
    a(replica_id);
    a(isolation_level, since(2));
    a(topics);
  }
};

struct ListOffsetsPartitionResponse {
  PartitionIndex partition_index;
  ErrorCode error_code = ErrorCode::none;
  std::int64_t timestamp = -1;
  Offset offset{-1};
  LeaderEpoch leader_epoch{-1};

  template <class A>
  void io(A& a) {
    a(partition_index);
    a(error_code);
    a(timestamp);
    a(offset);
    a(leader_epoch, since(4));
  }
};
struct ListOffsetsTopicResponse {
  std::string name;
  std::vector<ListOffsetsPartitionResponse> partitions;

  template <class A>
  void io(A& a) {
    a(name);
    a(partitions);
  }
};
struct ListOffsetsResponse {
  static constexpr ApiKey kApi = ApiKey::list_offsets;
  std::int32_t throttle_time_ms = 0;
  std::vector<ListOffsetsTopicResponse> topics;

  template <class A>
  void io(A& a) {
    a(throttle_time_ms, since(2));
    a(topics);
  }
};

}  // namespace sluice::kafka
