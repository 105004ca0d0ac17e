// The batch against bytes that other encoders made, and each thing that validate_batch refuses.
#include "protocol/base/record_batch.h"

#include <gtest/gtest.h>

#include <string>

#include "protocol/base/crc32c.h"
#include "tests/protocol/base/golden_batches.h"
#include "tests/protocol/base/hex.h"

namespace sluice {
namespace {

constexpr std::size_t kPlenty = std::size_t{1} << 20;
using Bytes = std::vector<std::byte>;

std::string field(const std::optional<ByteSpan>& bytes) {
  return bytes ? "'" + std::string(as_text(*bytes)) + "'" : "none";
}

/// Each record as "offset@time key=value {header=value}", or the error's name in brackets at the end.
std::vector<std::string> told(ByteSpan batch) {
  std::vector<std::string> lines;
  Bytes scratch;
  const auto result = for_each_record(batch, scratch, kPlenty, [&](const RecordView& record) {
    std::string line = std::to_string(record.offset.value) + "@" + std::to_string(record.timestamp_ms) + " " +
                       field(record.key) + "=" + field(record.value);
    const auto headers = parse_record_headers(record);
    if (!headers) return lines.push_back("[headers " + std::string(errc_name(headers.error().code)) + "]"), true;
    for (const RecordHeader& header : *headers) {
      line += " {" + header.key + "=" + (header.value ? *header.value : "none") + "}";
    }
    lines.push_back(std::move(line));
    return true;
  });
  if (!result) lines.push_back("[" + std::string(errc_name(result.error().code)) + "]");
  return lines;
}

std::string verdict(ByteSpan batch, const BatchLimits& limits = {}) {
  const auto result = validate_batch(batch, limits);
  return result ? "ok" : std::string(errc_name(result.error().code));
}

// --- what others wrote ---

const std::vector<std::string> kRdkafkaRecords = {
    "0@1700000000000 'key-0'='value value value value value value value value 0'", "1@1700000000001 'key-1'=none",
    "2@1700000000002 'key-2'='value value value value value value value value 2' {h=x} {n=none}"};

TEST(GoldenBatch, OfLibrdkafkaInEachCodec) {
  const std::pair<std::string_view, Codec> batches[] = {{golden::kRdkafkaNone, Codec::none},
                                                        {golden::kRdkafkaGzip, Codec::gzip},
                                                        {golden::kRdkafkaSnappy, Codec::snappy},
                                                        {golden::kRdkafkaLz4, Codec::lz4},
                                                        {golden::kRdkafkaZstd, Codec::zstd}};
  for (const auto& [digits, codec] : batches) {
    const Bytes batch = from_hex(digits);
    const auto header = validate_batch(batch, {.now_ms = 1700000000002, .max_ahead_ms = 0});
    ASSERT_TRUE(header.has_value()) << header.error().message;
    EXPECT_EQ(header->codec(), codec);
    EXPECT_EQ(header->record_count, 3);
    EXPECT_EQ(header->size_bytes, batch.size());
    EXPECT_EQ(header->next_offset(), Offset(3));
    EXPECT_EQ(header->base_timestamp_ms, 1700000000000);
    EXPECT_EQ(header->max_timestamp_ms, 1700000000002);
    EXPECT_FALSE(header->idempotent());
    EXPECT_EQ(told(batch), kRdkafkaRecords);
  }
}

TEST(GoldenBatch, OfAnIdempotentLibrdkafka) {
  const Bytes batch = from_hex(golden::kRdkafkaIdempotent);
  const auto header = validate_batch(batch, {});
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->producer_id, ProducerId(7000));
  EXPECT_EQ(header->producer_epoch, 3);
  EXPECT_EQ(header->base_sequence, 0);
  EXPECT_EQ(header->last_sequence(), 2);
  EXPECT_EQ(told(batch), kRdkafkaRecords);
}

TEST(GoldenBatch, OfKafkaPython) {
  const std::vector<std::string> records = {
      "0@1600000000500 'k0'='first'",
      "1@1600000000400 none='" + std::string(100, 'v') + "' {trace=" + std::string("\0\xff", 2) + "} {empty=}",
      "2@1600000001500 ''=''", "3@1600000000501 'k3'=none {none=none}"};
  for (auto digits : {golden::kPythonNone, golden::kPythonGzip, golden::kPythonXerial, golden::kPythonTransactional}) {
    const Bytes batch = from_hex(digits);
    ASSERT_EQ(verdict(batch), "ok");
    EXPECT_EQ(told(batch), records);
  }
  const auto header = parse_batch_header(from_hex(golden::kPythonTransactional));
  EXPECT_TRUE(header->transactional());
  EXPECT_EQ(header->producer_id, ProducerId(123456789012));
  EXPECT_EQ(header->producer_epoch, 7);
  EXPECT_EQ(header->last_sequence(), 1);  // 2147483646, 2147483647, 0, 1
}

TEST(BatchBuilder, WritesTheBytesThatOthersWrite) {
  BatchBuilder rdkafka({.producer_id = ProducerId(7000), .producer_epoch = 3, .base_sequence = 0});
  const std::string value = "value value value value value value value value ";
  rdkafka.add(1700000000000, as_bytes("key-0"), as_bytes(value + "0"));
  rdkafka.add(1700000000001, as_bytes("key-1"), std::nullopt);
  rdkafka.add(1700000000002, as_bytes("key-2"), as_bytes(value + "2"), {{"h", "x"}, {"n", std::nullopt}});
  Bytes built = rdkafka.build();
  stamp_batch(built, Offset(0), LeaderEpoch(0));  // where librdkafka writes 0, we write -1
  EXPECT_EQ(built, from_hex(golden::kRdkafkaIdempotent));

  BatchBuilder python({.producer_id = ProducerId(123456789012),
                       .producer_epoch = 7,
                       .base_sequence = 2147483646,
                       .transactional = true});
  python.add(1600000000500, as_bytes("k0"), as_bytes("first"));
  python.add(1600000000400, std::nullopt, as_bytes(std::string(100, 'v')),
             {{"trace", std::string("\0\xff", 2)}, {"empty", ""}});
  python.add(1600000001500, as_bytes(""), as_bytes(""));
  python.add(1600000000501, as_bytes("k3"), std::nullopt, {{"none", std::nullopt}});
  built = python.build();
  stamp_batch(built, Offset(0), LeaderEpoch(0));
  EXPECT_EQ(built, from_hex(golden::kPythonTransactional));
}

// --- what is refused ---

/// A batch of three records without a codec, to be spoilt. Every put() leaves a CRC that holds.
class Spoilt {
 public:
  explicit Spoilt(BatchBuilder::Options options = {}) {
    BatchBuilder builder(options);
    for (const char* value : {"one", "two", "three"}) builder.add(1000, std::nullopt, as_bytes(value));
    batch_ = builder.build();
  }
  template <class T>
  Spoilt& put(std::size_t at, T value) {
    store_be(batch_.data() + at, value);
    return seal();
  }
  Spoilt& append(Bytes bytes) {
    batch_.insert(batch_.end(), bytes.begin(), bytes.end());
    return put(8, static_cast<std::int32_t>(batch_.size() - 12));
  }
  Spoilt& cut(std::size_t bytes) {
    batch_.resize(batch_.size() - bytes);
    return put(8, static_cast<std::int32_t>(batch_.size() - 12));
  }
  std::string verdict(const BatchLimits& limits = {}) const { return sluice::verdict(batch_, limits); }
  const Bytes& bytes() const { return batch_; }

