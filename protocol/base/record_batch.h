// The record batch, Kafka's magic v2: the one form of records on the wire, in the journal, between
// replicas and in segments. It is checked once, on arrival, and never re-encoded.
//
//   0  base offset       i64 BE   outside the CRC, stamped by the leader
//   8  length            i32      of everything behind this field
//  12  leader epoch      i32      outside the CRC, stamped by the leader
//  16  magic             i8       2
//  17  crc               u32      CRC-32C of byte 21 to the end
//  21  attributes        i16      bits 0-2 codec, 3 timestamp type, 4 transactional, 5 control, 6 delete horizon
//  23  last offset delta i32      records - 1
//  27  base timestamp    i64      ms
//  35  max timestamp     i64      ms
//  43  producer id       i64      -1 = none
//  51  producer epoch    i16
//  53  base sequence     i32
//  57  records           i32
//  61  records, compressed as a whole by the codec
//
// Source: the public message format documentation of Apache Kafka, "Record Batch".
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/error.h"
#include "protocol/base/ids.h"
#include "protocol/base/unique_function.h"

namespace sluice {

enum class Codec : std::uint8_t { none = 0, gzip = 1, snappy = 2, lz4 = 3, zstd = 4 };

inline constexpr std::size_t kBatchHeaderSize = 61;
inline constexpr std::size_t kBatchLengthEnd = 12;  ///< a batch's size is its length field + this

struct BatchHeader {
  Offset base_offset;
  std::uint32_t size_bytes = 0;  ///< of the whole batch, from base offset to the last record
  LeaderEpoch leader_epoch;
  std::uint32_t crc = 0;
  std::int16_t attributes = 0;
  std::int32_t last_offset_delta = 0;
  std::int64_t base_timestamp_ms = 0;
  std::int64_t max_timestamp_ms = 0;
  ProducerId producer_id{-1};
  std::int16_t producer_epoch = -1;
  std::int32_t base_sequence = -1;
  std::int32_t record_count = 0;

  Codec codec() const { return static_cast<Codec>(attributes & 7); }
  bool log_append_time() const { return attributes & 8; }
  bool transactional() const { return attributes & 16; }
  bool control() const { return attributes & 32; }
  bool idempotent() const { return producer_id.value >= 0; }
  Offset last_offset() const { return base_offset.plus(last_offset_delta); }
  Offset next_offset() const { return base_offset.plus(std::int64_t{last_offset_delta} + 1); }
  /// The sequence of the last record; sequences wrap from INT32_MAX to 0.
  std::int32_t last_sequence() const;
};

/// Reads the header of the batch at the start of `bytes`, of which there may be more or fewer than one batch.
/// Errors: malformed (shorter than a header, impossible length, offsets beyond int64, magic other than 2).
Result<BatchHeader> parse_batch_header(ByteSpan bytes);

/// What `validate_batch` holds a client's batch against.
struct BatchLimits {
  std::size_t max_size_bytes = 1 << 20;
  std::int64_t now_ms = 0;                     ///< the broker's time; 0 = timestamps are not checked
  std::int64_t max_ahead_ms = 60 * 60 * 1000;  ///< a base or max timestamp further ahead is refused
  std::int64_t max_behind_ms = std::numeric_limits<std::int64_t>::max();  ///< or further behind, but for -1: no time
};

/// The full check of a batch that a client sent: `bytes` must be exactly one batch whose CRC, counts and attributes
/// hold (kafka-api: last offset delta = count - 1, count >= 1, no control bit, known codec, producer id with epoch and
/// sequence >= 0 or none of them). Records inside a compressed batch are not looked at; those of an uncompressed one
/// are, only as far as that their lengths add up.
/// Errors: malformed, corrupt (CRC), too_large, unsupported (codec, magic), invalid_record, invalid_timestamp.
Result<BatchHeader> validate_batch(ByteSpan bytes, const BatchLimits& limits);

/// Checks the CRC alone, as readers of segments and journals do. `batch` is one whole batch.
bool batch_crc_holds(ByteSpan batch);

/// Writes base offset and leader epoch into the batch in place; both lie outside the CRC.
void stamp_batch(MutableByteSpan batch, Offset base_offset, LeaderEpoch epoch);
/// Makes `append_time_ms` the batch's time (attribute bit 3 and max timestamp) and recomputes the CRC.
void stamp_append_time(MutableByteSpan batch, std::int64_t append_time_ms);

struct RecordHeader {
  std::string key;
  std::optional<std::string> value;
};
/// One decoded record; its views point into the batch or into the decompressed scratch buffer.
struct RecordView {
  Offset offset;
  std::int64_t timestamp_ms = 0;
  std::optional<ByteSpan> key, value;
  ByteSpan headers;  ///< `header_count` headers, still encoded
  std::int32_t header_count = 0;
};

/// Calls `visit(const RecordView&)` for each record, decompressing into `scratch` where needed, until it returns false.
/// `max_decompressed_bytes` bounds what a compressed batch may grow to.
/// Errors: malformed, corrupt, unsupported, too_large.
Result<void> for_each_record(ByteSpan batch, std::vector<std::byte>& scratch, std::size_t max_decompressed_bytes,
                             UniqueFunction<bool(const RecordView&)> visit);
/// Decodes a record's headers. Errors: malformed.
Result<std::vector<RecordHeader>> parse_record_headers(const RecordView& record);

/// Builds one batch, for clients and tests.
class BatchBuilder {
 public:
  struct Options {
    Codec codec = Codec::none;
    ProducerId producer_id{-1};
    std::int16_t producer_epoch = -1;
    std::int32_t base_sequence = -1;
    bool transactional = false;
  };
  explicit BatchBuilder(Options options);
  void add(std::int64_t timestamp_ms, std::optional<ByteSpan> key, std::optional<ByteSpan> value,
           const std::vector<RecordHeader>& headers = {});
  std::int32_t count() const { return count_; }
  std::size_t uncompressed_bytes() const { return records_.size(); }
  /// The finished batch with base offset 0 and leader epoch -1; the builder is empty again.
  std::vector<std::byte> build();

 private:
  Options options_;
  ByteWriter records_;
  std::int32_t count_ = 0;
  std::int64_t base_timestamp_ms_ = 0;
  std::int64_t max_timestamp_ms_ = -1;
};

}  // namespace sluice
