// The batch's header: reading, checking and stamping it. On the path of every record, so nothing here allocates
// unless it fails. The layout is drawn in the header file; the offsets below are the same numbers.
#include "protocol/base/record_batch.h"

#include <fmt/core.h>

#include <limits>

#include "protocol/base/crc32c.h"

namespace sluice {
namespace {

constexpr std::size_t kLengthAt = 8;
constexpr std::size_t kLeaderEpochAt = 12;
constexpr std::size_t kMagicAt = 16;
constexpr std::size_t kCrcAt = 17;
constexpr std::size_t kCheckedFrom = 21;  // the CRC's first byte, and where the attributes are
constexpr std::size_t kMaxTimestampAt = 35;
constexpr std::int8_t kMagic = 2;
constexpr std::int64_t kNoTimestamp = -1;
constexpr std::uint16_t kLogAppendTimeBit = 8;
constexpr std::uint16_t kUnknownBits = 0xff80;
// attributes, timestamp delta, offset delta, key and value length, header count: a byte each at the least
constexpr std::size_t kLeastRecordSize = 6;

/// Reads a zigzag varint of at most 32 bits at `at`. Returns the byte behind it, or nullptr if it does not end
/// before `end` or is too long.
inline const std::byte* read_zigzag32(const std::byte* at, const std::byte* end, std::int32_t& value) {
  std::uint32_t raw = 0;
  for (int shift = 0; shift < 35 && at != end; shift += 7) {
    const auto byte = static_cast<std::uint32_t>(*at++);
    if (shift == 28 && byte > 0x0f) return nullptr;
    raw |= (byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) {
      value = static_cast<std::int32_t>((raw >> 1) ^ (~(raw & 1) + 1));
      return at;
    }
  }
  return nullptr;
}

inline const std::byte* skip_varint64(const std::byte* at, const std::byte* end) {
  for (int i = 0; i < 10 && at != end; ++i) {
    if ((static_cast<std::uint8_t>(*at++) & 0x80) == 0) return at;
  }
  return nullptr;
}

/// Whether `records` is exactly `count` records with offset deltas 0, 1, 2, ... Looks at their frames, not their
/// fields.
Result<void> check_plain_records(ByteSpan records, std::int32_t count) {
  const std::byte* at = records.data();
  const std::byte* const end = at + records.size();
  for (std::int32_t i = 0; i < count; ++i) {
    std::int32_t size = 0;
    const std::byte* body = read_zigzag32(at, end, size);
    if (body == nullptr || size < static_cast<std::int32_t>(kLeastRecordSize) || size > end - body) {
      return fail(Errc::malformed, fmt::format("record {} of {} does not fit into its batch", i, count));
    }
    const std::byte* const next = body + size;
    const std::byte* const delta_at = skip_varint64(body + 1, next);
    std::int32_t delta = 0;
    if (delta_at == nullptr || read_zigzag32(delta_at, next, delta) == nullptr) {
      return fail(Errc::malformed, fmt::format("record {} of {} is cut short", i, count));
    }
    if (delta != i) {
      return fail(Errc::invalid_record, fmt::format("record {} of {} has offset delta {}", i, count, delta));
    }
    at = next;
  }
  if (at != end) {
    return fail(Errc::malformed, fmt::format("{} bytes follow the batch's {} records", end - at, count));
  }
  return {};
}

Result<void> check_attributes(const BatchHeader& header) {
  if ((header.attributes & 7) > static_cast<int>(Codec::zstd)) {
    return fail(Errc::unsupported, fmt::format("codec {} is none of 0-4", header.attributes & 7));
  }
  if ((static_cast<std::uint16_t>(header.attributes) & kUnknownBits) != 0) {
    return fail(Errc::invalid_record, fmt::format("batch attributes {:#06x} have unknown bits",
                                                  static_cast<std::uint16_t>(header.attributes)));
  }
  if (header.control()) return fail(Errc::invalid_record, "clients can't write control batches");
  if (header.log_append_time()) {
    return fail(Errc::invalid_timestamp, "the batch claims log append time, which only the broker sets");
  }
  return {};
}

Result<void> check_counts_and_producer(const BatchHeader& header) {
  if (header.record_count < 1 || header.last_offset_delta != header.record_count - 1) {
    return fail(Errc::invalid_record, fmt::format("a batch of {} records can't have last offset delta {}",
                                                  header.record_count, header.last_offset_delta));
  }
  if (header.idempotent() && (header.producer_epoch < 0 || header.base_sequence < 0)) {
    return fail(Errc::invalid_record,
                fmt::format("producer {} sent epoch {} and sequence {}; both must be >= 0", header.producer_id.value,
                            header.producer_epoch, header.base_sequence));
  }
  // Without a producer id, epoch and sequence are not looked at: clients differ in what they fill in (-1 or 0).
  if (header.transactional() && !header.idempotent()) {
    return fail(Errc::invalid_record, "a transactional batch has no producer id");
  }
  return {};
}

Result<void> check_timestamps(const BatchHeader& header, const BatchLimits& limits) {
  if (limits.now_ms == 0) return {};
  const auto [oldest, newest] = std::minmax(header.base_timestamp_ms, header.max_timestamp_ms);
  const bool any_past = limits.max_behind_ms == std::numeric_limits<std::int64_t>::max();
  if (!any_past && oldest != kNoTimestamp && oldest < limits.now_ms - limits.max_behind_ms) {
    return fail(Errc::invalid_timestamp,
                fmt::format("the batch's time {} ms is more than {} ms behind the broker's {} ms", oldest,
                            limits.max_behind_ms, limits.now_ms));
  }
  std::int64_t latest = 0;
  if (!__builtin_add_overflow(limits.now_ms, limits.max_ahead_ms, &latest) && newest > latest) {
    return fail(Errc::invalid_timestamp,
                fmt::format("the batch's time {} ms is more than {} ms ahead of the broker's {} ms; check the clocks",
                            newest, limits.max_ahead_ms, limits.now_ms));
  }
  return {};
}

}  // namespace

std::int32_t BatchHeader::last_sequence() const {
  if (base_sequence < 0) return -1;
  const std::int64_t last = std::int64_t{base_sequence} + last_offset_delta;
  return static_cast<std::int32_t>(last & std::numeric_limits<std::int32_t>::max());
}

Result<BatchHeader> parse_batch_header(ByteSpan bytes) {
  if (bytes.size() < kBatchHeaderSize) {
    return fail(Errc::malformed,
                fmt::format("{} bytes are less than a record batch's header ({})", bytes.size(), kBatchHeaderSize));
  }
  const std::byte* const at = bytes.data();
  const auto length = load_be<std::int32_t>(at + kLengthAt);
  if (length < static_cast<std::int32_t>(kBatchHeaderSize - kBatchLengthEnd)) {
    return fail(Errc::malformed, fmt::format("record batch length {} is impossible", length));
  }
  if (const auto magic = load_be<std::int8_t>(at + kMagicAt); magic != kMagic) {
    return fail(Errc::malformed, fmt::format("record batch magic is {} and not 2", magic));
  }
  BatchHeader header;
  header.base_offset = Offset(load_be<std::int64_t>(at));
  header.size_bytes = static_cast<std::uint32_t>(length) + static_cast<std::uint32_t>(kBatchLengthEnd);
  header.leader_epoch = LeaderEpoch(load_be<std::int32_t>(at + kLeaderEpochAt));
  header.crc = load_be<std::uint32_t>(at + kCrcAt);
  header.attributes = load_be<std::int16_t>(at + kCheckedFrom);
  header.last_offset_delta = load_be<std::int32_t>(at + 23);
  std::int64_t last_offset = 0;  // so that last_offset() and next_offset() hold for every header that was parsed
  if (__builtin_add_overflow(header.base_offset.value, std::int64_t{header.last_offset_delta}, &last_offset) ||
      last_offset == std::numeric_limits<std::int64_t>::max()) {
    return fail(Errc::malformed, fmt::format("a record batch at offset {} can't have last offset delta {}",
                                             header.base_offset.value, header.last_offset_delta));
  }
  header.base_timestamp_ms = load_be<std::int64_t>(at + 27);
  header.max_timestamp_ms = load_be<std::int64_t>(at + kMaxTimestampAt);
  header.producer_id = ProducerId(load_be<std::int64_t>(at + 43));
  header.producer_epoch = load_be<std::int16_t>(at + 51);
  header.base_sequence = load_be<std::int32_t>(at + 53);
  header.record_count = load_be<std::int32_t>(at + 57);
  return header;
}

Result<BatchHeader> validate_batch(ByteSpan bytes, const BatchLimits& limits) {
  if (bytes.size() > limits.max_size_bytes) {
    return fail(Errc::too_large,
                fmt::format("a batch of {} bytes is larger than the limit of {}", bytes.size(), limits.max_size_bytes));
  }
  // The message sets of magic 0 and 1 are shorter, and keep their magic at the same place.
  if (bytes.size() > kMagicAt) {
    if (const auto magic = load_be<std::int8_t>(bytes.data() + kMagicAt); magic != kMagic) {
      return fail(Errc::unsupported, fmt::format("record batch magic is {}, and only 2 is served", magic));
    }
  }
  Result<BatchHeader> header = parse_batch_header(bytes);
  if (!header) return header;
  if (header->size_bytes != bytes.size()) {
    return fail(Errc::malformed,
                fmt::format("a batch that says it has {} bytes came in {}; one batch is sent for a partition",
                            header->size_bytes, bytes.size()));
  }
  if (!batch_crc_holds(bytes)) {
    return fail(Errc::corrupt, fmt::format("the batch's CRC is not the {:#010x} that it says", header->crc));
  }
  if (auto ok = check_attributes(*header); !ok) return fail(std::move(ok.error()));
  if (auto ok = check_counts_and_producer(*header); !ok) return fail(std::move(ok.error()));
  if (auto ok = check_timestamps(*header, limits); !ok) return fail(std::move(ok.error()));
  const ByteSpan records = bytes.subspan(kBatchHeaderSize);
  if (header->codec() == Codec::none) {
    if (auto ok = check_plain_records(records, header->record_count); !ok) return fail(std::move(ok.error()));
  } else if (records.empty()) {
    return fail(Errc::malformed, "a compressed batch holds no bytes behind its header");
  }
  return header;
}

bool batch_crc_holds(ByteSpan batch) {
  if (batch.size() < kBatchHeaderSize) return false;
  return crc32c(batch.subspan(kCheckedFrom)) == load_be<std::uint32_t>(batch.data() + kCrcAt);
}

void stamp_batch(MutableByteSpan batch, Offset base_offset, LeaderEpoch epoch) {
  CHECK(batch.size() >= kBatchHeaderSize);
  store_be(batch.data(), base_offset.value);
  store_be(batch.data() + kLeaderEpochAt, epoch.value);
}

void stamp_append_time(MutableByteSpan batch, std::int64_t append_time_ms) {
  CHECK(batch.size() >= kBatchHeaderSize);
  const auto attributes = load_be<std::uint16_t>(batch.data() + kCheckedFrom);
  store_be(batch.data() + kCheckedFrom, static_cast<std::uint16_t>(attributes | kLogAppendTimeBit));
  store_be(batch.data() + kMaxTimestampAt, append_time_ms);
  store_be(batch.data() + kCrcAt, crc32c(ByteSpan(batch).subspan(kCheckedFrom)));
}

}  // namespace sluice
