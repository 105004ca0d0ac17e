// Where each leader epoch of a partition began: (epoch, start offset), both strictly ascending. Answers
// OffsetForLeaderEpoch. Bounded: past kMaxEpochs the oldest is forgotten. Pure; a plain value. Owner: PartitionState.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "protocol/base/ids.h"

namespace sluice::broker {

struct EpochStart {
  LeaderEpoch epoch;
  Offset start;
  friend bool operator==(const EpochStart&, const EpochStart&) = default;
};

class EpochHistory {
 public:
  static constexpr std::size_t kMaxEpochs = 1024;

  /// A batch of `epoch` was appended at `base_offset`. false: the epoch went back; nothing changed.
  bool note(LeaderEpoch epoch, Offset base_offset);
  /// The log begins at `start` now: epochs that ended before it are forgotten.
  void trim(Offset start);

  struct End {
    LeaderEpoch epoch;
    Offset end_offset;
  };
  /// The largest known epoch <= `asked` and where it ended, in a log that ends at `log_end` and whose leader is in
  /// epoch `current`. Below the oldest known: `asked` itself and where the oldest known began. nullopt: undefined or
  /// future.
  std::optional<End> end_of(LeaderEpoch asked, LeaderEpoch current, Offset log_end) const;

  /// The epoch of the record at `offset`; nullopt: older than what is known.
  std::optional<LeaderEpoch> at(Offset offset) const;

  std::span<const EpochStart> entries() const { return entries_; }

  /// From a checkpoint. nullopt: not ascending, or not within the log's [start, end].
  static std::optional<EpochHistory> restore(std::vector<EpochStart> entries, Offset start, Offset end);

 private:
  std::vector<EpochStart> entries_;
};

}  // namespace sluice::broker
