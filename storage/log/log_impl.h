// The inside of PartitionLog, shared by the files that implement it:
//   partition_log.cc  state, append, garbage      log_read.cc   reading batches
//   log_prepare.cc    first use of the files      log_index.cc  loading, rebuilding and writing indexes
//   log_spill.cc      memory -> segments           log_time.cc   finding times
//   log_sync.cc       marks, sync
//
// Operations under way share the Impl, so that they end safely when the PartitionLog is gone (`alive_` is false then,
// and nothing is called any more). They belong to their own callbacks: the Impl knows them only weakly, so that a disk
// that drops its callbacks frees them. Steps of an operation take it as `op`. Invariants: segments_ is ordered,
// contiguous, and ends at spilled_end_; the tail holds all of [spilled_end_, end_); only the active segment grows, and
// only by the one spill.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/log/file_pool.h"
#include "storage/log/offset_index.h"
#include "storage/log/partition_log.h"
#include "storage/log/segment.h"
#include "storage/log/segment_scan.h"
#include "storage/log/tail_cache.h"

namespace sluice::storage {

class PartitionLog::Impl final : public TailHolder, public std::enable_shared_from_this<PartitionLog::Impl> {
 public:
  using Done = UniqueFunction<void(Result<void>)>;
  using ReadCallback = UniqueFunction<void(Result<LogRead>)>;
  using TimeCallback = UniqueFunction<void(Result<std::optional<TimeMatch>>)>;
  using SyncCallback = UniqueFunction<void(Result<LogState>)>;

  Impl(std::shared_ptr<FilePool> files, std::string directory, LogOptions options);
  ~Impl();

  void close();
  void open(const LogState& state);
  void append(SharedBytes batch, std::int64_t group_time_ms);
  void read(Offset offset, std::size_t max_bytes, Offset limit, ReadCallback done);
  void find_time(std::int64_t timestamp_ms, Offset limit, TimeCallback done);
  void find_max_time(Offset limit, TimeCallback done);
  void spill(Done done, bool hurried = false);
  void mark();
  void sync(SyncCallback done);
  void set_segment_limits(std::uint64_t bytes, std::int64_t ms) {
    options_.segment_bytes = bytes;
    options_.segment_ms = ms;
  }
  bool needs_sync() const;
  LogState spilled_state() const;
  void advance_start(Offset start);
  void remove_garbage(Done done);
  void remove_all(Done done);
  std::vector<SegmentInfo> segments() const;
  void drop_tail();
  void let_tail_go() override;

  Offset start() const { return start_; }
  Offset end() const { return end_; }
  std::uint64_t size_bytes() const;
  const TailCache& tail() const { return tail_; }
  std::size_t memory_charge() const { return tail_.charge() + last_block_.memory(); }
  bool spilling() const { return spilling_; }
  bool has_garbage() const { return !garbage_.empty(); }

 private:
  struct Prepare;
  struct Spill;
  struct Sync;
  struct IndexLoad;
  struct Read;
  struct FindTime;
  struct FindMax;
  /// Held by an operation that changes files: remove_all() waits until there is none.
  class Busy {
   public:
    explicit Busy(std::shared_ptr<Impl> log) : log_(std::move(log)) { ++log_->busy_; }
    Busy(Busy&&) noexcept = default;
    Busy& operator=(Busy&&) = delete;
    ~Busy() {
      if (log_ && --log_->busy_ == 0) log_->became_idle();
    }

   private:
    std::shared_ptr<Impl> log_;
  };
  using WithIndex = UniqueFunction<void(std::shared_ptr<SegmentIndex>)>;

  std::shared_ptr<const bool> alive() { return {shared_from_this(), &alive_}; }
  Disk& disk() { return files_->disk(); }
  std::size_t segment_of(Offset offset) const;  ///< its number in segments_, or segments_.size()
  Segment* find_segment(std::uint64_t id);      ///< among the live ones and the garbage
  SegmentView view(std::size_t number) const;
  void note_tail() { files_->tails().note(*this, tail_.spilled_charge() + last_block_.memory()); }
  void collect_garbage();
  void became_idle();
  Error gone() const;

  // log_prepare.cc
  void prepare(Done then);
  Result<std::vector<std::string>> check_files();
  void cut_active(const std::shared_ptr<Prepare>& op);
  void remove_leftovers(const std::shared_ptr<Prepare>& op);
  void prepared(const std::shared_ptr<Prepare>& op, Result<void> result);
  void remove_files(const std::vector<std::string>& paths, Done done);
  void remove_directory(Done done);

  // log_spill.cc
  void spill_ready(const std::shared_ptr<Spill>& op);
  bool too_late_for(std::int64_t opened_ms, const TailBatch& batch) const;
  void spill_next(const std::shared_ptr<Spill>& op);
  Result<void> make_directory();
  void take_staging(Spill& op) const;
  void gather(const Spill& op, MutableByteSpan into) const;
  void spill_write(const std::shared_ptr<Spill>& op, FilePool::Lease file);
  void spill_direct(const std::shared_ptr<Spill>& op);
  void spill_read_back(const std::shared_ptr<Spill>& op);
  void spill_blocks(const std::shared_ptr<Spill>& op);
  void keep_last_block(const Spill& op, std::size_t used);
  void spill_written(const std::shared_ptr<Spill>& op);
  void spill_end(const std::shared_ptr<Spill>& op, Result<void> result);

