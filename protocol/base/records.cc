// The records inside a batch, one after another:
//
//   length          zigzag varint32, of everything behind it
//   attributes      i8
//   timestamp delta zigzag varint64
//   offset delta    zigzag varint32
//   key             zigzag varint32 length (-1 = none), bytes
//   value           likewise
//   header count    zigzag varint32, then for each: key (length >= 0, bytes), value (as above)
//
// Invariant: every view handed out lies within the batch or the scratch buffer, whatever the bytes say. A batch may
// have been compacted: then it holds fewer records than its offsets span, and possibly none.
// Source: the public message format documentation of Apache Kafka, "Record" and "Record Header".
#include <fmt/core.h>

#include "protocol/base/compression.h"
#include "protocol/base/record_batch.h"

namespace sluice {
namespace {

/// A length and that many bytes; -1 gives none. Lengths below -1 fail the reader.
std::optional<ByteSpan> read_optional(ByteReader& in) {
  const std::int32_t size = in.zigzag32();
  if (size == -1) return std::nullopt;
  if (size < 0) {
    in.fail();
    return std::nullopt;
  }
  return in.take(static_cast<std::size_t>(size));
}

/// Reads the record at the front of `in`, all but its offset. Fails `in` where it does not follow the format.
RecordView read_record(ByteReader& in, const BatchHeader& header, std::int32_t& offset_delta) {
  RecordView record;
  const std::int32_t size = in.zigzag32();
  if (size < 0) in.fail();
  ByteReader body(in.take(static_cast<std::size_t>(std::max(size, 0))));
  body.skip(1);
  const std::int64_t timestamp_delta = body.zigzag64();
  offset_delta = body.zigzag32();
  record.timestamp_ms = header.log_append_time()
                            ? header.max_timestamp_ms
                            : static_cast<std::int64_t>(static_cast<std::uint64_t>(header.base_timestamp_ms) +
                                                        static_cast<std::uint64_t>(timestamp_delta));
  record.key = read_optional(body);
  record.value = read_optional(body);
  record.header_count = body.zigzag32();
  record.headers = body.take(body.remaining());
  // A header takes two bytes at the least, so a count that could not fit is seen before anyone counts on it.
  const auto most = static_cast<std::int64_t>(record.headers.size() / 2);
  if (body.failed() || record.header_count < 0 || record.header_count > most ||
      (record.header_count == 0 && !record.headers.empty())) {
    in.fail();
  }
  return record;
}

}  // namespace

Result<void> for_each_record(ByteSpan batch, std::vector<std::byte>& scratch, std::size_t max_decompressed_bytes,
                             UniqueFunction<bool(const RecordView&)> visit) {
  const Result<BatchHeader> header = parse_batch_header(batch);
  if (!header) return fail(header.error());
  if (header->size_bytes != batch.size()) {
    return fail(Errc::malformed,
                fmt::format("a record batch of {} bytes was given as {}", header->size_bytes, batch.size()));
  }
  if (header->record_count < 0 || header->last_offset_delta < 0) {
    return fail(Errc::malformed,
                fmt::format("a batch at offset {} can't have {} records and last offset delta {}",
                            header->base_offset.value, header->record_count, header->last_offset_delta));
  }
  ByteSpan records = batch.subspan(kBatchHeaderSize);
  if (header->codec() != Codec::none && !(records.empty() && header->record_count == 0)) {
    if (auto ok = decompress(header->codec(), records, max_decompressed_bytes, scratch); !ok) {
      return fail(fmt::format("batch at offset {}", header->base_offset.value), std::move(ok.error()));
    }
    records = scratch;
  }
  ByteReader in(records);
  std::int32_t last_delta = -1;
  for (std::int32_t i = 0; i < header->record_count; ++i) {
    std::int32_t delta = 0;
    RecordView record = read_record(in, *header, delta);
    if (in.failed()) {
      return fail(Errc::malformed, fmt::format("record {} of {} in the batch at offset {} does not follow its format",
                                               i, header->record_count, header->base_offset.value));
    }
    if (delta <= last_delta || delta > header->last_offset_delta) {
      return fail(Errc::malformed,
                  fmt::format("record {} in the batch at offset {} has offset delta {}, behind {}, of {}", i,
                              header->base_offset.value, delta, last_delta, header->last_offset_delta));
    }
    last_delta = delta;
    record.offset = header->base_offset.plus(delta);
    if (!visit(record)) return {};
  }
  if (in.remaining() != 0) {
    return fail(Errc::malformed, fmt::format("{} bytes follow the {} records of the batch at offset {}", in.remaining(),
                                             header->record_count, header->base_offset.value));
  }
  return {};
}

Result<std::vector<RecordHeader>> parse_record_headers(const RecordView& record) {
  std::vector<RecordHeader> headers;
  if (record.header_count < 0 || static_cast<std::size_t>(record.header_count) > record.headers.size() / 2) {
    return fail(Errc::malformed, fmt::format("a record of offset {} can't have {} headers in {} bytes",
                                             record.offset.value, record.header_count, record.headers.size()));
  }
  ByteReader in(record.headers);
  for (std::int32_t i = 0; i < record.header_count && !in.failed(); ++i) {
    const std::optional<ByteSpan> key = read_optional(in);
    const std::optional<ByteSpan> value = read_optional(in);
    if (!key) in.fail();
    if (in.failed()) break;
    RecordHeader& header = headers.emplace_back();
    header.key = as_text(*key);
    if (value) header.value = as_text(*value);
  }
  if (in.failed() || in.remaining() != 0) {
    return fail(Errc::malformed,
                fmt::format("the headers of the record of offset {} do not follow their format", record.offset.value));
  }
  return headers;
}

}  // namespace sluice
