// FindCoordinator: which node coordinates a group or a transactional id (API 10). Up to v3 one key, from v4 on many.
// Source: Apache Kafka's public FindCoordinatorRequest and FindCoordinatorResponse.
// Owner: protocol/kafka.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/kafka/shared_parts.h"

namespace sluice::kafka {

struct FindCoordinatorRequest {
  static constexpr ApiKey kApi = ApiKey::find_coordinator;
  std::string_view key;
  std::int8_t key_type = 0;  ///< 0 group, 1 transaction, 2 share group
  std::vector<std::string_view> coordinator_keys;

  template <class A>
  void io(A& a) {
    a(key, until(3));
    a(key_type, since(1));
    a(coordinator_keys, since(4));
  }
};

struct Coordinator {
  std::string key;
  NodeId node_id{-1};
  std::string host;
  std::int32_t port = -1;
  ErrorCode error_code = ErrorCode::none;
  std::optional<std::string> error_message;

  template <class A>
  void io(A& a) {
    a(key);
    a(node_id);
    a(host);
    a(port);
    a(error_code);
    a(error_message, nullable);
  }
};
struct FindCoordinatorResponse {
  static constexpr ApiKey kApi = ApiKey::find_coordinator;
  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::optional<std::string> error_message;
  NodeId node_id{-1};
  std::string host;
  std::int32_t port = -1;
  std::vector<Coordinator> coordinators;

  template <class A>
  void io(A& a) {
    a(throttle_time_ms, since(1));
    a(error_code, until(3));
    a(error_message, since(1), until(3), nullable);
    a(node_id, until(3));
    a(host, until(3));
    a(port, until(3));
    a(coordinators, since(4));
  }
};

}  // namespace sluice::kafka
