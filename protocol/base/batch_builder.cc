// BatchBuilder: records in, one finished magic v2 batch out. Invariant: `records_` holds exactly `count_` records
// whose offset deltas are 0..count_-1, so what is built always passes validate_batch. Owned by the client or test
// that fills it; not thread safe.
#include <limits>
#include <utility>

#include "protocol/base/compression.h"
#include "protocol/base/crc32c.h"
#include "protocol/base/record_batch.h"

namespace sluice {
namespace {

constexpr std::size_t kMostBytes = std::numeric_limits<std::int32_t>::max() - kBatchHeaderSize;

constexpr std::uint64_t zigzag(std::int64_t v) {
  return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63);
}

std::size_t zigzag_size(std::int64_t v) { return (static_cast<std::size_t>(std::bit_width(zigzag(v) | 1)) + 6) / 7; }

std::size_t field_size(std::size_t size) { return zigzag_size(static_cast<std::int64_t>(size)) + size; }

std::size_t optional_size(const std::optional<ByteSpan>& field) { return field ? field_size(field->size()) : 1; }

// The put functions write at `to`, where there is room, and return the byte behind what they wrote.
std::byte* put_zigzag(std::byte* to, std::int64_t value) {
  std::uint64_t rest = zigzag(value);
  for (; rest >= 0x80; rest >>= 7) *to++ = static_cast<std::byte>(rest | 0x80);
  *to++ = static_cast<std::byte>(rest);
  return to;
}

std::byte* put_field(std::byte* to, ByteSpan field) {
  to = put_zigzag(to, static_cast<std::int64_t>(field.size()));
  return std::ranges::copy(field, to).out;
}

std::byte* put_optional(std::byte* to, const std::optional<ByteSpan>& field) {
  return field ? put_field(to, *field) : put_zigzag(to, -1);
}

std::optional<ByteSpan> header_value(const RecordHeader& header) {
  if (!header.value) return std::nullopt;
  return as_bytes(*header.value);
}

}  // namespace

BatchBuilder::BatchBuilder(Options options) : options_(options) {}

void BatchBuilder::add(std::int64_t timestamp_ms, std::optional<ByteSpan> key, std::optional<ByteSpan> value,
                       const std::vector<RecordHeader>& headers) {
  CHECK(count_ < std::numeric_limits<std::int32_t>::max());
  if (count_ == 0) base_timestamp_ms_ = max_timestamp_ms_ = timestamp_ms;
  max_timestamp_ms_ = std::max(max_timestamp_ms_, timestamp_ms);
  // Unsigned, because the difference of two far-apart times wraps; readers add it the same way.
  const auto timestamp_delta = static_cast<std::int64_t>(static_cast<std::uint64_t>(timestamp_ms) -
                                                         static_cast<std::uint64_t>(base_timestamp_ms_));

  std::size_t size = 1 + zigzag_size(timestamp_delta) + zigzag_size(count_) + optional_size(key) +
                     optional_size(value) + zigzag_size(static_cast<std::int64_t>(headers.size()));
  for (const RecordHeader& header : headers)
    size += field_size(header.key.size()) + optional_size(header_value(header));
  CHECK(size <= kMostBytes && records_.size() <= kMostBytes - size - 5, "a batch is smaller than 2 GiB");

  const std::size_t frame = zigzag_size(static_cast<std::int64_t>(size)) + size;
  std::byte* const start = records_.extend(frame);
  std::byte* at = put_zigzag(start, static_cast<std::int64_t>(size));
  *at++ = std::byte{0};  // a record's attributes: none are defined
  at = put_zigzag(at, timestamp_delta);
  at = put_zigzag(at, count_);
  at = put_optional(at, key);
  at = put_optional(at, value);
  at = put_zigzag(at, static_cast<std::int64_t>(headers.size()));
  for (const RecordHeader& header : headers) {
    at = put_field(at, as_bytes(header.key));
    at = put_optional(at, header_value(header));
  }
  CHECK(at == start + frame);
  ++count_;
}

std::vector<std::byte> BatchBuilder::build() {
  CHECK(count_ > 0, "a batch has at least one record");
  std::vector<std::byte> plain = records_.take();
  Codec codec = options_.codec;
  std::vector<std::byte> packed;
  if (codec != Codec::none) {
    if (auto result = compress(codec, plain)) {
      packed = std::move(*result);
    } else {
      codec = Codec::none;  // the library refused; plain records are as good to every reader
    }
  }
  const ByteSpan records = codec == Codec::none ? ByteSpan(plain) : ByteSpan(packed);
  CHECK(records.size() <= kMostBytes, "a batch is smaller than 2 GiB");

  std::vector<std::byte> buffer;
  buffer.reserve(kBatchHeaderSize + records.size());
  ByteWriter out(std::move(buffer));
  out.be(std::int64_t{0});
  out.be(static_cast<std::int32_t>(kBatchHeaderSize - kBatchLengthEnd + records.size()));
  out.be(std::int32_t{-1});
  out.be(std::int8_t{2});
  const std::size_t crc_at = out.size();
  out.be(std::uint32_t{0});
  const std::size_t checked_from = out.size();
  const int attributes = static_cast<int>(codec) | (options_.transactional ? 16 : 0);
  out.be(static_cast<std::int16_t>(attributes));
  out.be(std::int32_t{count_ - 1});
  out.be(base_timestamp_ms_);
  out.be(max_timestamp_ms_);
  out.be(options_.producer_id.value);
  out.be(options_.producer_epoch);
  out.be(options_.base_sequence);
  out.be(count_);
  out.raw(records);
  store_be(out.at(crc_at), crc32c(out.span().subspan(checked_from)));

  count_ = 0;
  base_timestamp_ms_ = 0;
  max_timestamp_ms_ = -1;
  plain.clear();
  records_ = ByteWriter(std::move(plain));  // keeps its memory for the next batch
  return out.take();
}

}  // namespace sluice
