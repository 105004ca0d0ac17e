// The Random seam. In a node it is seeded by the operating system, in tests by the test's seed.
// Not for secrets.
#pragma once

#include <cstdint>

#include "protocol/base/ids.h"

namespace sluice {

class Random {
 public:
  virtual ~Random() = default;
  /// 64 uniformly distributed bits.
  virtual std::uint64_t next() = 0;

  /// Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>(next()) * bound) >> 64);
  }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  /// A random topic id, never zero.
  TopicId topic_id();
};

/// xoshiro256** by Blackman and Vigna (prng.di.unimi.it), seeded through splitmix64.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed);
  std::uint64_t next() override;

 private:
  std::uint64_t state_[4];
};

/// A seed from the operating system.
std::uint64_t os_seed();

}  // namespace sluice
