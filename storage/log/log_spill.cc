// Spill. It writes runs of batches of up to 2 MiB behind the active segment's last known good byte; what a failed write
// left there is written over by the next one. A new segment counts only when its first run is written, so that no state
// ever names a file that may not be there.
//
// A large run goes past the page cache: copying into fresh pages of it was a third of the broker's CPU, for bytes that
// hardly anybody reads from there. Only whole blocks can, so the bytes before it in its first block are written again,
// and its last block is filled up with zeros:
//
//   | block          | block          | block          |
//   |again...|  the run, direct             |....zeros..|
//
// Nothing is left in the page cache: a page here and there would keep the kernel from reading ahead in large folios
// later, and reading small ones costs three times the CPU. The bytes of the last block are kept for the next run as
// long as the log keeps a tail (LastBlock), and read back otherwise. To write a block again is as safe as it was in the
// page cache: what is durable in it does not change.
#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "protocol/base/check.h"
#include "storage/log/log_impl.h"

namespace sluice::storage {
namespace {

constexpr std::size_t kRunBytes = FilePool::kStagingBytes - kDiskBlock;

}  // namespace

struct PartitionLog::Impl::Spill {
  Spill(std::shared_ptr<Impl> log, Done callback) : busy(std::move(log)), done(std::move(callback)) {}
  Busy busy;
  Done done;
  bool hurried = false;
  // The run being written.
  std::size_t count = 0;
  std::size_t bytes = 0;
  bool rolls = false;
  Offset base;  ///< of the segment it goes to
  std::uint64_t position = 0;
  SharedBytes single;
  AlignedBuffer staging;
  FilePool::Lease file;
};

void PartitionLog::Impl::spill(Done done, bool hurried) {
  if (removing_) return done(fail(gone()));
  if (spilling_) return waiting_spills_.push_back(std::move(done));
  if (!tail_.has_unspilled()) return done({});
  spilling_ = true;
  const auto op = std::make_shared<Spill>(shared_from_this(), std::move(done));
  op->hurried = hurried;
  prepare([self = shared_from_this(), op](Result<void> result) {
    if (!result) return self->spill_end(op, std::move(result));
    self->spill_ready(op);
  });
}

/// The first spill after a start continues the active segment's index; a failure of that costs only the index.
void PartitionLog::Impl::spill_ready(const std::shared_ptr<Spill>& op) {
  if (segments_.empty() || writer_ || writer_given_up_ || op->hurried) return spill_next(op);
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

/// Group time never goes back, and no client chooses it.
bool PartitionLog::Impl::too_late_for(std::int64_t opened_ms, const TailBatch& batch) const {
  return opened_ms >= 0 && batch.group_ms - opened_ms > options_.segment_ms;
}

void PartitionLog::Impl::spill_next(const std::shared_ptr<Spill>& op) {
  if (removing_) return spill_end(op, fail(gone()));
  if (!tail_.has_unspilled()) return spill_end(op, {});
  const TailBatch& first = tail_[tail_.spilled()];
  const std::uint64_t active_bytes = segments_.empty() ? 0 : segments_.back().size_bytes;
  op->rolls = segments_.empty() || (active_bytes > 0 && active_bytes + first.bytes.size() > options_.segment_bytes) ||
              too_late_for(segments_.back().opened_ms, first);
  const std::int64_t opened_ms = op->rolls ? first.group_ms : segments_.back().opened_ms;
  op->base = op->rolls ? first.base : segments_.back().base;
  op->position = op->rolls ? 0 : active_bytes;
  op->count = 1;
  op->bytes = first.bytes.size();
  for (std::size_t i = tail_.spilled() + 1; i < tail_.size(); ++i) {
    const std::size_t bytes = op->bytes + tail_[i].bytes.size();
    if (bytes > kRunBytes || op->position + bytes > options_.segment_bytes) break;
    if (too_late_for(opened_ms, tail_[i])) break;
    op->bytes = bytes;
    ++op->count;
  }
  if (op->rolls) {
    if (auto made = make_directory(); !made) return spill_end(op, std::move(made));
  }
  if (op->bytes >= options_.direct_run_bytes && op->bytes <= kRunBytes) return spill_direct(op);
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
    take_staging(*op);
    const MutableByteSpan into = op->staging.span().first(op->bytes);
    gather(*op, into);
    bytes = into;
  }
  File& target = file.file();
  target.write(op->position, bytes, WriteSync::none,
               [self = shared_from_this(), op, lease = std::move(file)](Result<void> result) mutable {
                 lease.release();
                 if (!result) return self->spill_end(op, std::move(result));
                 self->last_block_ = {};
                 self->spill_written(op);
                 self->spill_next(op);
               });
}

/// Room for the run, and for what comes before it in its first block.
void PartitionLog::Impl::take_staging(Spill& op) const {
  const std::size_t bytes = op.bytes + kDiskBlock;
  if (op.staging.size() >= bytes) return;
  if (op.staging.size() > 0) files_->return_staging(std::move(op.staging));
  op.staging = files_->take_staging(bytes);
}

/// Copies the run's batches together.
void PartitionLog::Impl::gather(const Spill& op, MutableByteSpan into) const {
  std::byte* at = into.data();
  for (std::size_t i = tail_.spilled(); i < tail_.spilled() + op.count; ++i) {
    const ByteSpan batch = tail_[i].bytes;
    std::memcpy(at, batch.data(), batch.size());
    at += batch.size();
  }
}

void PartitionLog::Impl::spill_direct(const std::shared_ptr<Spill>& op) {
  take_staging(*op);
  files_->acquire(
      segment_path(directory_, op->base), op->rolls, alive(),
      [self = shared_from_this(), op](Result<FilePool::Lease> file) {
        if (!file) return self->spill_end(op, fail(std::move(file.error())));
        op->file = std::move(*file);
        const std::size_t again = op->position % kDiskBlock;
        if (again == 0) return self->spill_blocks(op);
        if (!self->last_block_.is_before(op->base, op->position)) return self->spill_read_back(op);
        std::memcpy(op->staging.data(), self->last_block_.bytes.get(), again);
        self->spill_blocks(op);
      },
      FilePool::Access::direct);
}

void PartitionLog::Impl::spill_read_back(const std::shared_ptr<Spill>& op) {
  const std::size_t again = op->position % kDiskBlock;
  op->file.file().read(op->position - again, op->staging.span().first(kDiskBlock),
                       [self = shared_from_this(), op, again](Result<std::size_t> count) {
                         if (count && *count < again) {
                           count = fail(Errc::corrupt,
                                        fmt::format("segment {} ends before {}", op->file.file().path(), op->position));
                         }
                         if (count) return self->spill_blocks(op);
                         op->file.release();
                         self->spill_end(op, fail(std::move(count.error())));
                       });
}

/// Behind the bytes of its first block that are written again, the run has its place in the staging buffer.
void PartitionLog::Impl::spill_blocks(const std::shared_ptr<Spill>& op) {
  const std::size_t again = op->position % kDiskBlock;
  gather(*op, op->staging.span().subspan(again, op->bytes));
  const std::size_t used = again + op->bytes, whole = (used + kDiskBlock - 1) / kDiskBlock * kDiskBlock;
  std::ranges::fill(op->staging.span().subspan(used, whole - used), std::byte{0});
  op->file.file().write(op->position - again, op->staging.span().first(whole), WriteSync::none,
                        [self = shared_from_this(), op, used](Result<void> result) {
                          op->file.release();
                          if (!result) return self->spill_end(op, std::move(result));
                          self->keep_last_block(*op, used);
                          self->spill_written(op);
                          self->spill_next(op);
                        });
}

void PartitionLog::Impl::keep_last_block(const Spill& op, std::size_t used) {
  const std::size_t rest = used % kDiskBlock;
  if (rest == 0) {
    last_block_ = {};
    return;
  }
  if (!last_block_.bytes) last_block_.bytes = std::make_unique_for_overwrite<std::byte[]>(kDiskBlock);
  std::memcpy(last_block_.bytes.get(), op.staging.data() + used - rest, rest);
  last_block_.segment = op.base;
  last_block_.end = op.position + op.bytes;
}

void PartitionLog::Impl::spill_written(const std::shared_ptr<Spill>& op) {
  op->single = {};
  ++files_->counted().spill_writes;
  files_->counted().spilled_bytes += op->bytes;
  if (op->rolls) {
    if (writer_) {
      const bool cut = writer_->continues_file();
      IndexWriter::Write write = writer_->take();
      write_index(writer_->base(), write.file_position, std::move(write.bytes), cut);
    }
    Segment segment;
    segment.base = op->base;
    segment.opened_ms = tail_[tail_.spilled()].group_ms;
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
  note_tail();
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

}  // namespace sluice::storage
