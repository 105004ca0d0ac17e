#include "storage/journal/journal_format.h"

#include <gtest/gtest.h>

#include <string>

#include "protocol/base/crc32c.h"
#include "storage/io/disk.h"

namespace sluice::storage {
namespace {

std::string hex(ByteSpan bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    constexpr char kDigits[] = "0123456789abcdef";
    if (i > 0 && i % 8 == 0) text += i % 32 == 0 ? '\n' : ' ';
    text += kDigits[std::to_integer<unsigned>(bytes[i]) >> 4];
    text += kDigits[std::to_integer<unsigned>(bytes[i]) & 15];
  }
  return text;
}

JournalFileHeader sample_header() {
  JournalFileHeader header;
  header.number = 0x0102030405060708;
  header.salt = 0x1112131415161718;
  header.journal_id = 0x2122232425262728;
  header.predecessor = 0x3132333435363738;
  header.predecessor_salt = 0x4142434445464748;
  header.accepted = 0x5152535455565758;
  header.oldest = 0x6162636465666768;
  header.groups = {{GroupId(0x71727374), NodeId(0x75767778), Term(0x8182838485868788), LogIndex(0x9192939495969798)}};
  return header;
}

TEST(JournalFormat, GoldenFileHeader) {
  AlignedBuffer bytes(file_header_span(1));
  encode_file_header(sample_header(), bytes.span());
  EXPECT_EQ(hex(bytes.span().first(104)),
            "534c574c01000000 dc547f5500100000 0807060504030201 1817161514131211\n"
            "2827262524232221 3837363534333231 4847464544434241 5857565554535251\n"
            "6867666564636261 0100000000000000 7473727178777675 8887868584838281\n"
            "9897969594939291");
  for (std::size_t i = 104; i < bytes.size(); ++i) ASSERT_EQ(bytes.data()[i], std::byte{0});
  auto decoded = decode_file_header(bytes.span());
  ASSERT_TRUE(decoded) << decoded.error().message;
  JournalFileHeader expected = sample_header();
  expected.header_bytes = 4096;
  EXPECT_EQ(*decoded, expected);
}

TEST(JournalFormat, GoldenFlushHeaderAndRecord) {
  const JournalFlushHeader header{.salt = 0x1112131415161718,
                                  .number = 0x0102030405060708,
                                  .sequence = 0x2122232425262728,
                                  .synced_through = 0x3132333435363738,
                                  .first_sequence = 0x4142434445464748,
                                  .payload_bytes = 0x51525354,
                                  .records = 0x61626364,
                                  .payload_crc = 0x71727374};
  std::array<std::byte, kFlushHeaderBytes> bytes;
  encode_flush_header(header, bytes.data());
  EXPECT_EQ(hex(bytes),
            "534c57469d6e0f94 1817161514131211 0807060504030201 2827262524232221\n"
            "3837363534333231 4847464544434241 5453525164636261 7473727100000000");
  EXPECT_EQ(decode_flush_header(bytes, header.number, header.salt), header);
  EXPECT_EQ(decode_unsalted_flush_header(bytes, header.number), header);
  EXPECT_FALSE(decode_flush_header(bytes, header.number, header.salt + 1));
  EXPECT_FALSE(decode_flush_header(bytes, header.number + 1, header.salt));
  EXPECT_FALSE(decode_unsalted_flush_header(bytes, header.number + 1));

  std::array<std::byte, kRecordHeaderBytes> record;
  encode_record({JournalRecordKind::vote, 0x07, GroupId(0x11121314), LogIndex(0x2122232425262728),
                 Term(0x3132333435363738), NodeId(0x51525354), 0x41424344},
                record.data());
  EXPECT_EQ(hex(record), "0207000014131211 2827262524232221 3837363534333231 4443424154535251");
}

TEST(JournalFormat, EveryCrcStartsFromTheSalt) {
  EXPECT_EQ(journal_crc_seed(0x1112131415161718), crc32c(as_bytes("\x18\x17\x16\x15\x14\x13\x12\x11")));
  const std::string payload = "payload";
  EXPECT_EQ(journal_payload_crc(0x1112131415161718, as_bytes(payload)),
            crc32c(as_bytes("\x18\x17\x16\x15\x14\x13\x12\x11payload")));
  EXPECT_NE(journal_payload_crc(1, as_bytes(payload)), journal_payload_crc(2, as_bytes(payload)));
}

TEST(JournalFormat, NoFlippedBitPasses) {
  AlignedBuffer bytes(file_header_span(1));
  encode_file_header(sample_header(), bytes.span());
  for (std::size_t bit = 0; bit < 104 * 8; ++bit) {
    bytes.data()[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(decode_file_header(bytes.span())) << "bit " << bit;
    bytes.data()[bit / 8] ^= std::byte{1} << (bit % 8);
  }
  JournalFlushHeader flush;
  flush.salt = 99;
  flush.number = 7;
  std::array<std::byte, kFlushHeaderBytes> header;
  encode_flush_header(flush, header.data());
  for (std::size_t bit = 0; bit < kFlushHeaderBytes * 8; ++bit) {
    header[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(decode_flush_header(header, 7, 99)) << "bit " << bit;
    header[bit / 8] ^= std::byte{1} << (bit % 8);
  }
}

TEST(JournalFormat, TheTableGrowsTheHeaderByBlocks) {
  EXPECT_EQ(file_header_span(0), 4096U);
  EXPECT_EQ(file_header_span(167), 4096U);
  EXPECT_EQ(file_header_span(168), 8192U);
  JournalFileHeader header = sample_header();
  header.groups.resize(1000, header.groups[0]);
  AlignedBuffer bytes(file_header_span(1000));
  encode_file_header(header, bytes.span());
  EXPECT_EQ(file_header_length(bytes.span().first(4096)), bytes.size());
  auto decoded = decode_file_header(bytes.span());
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->groups.size(), 1000U);
  EXPECT_FALSE(decode_file_header(bytes.span().first(4096)));
}

TEST(JournalFormat, AVersionOfTheFutureIsNamed) {
  AlignedBuffer bytes(file_header_span(0));
  JournalFileHeader header;
  header.salt = 5;
  encode_file_header(header, bytes.span());
  store_le(bytes.data() + 4, std::uint16_t{2});
  store_le(bytes.data() + 8, crc32c({bytes.data() + 12, 68}, crc32c({bytes.data(), 8}, journal_crc_seed(5))));
  auto decoded = decode_file_header(bytes.span());
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, Errc::unsupported);
  EXPECT_NE(decoded.error().message.find("version 2"), std::string::npos) << decoded.error().message;
}

TEST(JournalFormat, Names) {
  EXPECT_EQ(journal_file_name(42), "00000042.wal");
  EXPECT_EQ(journal_file_name(123456789), "123456789.wal");
  EXPECT_EQ(journal_file_number("00000042.wal"), 42U);
  EXPECT_EQ(journal_file_number("123456789.wal"), 123456789U);
  for (const char* name : {"42.wal", "00000042.log", "00000000.wal", "0000004x.wal", "-0000042.wal", ".wal", "",
                           "99999999999999999999999.wal"}) {
    EXPECT_FALSE(journal_file_number(name)) << name;
  }
}

std::vector<std::byte> payload_of(std::initializer_list<JournalRecord> records) {
  std::vector<std::byte> payload;
  for (const JournalRecord& record : records) {
    const std::size_t at = payload.size();
    payload.resize(at + record_span(record.payload_bytes));
    encode_record(record, payload.data() + at);
  }
  return payload;
}

TEST(JournalRecords, AreWalked) {
  const JournalRecord entry{JournalRecordKind::entry, 3, GroupId(1), LogIndex(2), Term(3), NodeId(), 5};
  const JournalRecord vote{JournalRecordKind::vote, 0, GroupId(1), LogIndex(), Term(4), NodeId(9), 0};
  auto payload = payload_of({entry, vote});
  payload[kRecordHeaderBytes] = std::byte{'x'};
  JournalRecordReader reader(payload, 2);
  auto first = reader.next();
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->record, entry);
  EXPECT_EQ((*first)->payload.size(), 5U);
  EXPECT_EQ((*first)->payload[0], std::byte{'x'});
  EXPECT_EQ((*first)->offset, kFlushHeaderBytes + kRecordHeaderBytes);
  auto second = reader.next();
  ASSERT_TRUE(second && *second);
  EXPECT_EQ((*second)->record, vote);
  auto end = reader.next();
  ASSERT_TRUE(end);
  EXPECT_FALSE(*end);
}

TEST(JournalRecords, AreRefused) {
  const JournalRecord entry{JournalRecordKind::entry, 3, GroupId(1), LogIndex(2), Term(3), NodeId(), 5};
  const auto refusal = [](const std::vector<std::byte>& payload, std::uint32_t records) {
    JournalRecordReader reader(payload, records);
    while (true) {
      auto view = reader.next();
      if (!view) return view.error().code;
      if (!*view) return Errc::internal;
    }
  };
  auto payload = payload_of({entry});
  EXPECT_EQ(refusal(payload, 1), Errc::internal);
  EXPECT_EQ(refusal(payload, 0), Errc::malformed);
  EXPECT_EQ(refusal(payload, 2), Errc::malformed);
  store_le(payload.data() + 24, std::uint32_t{0xffffffff});
  EXPECT_EQ(refusal(payload, 1), Errc::malformed);
  JournalRecord reference = entry;
  reference.kind = JournalRecordKind::reference;
  EXPECT_EQ(refusal(payload_of({reference}), 1), Errc::unsupported);
  JournalRecord nothing = entry;
  nothing.index = LogIndex();
  EXPECT_EQ(refusal(payload_of({nothing}), 1), Errc::malformed);
}

}  // namespace
}  // namespace sluice::storage
