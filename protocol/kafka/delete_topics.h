// DeleteTopics (API 20): by name, from v6 on by name or id. Source: Apache Kafka's public DeleteTopicsRequest and
// DeleteTopicsResponse.
// Owner: protocol/kafka.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/kafka/shared_parts.h"

namespace sluice::kafka {

struct DeleteTopicState {
  std::optional<std::string_view> name;  ///< null when the topic is named by its id
  TopicId topic_id;

  template <class A>
  void io(A& a) {
    a(name, nullable);
    a(topic_id);
  }
};
struct DeleteTopicsRequest {
  static constexpr ApiKey kApi = ApiKey::delete_topics;
  std::vector<DeleteTopicState> topics;       ///< v6
  std::vector<std::string_view> topic_names;  ///< before v6
  std::int32_t timeout_ms = 0;

  template <class A>
  void io(A& a) {
    a(topics, since(6));
    a(topic_names, until(5));
    a(timeout_ms);
  }
};

struct DeletableTopicResult {
  std::optional<std::string> name;
  TopicId topic_id;
  ErrorCode error_code = ErrorCode::none;
  std::optional<std::string> error_message;

  template <class A>
  void io(A& a) {
    a(name, nullable_since(6));
    a(topic_id, since(6));
    a(error_code);
    a(error_message, since(5), nullable);
  }
};
struct DeleteTopicsResponse {
  static constexpr ApiKey kApi = ApiKey::delete_topics;
  std::int32_t throttle_time_ms = 0;
  std::vector<DeletableTopicResult> responses;

  template <class A>
  void io(A& a) {
    a(throttle_time_ms);
    a(responses);
  }
};

}  // namespace sluice::kafka
