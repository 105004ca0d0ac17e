// Lengths, bounds and the error text of the reading archive.
#include "protocol/kafka/reader.h"

#include <fmt/core.h>

namespace sluice::kafka {

std::uint32_t Reader::varint() {
  std::uint32_t value = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    const std::uint32_t byte = number<std::uint8_t>();
    if (failed_) return 0;
    if (shift == 28 && byte > 0x0f) break;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  fail("a varint does not end within 32 bits");
  return 0;
}

std::int64_t Reader::text_length() {
  const std::int64_t n = flexible_ ? std::int64_t{varint()} - 1 : number<std::int16_t>();
  if (n > static_cast<std::int64_t>(kMaxStringBytes)) fail(fmt::format("a string of {} bytes is too long", n));
  if (n < -1) fail(fmt::format("a string has the length {}", n));
  return failed_ ? -1 : n;
}

std::int64_t Reader::length() {
  const std::int64_t n = flexible_ ? std::int64_t{varint()} - 1 : number<std::int32_t>();
  if (n < -1) fail(fmt::format("a field has the length {}", n));
  return failed_ ? -1 : n;
}

bool Reader::array_fits(std::size_t count, std::size_t least_element_size) {
  const std::size_t left = end_ - position_;
  if (count > left / std::max<std::size_t>(least_element_size, 1)) {
    fail(fmt::format("an array of {} elements does not fit into the {} bytes left", count, left));
    return false;
  }
  if (count > elements_left_) {
    fail(fmt::format("an array of {} elements is more than the {} that this message may still hold", count,
                     elements_left_));
    return false;
  }
  elements_left_ -= count;
  return true;
}

void Reader::fail(std::string reason) {
  if (failed_) return;
  failed_ = true;
  reason_ = std::move(reason);
  position_ = end_;
}

void Reader::fail_short(std::size_t wanted) {
  if (failed_) return;
  fail(fmt::format("{} bytes are needed and {} are left", wanted, end_ - position_));
}

Error Reader::error() const {
  return {Errc::malformed, fmt::format("field at byte {} of {}: {}", field_at_, bytes_.size(), reason_)};
}

}  // namespace sluice::kafka
