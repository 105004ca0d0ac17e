// A partition's log: segment files, their sparse index, and the tail cache of batches in memory. Batches arrive in
// offset order from apply() and are readable at once; `spill()` writes them to the active segment in large writes;
// `sync()` makes the segments durable for a checkpoint. Knows bytes and files; decides no offset and no retention.
//
//   DIR/BASE.log    record batches exactly as on the wire, nothing between them; BASE = 20 digits; behind the last one
//   up
//                   to a block of zeros: the file is written in whole blocks, and its state says how long it is
//   DIR/BASE.index  sparse (offset -> position) and (time -> offset); rebuilt when missing or bad (index_format.h)
//
// Invariants: append() asserts base offset == end_offset(); data not yet spilled is never evicted; nothing above
// what a sync() returned is promised to survive a crash (the journal has it). Files are opened on demand through a
// FilePool shared by the shard's logs, so an idle partition costs no file descriptor.
// Callbacks: a `done` is called once, from the disk's poll, or inside the call that takes it when no disk is needed
// (data in memory, nothing to do, an error known at once). When the log is destroyed the `done`s of what is under way
// are destroyed without being called, and the operations end by themselves; let a spill end first if the directory is
// to be used again. Thread safety: one shard's thread. Owner: Replica (broker/shard).
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/error.h"
#include "protocol/base/ids.h"
#include "protocol/base/record_batch.h"
#include "storage/io/disk.h"

namespace sluice::storage {

/// What a shard's logs share: open files (least recently used ones beyond the bound are closed), and the bound on what
/// they keep in memory for tail readers after it is spilled.
class FilePool;
std::shared_ptr<FilePool> make_file_pool(Disk& disk, std::size_t max_open_files,
                                         std::size_t max_tail_bytes = std::size_t{32} << 20);
/// Drops all spilled batches from memory: others need it.
void drop_tails(FilePool& pool);
/// Frees memory that is kept for reuse, and closes files that nothing is using: for an idle shard.
void let_go(FilePool& pool);

/// What a shard's logs did since their pool was made, and hold.
struct LogStats {
  std::uint64_t spill_writes = 0, spilled_bytes = 0;   ///< to segments
  std::uint64_t segment_reads = 0, segment_bytes = 0;  ///< to serve what memory does not hold
  std::size_t open_files = 0;
  std::size_t tail_bytes = 0;  ///< memory of spilled batches that is kept for readers, whole buffers charged
};
LogStats log_stats(const FilePool& pool);

struct LogOptions {
  std::uint64_t segment_bytes = 1U << 30;  ///< a segment is rolled when the next batch would pass this
  std::int64_t segment_ms = std::numeric_limits<std::int64_t>::max();  ///< or came so much later than its first one
  std::uint64_t index_interval_bytes = 4096;
  std::size_t direct_run_bytes = 32U << 10;  ///< a spill's write of so much goes past the page cache
  std::size_t tail_bytes = 1U << 20;          ///< spilled batches kept in memory for tail readers, at most
  /// For a look-up by time; what unfolds to more counts as one record (log_time.cc). Clients' batches are of a
  /// megabyte.
  std::size_t max_decompressed_bytes = 2U << 20;
};

struct SegmentState {
  Offset base;
  std::uint64_t size_bytes = 0;
  std::int64_t max_timestamp_ms = -1;  ///< of its records; a time ahead of the append counts as the append's group time
  std::int64_t opened_ms = -1;         ///< group time of its first batch; -1: not known
  friend bool operator==(const SegmentState&, const SegmentState&) = default;
};

/// What a checkpoint remembers of a log: enough to cut its files back to a state the journal continues from,
/// without reading any of them.
struct LogState {
  Offset start_offset;                 ///< first offset that may be read
  Offset end_offset;                   ///< the next offset
  std::vector<SegmentState> segments;  ///< oldest first; the last is the active one; empty: nothing was spilled yet
  friend bool operator==(const LogState&, const LogState&) = default;
};

struct LogRead {
  std::vector<SharedBytes> batches;  ///< whole batches; the first contains the asked offset
  std::size_t bytes = 0;
};

struct TimeMatch {
  Offset offset;
  std::int64_t timestamp_ms = -1;
};

class PartitionLog {
 public:
  PartitionLog(std::shared_ptr<FilePool> files, std::string directory, LogOptions options);
  ~PartitionLog();

