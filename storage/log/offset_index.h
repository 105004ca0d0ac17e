// A segment's index in memory: where to start looking for an offset or a time. IndexCursor is the one rule for which
// batches get an entry; SegmentIndex is the list of them; IndexWriter collects those of the active segment that are not
// in the index file yet. The file's format is in index_format.h.
//
// Invariant: entries cover the segment from position 0 to cursor().covered_to without a hole; what lies behind it is
// walked. Thread safety: one shard's thread. Owner: IndexCache (SegmentIndex), the log (IndexWriter).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "protocol/base/ids.h"
#include "protocol/base/record_batch.h"
#include "storage/log/index_format.h"

namespace sluice::storage {

/// What an index has to know of a batch.
struct IndexedBatch {
  Offset base, next;
  std::size_t size_bytes = 0;
  std::int64_t max_timestamp_ms = 0;
};

/// Walks over a segment's batches from its start.
struct IndexCursor {
  std::uint64_t interval_bytes = 4096;
  std::uint64_t covered_to = 0;  ///< position behind the last batch
  Offset next;                   ///< offset behind it
  std::int64_t max_ms = kNoTime;
  std::uint64_t last_entry = 0;  ///< position

  /// Steps over the batch at `covered_to`; returns its entry if it gets one.
  std::optional<IndexEntry> step(const IndexedBatch& batch);
};

class SegmentIndex {
 public:
  SegmentIndex(Offset base, std::uint64_t interval_bytes);

  void add(const IndexedBatch& batch);
  /// Takes over a block of the file. False: it does not continue this index, or reaches beyond (`size`, `end`).
  bool add_block(const IndexBlock& block, std::uint64_t size, Offset end);
  /// Takes over entries that a writer has not written yet, with its cursor behind them.
  void add_entries(const std::vector<IndexEntry>& entries, const IndexCursor& after);

  /// Entry 0 is the segment's first batch.
  std::size_t entry_count() const { return entries_.size(); }
  const IndexEntry& entry(std::size_t number) const { return entries_[number]; }
  /// The last entry at or below `offset`.
  std::size_t floor(Offset offset) const;
  /// The first entry in [from, entry_count()) behind which, before the next entry, a batch has a time of at least
  /// `timestamp_ms`, when none below it has; entry_count() if there is none up to covered_to.
  std::size_t first_reaching(std::int64_t timestamp_ms, std::size_t from) const;
  const IndexCursor& cursor() const { return cursor_; }
  Offset base() const { return entries_.front().offset; }
  std::size_t memory_bytes() const;

  /// Appends blocks for what lies behind `from` (a position up to which the file covers), about `max_bytes` of them.
  /// Returns up to where they cover.
  std::uint64_t encode_from(std::uint64_t from, std::size_t max_bytes, ByteWriter& out) const;

  std::uint64_t file_bytes = 0;  ///< of the index file that hold, or will when a write under way completes

 private:
  std::deque<IndexEntry> entries_;
  IndexCursor cursor_;
};

/// Collects the active segment's new entries until they are worth a write.
class IndexWriter {
 public:
  static constexpr std::size_t kWorthWriting = kIndexBlockEntries;

  /// For a new segment.
  IndexWriter(Offset base, std::uint64_t interval_bytes);
  /// Continues where the index file ends; `index` covers the whole segment.
  explicit IndexWriter(const SegmentIndex& index);

  void add(const IndexedBatch& batch);
  bool worth_writing() const { return pending_.size() >= kWorthWriting; }
  bool has_pending() const { return !pending_.empty(); }
  const std::vector<IndexEntry>& pending() const { return pending_; }
  /// Where the pending entries start to cover the segment.
  std::uint64_t written_to() const { return written_to_; }
  const IndexCursor& cursor() const { return cursor_; }
  Offset base() const { return base_; }

  struct Write {
    std::uint64_t file_position = 0;
    std::vector<std::byte> bytes;
  };
  /// The pending entries as blocks, which then count as written.
  Write take();
  /// Whether nothing was taken yet, so that the file may hold more than this writer knows of.
  bool continues_file() const { return !taken_; }

 private:
  Offset base_;
  IndexCursor cursor_;
  std::uint64_t written_to_ = 0;
  std::uint64_t file_bytes_ = 0;
  bool taken_ = false;
  std::vector<IndexEntry> pending_;
};

}  // namespace sluice::storage
