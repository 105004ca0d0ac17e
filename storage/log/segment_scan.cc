#include "storage/log/segment_scan.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace sluice::storage {
namespace {

constexpr std::size_t kFirstRead = 8U << 10;
constexpr std::size_t kMostRead = 256U << 10;

}  // namespace

SegmentScan::SegmentScan(FilePool::Lease file, SegmentView segment, BatchCheck start, std::uint64_t end, Visit visit,
                         Done done)
    : file_(std::move(file)),
      segment_(std::move(segment)),
      next_(start),
      end_(std::min(end, segment_.size_bytes)),
      visit_(std::move(visit)),
      done_(std::move(done)),
      read_bytes_(kFirstRead) {}

void SegmentScan::run(FilePool::Lease file, SegmentView segment, BatchCheck start, std::uint64_t end, Visit visit,
                      Done done) {
  std::make_shared<SegmentScan>(std::move(file), std::move(segment), start, end, std::move(visit), std::move(done))
      ->read_next();
}

void SegmentScan::read_next() {
  if (next_.position >= end_) return finish({});
  // Up to the segment's end, so that the last header before `end` is there as a whole.
  const std::uint64_t size = std::min<std::uint64_t>(read_bytes_, segment_.size_bytes - next_.position);
  buffer_.resize(size);
  file_.file().read(next_.position, buffer_, [self = shared_from_this()](Result<std::size_t> count) {
    if (!count) return self->finish(fail(std::move(count.error())));
    self->take(*count);
  });
}

void SegmentScan::take(std::size_t count) {
  if (count < buffer_.size()) {
    return finish(fail(Errc::corrupt, fmt::format("segment {} ends at {}, and should at {}", segment_.path,
                                                  next_.position + count, segment_.size_bytes)));
  }
  const std::uint64_t start = next_.position;
  const std::uint64_t left = segment_.size_bytes - start;
  std::uint64_t largest = 0;
  while (next_.position < end_) {
    const std::uint64_t at = next_.position - start;
    if (at >= buffer_.size() || (buffer_.size() - at < kBatchHeaderSize && buffer_.size() < left)) break;
    const auto header = next_.check(segment_, ByteSpan(buffer_).subspan(at));
    if (!header) return finish(fail(header.error()));
    if (!visit_(*header, next_.position)) return finish({});
    largest = std::max<std::uint64_t>(largest, header->size_bytes);
    next_.advance(*header);
  }
  // Batches that are larger than a read are skipped: then only their headers are worth reading.
  read_bytes_ = largest > kMostRead ? kFirstRead : std::min(read_bytes_ * 4, kMostRead);
  read_next();
}

void SegmentScan::finish(Result<void> result) {
  file_.release();
  visit_ = nullptr;
  if (auto done = std::move(done_)) done(std::move(result));
}

}  // namespace sluice::storage