 private:
  Spoilt& seal() {
    store_be(batch_.data() + 17, crc32c(ByteSpan(batch_).subspan(21)));
    return *this;
  }
  Bytes batch_;
};

TEST(ValidateBatch, TakesAGoodOne) {
  EXPECT_EQ(Spoilt().verdict(), "ok");
  EXPECT_EQ(Spoilt({.producer_id = ProducerId(0), .producer_epoch = 0, .base_sequence = 0}).verdict(), "ok");
}

TEST(ValidateBatch, RefusesAnyOtherSizeThanItsLength) {
  const Bytes good = Spoilt().bytes();
  Bytes longer = good;
  longer.push_back(std::byte{0});
  EXPECT_EQ(verdict(longer), "malformed");
  Bytes twice = good;
  twice.insert(twice.end(), good.begin(), good.end());
  EXPECT_EQ(verdict(twice), "malformed");
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_EQ(verdict(ByteSpan(good).first(size)), "malformed");
  EXPECT_EQ(Spoilt().put(8, std::int32_t{-1}).verdict(), "malformed");
  EXPECT_EQ(Spoilt().put(8, std::int32_t{48}).verdict(), "malformed");
  EXPECT_EQ(Spoilt().put(8, std::numeric_limits<std::int32_t>::max()).verdict(), "malformed");
}

TEST(ValidateBatch, RefusesWhatIsTooLarge) {
  const Spoilt good;
  EXPECT_EQ(good.verdict({.max_size_bytes = good.bytes().size()}), "ok");
  EXPECT_EQ(good.verdict({.max_size_bytes = good.bytes().size() - 1}), "too_large");
}

TEST(ValidateBatch, RefusesOtherMagic) {
  for (int magic : {0, 1, 3, -1}) EXPECT_EQ(Spoilt().put(16, static_cast<std::int8_t>(magic)).verdict(), "unsupported");
  EXPECT_EQ(parse_batch_header(Spoilt().put(16, std::int8_t{1}).bytes()).error().code, Errc::malformed);
  Bytes old_message_set(26);  // of one empty message of magic 1; shorter than our header
  old_message_set[11] = std::byte{14};
  old_message_set[16] = std::byte{1};
  EXPECT_EQ(verdict(old_message_set), "unsupported");
}

TEST(ValidateBatch, RefusesABadCrc) {
  const Bytes good = Spoilt().bytes();
  EXPECT_TRUE(batch_crc_holds(good));
  for (std::size_t at = 17; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] ^= std::byte{0x10};
    EXPECT_EQ(verdict(bad), "corrupt") << at;
    EXPECT_FALSE(batch_crc_holds(bad)) << at;
  }
  EXPECT_FALSE(batch_crc_holds(ByteSpan(good).first(60)));
  EXPECT_FALSE(batch_crc_holds({}));
}

