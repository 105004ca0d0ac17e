// What a partition remembers of one idempotent producer: its epoch and its last five batches. Pure; a plain value.
// Sequences count from 0 to INT32_MAX and wrap to 0, so they are compared by their distance modulo 2^31.
// Owner: PartitionState.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "protocol/base/ids.h"
#include "protocol/base/record_batch.h"

namespace sluice::broker {

/// How many steps lead from one sequence up to another, in [0, 2^31).
constexpr std::uint32_t sequence_distance(std::int32_t from, std::int32_t to) {
  return (static_cast<std::uint32_t>(to) - static_cast<std::uint32_t>(from)) & 0x7fffffffU;
}
/// The sequence `steps` behind (after) `from`.
constexpr std::int32_t sequence_plus(std::int32_t from, std::uint32_t steps) {
  return static_cast<std::int32_t>((static_cast<std::uint32_t>(from) + steps) & 0x7fffffffU);
}

class ProducerState {
 public:
  static constexpr std::size_t kRemembered = 5;
  static constexpr std::uint32_t kMaxForgotten = 1U << 30;

  struct Batch {
    std::int32_t first_sequence = 0;
    std::int32_t last_sequence = 0;
    Offset base_offset;
    std::uint32_t records() const { return sequence_distance(first_sequence, last_sequence) + 1; }
  };

  enum class Match : std::uint8_t {
    next,          ///< follows the last batch, or opens a new epoch with sequence 0
    remembered,    ///< is one of the last five batches: `base_offset` says where
    forgotten,     ///< was appended in this epoch, before the last five batches
    out_of_order,  ///< neither: a gap, or a new epoch that does not begin at 0
    old_epoch,
  };
  struct Verdict {
    Match match = Match::next;
    Offset base_offset;
  };
  /// Looks only.
  Verdict match(const BatchHeader& header) const;

  /// The batch was appended at `base_offset`. Takes it as a fact: match() is asked before.
  void note(const BatchHeader& header, Offset base_offset, std::int64_t group_time_ms);

  std::int16_t epoch() const { return epoch_; }
  std::int64_t last_write_ms() const { return last_write_ms_; }
  /// The sequence that must come next in this epoch; something must have been noted.
  std::int32_t expected_sequence() const;
  /// Oldest first.
  std::span<const Batch> batches() const { return {batches_.data(), count_}; }
  /// How many sequences of this epoch were appended before the oldest remembered batch; not counted beyond
  /// kMaxForgotten.
  std::uint32_t forgotten() const { return forgotten_; }

  /// From a checkpoint; 1 to kRemembered batches.
  static ProducerState restore(std::int16_t epoch, std::int64_t last_write_ms, std::uint32_t forgotten,
                               std::span<const Batch> batches);

 private:
  std::array<Batch, kRemembered> batches_;
  std::int64_t last_write_ms_ = 0;
  std::uint32_t forgotten_ = 0;
  std::int16_t epoch_ = -1;
  std::uint8_t count_ = 0;
};

}  // namespace sluice::broker