  /// A new, empty log that starts at `start`. Creates nothing on disk before the first spill.
  void create(Offset start);
  /// Continues from a checkpoint. Touches no file: a start-up with ten thousand logs is cheap. On the first use of its
  /// files the active segment is cut to its length, and files that the state does not mention are removed if they lie
  /// beyond the active segment's base or below the first segment's (a crash left them); a segment that is missing or
  /// shorter than the state says fails that use with Errc::corrupt.
  void open(const LogState& state);

  /// Adds one batch (its base offset must be end_offset()). Keeps `batch` in memory until it is spilled, and then for
  /// as long as the tail cache holds it.
  /// `group_time_ms` is the time of the entry that carried it.
  void append(SharedBytes batch, std::int64_t group_time_ms);
  Offset start_offset() const;
  Offset end_offset() const;
  /// Size of what can be read, segments and memory, in bytes.
  std::uint64_t size_bytes() const;
  std::size_t unspilled_bytes() const;
  /// Memory that this log keeps alive (whole buffers charged), spilled and not.
  std::size_t memory_charge() const;

  /// Reads whole batches from the one that contains `offset`, up to `max_bytes`, but the first batch always; nothing at
  /// or beyond `limit` (the high watermark or last stable offset). start_offset() <= offset <= end_offset(); an empty
  /// result at the end. Errors: offset_out_of_range, corrupt, io_error: this partition's alone.
  void read(Offset offset, std::size_t max_bytes, Offset limit, UniqueFunction<void(Result<LogRead>)> done);
  /// The first record at or after `timestamp_ms` in [start, limit), exactly (decompressing where needed); nullopt:
  /// none. Batches are believed what they say of their largest time; one whose CRC holds but whose records can't be
  /// decoded counts as one record at its base offset with that time. Errors: corrupt, io_error.
  void find_time(std::int64_t timestamp_ms, Offset limit, UniqueFunction<void(Result<std::optional<TimeMatch>>)> done);
  /// The record with the largest timestamp (the first of equals); nullopt when empty.
  void find_max_time(Offset limit, UniqueFunction<void(Result<std::optional<TimeMatch>>)> done);

  /// Writes batches from memory to segments until none is unspilled; rolls segments. A spill asked for while one is
  /// under way ends with that one. Errors: no_space (nothing is lost: call again later), io_error (fatal to the
  /// process).
  void spill(UniqueFunction<void(Result<void>)> done);
  /// The same for a start in a hurry: the active segment's index, which may take a read of some of the segment, is left
  /// to a later spill.
  void spill_hurriedly(UniqueFunction<void(Result<void>)> done);
  bool spilling() const;
  /// Marks the log as it stands now, memory included, for a checkpoint: the next sync() makes just this state durable
  /// and returns it, whatever is appended or cut meanwhile; what is garbage now may be removed once that checkpoint is
  /// durable.
  void mark();
  /// Makes the last mark() durable: spills up to it, syncs every segment written since the last sync, and the directory
  /// (and its parent, which must be durable itself) where files were made. Without a mark: what is spilled when it
  /// begins. A sync asked for while one is under way begins when that ends; each mark is for one sync. Errors: as
  /// spill(); want of space while syncing is an io_error.
  void sync(UniqueFunction<void(Result<LogState>)> done);
  bool needs_sync() const;
  /// The state as of what is spilled now.
  LogState spilled_state() const;

  /// Moves the start (never back); whole segments below it become garbage, which remove_garbage() unlinks: only after a
  /// durable checkpoint contains the new start. A start at the end of a log that is spilled frees the active one too:
  /// its state then has no segments.
  void advance_start(Offset start);
  bool has_garbage() const;
  /// Unlinks what was garbage at the last mark().
  void remove_garbage(UniqueFunction<void(Result<void>)> done);
  /// Unlinks all files and the directory, of a deleted partition, once what is under way has ended. Everything asked
  /// for from now on fails with not_found.
  void remove_all(UniqueFunction<void(Result<void>)> done);

  /// For retention: the sealed segments oldest first, and the active one last, with what is not yet spilled.
  struct SegmentInfo {
    Offset base;
    Offset next;  ///< base of the following one, or end_offset()
    std::uint64_t size_bytes = 0;
    std::int64_t max_timestamp_ms = -1;  ///< as in SegmentState
  };
  std::vector<SegmentInfo> segments() const;

  /// Segments are rolled at this size and age from now on.
  void set_segment_limits(std::uint64_t segment_bytes, std::int64_t segment_ms);

  /// Drops spilled batches from memory (an idle shard frees its tails), and writes the index entries held back.
  void drop_tail();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sluice::storage
