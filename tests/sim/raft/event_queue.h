// Virtual time: what is due runs in the order of its time, and at one time in the order in which it was put in. Owner:
// a SimCluster; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

namespace sluice::broker::sim {

using Micros = std::uint64_t;

class EventQueue {
 public:
  Micros now() const { return now_; }
  void at(Micros when, std::function<void()> run) {
    events_.push({when < now_ ? now_ : when, ++order_, std::move(run)});
  }
  void after(Micros delay, std::function<void()> run) { at(now_ + delay, std::move(run)); }
  /// Runs all that is due up to `end`, unless `stop` says so in between.
  template <class Stop>
  void run_until(Micros end, Stop stop) {
    while (!events_.empty() && events_.top().when <= end && !stop()) {
      auto run = std::move(const_cast<Event&>(events_.top()).run);
      now_ = events_.top().when;
      events_.pop();
      run();
    }
    if (!stop() && now_ < end) now_ = end;
  }

 private:
  struct Event {
    Micros when;
    std::uint64_t order;
    std::function<void()> run;
    bool operator<(const Event& other) const { return when != other.when ? when > other.when : order > other.order; }
  };
  Micros now_ = 0;
  std::uint64_t order_ = 0;
  std::priority_queue<Event> events_;
};

}  // namespace sluice::broker::sim