  // log_sync.cc
  void grow_mark(const TailBatch& batch, bool new_segment);
  void sync_start(SyncCallback done);
  void sync_segment(const std::shared_ptr<Sync>& op, std::uint64_t id, Offset base);
  void sync_directory(const std::shared_ptr<Sync>& op);
  void sync_end(const std::shared_ptr<Sync>& op);

  // log_index.cc
  /// Gives the segment's index: loaded, read from its file, or rebuilt as far as the segment can be walked.
  void with_index(const SegmentView& segment, WithIndex then);
  void load_index(const std::shared_ptr<IndexLoad>& op);
  void read_index(const std::shared_ptr<IndexLoad>& op);
  bool take_index_blocks(const std::shared_ptr<IndexLoad>& op, std::size_t count);
  void complete_index(const std::shared_ptr<IndexLoad>& op);
  void index_loaded(const std::shared_ptr<IndexLoad>& op, Result<void> result);
  void catch_up_with_writer(SegmentIndex& index);
  void persist_index(SegmentIndex& index, std::uint64_t from);
  void write_pending_index();
  void write_index(Offset base, std::uint64_t position, std::vector<std::byte> bytes, bool cut);
  void distrust_index(std::uint64_t id);

  // log_read.cc
  LogRead read_tail(std::size_t first, std::size_t max_bytes, Offset limit) const;
  void read_locate(const std::shared_ptr<Read>& op);
  void read_chunk(const std::shared_ptr<Read>& op, std::uint64_t at_least);
  void read_take(const std::shared_ptr<Read>& op, std::size_t count);
  void read_large(const std::shared_ptr<Read>& op, const BatchHeader& header);
  void read_failed(const std::shared_ptr<Read>& op, Error error);
  void read_end(const std::shared_ptr<Read>& op, Result<LogRead> result);

  // log_time.cc
  void find_time_step(const std::shared_ptr<FindTime>& op);
  void find_time_in(const std::shared_ptr<FindTime>& op, const SegmentView& segment, const SegmentIndex& index);
  void find_time_in_batch(const std::shared_ptr<FindTime>& op, Offset base);
  void find_time_end(const std::shared_ptr<FindTime>& op, Result<std::optional<TimeMatch>> result);
  void find_max_step(const std::shared_ptr<FindMax>& op);
  void find_max_in(const std::shared_ptr<FindMax>& op, const SegmentView& segment, const SegmentIndex& index);
  void find_max_scan(const std::shared_ptr<FindMax>& op, const SegmentView& segment, BatchCheck start, bool from_start,
                     std::int64_t most_ms, BatchCheck again);
  void find_max_end(const std::shared_ptr<FindMax>& op, Result<std::optional<TimeMatch>> result);

  /// The spilled bytes of the active segment's last block, where the next write of whole blocks begins.
  struct LastBlock {
    Offset segment;
    std::uint64_t end = 0;  ///< of the segment when they were its last
    std::unique_ptr<std::byte[]> bytes;
    bool is_before(Offset base, std::uint64_t position) const { return bytes && segment == base && end == position; }
    std::size_t memory() const { return bytes ? kDiskBlock : 0; }
  };

  std::shared_ptr<FilePool> files_;
  std::string directory_;
  LogOptions options_;
  Offset start_, spilled_end_, end_;
  std::vector<Segment> segments_;  ///< oldest first, the last is the active one
  std::vector<Segment> garbage_;
  TailCache tail_;
  LastBlock last_block_;                 ///< kept with the tail, and let go with it
  std::unique_ptr<IndexWriter> writer_;  ///< of the active segment; none: not known yet, or given up
  std::weak_ptr<Prepare> preparing_;
  std::vector<std::weak_ptr<IndexLoad>> loads_;
  std::vector<SyncCallback> waiting_syncs_;
  std::vector<Done> waiting_spills_;
  /// The state that a checkpoint asked for, growing with the spill until all of it is in segments.
  struct Mark {
    LogState state;
    bool complete = false;
  };
  std::optional<Mark> mark_;
  std::size_t removable_garbage_ = 0;  ///< the first of garbage_, which were it at the mark
  Done removed_;                       ///< of remove_all, until nothing is under way
  std::size_t busy_ = 0;
  bool alive_ = true;
  bool prepared_ = false;
  bool removing_ = false;
  bool spilling_ = false;
  bool syncing_ = false;
  bool writer_given_up_ = false;
  bool directory_made_ = false;
  bool directory_unsynced_ = false;  ///< files were made in it
  bool parent_unsynced_ = true;      ///< the directory itself may not be durable
};

}  // namespace sluice::storage
