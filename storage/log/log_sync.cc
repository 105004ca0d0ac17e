// Marks and sync: what a checkpoint asks of a log. A mark grows with the spill until all that was in memory when it was
// made is in segments; then the segments written since the last sync are synced, and the directories of new ones.
#include <algorithm>
#include <utility>

#include "storage/log/log_impl.h"

namespace sluice::storage {
namespace {

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

void PartitionLog::Impl::mark() {
  mark_ = Mark{spilled_state(), !tail_.has_unspilled()};
  mark_->state.end_offset = end_;
  removable_garbage_ = garbage_.size();
}

void PartitionLog::Impl::grow_mark(const TailBatch& batch, bool new_segment) {
  if (!mark_ || mark_->complete) return;
  LogState& state = mark_->state;
  if (new_segment) state.segments.push_back({.base = batch.base, .opened_ms = batch.group_ms});
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
          if (!result) return one_less(fail(failed_sync(std::move(result.error()))));
          one_less(std::move(result));
        });
      });
}

void PartitionLog::Impl::sync_directory(const std::shared_ptr<Sync>& op) {
  if (!op->result || !directory_unsynced_) return sync_end(op);
  directory_unsynced_ = false;  // what a spill makes from now on is the next sync's
  const auto failed = [self = shared_from_this(), op](Result<void> result) {
    self->directory_unsynced_ = true;
    op->result = fail(failed_sync(std::move(result.error())));
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
