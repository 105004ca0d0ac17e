// Bounds the idempotent producers that are remembered over all partitions of a node. At the cap new producers wait
// (their batches are answered `busy`) and none is evicted: an evicted one's retry would make a duplicate. Invariant:
// used() is what all PartitionStates of the node hold; a producer that is committed is always counted, even past the
// cap, since what the log says is not refused. Thread safety: any thread; the shards share one.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

#include "protocol/base/check.h"

namespace sluice::broker {

class ProducerBudget {
 public:
  explicit ProducerBudget(std::size_t max_producers) : max_(max_producers) {}

  bool full() const { return used() >= max_; }
  std::size_t used() const { return used_.load(std::memory_order_relaxed); }
  std::size_t max() const { return max_; }

  void add(std::size_t producers) { used_.fetch_add(producers, std::memory_order_relaxed); }
  void remove(std::size_t producers) {
    const std::size_t before = used_.fetch_sub(producers, std::memory_order_relaxed);
    CHECK(before >= producers, "a producer is given back once");
  }

 private:
  const std::size_t max_;
  std::atomic<std::size_t> used_{0};
};

inline std::shared_ptr<ProducerBudget> make_producer_budget(std::size_t max_producers) {
  return std::make_shared<ProducerBudget>(max_producers);
}

}  // namespace sluice::broker
