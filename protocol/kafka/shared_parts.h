// Parts that messages of several APIs have in common.
// Owner: protocol/kafka.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "protocol/base/ids.h"
#include "protocol/kafka/api.h"
#include "protocol/kafka/error_codes.h"
#include "protocol/kafka/field.h"

namespace sluice::kafka {

/// Who leads a partition now, sent along with errors that mean 'ask elsewhere' (KIP-951).
struct LeaderIdAndEpoch {
  NodeId leader_id{-1};
  LeaderEpoch leader_epoch{-1};

  friend bool operator==(const LeaderIdAndEpoch&, const LeaderIdAndEpoch&) = default;
  template <class A>
  void io(A& a) {
    a(leader_id);
    a(leader_epoch);
  }
};

/// Where a node named in such an answer listens.
struct NodeEndpoint {
  NodeId node_id;
  std::string host;
  std::int32_t port = 0;
  std::optional<std::string> rack;

  friend bool operator==(const NodeEndpoint&, const NodeEndpoint&) = default;
  template <class A>
  void io(A& a) {
    a(node_id);
    a(host);
    a(port);
    a(rack, nullable);
  }
};

/// `*_authorized_operations` when they were not asked for.
inline constexpr std::int32_t kOperationsNotAsked = std::numeric_limits<std::int32_t>::min();

}  // namespace sluice::kafka
