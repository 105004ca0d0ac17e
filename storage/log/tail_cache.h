// The newest batches of a log in memory: those not yet spilled, which are never dropped, and behind them spilled ones
// for readers at the tail.
//
// Invariants: the batches' offsets are contiguous; the spilled ones come first. A slice is charged its whole buffer,
// once for neighbours that share it; slices that use less than an eighth of the buffer they keep alive go when they are
// spilled (readers at the tail had them before that). An empty cache holds no memory. Owner: PartitionLog.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "protocol/base/bytes.h"
#include "protocol/base/ids.h"

namespace sluice::storage {

struct TailBatch {
  SharedBytes bytes;
  Offset base, next;
  std::int64_t max_ms = 0;      ///< as the batch says
  std::int64_t counted_ms = 0;  ///< as retention counts it
  std::int64_t group_ms = 0;    ///< group time of the entry that carried it
  std::size_t charge = 0;       ///< of its buffer, or 0 if the batch before it is charged for that
};

class TailCache {
 public:
  void push(TailBatch batch);

  std::size_t size() const { return batches_ ? batches_->size() : 0; }
  const TailBatch& operator[](std::size_t i) const { return (*batches_)[i]; }
  /// How many of them are spilled.
  std::size_t spilled() const { return spilled_; }
  bool has_unspilled() const { return size() > spilled_; }
  /// The batch that contains `offset`, or size() if it is not here.
  std::size_t find(Offset offset) const;

  /// The next `count` batches are spilled now. At most `keep_bytes` of spilled ones stay.
  void mark_spilled(std::size_t count, std::size_t keep_bytes);
  void drop_spilled() { drop_front(spilled_); }
  /// Drops spilled batches that lie wholly below `start`.
  void drop_below(Offset start);

  std::size_t unspilled_bytes() const { return unspilled_bytes_; }
  std::size_t charge() const { return charge_; }
  std::size_t spilled_charge() const { return spilled_charge_; }

 private:
  void drop_front(std::size_t count);
  std::size_t hardly_used(std::size_t first, std::size_t last) const;
  void charge_again(std::size_t first, std::size_t last);

  std::unique_ptr<std::deque<TailBatch>> batches_;  // an empty deque would cost half a KiB
  std::size_t spilled_ = 0;
  std::size_t unspilled_bytes_ = 0;
  std::size_t charge_ = 0;
  std::size_t spilled_charge_ = 0;
};

}  // namespace sluice::storage
