// DeleteRecords: moves the start of partitions' logs (API 21). Source: Apache Kafka's public DeleteRecordsRequest and
// DeleteRecordsResponse.
// Owner: protocol/kafka.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/kafka/shared_parts.h"

namespace sluice::kafka {

struct DeleteRecordsPartition {
  PartitionIndex partition_index;
  Offset offset;  ///< the new start; -1: the high watermark

  template <class A>
  void io(A& a) {
    a(partition_index);
    a(offset);
  }
};
struct DeleteRecordsTopic {
  std::string_view name;
  std::vector<DeleteRecordsPartition> partitions;

  template <class A>
  void io(A& a) {
    a(name);
    a(partitions);
  }
};
struct DeleteRecordsRequest {
  static constexpr ApiKey kApi = ApiKey::delete_records;
  std::vector<DeleteRecordsTopic> topics;
  std::int32_t timeout_ms = 0;

  template <class A>
  void io(A& a) {
    a(topics);
    a(timeout_ms);
  }
};

struct DeleteRecordsPartitionResult {
  PartitionIndex partition_index;
  Offset low_watermark{-1};
  ErrorCode error_code = ErrorCode::none;

  template <class A>
  void io(A& a) {
    a(partition_index);
    a(low_watermark);
    a(error_code);
  }
};
struct DeleteRecordsTopicResult {
  std::string name;
  std::vector<DeleteRecordsPartitionResult> partitions;

  template <class A>
  void io(A& a) {
    a(name);
    a(partitions);
  }
};
struct DeleteRecordsResponse {
  static constexpr ApiKey kApi = ApiKey::delete_records;
  std::int32_t throttle_time_ms = 0;
  std::vector<DeleteRecordsTopicResult> topics;

  template <class A>
  void io(A& a) {
    a(throttle_time_ms);
    a(topics);
  }
};

}  // namespace sluice::kafka
