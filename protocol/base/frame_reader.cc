// See frame_reader.h.
#include "protocol/base/frame_reader.h"

namespace sluice {
namespace {

constexpr std::size_t kStreamingSign = 4 << 10;

}  // namespace

std::size_t FrameReader::claimed_size() const {
  if (pending() < kLengthBytes) return 0;
  const Result<std::size_t> size = rule_(buffer_.get() + begin_, max_frame_bytes_);
  return size ? kLengthBytes + *size : 0;
}

bool FrameReader::must_renew() const {
  // A nearly full buffer is left early only if the frame at its end does not fit anyway.
  const std::size_t claimed = claimed_size();
  const bool frame_fits = claimed != 0 && claimed <= capacity_ - begin_ && end_ < capacity_;
  // Nobody knows when the next frame begins to come: what waits for it is small, unless there is more already.
  const bool too_large_to_wait = pending() == 0 && capacity_ > kMostFirstCapacity && !streaming_;
  return (capacity_ - end_ < kLeastSpace && !frame_fits) || too_large_to_wait;
}

std::size_t FrameReader::renewed_capacity() const {
  const std::size_t kept = pending();
  std::size_t capacity = first_capacity();
  if (const std::size_t claimed = claimed_size(); claimed != 0) {
    const std::size_t earned = std::max(2 * kept, std::min(last_size_, kMostEarned));
    // A little more than the frame shows whether another one follows at once.
    const std::size_t wanted = claimed + (bulk_allowed_ ? kStreamingSign : 0);
    capacity = std::max(capacity, claimed <= earned ? wanted : earned);
  }
  return std::max(capacity, kept + kLeastSpace);
}

std::size_t FrameReader::next_buffer() const { return must_renew() ? renewed_capacity() : 0; }

MutableByteSpan FrameReader::prepare() {
  if (must_renew()) renew();
  return {buffer_.get() + end_, capacity_ - end_};
}

void FrameReader::renew() {
  const std::size_t kept = pending();
  const std::size_t capacity = renewed_capacity();
  const bool of_small_frames = capacity_ > 0 && capacity_ <= kMostFirstCapacity && claimed_size() <= kMostFirstCapacity;
  if (of_small_frames && first_capacity_ < kMostFirstCapacity) first_capacity_ *= 2;
  auto fresh = std::make_shared_for_overwrite<std::byte[]>(capacity);
  if (kept > 0) std::memcpy(fresh.get(), buffer_.get() + begin_, kept);
  buffer_ = std::move(fresh);
  capacity_ = capacity;
  begin_ = 0;
  end_ = kept;
}

void FrameReader::commit(std::size_t n) {
  CHECK(n <= capacity_ - end_, "no more is received than there was space for");
  end_ += n;
  const std::size_t claimed = claimed_size();
  streaming_ = end_ == capacity_ && claimed != 0 && claimed < pending();
  if (streaming_)
    first_capacity_ = std::min(2 * first_capacity_, kMostBulkCapacity);
  else if (n < first_capacity_ / 4)
    first_capacity_ = std::max(first_capacity_ / 2, kLeastCapacity);
}

void FrameReader::feed(ByteSpan bytes) {
  while (!bytes.empty()) {
    const MutableByteSpan space = prepare();
    const std::size_t n = std::min(space.size(), bytes.size());
    std::memcpy(space.data(), bytes.data(), n);
    commit(n);
    bytes = bytes.subspan(n);
  }
}

Result<std::optional<SharedBytes>> FrameReader::next() {
  if (pending() < kLengthBytes) return std::nullopt;
  const Result<std::size_t> length = rule_(buffer_.get() + begin_, max_frame_bytes_);
  if (!length) return fail(length.error());
  const std::size_t size = *length;
  if (pending() - kLengthBytes < size) return std::nullopt;
  SharedBytes frame(buffer_, ByteSpan(buffer_.get() + begin_ + kLengthBytes, size), capacity_);
  begin_ += kLengthBytes + size;
  last_size_ = kLengthBytes + size;
  return frame;
}

void FrameReader::release_if_empty() {
  if (pending() > 0) return;
  buffer_.reset();
  capacity_ = begin_ = end_ = 0;
}

}  // namespace sluice
