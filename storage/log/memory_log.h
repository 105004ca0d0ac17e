// The log of one partition of a memory topic: batches in chunks of a MemoryPool, readable at once, gone with the
// process. Bounded by bytes, by age (expire()) and by the pool that all logs of the shard share: the oldest batches go
// first, and the start moves at once.
//
// Invariants: offsets are contiguous from start_offset() to end_offset(); the newest batch goes by age and by the pool
// only; an empty log holds no memory but its own. Knows bytes and offsets; decides no offset and knows no epoch: who
// appends stamps them. Calls are answered inside the call: there is no disk. Thread safety: one shard's thread; what
// was read may be kept and dropped on any. Owner: Partition (broker/shard).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "protocol/base/bytes.h"
#include "protocol/base/error.h"
#include "protocol/base/ids.h"
#include "protocol/base/unique_function.h"
#include "storage/log/memory_pool.h"
#include "storage/log/partition_log.h"

namespace sluice::storage {

class MemoryLog final : private ChunkHolder {
 public:
  /// Empty, at offset 0. `start_moved` is told of each move of the start that this log makes by itself, inside
  /// whatever call made it, also of another log of the same pool.
  MemoryLog(std::shared_ptr<MemoryPool> pool, UniqueFunction<void(Offset)> start_moved);
  ~MemoryLog();
  MemoryLog(const MemoryLog&) = delete;
  MemoryLog& operator=(const MemoryLog&) = delete;

  /// Drops everything; starts and ends at `at`.
  void restart(Offset at);

  /// Copies a batch that takes the offsets from end_offset() to below `next`, and gives the copy, to be stamped before
  /// anything else is called. `max_ms` is the largest time of its records; its age counts from there, or from `now_ms`
  /// where that is before, or `max_ms` is -1. Errors: busy (readers hold too much memory).
  Result<MutableByteSpan> append(ByteSpan batch, Offset next, std::int64_t max_ms, std::int64_t now_ms);

  Offset start_offset() const { return start_; }
  Offset end_offset() const { return end_; }
  /// Of the batches that can be read.
  std::uint64_t size_bytes() const { return bytes_; }

  /// As PartitionLog::read(); all that is here may be seen. Errors: offset_out_of_range.
  Result<LogRead> read(Offset offset, std::size_t max_bytes) const;
  /// As PartitionLog::find_time() and find_max_time().
  Result<std::optional<TimeMatch>> find_time(std::int64_t timestamp_ms) const;
  Result<std::optional<TimeMatch>> find_max_time() const;

  /// Moves the start, never back; beyond the end it empties the log.
  void advance_start(Offset start);
  /// The oldest batches go while there are more bytes than this, but never the newest one.
  void set_bound(std::uint64_t bytes);
  /// The oldest batches go while their age counts from before this.
  void expire(std::int64_t before_ms);

 private:
  void let_oldest_go() override;
  bool make_room(std::size_t batch_bytes);
  static bool take_from(const std::shared_ptr<MemoryChunk>& owner, Offset offset, std::size_t max_bytes, bool copies,
                        LogRead& read);
  void drop_front();
  void enforce_bound();
  void tell_start(Offset before);

  std::shared_ptr<MemoryPool> pool_;
  UniqueFunction<void(Offset)> start_moved_;
  std::unique_ptr<std::deque<std::shared_ptr<MemoryChunk>>> chunks_;  // an empty deque would cost half a KiB
  std::uint64_t bytes_ = 0;
  std::uint64_t bound_bytes_ = UINT64_MAX;
  Offset start_, end_;
};

}  // namespace sluice::storage
