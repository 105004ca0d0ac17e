// Reading batches: from memory if they are there, else with one read of the segment that starts at the index entry
// before the asked offset. A batch is handed out only if what follows it is in order too (the next header, or the
// segment's end), so that a damaged length is seen; its CRC is left to the client.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "storage/log/log_impl.h"

namespace sluice::storage {
namespace {

constexpr std::uint64_t kMostRead = 1U << 20;
constexpr std::uint64_t kLeastRead = 4U << 10;
constexpr std::size_t kCopyOutBelow = 8;  // an eighth of the buffer

/// Uninitialised memory that slices share.
std::shared_ptr<std::byte[]> make_buffer(std::size_t size) { return std::make_shared_for_overwrite<std::byte[]>(size); }

/// Moves a small result out of the large buffer it would keep alive.
void copy_out(LogRead& read, std::size_t buffer_bytes) {
  if (read.bytes >= buffer_bytes / kCopyOutBelow) return;
  const auto copy = make_buffer(read.bytes);
  std::size_t at = 0;
  for (SharedBytes& batch : read.batches) {
    std::copy(batch.span().begin(), batch.span().end(), copy.get() + at);
    batch = SharedBytes(copy, {copy.get() + at, batch.size()}, read.bytes);
    at += batch.size();
  }
}

}  // namespace

struct PartitionLog::Impl::Read {
  Offset offset;
  std::uint64_t max_bytes = 0;
  Offset limit;
  ReadCallback done;
  SegmentView segment;
  BatchCheck at;  ///< where the next read starts
  FilePool::Lease file;
  std::shared_ptr<std::byte[]> buffer;
  std::size_t buffer_bytes = 0;
  std::byte probe[kBatchHeaderSize];
  bool guided = false;   ///< by an index entry
  bool started = false;  ///< a batch header was found in order
};

void PartitionLog::Impl::read(Offset offset, std::size_t max_bytes, Offset limit, ReadCallback done) {
  if (removing_) return done(fail(gone()));
  if (offset < start_ || offset > end_) {
    return done(fail(Errc::offset_out_of_range, fmt::format("offset {} is outside {} to {} of log {}", offset.value,
                                                            start_.value, end_.value, directory_)));
  }
  if (offset >= std::min(limit, end_)) return done(LogRead{});
  if (const std::size_t i = tail_.find(offset); i < tail_.size()) return done(read_tail(i, max_bytes, limit));
  const auto op = std::make_shared<Read>();
  op->offset = offset;
  op->max_bytes = max_bytes;
  op->limit = limit;
  op->done = std::move(done);
  prepare([self = shared_from_this(), op](Result<void> result) {
    if (!result) return self->read_end(op, fail(std::move(result.error())));
    self->read_locate(op);
  });
}

LogRead PartitionLog::Impl::read_tail(std::size_t first, std::size_t max_bytes, Offset limit) const {
  LogRead read;
  for (std::size_t i = first; i < tail_.size() && tail_[i].next <= limit; ++i) {
    const std::size_t bytes = read.bytes + tail_[i].bytes.size();
    if (i > first && bytes > max_bytes) break;
    read.batches.push_back(tail_[i].bytes);
    read.bytes = bytes;
  }
  return read;
}

void PartitionLog::Impl::read_locate(const std::shared_ptr<Read>& op) {
  if (op->offset < start_) {
    return read_end(op, fail(Errc::offset_out_of_range, fmt::format("offset {} was cut off log {}, which starts at {}",
                                                                    op->offset.value, directory_, start_.value)));
  }
  const std::size_t number = segment_of(op->offset);
  if (number == segments_.size()) {
    return read_end(
        op, fail(Errc::corrupt, fmt::format("log {} has no segment for offset {}", directory_, op->offset.value)));
  }
  op->segment = view(number);
  with_index(op->segment, [self = shared_from_this(), op](const std::shared_ptr<SegmentIndex>& index) {
    const std::size_t floor = index->floor(op->offset);
    op->at = {index->entry(floor).position, index->entry(floor).offset, std::nullopt};
    op->guided = floor > 0;
    self->files_->acquire(op->segment.path, false, self->alive(), [self, op](Result<FilePool::Lease> file) {
      if (!file) return self->read_failed(op, std::move(file.error()));
      op->file = std::move(*file);
      self->read_chunk(op, 0);
    });
  });
}

void PartitionLog::Impl::read_chunk(const std::shared_ptr<Read>& op, std::uint64_t at_least) {
  const std::uint64_t wanted = std::max<std::uint64_t>(op->max_bytes, kLeastRead) + options_.index_interval_bytes;
  const std::uint64_t size = std::min(std::max(at_least, std::min(wanted + kBatchHeaderSize, kMostRead)),
                                      op->segment.size_bytes - std::min(op->at.position, op->segment.size_bytes));
  if (size == 0) {
    return read_failed(op, {Errc::corrupt, fmt::format("segment {} ends at {} without offset {}", op->segment.path,
                                                       op->segment.size_bytes, op->offset.value)});
  }
  op->buffer_bytes = size;
  op->buffer = make_buffer(size);
  op->file.file().read(op->at.position, {op->buffer.get(), size},
                       [self = shared_from_this(), op](Result<std::size_t> count) {
                         if (!count) return self->read_failed(op, std::move(count.error()));
                         self->read_take(op, *count);
                       });
}

void PartitionLog::Impl::read_take(const std::shared_ptr<Read>& op, std::size_t count) {
  const SegmentView& segment = op->segment;
  ++files_->counted().segment_reads;
  files_->counted().segment_bytes += count;
  if (count < op->buffer_bytes) {
    return read_failed(op, {Errc::corrupt, fmt::format("segment {} ends at {}, and should at {}", segment.path,
                                                       op->at.position + count, segment.size_bytes)});
  }
  const ByteSpan bytes(op->buffer.get(), op->buffer_bytes);
  const std::uint64_t start = op->at.position;
  LogRead read;
  std::optional<Error> bad;
  while (true) {
    const ByteSpan rest = bytes.subspan(std::min<std::uint64_t>(op->at.position - start, bytes.size()));
    const bool to_the_end = op->at.position + rest.size() >= segment.size_bytes;
    if (rest.empty() || (rest.size() < kBatchHeaderSize && !to_the_end)) break;
    const auto header = op->at.check(segment, rest);
    if (!header) {
      bad = header.error();
      break;
    }
    op->started = true;
    if (header->next_offset() <= op->offset) {
      op->at.advance(*header);
      continue;
    }
    if (header->next_offset() > op->limit) return read_end(op, std::move(read));
    if (!read.batches.empty() && read.bytes + header->size_bytes > op->max_bytes) break;
    BatchCheck next = op->at;
    next.advance(*header);
    if (next.position < segment.size_bytes) {
      const bool here = rest.size() >= header->size_bytes + std::min<std::uint64_t>(kBatchHeaderSize,
                                                                                    segment.size_bytes - next.position);
      if (!here && read.batches.empty()) return read_large(op, *header);
      if (!here) break;
      if (auto following = next.check(segment, rest.subspan(header->size_bytes)); !following) {
        bad = following.error();
        break;
      }
    } else if (rest.size() < header->size_bytes) {
      if (read.batches.empty()) return read_large(op, *header);
      break;
    }
    read.batches.emplace_back(op->buffer, rest.first(header->size_bytes), op->buffer_bytes);
    read.bytes += header->size_bytes;
    op->at = next;
  }
  if (!read.batches.empty()) {  // what is behind them fails the read that asks for it
    copy_out(read, op->buffer_bytes);
    return read_end(op, std::move(read));
  }
  if (bad) return read_failed(op, std::move(*bad));
  read_chunk(op, 0);  // still on the way to the offset
}

/// The asked batch does not fit what was read: once more, from its start and with its size. Before so much
/// memory is taken as a damaged length may claim, what follows the batch has to prove it.
void PartitionLog::Impl::read_large(const std::shared_ptr<Read>& op, const BatchHeader& header) {
  BatchCheck next = op->at;
  next.advance(header);
  const std::uint64_t whole =
      header.size_bytes + std::min<std::uint64_t>(kBatchHeaderSize, op->segment.size_bytes - next.position);
  if (whole <= kMostRead || next.position == op->segment.size_bytes) return read_chunk(op, whole);
  const std::size_t size = std::min<std::uint64_t>(sizeof op->probe, op->segment.size_bytes - next.position);
  op->file.file().read(next.position, {op->probe, size},
                       [self = shared_from_this(), op, next, size, whole](Result<std::size_t> count) {
                         if (!count) return self->read_failed(op, std::move(count.error()));
                         const auto ok = next.check(op->segment, ByteSpan(op->probe, std::min(*count, size)));
                         if (!ok) return self->read_failed(op, ok.error());
                         self->read_chunk(op, whole);
                       });
}

void PartitionLog::Impl::read_failed(const std::shared_ptr<Read>& op, Error error) {
  op->file.release();
  op->buffer = nullptr;
  const Segment* segment = find_segment(op->segment.id);
  if (error.code == Errc::not_found) {
    if (removing_) return read_end(op, fail(gone()));
    if (segment != nullptr)
      error.code = Errc::corrupt;  // its file went without our doing
    else
      error.code = Errc::offset_out_of_range;
  }
  // The index may have pointed to a wrong place: once in a segment's life it is rebuilt without its file.
  if (alive_ && error.code == Errc::corrupt && op->guided && !op->started && segment != nullptr &&
      !segment->index_distrusted) {
    distrust_index(op->segment.id);
    return read_locate(op);
  }
  read_end(op, fail(std::move(error)));
}

void PartitionLog::Impl::read_end(const std::shared_ptr<Read>& op, Result<LogRead> result) {
  op->file.release();
  op->buffer = nullptr;
  if (alive_) op->done(std::move(result));
}

}  // namespace sluice::storage
