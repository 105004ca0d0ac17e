// Virtual time for tests. A SimScheduler holds the events of a whole simulated world and steps from one to the next; a
// SimClock is what one shard of one node sees of it: the Clock seam, with a wall clock that can be wrong.
//
// Invariants: time never goes back; an event never runs before its time, nor inside the call that scheduled it; with
// the same calls and the same seed the same events run in the same order. Every event has an owner (a simulated
// process), so that a crash drops what the dead process had scheduled.
// Thread safety: one thread.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <unordered_map>

#include "protocol/base/clock.h"
#include "protocol/base/random.h"
#include "protocol/base/unique_function.h"

namespace sluice::sim {

/// A simulated process. 0 is the test itself.
using OwnerId = std::uint64_t;

/// What decides between events that are due at the same time.
enum class TieBreak {
  stable,  ///< the one scheduled first runs first
  seeded,  ///< a random one: finds code that relies on an order which nobody promised
};

class SimScheduler {
 public:
  using EventId = Clock::TimerId;

  SimScheduler() = default;
  /// `seed` matters only to TieBreak::seeded.
  SimScheduler(TieBreak tie_break, std::uint64_t seed) : tie_break_(tie_break), random_(seed) {}
  SimScheduler(const SimScheduler&) = delete;
  SimScheduler& operator=(const SimScheduler&) = delete;
  ~SimScheduler();

  SteadyTime now() const { return now_; }
  /// A number for a new process, never 0 and never given before.
  OwnerId new_owner() { return ++last_owner_; }

  /// Runs `event` at `when`, or next if that has passed.
  EventId schedule_at(SteadyTime when, OwnerId owner, UniqueFunction<void()> event);
  EventId schedule_after(Nanos delay, OwnerId owner, UniqueFunction<void()> event) {
    return schedule_at(now_ + delay, owner, std::move(event));
  }
  /// Forgets an event; one that has run or was cancelled is ignored.
  void cancel(EventId id);
  /// Forgets all events of `owner`: its process died. Returns how many there were.
  std::size_t cancel_owner(OwnerId owner);

  /// Steps to the next event and runs it; false if there is none.
  bool run_next();
  /// Runs what is due up to and including `when`, also what those events schedule, then the time is `when`. Returns
  /// how many events ran.
  std::size_t run_until(SteadyTime when);
  std::size_t run_for(Nanos duration) { return run_until(now_ + duration); }
  /// Runs until nothing is scheduled, at most `max_events`. Returns how many events ran.
  std::size_t run_until_idle(std::size_t max_events = std::numeric_limits<std::size_t>::max());

  /// When the next event is due.
  std::optional<SteadyTime> next_due() const;
  std::size_t pending() const { return events_.size(); }
  std::uint64_t events_run() const { return events_run_; }

 private:
  struct Key {
    SteadyTime when;
    std::uint64_t tie;
    EventId id;
    auto operator<=>(const Key&) const = default;
  };
  struct Event {
    OwnerId owner;
    UniqueFunction<void()> run;
  };

  std::map<Key, Event> events_;
  std::unordered_map<EventId, Key> keys_;
  SteadyTime now_{0};
  EventId last_event_ = 0;
  OwnerId last_owner_ = 0;
  std::uint64_t events_run_ = 0;
  TieBreak tie_break_ = TieBreak::stable;
  SeededRandom random_{0};
};

struct SimClockOptions {
  WallTime wall_start{1'700'000'000'000};  ///< the true wall time when the scheduler's time is 0
  Millis wall_skew{0};                     ///< how wrong this node's wall clock is
  Nanos steady_start{0};                   ///< steady() when the scheduler's time is 0: differs from node to node
};

class SimClock final : public Clock {
 public:
  /// Several clocks (a process's shards) may have one owner.
  SimClock(SimScheduler& scheduler, OwnerId owner, SimClockOptions options = {})
      : scheduler_(scheduler), owner_(owner), options_(options) {}

  SteadyTime steady() const override { return scheduler_.now() + options_.steady_start; }
  WallTime wall() const override {
    return options_.wall_start + options_.wall_skew + std::chrono::duration_cast<Millis>(scheduler_.now());
  }
  TimerId call_at(SteadyTime when, UniqueFunction<void()> callback) override {
    return scheduler_.schedule_at(when - options_.steady_start, owner_, std::move(callback));
  }
  void cancel(TimerId id) override { scheduler_.cancel(id); }

  /// Sets the wall clock right or wrong, at once, as an administrator or NTP does.
  void set_wall_skew(Millis skew) { options_.wall_skew = skew; }
  OwnerId owner() const { return owner_; }

 private:
  SimScheduler& scheduler_;
  OwnerId owner_;
  SimClockOptions options_;
};

}  // namespace sluice::sim
