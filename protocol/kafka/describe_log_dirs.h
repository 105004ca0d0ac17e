// DescribeLogDirs: how much partitions take on disk (API 35). Source: Apache Kafka's public DescribeLogDirsRequest and
// DescribeLogDirsResponse.
// Owner: protocol/kafka.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/kafka/shared_parts.h"

namespace sluice::kafka {

struct DescribableLogDirTopic {
  std::string_view topic;
  std::vector<PartitionIndex> partitions;

  template <class A>
  void io(A& a) {
    a(topic);
    a(partitions);
  }
};
struct DescribeLogDirsRequest {
  static constexpr ApiKey kApi = ApiKey::describe_log_dirs;
  std::optional<std::vector<DescribableLogDirTopic>> topics;  ///< null: all

  template <class A>
  void io(A& a) {
    a(topics, nullable);
  }
};

struct DescribeLogDirsPartition {
  PartitionIndex partition_index;
  std::int64_t partition_size = 0;  ///< bytes
  std::int64_t offset_lag = 0;
  bool is_future_key = false;

  template <class A>
  void io(A& a) {
    a(partition_index);
    a(partition_size);
    a(offset_lag);
    a(is_future_key);
  }
};
struct DescribeLogDirsTopic {
  std::string name;
  std::vector<DescribeLogDirsPartition> partitions;

  template <class A>
  void io(A& a) {
    a(name);
    a(partitions);
  }
};
struct DescribeLogDirsResult {
  ErrorCode error_code = ErrorCode::none;
  std::string log_dir;
  std::vector<DescribeLogDirsTopic> topics;
  std::int64_t total_bytes = -1;
  std::int64_t usable_bytes = -1;

  template <class A>
  void io(A& a) {
    a(error_code);
    a(log_dir);
    a(topics);
    a(total_bytes, since(4));
    a(usable_bytes, since(4));
  }
};
struct DescribeLogDirsResponse {
  static constexpr ApiKey kApi = ApiKey::describe_log_dirs;
  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::vector<DescribeLogDirsResult> results;

  template <class A>
  void io(A& a) {
    a(throttle_time_ms);
    a(error_code, since(3));
    a(results);
  }
};

}  // namespace sluice::kafka