TEST(ValidateBatch, RefusesCountsThatDoNotAgree) {
  EXPECT_EQ(Spoilt().put(23, std::int32_t{3}).verdict(), "invalid_record");
  EXPECT_EQ(Spoilt().put(23, std::int32_t{1}).verdict(), "invalid_record");
  EXPECT_EQ(Spoilt().put(23, std::int32_t{-1}).put(57, std::int32_t{0}).verdict(), "invalid_record");
  EXPECT_EQ(Spoilt()
                .put(23, std::numeric_limits<std::int32_t>::max())
                .put(57, std::numeric_limits<std::int32_t>::min())
                .verdict(),
            "invalid_record");
  // The two agree, but the records don't.
  EXPECT_EQ(Spoilt().put(23, std::int32_t{3}).put(57, std::int32_t{4}).verdict(), "malformed");
  EXPECT_EQ(Spoilt().put(23, std::int32_t{1}).put(57, std::int32_t{2}).verdict(), "malformed");
}

TEST(ValidateBatch, RefusesAttributesThatAreNotAClients) {
  EXPECT_EQ(Spoilt().put(21, std::int16_t{32}).verdict(), "invalid_record");
  EXPECT_EQ(Spoilt().put(21, std::int16_t{8}).verdict(), "invalid_timestamp");
  EXPECT_EQ(Spoilt().put(21, std::int16_t{64}).verdict(), "ok");
  for (std::int16_t codec : {5, 6, 7}) EXPECT_EQ(Spoilt().put(21, codec).verdict(), "unsupported");
  for (int bit = 7; bit < 16; ++bit)
    EXPECT_EQ(Spoilt().put(21, static_cast<std::uint16_t>(1 << bit)).verdict(), "invalid_record");
}

TEST(ValidateBatch, RefusesHalfAProducer) {
  EXPECT_EQ(Spoilt().put(43, std::int64_t{5}).verdict(), "invalid_record");
  EXPECT_EQ(Spoilt().put(43, std::int64_t{5}).put(51, std::int16_t{0}).verdict(), "invalid_record");
  EXPECT_EQ(Spoilt().put(43, std::int64_t{5}).put(53, std::int32_t{0}).verdict(), "invalid_record");
  EXPECT_EQ(Spoilt().put(43, std::int64_t{5}).put(51, std::int16_t{0}).put(53, std::int32_t{0}).verdict(), "ok");
  // Clients in use send epoch or sequence 0 without a producer id.
  EXPECT_EQ(Spoilt().put(51, std::int16_t{0}).put(53, std::int32_t{0}).verdict(), "ok");
  EXPECT_EQ(Spoilt().put(21, std::int16_t{16}).verdict(), "invalid_record");
}

