// See frame.h.
#include "protocol/kafka/frame.h"

#include <fmt/core.h>

namespace sluice::kafka {
namespace {

constexpr std::size_t kLengthBytes = sizeof(std::int32_t);

/// People point browsers and TLS clients at this port; what they send first reads as a huge length.
std::string_view guess(std::uint32_t length) {
  if (length >> 8 == 0x160301 || length >> 8 == 0x160303) return " (this looks like TLS on a plaintext listener)";
  if (length == 0x47455420 || length == 0x504f5354 || length == 0x48454144 || length == 0x50555420) {
    return " (this looks like HTTP)";
  }
  return "";
}

}  // namespace

std::size_t FrameReader::claimed_size() const {
  if (pending() < kLengthBytes) return 0;
  const auto length = load_be<std::int32_t>(buffer_.get() + begin_);
  if (length < 0 || static_cast<std::size_t>(length) > max_frame_bytes_) return 0;
  return kLengthBytes + static_cast<std::size_t>(length);
}

bool FrameReader::must_renew() const {
  // A nearly full buffer is left early only if the frame at its end does not fit anyway.
  const std::size_t claimed = claimed_size();
  const bool frame_fits = claimed != 0 && claimed <= capacity_ - begin_ && end_ < capacity_;
  return capacity_ - end_ < kLeastSpace && !frame_fits;
}

std::size_t FrameReader::renewed_capacity() const {
  const std::size_t kept = pending();
  std::size_t capacity = first_capacity_;
  if (const std::size_t claimed = claimed_size(); claimed != 0) {
    const std::size_t earned = std::max(2 * kept, std::min(last_size_, kMostEarned));
    capacity = std::max(first_capacity_, std::min(claimed, earned));
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
  if (of_small_frames) first_capacity_ = std::min(2 * first_capacity_, kMostFirstCapacity);
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
  if (n < first_capacity_ / 4) first_capacity_ = std::max(first_capacity_ / 2, kLeastCapacity);
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
  const auto length = load_be<std::int32_t>(buffer_.get() + begin_);
  if (length < 0) return fail(Errc::malformed, fmt::format("a request claims {} bytes", length));
  const auto size = static_cast<std::size_t>(length);
  if (size > max_frame_bytes_) {
    return fail(Errc::too_large, fmt::format("a request claims {} bytes and {} are allowed{}", size, max_frame_bytes_,
                                             guess(static_cast<std::uint32_t>(length))));
  }
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

SharedBytes share_part(const SharedBytes& frame, ByteSpan part) {
  if (part.empty()) return frame.slice(0, 0);
  CHECK(part.data() >= frame.data() && part.data() + part.size() <= frame.data() + frame.size());
  return frame.slice(static_cast<std::size_t>(part.data() - frame.data()), part.size());
}

}  // namespace sluice::kafka
