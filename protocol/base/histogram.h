// How values are distributed, in constant memory and about a nanosecond a value: log-linear buckets, as HdrHistogram
// has them. Each octave has eight, so that a quantile is told at most an eighth too large.
//
//   values   1 2 3 4 5 6 7 8 | 9 10 11 ... 16 | 17-18 19-20 ... 31-32 | 33-36 ... 61-64 | ...    0 counts as 1
//   bucket   0 1 2 3 4 5 6 7 | 8  9 10 ... 15 |  16    17   ...  23   |  24   ...  31   | ...
//
// Invariants: a bucket holds the values above its predecessor's bound up to its own, bound included; every power of two
// is a bound; what lies beyond the last bound is in the last bucket.
// Thread safety: one thread; another one gets a copy. Owner: the component that measures.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace sluice {

class Histogram {
 public:
  static constexpr unsigned kStepBits = 3;
  static constexpr std::size_t kSteps = std::size_t{1} << kStepBits;  ///< buckets of an octave
  static constexpr unsigned kLastBit = 40;                            ///< 2^41 ns are 37 minutes
  static constexpr std::size_t kBuckets = (kLastBit - kStepBits + 2) * kSteps;

  void record(std::uint64_t value) {
    ++counts_[bucket_of(value)];
    ++count_;
    sum_ += value;
  }

  std::uint64_t count() const { return count_; }
  std::uint64_t sum() const { return sum_; }  ///< exact
  /// How many values were at most 2^bit; `bit` >= kStepBits.
  std::uint64_t count_to_power(unsigned bit) const {
    const std::size_t end = std::min(kBuckets, (bit - kStepBits + 1) * kSteps);
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < end; ++i) below += counts_[i];
    return below;
  }
  /// A bound that at least the share `q` (0 to 1) of the values does not pass; 0 when there are none.
  std::uint64_t quantile(double q) const {
    const auto wanted = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_)));
    const std::uint64_t rank = std::clamp(wanted, std::uint64_t{1}, std::max(std::uint64_t{1}, count_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i)
      if ((seen += counts_[i]) >= rank) return bound_of(i);
    return 0;
  }

  static std::size_t bucket_of(std::uint64_t value) {
    const std::uint64_t v = value == 0 ? 0 : value - 1;
    if (v < kSteps) return static_cast<std::size_t>(v);
    const auto bit = static_cast<unsigned>(std::bit_width(v)) - 1;
    if (bit > kLastBit) return kBuckets - 1;
    return (bit - kStepBits + 1) * kSteps + ((v >> (bit - kStepBits)) & (kSteps - 1));
  }
  /// The largest value of a bucket.
  static std::uint64_t bound_of(std::size_t bucket) {
    const std::size_t next = bucket + 1;
    if (next < kSteps) return next;
    return (kSteps + next % kSteps) << (next / kSteps - 1);
  }

 private:
  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
};

}  // namespace sluice
