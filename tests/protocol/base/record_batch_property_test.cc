// Properties of batches over random records: what is built is taken and read back the same, and what is damaged gives
// an error, or at the least no crash. RC_PARAMS="seed=N" replays a failure that rapidcheck printed.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <string>

#include "protocol/base/crc32c.h"
#include "protocol/base/record_batch.h"

namespace sluice {
namespace {

constexpr std::size_t kPlenty = std::size_t{16} << 20;
using Bytes = std::vector<std::byte>;

struct PlainRecord {
  std::int64_t timestamp_ms = 0;
  std::optional<std::string> key, value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  friend bool operator==(const PlainRecord&, const PlainRecord&) = default;
};

rc::Gen<std::optional<std::string>> optional_text() {
  return rc::gen::map(rc::gen::pair(rc::gen::inRange(0, 4), rc::gen::arbitrary<std::string>()),
                      [](const std::pair<int, std::string>& pair) {
                        return pair.first == 0 ? std::nullopt : std::optional<std::string>(pair.second);
                      });
}

rc::Gen<PlainRecord> plain_record() {
  return rc::gen::build<PlainRecord>(
      rc::gen::set(&PlainRecord::timestamp_ms), rc::gen::set(&PlainRecord::key, optional_text()),
      rc::gen::set(&PlainRecord::value, optional_text()),
      rc::gen::set(&PlainRecord::headers,
                   rc::gen::container<std::vector<std::pair<std::string, std::optional<std::string>>>>(
                       rc::gen::pair(rc::gen::arbitrary<std::string>(), optional_text()))));
}

rc::Gen<std::vector<PlainRecord>> plain_records() {
  return rc::gen::nonEmpty(rc::gen::container<std::vector<PlainRecord>>(plain_record()));
}

std::optional<ByteSpan> view(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  return as_bytes(*text);
}
std::optional<std::string> copy(const std::optional<ByteSpan>& bytes) {
  if (!bytes) return std::nullopt;
  return std::string(as_text(*bytes));
}

Bytes built(const std::vector<PlainRecord>& records, Codec codec) {
  BatchBuilder builder({.codec = codec, .producer_id = ProducerId(9), .producer_epoch = 1, .base_sequence = 4});
  for (const PlainRecord& record : records) {
    std::vector<RecordHeader> headers;
    for (const auto& [key, value] : record.headers) headers.push_back({key, value});
    builder.add(record.timestamp_ms, view(record.key), view(record.value), headers);
  }
  return builder.build();
}

Codec any_codec() { return static_cast<Codec>(*rc::gen::inRange(0, 5)); }

/// Reads everything that a batch offers; returns whether it was all well.
bool walk(ByteSpan batch, std::size_t max_bytes = kPlenty) {
  Bytes scratch;
  std::size_t sum = 0;
  bool headers_hold = true;
  const auto result = for_each_record(batch, scratch, max_bytes, [&](const RecordView& record) {
    for (const auto& field : {record.key, record.value}) {
      if (!field) continue;
      for (std::byte byte : *field) sum += static_cast<std::size_t>(byte);  // so that a sanitizer sees a bad view
    }
    headers_hold = headers_hold && parse_record_headers(record).has_value();
    return true;
  });
  return result.has_value() && headers_hold && sum != ~std::size_t{0};
}

RC_GTEST_PROP(RecordBatchProperty, WhatIsBuiltIsTakenAndReadBack, ()) {
  const auto records = *plain_records();
  const Codec codec = any_codec();
  Bytes batch = built(records, codec);
  const auto base = *rc::gen::inRange<std::int64_t>(0, 1'000'000'000'000);
  stamp_batch(batch, Offset(base), LeaderEpoch(3));

  const auto header = validate_batch(batch, {.max_size_bytes = kPlenty});
  RC_ASSERT(header.has_value());
  RC_ASSERT(header->codec() == codec);
  RC_ASSERT(header->record_count == static_cast<std::int32_t>(records.size()));

  std::vector<PlainRecord> read;
  Bytes scratch;
  const auto result = for_each_record(batch, scratch, kPlenty, [&](const RecordView& record) {
    RC_ASSERT(record.offset == Offset(base + static_cast<std::int64_t>(read.size())));
    PlainRecord& plain = read.emplace_back(PlainRecord{record.timestamp_ms, copy(record.key), copy(record.value), {}});
    const auto headers = parse_record_headers(record);
    RC_ASSERT(headers.has_value());
    for (const RecordHeader& one : *headers) plain.headers.emplace_back(one.key, one.value);
    return true;
  });
  RC_ASSERT(result.has_value());
  RC_ASSERT(read == records);
}

RC_GTEST_PROP(RecordBatchProperty, EveryTruncationIsAnError, ()) {
  const Bytes batch = built(*plain_records(), any_codec());
  const std::size_t size = *rc::gen::inRange<std::size_t>(0, batch.size());
  // Its own allocation, so that a sanitizer sees a read past its end.
  const Bytes part(batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(size));
  RC_ASSERT(!validate_batch(part, {.max_size_bytes = kPlenty}).has_value());
  RC_ASSERT(!walk(part));
}

RC_GTEST_PROP(RecordBatchProperty, EveryFlippedBitIsAnError, ()) {
  Bytes batch = built(*plain_records(), any_codec());
  const std::size_t bit = *rc::gen::inRange<std::size_t>(0, batch.size() * 8);
  const std::size_t at = bit / 8;
  batch[at] ^= std::byte(1 << (bit % 8));
  const bool outside_crc = at < 8 || (at >= 12 && at < 16);  // base offset and leader epoch
  RC_ASSERT(validate_batch(batch, {.max_size_bytes = kPlenty}).has_value() == outside_crc);
  walk(batch);  // which is not told about the CRC: an error or other records, but no crash
}

RC_GTEST_PROP(RecordBatchProperty, DamageBehindATrueCrcNeverCrashes, ()) {
  Bytes batch = built(*plain_records(), any_codec());
  const int flips = *rc::gen::inRange(1, 8);
  for (int i = 0; i < flips; ++i) {
    const std::size_t bit = *rc::gen::inRange<std::size_t>(21 * 8, batch.size() * 8);
    batch[bit / 8] ^= std::byte(1 << (bit % 8));
  }
  store_be(batch.data() + 17, crc32c(ByteSpan(batch).subspan(21)));
  const auto header = validate_batch(batch, {.max_size_bytes = kPlenty});
  walk(batch, 100'000);
  if (header) {
    RC_ASSERT(header->record_count >= 1);
    RC_ASSERT(header->last_offset_delta == header->record_count - 1);
  }
}

RC_GTEST_PROP(RecordBatchProperty, AnyBytesAreTakenOrRefused, (const std::vector<std::uint8_t>& noise)) {
  const Bytes bytes(reinterpret_cast<const std::byte*>(noise.data()),
                    reinterpret_cast<const std::byte*>(noise.data()) + noise.size());
  RC_ASSERT(!validate_batch(bytes, {}).has_value());
  RC_ASSERT(!walk(bytes));
}

}  // namespace
}  // namespace sluice
