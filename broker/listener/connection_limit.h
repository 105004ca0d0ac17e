// Bounds the Kafka connections of a node: the kernel spreads them over shards as it likes, so that a bound for each
// shard would refuse some while there is room. Invariant: used() is what all KafkaServers of the node have open. Thread
// safety: any thread; the shards share one.
#pragma once

#include <atomic>
#include <cstddef>

#include "protocol/base/check.h"

namespace sluice::broker {

class ConnectionLimit {
 public:
  explicit ConnectionLimit(std::size_t max_connections) : max_(max_connections) {}

  /// Takes a place; false: there is none.
  bool enter() {
    if (used_.fetch_add(1, std::memory_order_relaxed) < max_) return true;
    leave();
    return false;
  }
  void leave() { CHECK(used_.fetch_sub(1, std::memory_order_relaxed) > 0, "a place is given back once"); }
  std::size_t used() const { return used_.load(std::memory_order_relaxed); }
  std::size_t max() const { return max_; }

 private:
  const std::size_t max_;
  std::atomic<std::size_t> used_{0};
};

}  // namespace sluice::broker
