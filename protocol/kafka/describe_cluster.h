// DescribeCluster: nodes and controller (API 60). Source: Apache Kafka's public DescribeClusterRequest and
// DescribeClusterResponse.
// Owner: protocol/kafka.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/kafka/shared_parts.h"

namespace sluice::kafka {

struct DescribeClusterRequest {
  static constexpr ApiKey kApi = ApiKey::describe_cluster;
  bool include_cluster_authorized_operations = false;
  std::int8_t endpoint_type = 1;  ///< 1 brokers, 2 controllers
  bool include_fenced_brokers = false;

  template <class A>
  void io(A& a) {
    a(include_cluster_authorized_operations);
    a(endpoint_type, since(1));
    a(include_fenced_brokers, since(2));
  }
};

struct DescribeClusterBroker {
  NodeId broker_id;
  std::string host;
  std::int32_t port = 0;
  std::optional<std::string> rack;
  bool is_fenced = false;

  template <class A>
  void io(A& a) {
    a(broker_id);
    a(host);
    a(port);
    a(rack, nullable);
    a(is_fenced, since(2));
  }
};
struct DescribeClusterResponse {
  static constexpr ApiKey kApi = ApiKey::describe_cluster;
  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::optional<std::string> error_message;
  std::int8_t endpoint_type = 1;
  std::string cluster_id;
  NodeId controller_id{-1};
  std::vector<DescribeClusterBroker> brokers;
  std::int32_t cluster_authorized_operations = kOperationsNotAsked;

  template <class A>
  void io(A& a) {
    a(throttle_time_ms);
    a(error_code);
    a(error_message, nullable);
    a(endpoint_type, since(1));
    a(cluster_id);
    a(controller_id);
    a(brokers);
    a(cluster_authorized_operations);
  }
};

}  // namespace sluice::kafka