TEST(ValidateBatch, RefusesTimesTooFarAhead) {
  const BatchLimits limits{.now_ms = 5000, .max_ahead_ms = 100};
  const auto max = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(Spoilt().put(35, std::int64_t{5100}).verdict(limits), "ok");
  EXPECT_EQ(Spoilt().put(35, std::int64_t{5101}).verdict(limits), "invalid_timestamp");
  EXPECT_EQ(Spoilt().put(27, std::int64_t{5101}).verdict(limits), "invalid_timestamp");
  EXPECT_EQ(Spoilt().put(35, max).verdict(limits), "invalid_timestamp");
  EXPECT_EQ(Spoilt().put(35, max).verdict({.now_ms = 0, .max_ahead_ms = 100}), "ok");
  EXPECT_EQ(Spoilt().put(35, max).verdict({.now_ms = 5000, .max_ahead_ms = max}), "ok");
  EXPECT_EQ(Spoilt().put(27, std::int64_t{-1}).put(35, std::int64_t{-1}).verdict(limits), "ok");
}

TEST(ValidateBatch, RefusesTimesTooFarBehindWhereTheyAreBounded) {
  const auto least = std::numeric_limits<std::int64_t>::min();
  const auto with = [](std::int64_t base, std::int64_t max) { return std::move(Spoilt().put(27, base).put(35, max)); };
  const BatchLimits limits{.now_ms = 5000, .max_behind_ms = 100};
  EXPECT_EQ(with(4900, 5000).verdict(limits), "ok");
  EXPECT_EQ(with(4899, 5000).verdict(limits), "invalid_timestamp");
  EXPECT_EQ(with(5000, 4899).verdict(limits), "invalid_timestamp");
  EXPECT_EQ(with(least, 5000).verdict(limits), "invalid_timestamp");
  EXPECT_EQ(with(-1, -1).verdict(limits), "ok") << "it has no time";
  EXPECT_EQ(with(least, 5000).verdict({.now_ms = 5000}), "ok");
  EXPECT_EQ(with(0, 0).verdict({.now_ms = 0, .max_behind_ms = 0}), "ok");
}

TEST(ValidateBatch, RefusesRecordsThatDoNotAddUp) {
  // A record of "one": length 9, attributes, time delta, offset delta, no key, 3 bytes, no headers; it takes 10 bytes.
  EXPECT_EQ(Spoilt().append(from_hex("00")).verdict(), "malformed");
  EXPECT_EQ(Spoilt().cut(1).verdict(), "malformed");
  EXPECT_EQ(Spoilt().cut(12).verdict(), "malformed");
  EXPECT_EQ(Spoilt().put(61, std::uint8_t{16}).verdict(), "malformed");  // a byte short
  EXPECT_EQ(Spoilt().put(61, std::uint8_t{17}).verdict(), "malformed");  // negative
  EXPECT_EQ(Spoilt().put(61, std::uint8_t{10}).verdict(), "malformed");  // shorter than any record
  EXPECT_EQ(Spoilt().put(61, std::uint32_t{0xffffffff}).verdict(), "malformed");
  EXPECT_EQ(Spoilt().put(64, std::uint8_t{2}).verdict(), "invalid_record");  // first offset delta is 1
  EXPECT_EQ(Spoilt().put(74, std::uint8_t{0}).verdict(), "invalid_record");  // second is 0
  EXPECT_EQ(Spoilt().put(63, std::uint64_t{0xffffffffffffffff}).verdict(), "malformed");
}

TEST(ValidateBatch, LooksAtACompressedBatchsFrameOnly) {
  EXPECT_EQ(Spoilt().put(21, std::int16_t{4}).verdict(), "ok");  // its records are no zstd
  EXPECT_EQ(told(Spoilt().put(21, std::int16_t{4}).bytes()), std::vector<std::string>{"[corrupt]"});
  Spoilt none;
  none.cut(none.bytes().size() - 61).put(21, std::int16_t{4});
  EXPECT_EQ(none.verdict(), "malformed");
}

// --- stamps ---

TEST(StampBatch, LeavesTheCrcAlone) {
  Bytes batch = Spoilt().bytes();
  stamp_batch(batch, Offset(0x0102030405060708), LeaderEpoch(77));
  const auto header = validate_batch(batch, {});
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->base_offset, Offset(0x0102030405060708));
  EXPECT_EQ(header->last_offset(), Offset(0x010203040506070a));
  EXPECT_EQ(header->leader_epoch, LeaderEpoch(77));
}

