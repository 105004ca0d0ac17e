// The Clock seam: time and timers of one shard. Real ones live in broker/net, the simulated one in tests/sim.
// Thread safety: a Clock belongs to one shard's thread.
#pragma once

#include <chrono>
#include <cstdint>

#include "protocol/base/unique_function.h"

namespace sluice {

using Nanos = std::chrono::nanoseconds;
using Millis = std::chrono::milliseconds;

/// Monotonic time since an arbitrary start.
using SteadyTime = Nanos;
/// Milliseconds since 1970-01-01 UTC, as Kafka's timestamps.
using WallTime = Millis;

class Clock {
 public:
  using TimerId = std::uint64_t;  ///< never 0
  virtual ~Clock() = default;

  virtual SteadyTime steady() const = 0;
  virtual WallTime wall() const = 0;

  /// Calls `callback` once, on this shard's loop, not before `when`. A time that has passed means the
  /// next turn of the loop, never inside this call.
  virtual TimerId call_at(SteadyTime when, UniqueFunction<void()> callback) = 0;
  TimerId call_after(Nanos delay, UniqueFunction<void()> callback) {
    return call_at(steady() + delay, std::move(callback));
  }
  /// Forgets a timer; one that has fired or was cancelled before is ignored.
  virtual void cancel(TimerId id) = 0;
};

}  // namespace sluice
