// CreateTopics (API 19). Source: Apache Kafka's public CreateTopicsRequest and CreateTopicsResponse.
// Owner: protocol/kafka.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/kafka/shared_parts.h"

namespace sluice::kafka {

struct CreatableReplicaAssignment {
  PartitionIndex partition_index;
  std::vector<NodeId> broker_ids;

  template <class A>
  void io(A& a) {
    a(partition_index);
    a(broker_ids);
  }
};
struct CreatableTopicConfig {
  std::string_view name;
  std::optional<std::string_view> value;

  template <class A>
  void io(A& a) {
    a(name);
    a(value, nullable);
  }
};
struct CreatableTopic {
  std::string_view name;
  std::int32_t num_partitions = -1;      ///< -1: the default, or given by assignments
  std::int16_t replication_factor = -1;  ///< likewise
  std::vector<CreatableReplicaAssignment> assignments;
  std::vector<CreatableTopicConfig> configs;

  template <class A>
  void io(A& a) {
    a(name);
    a(num_partitions);
    a(replication_factor);
    a(assignments);
    a(configs);
  }
};
struct CreateTopicsRequest {
  static constexpr ApiKey kApi = ApiKey::create_topics;
  std::vector<CreatableTopic> topics;
  std::int32_t timeout_ms = 60'000;
  bool validate_only = false;

  template <class A>
  void io(A& a) {
    a(topics);
    a(timeout_ms);
    a(validate_only);
  }
};

struct CreatedTopicConfig {
  std::string name;
  std::optional<std::string> value;
  bool read_only = false;
  std::int8_t config_source = -1;
  bool is_sensitive = false;

  template <class A>
  void io(A& a) {
    a(name);
    a(value, nullable);
    a(read_only);
    a(config_source);
    a(is_sensitive);
  }
};
struct CreatedTopic {
  std::string name;
  TopicId topic_id;
  ErrorCode error_code = ErrorCode::none;
  std::optional<std::string> error_message;
  ErrorCode topic_config_error_code = ErrorCode::none;
  std::int32_t num_partitions = -1;
  std::int16_t replication_factor = -1;
  std::optional<std::vector<CreatedTopicConfig>> configs;

  template <class A>
  void io(A& a) {
    a(name);
    a(topic_id, since(7));
    a(error_code);
    a(error_message, nullable);
    a(topic_config_error_code, since(5), tagged<0>);
    a(num_partitions, since(5));
    a(replication_factor, since(5));
    a(configs, since(5), nullable);
  }
};
struct CreateTopicsResponse {
  static constexpr ApiKey kApi = ApiKey::create_topics;
  std::int32_t throttle_time_ms = 0;
  std::vector<CreatedTopic> topics;

  template <class A>
  void io(A& a) {
    a(throttle_time_ms);
    a(topics);
  }
};

}  // namespace sluice::kafka
