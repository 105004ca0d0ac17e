// How fast a shard takes appends while its journal fills: at full pace while a fifth of it is free, then one entry a
// group and turn with pauses that grow as room shrinks, so that checkpoints have the disk and producers feel it through
// slower replies and not through a standstill; and none at all in the last twentieth, which is for control commands.
// Pure. Owner: Shard.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

#include "protocol/base/clock.h"

namespace sluice::broker {

class AppendPace {
 public:
  static constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
  static constexpr Nanos kLongestPause = std::chrono::milliseconds(20);

  /// How many entries each group may append now.
  std::size_t entries(std::uint64_t room_bytes, std::uint64_t capacity_bytes, SteadyTime now) {
    const std::uint64_t slow = capacity_bytes / 5, none = capacity_bytes / 20;
    paused_ = false;
    if (room_bytes <= none) return 0;
    if (room_bytes > slow) return kAll;
    pause_ = Nanos(static_cast<Nanos::rep>(static_cast<double>(kLongestPause.count()) *
                                           static_cast<double>(slow - room_bytes) / static_cast<double>(slow - none)));
    paused_ = now < last_ + pause_;
    return paused_ ? 0 : 1;
  }
  /// Some were appended at a pace that entries() bounded.
  void appended(SteadyTime now) { last_ = now; }
  /// When to ask again, if entries() said none only for now.
  std::optional<SteadyTime> again_at() const {
    if (!paused_) return std::nullopt;
    return last_ + pause_;
  }

 private:
  SteadyTime last_{std::numeric_limits<SteadyTime::rep>::min() / 2};
  Nanos pause_{0};
  bool paused_ = false;
};

}  // namespace sluice::broker
