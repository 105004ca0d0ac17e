// Bytes in memory: shared slices of buffers, and bounded readers and writers of numbers.
// A reader never reads past its end: after the first field that does not fit it is `failed()` and
// yields zeros. Nothing is ever allocated for a length that the input merely claims.
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "protocol/base/check.h"

namespace sluice {

using ByteSpan = std::span<const std::byte>;
using MutableByteSpan = std::span<std::byte>;

inline ByteSpan as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteSpan bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// A read-only slice of a buffer that others may share: copying it shares the buffer, whose whole
/// size (`charge()`) stays allocated as long as any slice of it lives. Safe to send to another shard.
class SharedBytes {
 public:
  SharedBytes() = default;
  /// `owner` keeps the memory of `bytes` alive; `charge` is the size of what it owns.
  SharedBytes(std::shared_ptr<const void> owner, ByteSpan bytes, std::size_t charge)
      : owner_(std::move(owner)), bytes_(bytes), charge_(charge) {}
  static SharedBytes copy_of(ByteSpan bytes) {
    auto owned = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
    const ByteSpan view(*owned);
    return {std::move(owned), view, view.size()};
  }
  static SharedBytes take(std::vector<std::byte> bytes) {
    auto owned = std::make_shared<std::vector<std::byte>>(std::move(bytes));
    const ByteSpan view(*owned);
    const std::size_t charge = owned->capacity();
    return {std::move(owned), view, charge};
  }

  const std::byte* data() const { return bytes_.data(); }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  ByteSpan span() const { return bytes_; }
  operator ByteSpan() const { return bytes_; }
  std::size_t charge() const { return charge_; }
  const std::shared_ptr<const void>& owner() const { return owner_; }

  /// The `size` bytes from `offset`, sharing the same buffer; both must lie within this slice.
  SharedBytes slice(std::size_t offset, std::size_t size) const {
    CHECK(offset <= bytes_.size() && size <= bytes_.size() - offset);
    return {owner_, bytes_.subspan(offset, size), charge_};
  }

 private:
  std::shared_ptr<const void> owner_;
  ByteSpan bytes_;
  std::size_t charge_ = 0;
};

/// The slice of `whole` that `part`, a view into it, covers: shares the buffer instead of copying.
inline SharedBytes share_part(const SharedBytes& whole, ByteSpan part) {
  if (part.empty()) return whole.slice(0, 0);
  CHECK(part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
  return whole.slice(static_cast<std::size_t>(part.data() - whole.data()), part.size());
}

template <std::integral T>
T byte_swapped(T value) {
  using U = std::make_unsigned_t<T>;
  const U u = static_cast<U>(value);
  if constexpr (sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(u));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(u));
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(u));
}

/// Fixed-width numbers at `from`, which holds at least sizeof(T) bytes. be = big endian (Kafka's
/// wire), le = little endian (our files).
template <std::integral T>
T load_le(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return std::endian::native == std::endian::little ? value : byte_swapped(value);
}
template <std::integral T>
T load_be(const std::byte* from) {
  return byte_swapped(load_le<T>(from));
}
template <std::integral T>
void store_le(std::byte* to, T value) {
  if (std::endian::native != std::endian::little) value = byte_swapped(value);
  std::memcpy(to, &value, sizeof value);
}
template <std::integral T>
void store_be(std::byte* to, T value) {
  store_le(to, byte_swapped(value));
}

class ByteReader {
 public:
  explicit ByteReader(ByteSpan bytes) : bytes_(bytes) {}

  template <std::integral T>
  T be() {
    const std::byte* at = need(sizeof(T));
    return at ? load_be<T>(at) : T{};
  }
  template <std::integral T>
  T le() {
    const std::byte* at = need(sizeof(T));
    return at ? load_le<T>(at) : T{};
  }
  /// LEB128 as Protobuf and Kafka write it; fails past 5 (10) bytes.
  std::uint32_t varint32() { return static_cast<std::uint32_t>(varint(5, 0xffffffffU)); }
  std::uint64_t varint64() { return varint(10, ~std::uint64_t{0}); }
  /// Zigzag-coded signed varints, as in Kafka's records.
  std::int32_t zigzag32() {
    const std::uint32_t v = varint32();
    return static_cast<std::int32_t>((v >> 1) ^ (~(v & 1) + 1));
  }
  std::int64_t zigzag64() {
    const std::uint64_t v = varint64();
    return static_cast<std::int64_t>((v >> 1) ^ (~(v & 1) + 1));
  }
  /// The next n bytes, or an empty span and failure.
  ByteSpan take(std::size_t n) {
    const std::byte* at = need(n);
    return at ? ByteSpan(at, n) : ByteSpan{};
  }
  void skip(std::size_t n) { need(n); }

  std::size_t remaining() const { return bytes_.size() - position_; }
  std::size_t position() const { return position_; }
  bool failed() const { return failed_; }
  void fail() {
    failed_ = true;
    position_ = bytes_.size();
  }

 private:
  const std::byte* need(std::size_t n) {
    if (failed_ || n > bytes_.size() - position_) {
      fail();
      return nullptr;
    }
    const std::byte* at = bytes_.data() + position_;
    position_ += n;
    return at;
  }
  std::uint64_t varint(int max_bytes, std::uint64_t max_value) {
    if (position_ < bytes_.size() && (static_cast<std::uint8_t>(bytes_[position_]) & 0x80) == 0) {
      return static_cast<std::uint8_t>(bytes_[position_++]);  // most of them
    }
    std::uint64_t value = 0;
    for (int i = 0; i < max_bytes; ++i) {
      const std::byte* at = need(1);
      if (!at) return 0;
      const auto byte = static_cast<std::uint64_t>(*at);
      const int shift = 7 * i;
      if (shift == 63 && (byte & 0x7f) > 1) break;
      value |= (byte & 0x7f) << shift;
      if (!(byte & 0x80)) {
        if (value > max_value) break;
        return value;
      }
    }
    fail();
    return 0;
  }

  ByteSpan bytes_;
  std::size_t position_ = 0;
  bool failed_ = false;
};

/// Appends to a growing vector of bytes.
class ByteWriter {
 public:
  ByteWriter() = default;
  explicit ByteWriter(std::vector<std::byte> reuse) : bytes_(std::move(reuse)) { bytes_.clear(); }

  template <std::integral T>
  void be(T value) {
    store_be(extend(sizeof(T)), value);
  }
  template <std::integral T>
  void le(T value) {
    store_le(extend(sizeof(T)), value);
  }
  void varint64(std::uint64_t value) {
    while (value >= 0x80) {
      bytes_.push_back(static_cast<std::byte>(value | 0x80));
      value >>= 7;
    }
    bytes_.push_back(static_cast<std::byte>(value));
  }
  void varint32(std::uint32_t value) { varint64(value); }
  void zigzag32(std::int32_t v) {
    varint64((static_cast<std::uint32_t>(v) << 1) ^ static_cast<std::uint32_t>(v >> 31));
  }
  void zigzag64(std::int64_t v) {
    varint64((static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63));
  }
  void raw(ByteSpan bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  /// Appends n zero bytes and returns where they are, until the next append.
  std::byte* extend(std::size_t n) {
    bytes_.resize(bytes_.size() + n);
    return bytes_.data() + bytes_.size() - n;
  }

  std::size_t size() const { return bytes_.size(); }
  ByteSpan span() const { return bytes_; }
  /// Where an earlier number is written over, for example a length once it is known.
  std::byte* at(std::size_t position) { return bytes_.data() + position; }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace sluice