TEST(StampAppendTime, IsEveryRecordsTimeAndKeepsTheCrcTrue) {
  Bytes batch = Spoilt().bytes();
  stamp_append_time(batch, 987654321);
  EXPECT_TRUE(batch_crc_holds(batch));
  const auto header = parse_batch_header(batch);
  EXPECT_TRUE(header->log_append_time());
  EXPECT_EQ(header->max_timestamp_ms, 987654321);
  EXPECT_EQ(told(batch),
            (std::vector<std::string>{"0@987654321 none='one'", "1@987654321 none='two'", "2@987654321 none='three'"}));
}

TEST(BatchHeader, OffsetsStayWithinInt64) {
  const auto most = std::numeric_limits<std::int64_t>::max();
  const auto header = parse_batch_header(Spoilt().put(0, most - 3).bytes());  // offsets most - 3 to most - 1
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->next_offset(), Offset(most));
  EXPECT_EQ(told(Spoilt().put(0, most - 3).bytes()).size(), 3U);
  EXPECT_EQ(parse_batch_header(Spoilt().put(0, most - 2).bytes()).error().code, Errc::malformed);
  EXPECT_EQ(parse_batch_header(Spoilt().put(0, most).bytes()).error().code, Errc::malformed);
  const auto least = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(parse_batch_header(Spoilt().put(0, least).put(23, std::int32_t{-1}).bytes()).error().code, Errc::malformed);
}

TEST(BatchHeader, SequencesWrapToZero) {
  BatchHeader header;
  EXPECT_EQ(header.last_sequence(), -1);
  header.base_sequence = std::numeric_limits<std::int32_t>::max();
  EXPECT_EQ(header.last_sequence(), header.base_sequence);
  header.last_offset_delta = 1;
  EXPECT_EQ(header.last_sequence(), 0);
  header.last_offset_delta = 5;
  EXPECT_EQ(header.last_sequence(), 4);
}

// --- records ---

TEST(ForEachRecord, StopsWhenToldTo) {
  Bytes scratch;
  int seen = 0;
  EXPECT_TRUE(
      for_each_record(Spoilt().bytes(), scratch, kPlenty, [&](const RecordView&) { return ++seen < 2; }).has_value());
  EXPECT_EQ(seen, 2);
}

TEST(ForEachRecord, TakesWhatCompactionLeaves) {
  // The second record alone, still within offsets 0-2.
  const Bytes full = Spoilt().bytes();
  Bytes batch(full.begin(), full.begin() + 61);
  batch.insert(batch.end(), full.begin() + 71, full.begin() + 81);
  store_be(batch.data() + 8, static_cast<std::int32_t>(batch.size() - 12));
  store_be(batch.data() + 57, std::int32_t{1});
  EXPECT_EQ(told(batch), std::vector<std::string>{"1@1000 none='two'"});
  EXPECT_EQ(told(Spoilt().cut(32).put(57, std::int32_t{0}).bytes()), std::vector<std::string>{});
  EXPECT_EQ(told(Spoilt().cut(32).put(57, std::int32_t{0}).put(21, std::int16_t{4}).bytes()),
            std::vector<std::string>{});
}

TEST(ForEachRecord, RefusesOrderAndCountsThatCantBe) {
  const std::vector<std::string> refused = {"[malformed]"};
  EXPECT_EQ(told(Spoilt().put(57, std::int32_t{-1}).bytes()), refused);
  EXPECT_EQ(told(Spoilt().put(23, std::int32_t{-1}).bytes()), refused);
  EXPECT_EQ(told(Spoilt().put(0, std::numeric_limits<std::int64_t>::max()).bytes()), refused);
  EXPECT_EQ(told(Spoilt().put(64, std::uint8_t{1}).bytes()), refused);               // offset delta -1
  EXPECT_EQ(told(Spoilt().put(64, std::uint8_t{6}).bytes()), refused);               // beyond the last
  EXPECT_EQ(told(Spoilt().put(74, std::uint8_t{0}).bytes()).back(), "[malformed]");  // going back
  EXPECT_EQ(told(Spoilt().put(57, std::int32_t{4}).bytes()).back(), "[malformed]");
  EXPECT_EQ(told(Spoilt().put(57, std::int32_t{2}).bytes()).back(), "[malformed]");
  EXPECT_EQ(told(Spoilt().append(from_hex("00")).bytes()).back(), "[malformed]");
  EXPECT_EQ(told(ByteSpan(Spoilt().bytes()).first(70)), refused);
  EXPECT_EQ(told({}), refused);
}

