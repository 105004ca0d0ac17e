// Bounds the lines in the log about one thing that others can make happen as often as they like.
// Thread safety: its owner's thread. Pure: the time is told.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "protocol/base/clock.h"

namespace sluice {

class LineBudget {
 public:
  /// `burst` lines at once, and one more for each `refill` that passes.
  LineBudget(std::uint32_t burst, Nanos refill) : burst_(burst), refill_(refill), left_(burst) {}

  /// Whether a line may be logged now; then, how many were left out since the last one that might.
  std::optional<std::uint64_t> take(SteadyTime now) {
    const auto earned = (now - counted_to_) / refill_;
    counted_to_ += earned * refill_;
    left_ = static_cast<std::uint32_t>(std::min<std::int64_t>(burst_, std::int64_t{left_} + earned));
    if (left_ == 0) {
      ++left_out_;
      return std::nullopt;
    }
    --left_;
    return std::exchange(left_out_, 0);
  }

 private:
  std::uint32_t burst_;
  Nanos refill_;
  std::uint32_t left_;
  SteadyTime counted_to_{0};
  std::uint64_t left_out_ = 0;
};

}  // namespace sluice
