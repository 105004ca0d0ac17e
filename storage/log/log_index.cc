// Indexes of segments: found in the cache, read from their file, completed or rebuilt by walking the segment. Writing
// one is best effort: a failure costs a walk later, never an operation.
#include <algorithm>
#include <utility>

#include "storage/log/log_impl.h"

namespace sluice::storage {
namespace {

constexpr std::size_t kIndexRead = 64U << 10;
constexpr std::size_t kIndexWrite = 256U << 10;

}  // namespace

struct PartitionLog::Impl::IndexLoad {
  SegmentView segment;
  std::shared_ptr<SegmentIndex> index;
  std::vector<WithIndex> waiters;
  FilePool::Lease file;
  std::vector<std::byte> buffer;
  std::uint64_t from_file = 0;  ///< what the index file covered of the segment
};

void PartitionLog::Impl::with_index(const SegmentView& segment, WithIndex then) {
  if (auto index = files_->indexes().find(segment.id)) return then(std::move(index));
  for (const auto& load : loads_) {
    const auto op = load.lock();
    if (op && op->segment.id == segment.id) return op->waiters.push_back(std::move(then));
  }
  const auto op = std::make_shared<IndexLoad>();
  op->segment = segment;
  op->waiters.push_back(std::move(then));
  loads_.push_back(op);
  load_index(op);
}

void PartitionLog::Impl::load_index(const std::shared_ptr<IndexLoad>& op) {
  op->index = std::make_shared<SegmentIndex>(op->segment.base, options_.index_interval_bytes);
  op->from_file = 0;
  const Segment* segment = find_segment(op->segment.id);
  if (segment == nullptr || segment->index_distrusted) return complete_index(op);
  files_->acquire(index_path(directory_, op->segment.base), false, alive(),
                  [self = shared_from_this(), op](Result<FilePool::Lease> file) {
                    if (!file) return self->complete_index(op);  // missing, or as good as that
                    op->file = std::move(*file);
                    self->read_index(op);
                  });
}

void PartitionLog::Impl::read_index(const std::shared_ptr<IndexLoad>& op) {
  op->buffer.resize(kIndexRead);
  op->file.file().read(op->index->file_bytes, op->buffer, [self = shared_from_this(), op](Result<std::size_t> count) {
    if (count && self->take_index_blocks(op, *count)) return self->read_index(op);
    op->file.release();
    op->buffer = {};
    op->from_file = op->index->cursor().covered_to;
    self->complete_index(op);
  });
}

/// Returns whether there may be more.
bool PartitionLog::Impl::take_index_blocks(const std::shared_ptr<IndexLoad>& op, std::size_t count) {
  const ByteSpan bytes = ByteSpan(op->buffer).first(count);
  std::size_t at = 0;
  while (at < count) {
    const std::size_t size = index_block_size(bytes.subspan(at));
    if (size == 0 || size > count - at) break;
    const auto block = decode_index_block(bytes.subspan(at));
    if (!block || !op->index->add_block(*block, op->segment.size_bytes, op->segment.next)) return false;
    at += size;
    op->index->file_bytes += size;
  }
  return at > 0 && count == op->buffer.size();
}

void PartitionLog::Impl::complete_index(const std::shared_ptr<IndexLoad>& op) {
  catch_up_with_writer(*op->index);
  const IndexCursor& cursor = op->index->cursor();
  if (cursor.covered_to >= op->segment.size_bytes) return index_loaded(op, {});
  files_->acquire(op->segment.path, false, alive(), [self = shared_from_this(), op](Result<FilePool::Lease> file) {
    if (!file) return self->index_loaded(op, fail(std::move(file.error())));
    const BatchCheck start{op->index->cursor().covered_to, op->index->cursor().next, std::nullopt};
    SegmentScan::run(
        std::move(*file), op->segment, start, op->segment.size_bytes,
        [op](const BatchHeader& header, std::uint64_t) {
          op->index->add({header.base_offset, header.next_offset(), header.size_bytes, header.max_timestamp_ms});
          return true;
        },
        [self, op](Result<void> result) { self->index_loaded(op, std::move(result)); });
  });
}

void PartitionLog::Impl::index_loaded(const std::shared_ptr<IndexLoad>& op, Result<void> result) {
  Segment* segment = find_segment(op->segment.id);
  if (!result && result.error().code == Errc::corrupt && op->from_file > 0 && segment != nullptr) {
    // The walk may have failed because the file pointed it to a wrong place: once more, without it.
    segment->index_distrusted = true;
    return load_index(op);
  }
  SegmentIndex& index = *op->index;
  if (result) catch_up_with_writer(index);
  const std::uint64_t covered = index.cursor().covered_to;
  const bool writers = writer_ && writer_->base() == op->segment.base;
  if (segment != nullptr && result) {
    if (covered == segment->size_bytes) segment->max_ms = index.cursor().max_ms;
    if (!writers && covered > op->from_file) persist_index(index, op->from_file);
  }
  // An index that lags behind its writer would never catch up; the next use loads it again.
  const bool lags = writers && covered != writer_->cursor().covered_to;
  const bool unread = !result && result.error().code != Errc::corrupt;
  if (segment != nullptr && !lags && !unread) files_->indexes().put(op->segment.id, op->index);
  std::erase_if(loads_, [&](const auto& load) { return load.expired() || load.lock() == op; });
  if (loads_.empty()) loads_ = {};
  for (WithIndex& waiter : std::exchange(op->waiters, {})) {
    if (alive_) waiter(op->index);
  }
}

/// Adds what the active segment's writer has not written yet, if that is what comes next.
void PartitionLog::Impl::catch_up_with_writer(SegmentIndex& index) {
  if (writer_ && writer_->base() == index.base() && writer_->written_to() == index.cursor().covered_to) {
    index.add_entries(writer_->pending(), writer_->cursor());
  }
}

void PartitionLog::Impl::persist_index(SegmentIndex& index, std::uint64_t from) {
  for (bool cut = true; from < index.cursor().covered_to; cut = false) {
    ByteWriter out;
    from = index.encode_from(from, kIndexWrite, out);
    const std::uint64_t position = std::exchange(index.file_bytes, index.file_bytes + out.size());
    write_index(index.base(), position, out.take(), cut);
  }
}

void PartitionLog::Impl::write_pending_index() {
  if (!writer_ || !writer_->has_pending()) return;
  // A writer that continues after a start cuts what a crash left behind the blocks that hold.
  const bool cut = writer_->continues_file();
  IndexWriter::Write write = writer_->take();
  write_index(writer_->base(), write.file_position, std::move(write.bytes), cut);
}

void PartitionLog::Impl::write_index(Offset base, std::uint64_t position, std::vector<std::byte> bytes, bool cut) {
  if (bytes.empty() || removing_) return;
  const auto content = std::make_shared<std::vector<std::byte>>(std::move(bytes));
  const auto busy = std::make_shared<Busy>(shared_from_this());
  files_->acquire(index_path(directory_, base), true, alive(),
                  [self = shared_from_this(), busy, base, position, content, cut](Result<FilePool::Lease> file) {
                    const bool gone = self->removing_ || self->segments_.empty() || base < self->segments_.front().base;
                    if (!file) return;
                    if (gone || (cut && !file->file().truncate(position))) return file->release();
                    File& target = file->file();
                    target.write(position, *content, WriteSync::none,
                                 [busy, content, lease = std::move(*file)](Result<void>) mutable { lease.release(); });
                  });
}

void PartitionLog::Impl::distrust_index(std::uint64_t id) {
  if (Segment* segment = find_segment(id)) segment->index_distrusted = true;
  files_->indexes().erase(id);
}

}  // namespace sluice::storage