TEST(ForEachRecord, RefusesFieldsThatLeaveTheirRecord) {
  const std::vector<std::string> refused = {"[malformed]"};
  EXPECT_EQ(told(Spoilt().put(65, std::uint8_t{3}).bytes()), refused);   // key length -2
  EXPECT_EQ(told(Spoilt().put(65, std::uint8_t{20}).bytes()), refused);  // a key longer than the record
  EXPECT_EQ(told(Spoilt().put(66, std::uint8_t{12}).bytes()), refused);  // a value into the next record
  EXPECT_EQ(told(Spoilt().put(70, std::uint8_t{2}).bytes()), refused);   // a header that is not there
  EXPECT_EQ(told(Spoilt().put(70, std::uint8_t{1}).bytes()), refused);   // -1 headers
  EXPECT_EQ(told(Spoilt().put(66, std::uint8_t{4}).bytes()), refused);   // bytes behind the value
}

TEST(ForEachRecord, BoundsWhatABatchGrowsTo) {
  BatchBuilder builder({.codec = Codec::zstd});
  builder.add(0, std::nullopt, as_bytes(std::string(500'000, 'x')));
  const Bytes batch = builder.build();
  EXPECT_LT(batch.size(), 1000U);
  Bytes scratch;
  const auto result = for_each_record(batch, scratch, 100'000, [](const RecordView&) { return true; });
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Errc::too_large);
}

TEST(ParseRecordHeaders, RefusesWhatDoesNotFollowTheFormat) {
  const auto code = [](std::string_view digits, std::int32_t count) {
    const Bytes bytes = from_hex(digits);
    RecordView record;
    record.headers = bytes;
    record.header_count = count;
    const auto headers = parse_record_headers(record);
    return headers ? "ok" : std::string(errc_name(headers.error().code));
  };
  EXPECT_EQ(code("", 0), "ok");
  EXPECT_EQ(code("02"
                 "61"
                 "02"
                 "62",
                 1),
            "ok");
  EXPECT_EQ(code("00"
                 "01",
                 1),
            "ok");  // an empty key, no value
  EXPECT_EQ(code("01"
                 "01",
                 1),
            "malformed");  // no key
  EXPECT_EQ(code("02"
                 "61"
                 "03",
                 1),
            "malformed");
  EXPECT_EQ(code("02"
                 "61",
                 1),
            "malformed");
  EXPECT_EQ(code("02"
                 "61"
                 "01"
                 "00",
                 1),
            "malformed");  // a byte behind it
  EXPECT_EQ(code("00"
                 "01",
                 2),
            "malformed");
  EXPECT_EQ(code("00"
                 "01",
                 -1),
            "malformed");
  EXPECT_EQ(code("00"
                 "01",
                 2147483647),
            "malformed");
}

// --- the builder ---

TEST(BatchBuilder, StartsAfreshAfterEachBatch) {
  BatchBuilder builder({.codec = Codec::lz4});
  builder.add(-5, as_bytes("a"), as_bytes("b"));
  EXPECT_EQ(builder.count(), 1);
  EXPECT_EQ(builder.uncompressed_bytes(), 9U);
  EXPECT_EQ(told(builder.build()), std::vector<std::string>{"0@-5 'a'='b'"});
  EXPECT_EQ(builder.count(), 0);
  EXPECT_EQ(builder.uncompressed_bytes(), 0U);
  builder.add(9, std::nullopt, std::nullopt);
  const Bytes second = builder.build();
  EXPECT_EQ(told(second), std::vector<std::string>{"0@9 none=none"});
  EXPECT_EQ(parse_batch_header(second)->base_offset, Offset(0));
  EXPECT_EQ(parse_batch_header(second)->leader_epoch, LeaderEpoch(-1));
}

TEST(BatchBuilder, TakesTheFarthestTimes) {
  const auto least = std::numeric_limits<std::int64_t>::min(), most = std::numeric_limits<std::int64_t>::max();
  BatchBuilder builder({});
  builder.add(least, std::nullopt, std::nullopt);
  builder.add(most, std::nullopt, std::nullopt);
  EXPECT_EQ(told(builder.build()), (std::vector<std::string>{"0@" + std::to_string(least) + " none=none",
                                                             "1@" + std::to_string(most) + " none=none"}));
}

TEST(BatchBuilderDeathTest, AnEmptyBatchIsOurBug) {
  BatchBuilder builder({});
  EXPECT_DEATH(builder.build(), "at least one record");
}

}  // namespace
}  // namespace sluice
