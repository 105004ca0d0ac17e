// Produce: record batches for partitions (API 0). Source: Apache Kafka's public ProduceRequest and ProduceResponse.
// Topic names of the response are views too, usually into the request's frame: they must outlive its encoding.
// Owner: protocol/kafka.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/kafka/shared_parts.h"

namespace sluice::kafka {

struct ProducePartition {
  PartitionIndex index;
  std::optional<ByteSpan> records;  ///< a view into the frame; from v3 on exactly one record batch

  template <class A>
  void io(A& a) {
    a(index);
    a(records, nullable);
  }
};
struct ProduceTopic {
  std::string_view name;
  std::vector<ProducePartition> partition_data;

  template <class A>
  void io(A& a) {
    a(name);
    a(partition_data);
  }
};
struct ProduceRequest {
  static constexpr ApiKey kApi = ApiKey::produce;
  std::optional<std::string_view> transactional_id;
  std::int16_t acks = 0;  ///< 0 no response, 1 the leader's journal, -1 committed
  std::int32_t timeout_ms = 0;
  std::vector<ProduceTopic> topic_data;

  template <class A>
  void io(A& a) {
    a(transactional_id, since(3), nullable);
    a(acks);
    a(timeout_ms);
    a(topic_data);
  }
};

struct BatchIndexAndErrorMessage {
  std::int32_t batch_index = 0;
  std::optional<std::string> batch_index_error_message;

  template <class A>
  void io(A& a) {
    a(batch_index);
    a(batch_index_error_message, nullable);
  }
};
struct ProducePartitionResponse {
  PartitionIndex index;
  ErrorCode error_code = ErrorCode::none;
  Offset base_offset{-1};
  std::int64_t log_append_time_ms = -1;
  Offset log_start_offset{-1};
  std::vector<BatchIndexAndErrorMessage> record_errors;
  std::optional<std::string> error_message;
  LeaderIdAndEpoch current_leader;

  template <class A>
  void io(A& a) {
    a(index);
    a(error_code);
    a(base_offset);
    a(log_append_time_ms, since(2));
    a(log_start_offset, since(5));
    a(record_errors, since(8));
    a(error_message, since(8), nullable);
    a(current_leader, since(10), tagged<0>);
  }
};
struct ProduceTopicResponse {
  std::string_view name;
  std::vector<ProducePartitionResponse> partition_responses;

  template <class A>
  void io(A& a) {
    a(name);
    a(partition_responses);
  }
};
struct ProduceResponse {
  static constexpr ApiKey kApi = ApiKey::produce;
  std::vector<ProduceTopicResponse> responses;
  std::int32_t throttle_time_ms = 0;
  std::vector<NodeEndpoint> node_endpoints;

  template <class A>
  void io(A& a) {
    a(responses);
    a(throttle_time_ms, since(1));
    a(node_endpoints, since(10), tagged<0>);
  }
};

}  // namespace sluice::kafka
