// The timers of one loop: a heap by time, and the callbacks by id so that cancelling is cheap. Cancelled timers leave
// the heap lazily, and all at once when they outnumber the living: arming and cancelling a timer for each waiting
// fetch costs no search and no memory that grows.
// Invariants: of timers with the same time the older runs first; a callback armed while timers fire waits for the next
// round. Thread safety: one thread. Owner: broker/net.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "protocol/base/clock.h"

namespace sluice::broker {

class TimerHeap {
 public:
  Clock::TimerId add(SteadyTime when, UniqueFunction<void()> callback);
  void cancel(Clock::TimerId id);
  /// Runs what is due at `now`. Returns how many callbacks ran.
  std::size_t fire(SteadyTime now);
  /// When the earliest living timer is due.
  std::optional<SteadyTime> next_due();

  std::size_t living() const { return callbacks_.size(); }
  std::size_t heap_size() const { return heap_.size(); }

 private:
  struct Entry {
    SteadyTime when;
    Clock::TimerId id;
  };
  static bool later(const Entry& a, const Entry& b) { return a.when != b.when ? a.when > b.when : a.id > b.id; }
  void drop_top();
  void compact();

  std::vector<Entry> heap_;
  std::unordered_map<Clock::TimerId, UniqueFunction<void()>> callbacks_;
  Clock::TimerId last_id_ = 0;
};

}  // namespace sluice::broker
