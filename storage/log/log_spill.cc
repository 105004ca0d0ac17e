// Spill and sync. A spill writes runs of batches of up to 1 MiB behind the active segment's last known good byte; what
// a failed write left there is written over by the next one. A new segment counts only when its first run is written,
// so that no state ever names a file that may not be there.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "protocol/base/check.h"
#include "storage/log/log_impl.h"

namespace sluice::storage {
namespace {

constexpr std::size_t kRunBytes = FilePool::kStagingBytes;
constexpr std::size_t kSmallRun = 64U << 10;  // gathered in memory of its own size, not in a staging buffer

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

struct PartitionLog::Impl::Spill {
  Spill(std::shared_ptr<Impl> log, Done callback) : busy(std::move(log)), done(std::move(callback)) {}
  Busy busy;
  Done done;
  // The run being written.
  std::size_t count = 0;
  std::size_t bytes = 0;
  bool rolls = false;
  Offset base;  ///< of the segment it goes to
  std::uint64_t position = 0;
  SharedBytes single;
  std::vector<std::byte> small;
  AlignedBuffer staging;
};

void PartitionLog::Impl::spill(Done done) {
  if (removing_) return done(fail(gone()));
  if (spilling_) return waiting_spills_.push_back(std::move(done));
  if (!tail_.has_unspilled()) return done({});
  spilling_ = true;
  const auto op = std::make_shared<Spill>(shared_from_this(), std::move(done));
  prepare([self = shared_from_this(), op](Result<void> result) {
    if (!result) return self->spill_end(op, std::move(result));
    self->spill_ready(op);
  });
}

/// The first spill after a start continues the active segment's index; a failure of that costs only the index.
void PartitionLog::Impl::spill_ready(const std::shared_ptr<Spill>& op) {
  if (segments_.empty() || writer_ || writer_given_up_) return spill_next(op);
  const SegmentView active = view(segments_.size() - 1);
  with_index(active, [self = shared_from_this(), op, size = active.size_bytes](std::shared_ptr<SegmentIndex> index) {
    if (index->cursor().covered_to == size) {
      self->writer_ = std::make_unique<IndexWriter>(*index);
    } else {
      self->writer_given_up_ = true;
    }
    self->spill_next(op);
  });
}

void PartitionLog::Impl::spill_next(const std::shared_ptr<Spill>& op) {
  if (removing_) return spill_end(op, fail(gone()));
  if (!tail_.has_unspilled()) return spill_end(op, {});
  const TailBatch& first = tail_[tail_.spilled()];
  const std::uint64_t active_bytes = segments_.empty() ? 0 : segments_.back().size_bytes;
  op->rolls = segments_.empty() || (active_bytes > 0 && active_bytes + first.bytes.size() > options_.segment_bytes);
  op->base = op->rolls ? first.base : segments_.back().base;
  op->position = op->rolls ? 0 : active_bytes;
  op->count = 1;
  op->bytes = first.bytes.size();
  for (std::size_t i = tail_.spilled() + 1; i < tail_.size(); ++i) {
    const std::size_t bytes = op->bytes + tail_[i].bytes.size();
    if (bytes > kRunBytes || op->position + bytes > options_.segment_bytes) break;
    op->bytes = bytes;
    ++op->count;
  }
  if (op->rolls) {
    if (auto made = make_directory(); !made) return spill_end(op, std::move(made));
  }
  files_->acquire(segment_path(directory_, op->base), op->rolls, alive(),
                  [self = shared_from_this(), op](Result<FilePool::Lease> file) {
                    if (!file) return self->spill_end(op, fail(std::move(file.error())));
                    self->spill_write(op, std::move(*file));
                  });
}

Result<void> PartitionLog::Impl::make_directory() {
  if (directory_made_) return {};
  if (auto made = disk().make_dirs(directory_); !made) return made;
  directory_made_ = true;
  return {};
}

void PartitionLog::Impl::spill_write(const std::shared_ptr<Spill>& op, FilePool::Lease file) {
  ByteSpan bytes;
  const std::size_t first = tail_.spilled();
  if (op->count == 1) {
    op->single = tail_[first].bytes;
    bytes = op->single;
  } else {
    MutableByteSpan into;
    if (op->bytes <= kSmallRun) {
      op->small.resize(op->bytes);
      into = op->small;
    } else {
      if (op->staging.size() == 0) op->staging = files_->take_staging();
      into = op->staging.span().first(op->bytes);
    }
    std::size_t at = 0;
    for (std::size_t i = first; i < first + op->count; ++i) {
      const ByteSpan batch = tail_[i].bytes;
      std::copy(batch.begin(), batch.end(), into.begin() + static_cast<std::ptrdiff_t>(at));
      at += batch.size();
    }
    bytes = into;
  }
  File& target = file.file();
  target.write(op->position, bytes, WriteSync::none,
               [self = shared_from_this(), op, lease = std::move(file)](Result<void> result) mutable {
                 lease.release();
                 if (!result) return self->spill_end(op, std::move(result));
                 self->spill_written(op);
                 self->spill_next(op);
               });
}

void PartitionLog::Impl::spill_written(const std::shared_ptr<Spill>& op) {
  op->single = {};
  if (op->rolls) {
    if (writer_) {
      const bool cut = writer_->continues_file();
      IndexWriter::Write write = writer_->take();
      write_index(writer_->base(), write.file_position, std::move(write.bytes), cut);
    }
    Segment segment;
    segment.base = op->base;
    segment.max_ms = kNoTime;
    segment.id = files_->indexes().new_id();
    segments_.push_back(std::move(segment));
    writer_ = std::make_unique<IndexWriter>(op->base, options_.index_interval_bytes);
    writer_given_up_ = false;
    directory_unsynced_ = true;
  }
  Segment& active = segments_.back();
  CHECK(active.base == op->base && active.size_bytes == op->position);
  const auto index = files_->indexes().peek(active.id);
  const bool extends_index = index && index->cursor().covered_to == active.size_bytes;
  const std::size_t first = tail_.spilled();
  for (std::size_t i = first; i < first + op->count; ++i) {
    const TailBatch& batch = tail_[i];
    const IndexedBatch indexed{batch.base, batch.next, batch.bytes.size(), batch.max_ms};
    if (writer_) writer_->add(indexed);
    if (extends_index) index->add(indexed);
    active.counted_ms = std::max(active.counted_ms, batch.counted_ms);
    if (active.max_ms) active.max_ms = std::max(*active.max_ms, batch.max_ms);
    spilled_end_ = batch.next;
    grow_mark(batch, op->rolls && i == first);
  }
  if (extends_index) files_->indexes().grown(active.id);
  active.size_bytes += op->bytes;
  active.unsynced = true;
  tail_.mark_spilled(op->count, options_.tail_bytes);
  tail_.drop_below(start_);
  if (writer_ && writer_->worth_writing()) write_pending_index();
}

void PartitionLog::Impl::spill_end(const std::shared_ptr<Spill>& op, Result<void> result) {
  spilling_ = false;
  op->single = {};
  if (op->staging.size() > 0) files_->return_staging(std::move(op->staging));
  collect_garbage();
  auto waiting = std::exchange(waiting_spills_, {});
  if (!alive_) return;
  const Result<void> same = result;
  op->done(std::move(result));
  for (Done& next : waiting) {
    if (alive_) next(same);
  }
}

void PartitionLog::Impl::mark() {
  mark_ = Mark{spilled_state(), !tail_.has_unspilled()};
  mark_->state.end_offset = end_;
  removable_garbage_ = garbage_.size();
}

void PartitionLog::Impl::grow_mark(const TailBatch& batch, bool new_segment) {
  if (!mark_ || mark_->complete) return;
  LogState& state = mark_->state;
  if (new_segment) state.segments.push_back({.base = batch.base, .size_bytes = 0, .max_timestamp_ms = -1});
  SegmentState& active = state.segments.back();
  active.size_bytes += batch.bytes.size();
  active.max_timestamp_ms = std::max(active.max_timestamp_ms, batch.counted_ms);
  mark_->complete = batch.next == state.end_offset;
}

struct PartitionLog::Impl::Sync {
  Sync(std::shared_ptr<Impl> log, SyncCallback callback) : busy(std::move(log)), done(std::move(callback)) {}
  Busy busy;
  SyncCallback done;
  LogState state;
  std::size_t left = 1;  // one for sync_start()
  Result<void> result;
};

bool PartitionLog::Impl::needs_sync() const {
  const auto is_unsynced = [](const Segment& segment) { return segment.unsynced; };
  return syncing_ || directory_unsynced_ || std::any_of(segments_.begin(), segments_.end(), is_unsynced) ||
         std::any_of(garbage_.begin(), garbage_.end(), is_unsynced);
}

void PartitionLog::Impl::sync(SyncCallback done) {
  if (removing_) return done(fail(gone()));
  if (syncing_) return waiting_syncs_.push_back(std::move(done));
  if (!mark_ || mark_->complete) return sync_start(std::move(done));
  spill([self = shared_from_this(), done = std::move(done)](Result<void> spilled) mutable {
    if (!spilled) return done(fail(std::move(spilled.error())));
    self->sync(std::move(done));
  });
}

void PartitionLog::Impl::sync_start(SyncCallback done) {
  LogState state = mark_ ? std::move(mark_->state) : spilled_state();
  const bool marked = std::exchange(mark_, std::nullopt).has_value();
  if (!needs_sync()) return done(std::move(state));
  syncing_ = true;
  const auto op = std::make_shared<Sync>(shared_from_this(), std::move(done));
  op->state = std::move(state);
  std::vector<std::pair<std::uint64_t, Offset>> unsynced;
  const auto collect = [&](std::vector<Segment>& segments) {
    for (Segment& segment : segments) {
      if (std::exchange(segment.unsynced, false)) unsynced.emplace_back(segment.id, segment.base);
    }
  };
  if (marked) collect(garbage_);  // what was cut since the mark is still part of it
  collect(segments_);
  op->left += unsynced.size();
  for (const auto& [id, base] : unsynced) sync_segment(op, id, base);
  if (--op->left == 0) sync_directory(op);
}

void PartitionLog::Impl::sync_segment(const std::shared_ptr<Sync>& op, std::uint64_t id, Offset base) {
  UniqueFunction<void(Result<void>)> one_less = [self = shared_from_this(), op, id](Result<void> result) {
    Segment* segment = self->find_segment(id);
    if (!result && segment != nullptr) {  // one whose file is gone is not part of any later state
      segment->unsynced = true;
      if (op->result) op->result = std::move(result);
    }
    if (--op->left == 0) self->sync_directory(op);
  };
  files_->acquire(
      segment_path(directory_, base), false, alive(),
      [one_less = std::move(one_less)](Result<FilePool::Lease> file) mutable {
        if (!file) return one_less(fail(std::move(file.error())));
        File& target = file->file();
        target.sync([one_less = std::move(one_less), lease = std::move(*file)](Result<void> result) mutable {
          lease.release();
          one_less(std::move(result));
        });
      });
}

void PartitionLog::Impl::sync_directory(const std::shared_ptr<Sync>& op) {
  if (!op->result || !directory_unsynced_) return sync_end(op);
  directory_unsynced_ = false;  // what a spill makes from now on is the next sync's
  const auto failed = [self = shared_from_this(), op](Result<void> result) {
    self->directory_unsynced_ = true;
    op->result = std::move(result);
    self->sync_end(op);
  };
  disk().sync_dir(directory_, [self = shared_from_this(), op, failed](Result<void> result) {
    if (!result) return failed(std::move(result));
    if (!self->parent_unsynced_) return self->sync_end(op);
    self->disk().sync_dir(parent_of(self->directory_), [self, op, failed](Result<void> parent) {
      if (!parent) return failed(std::move(parent));
      self->parent_unsynced_ = false;
      self->sync_end(op);
    });
  });
}

void PartitionLog::Impl::sync_end(const std::shared_ptr<Sync>& op) {
  syncing_ = false;
  if (!alive_) return;
  auto waiting = std::exchange(waiting_syncs_, {});
  if (op->result) {
    op->done(std::move(op->state));
  } else {
    op->done(fail(op->result.error()));
  }
  for (SyncCallback& next : waiting) {
    if (alive_) sync(std::move(next));
  }
}

}  // namespace sluice::storage
