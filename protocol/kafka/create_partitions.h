// CreatePartitions: more partitions for a topic (API 37). Source: Apache Kafka's public CreatePartitionsRequest and
// CreatePartitionsResponse.
// Owner: protocol/kafka.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/kafka/shared_parts.h"

namespace sluice::kafka {

struct CreatePartitionsAssignment {
  std::vector<NodeId> broker_ids;

  template <class A>
  void io(A& a) {
    a(broker_ids);
  }
};
struct CreatePartitionsTopic {
  std::string_view name;
  std::int32_t count = 0;  ///< of partitions that the topic shall have in all
  std::optional<std::vector<CreatePartitionsAssignment>> assignments;

  template <class A>
  void io(A& a) {
    a(name);
    a(count);
    a(assignments, nullable);
  }
};
struct CreatePartitionsRequest {
  static constexpr ApiKey kApi = ApiKey::create_partitions;
  std::vector<CreatePartitionsTopic> topics;
  std::int32_t timeout_ms = 0;
  bool validate_only = false;

  template <class A>
  void io(A& a) {
    a(topics);
    a(timeout_ms);
    a(validate_only);
  }
};

struct CreatePartitionsTopicResult {
  std::string name;
  ErrorCode error_code = ErrorCode::none;
  std::optional<std::string> error_message;

  template <class A>
  void io(A& a) {
    a(name);
    a(error_code);
    a(error_message, nullable);
  }
};
struct CreatePartitionsResponse {
  static constexpr ApiKey kApi = ApiKey::create_partitions;
  std::int32_t throttle_time_ms = 0;
  std::vector<CreatePartitionsTopicResult> results;

  template <class A>
  void io(A& a) {
    a(throttle_time_ms);
    a(results);
  }
};

}  // namespace sluice::kafka
