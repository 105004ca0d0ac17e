// The bytes of segments and indexes, and the in-memory index over them.
#include <gtest/gtest.h>

#include <string>

#include "storage/log/index_format.h"
#include "storage/log/offset_index.h"
#include "tests/storage/log/log_machine.h"

namespace sluice::storage {
namespace {

std::string hex(ByteSpan bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    text += "0123456789abcdef"[std::to_integer<int>(byte >> 4)];
    text += "0123456789abcdef"[std::to_integer<int>(byte & std::byte{15})];
  }
  return text;
}

IndexBlock block_of_two() {
  IndexBlock block;
  block.base = Offset(0x0102);
  block.from = 0;
  block.to = 0x3000;
  block.next = Offset(0x0142);
  block.max_ms = 0x0a0b0c0d;
  block.entries = {{Offset(0x0110), 0x1000, 0x0a000000}, {Offset(0x0120), 0x2000, 0x0a000001}};
  return block;
}

TEST(IndexFormat, GoldenBytes) {
  ByteWriter out;
  encode_index_block(block_of_two(), out);
  EXPECT_EQ(hex(out.span()),
            "534c4958"
            "e9999144"
            "0100"
            "0200"
            "00000000"
            "0201000000000000"
            "0000000000000000"
            "0030000000000000"
            "4201000000000000"
            "0d0c0b0a00000000"
            "1001000000000000"
            "0010000000000000"
            "0000000a00000000"
            "2001000000000000"
            "0020000000000000"
            "0100000a00000000");
}

TEST(IndexFormat, RoundTrip) {
  ByteWriter out;
  encode_index_block(block_of_two(), out);
  EXPECT_EQ(out.size(), kIndexBlockHeader + 2 * kIndexEntrySize);
  EXPECT_EQ(index_block_size(out.span()), out.size());
  const auto block = decode_index_block(out.span());
  ASSERT_TRUE(block) << block.error().message;
  EXPECT_EQ(*block, block_of_two());
}

TEST(IndexFormat, EveryBitIsChecked) {
  ByteWriter out;
  encode_index_block(block_of_two(), out);
  std::vector<std::byte> bytes = out.take();
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_FALSE(decode_index_block(bytes)) << "bit " << bit;
    bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode_index_block(ByteSpan(bytes).first(size)));
}

TEST(IndexFormat, EntriesThatContradictEachOtherAreRefused) {
  const auto refused = [](auto change) {
    IndexBlock block = block_of_two();
    change(block);
    ByteWriter out;
    encode_index_block(block, out);
    const auto decoded = decode_index_block(out.span());
    return !decoded && decoded.error().code == Errc::malformed;
  };
  EXPECT_FALSE(refused([](IndexBlock&) {}));
  EXPECT_TRUE(refused([](IndexBlock& b) { b.to = b.from; }));
  EXPECT_TRUE(refused([](IndexBlock& b) { b.entries[1].position = b.to; }));
  EXPECT_TRUE(refused([](IndexBlock& b) { b.entries[1].position = b.entries[0].position; }));
  EXPECT_TRUE(refused([](IndexBlock& b) { b.entries[1].offset = b.entries[0].offset; }));
  EXPECT_TRUE(refused([](IndexBlock& b) { b.entries[1].offset = b.next; }));
  EXPECT_TRUE(refused([](IndexBlock& b) { b.entries[0].offset = b.base; }));
  EXPECT_TRUE(refused([](IndexBlock& b) { b.entries[1].max_before_ms = b.entries[0].max_before_ms - 1; }));
  EXPECT_TRUE(refused([](IndexBlock& b) { b.entries[1].max_before_ms = b.max_ms + 1; }));
}

// Batches of 100 bytes and 10 offsets; times go up but for every fourth.
IndexedBatch nth_batch(std::int64_t n) {
  return {Offset(50 + n * 10), Offset(60 + n * 10), 100, n % 4 == 3 ? 0 : 1000 + n};
}

TEST(SegmentIndex, FindsTheEntryBefore) {
  SegmentIndex index(Offset(50), 250);
  for (std::int64_t n = 0; n < 100; ++n) index.add(nth_batch(n));
  ASSERT_EQ(index.entry_count(), 34U);  // one in three, and the first
  EXPECT_EQ(index.entry(index.floor(Offset(50))).position, 0U);
  EXPECT_EQ(index.entry(index.floor(Offset(79))).position, 0U);
  EXPECT_EQ(index.entry(index.floor(Offset(80))).position, 300U);
  EXPECT_EQ(index.entry(index.floor(Offset(1000))).position, 9300U);
  EXPECT_EQ(index.entry(index.floor(Offset(99999))).position, 9900U);
  EXPECT_EQ(index.cursor().covered_to, 10000U);
}

TEST(SegmentIndex, FindsTheStretchThatReachesATime) {
  SegmentIndex index(Offset(50), 250);
  for (std::int64_t n = 0; n < 100; ++n) index.add(nth_batch(n));
  const auto position = [&](std::int64_t time) {
    const std::size_t entry = index.first_reaching(time, 0);
    return entry < index.entry_count() ? static_cast<std::int64_t>(index.entry(entry).position) : -1;
  };
  EXPECT_EQ(position(0), 0);
  EXPECT_EQ(position(1002), 0);
  EXPECT_EQ(position(1003), 300);  // batch 3 says 0, batch 4 says 1004
  EXPECT_EQ(position(1006), 600);
  EXPECT_EQ(position(1098), 9600);
  EXPECT_EQ(position(1099), -1);
}

TEST(SegmentIndex, WriterAndIndexEncodeTheSameBlocks) {
  SegmentIndex index(Offset(50), 100);
  IndexWriter writer(Offset(50), 100);
  for (std::int64_t n = 0; n < 1000; ++n) {
    index.add(nth_batch(n));
    writer.add(nth_batch(n));
  }
  ByteWriter all;
  EXPECT_EQ(index.encode_from(0, 1U << 20, all), 100'000U);
  const IndexWriter::Write write = writer.take();
  EXPECT_EQ(hex(all.span()), hex(write.bytes));
  // And back.
  SegmentIndex copy(Offset(50), 100);
  for (std::size_t at = 0; at < write.bytes.size(); at += index_block_size(ByteSpan(write.bytes).subspan(at))) {
    const auto block = decode_index_block(ByteSpan(write.bytes).subspan(at));
    ASSERT_TRUE(block);
    ASSERT_TRUE(copy.add_block(*block, 100'000, Offset(10'050)));
  }
  ASSERT_EQ(copy.entry_count(), index.entry_count());
  for (std::size_t i = 0; i < index.entry_count(); ++i) EXPECT_EQ(copy.entry(i), index.entry(i));
  EXPECT_EQ(copy.cursor().max_ms, index.cursor().max_ms);
}

TEST(SegmentIndex, TakesOnlyBlocksThatContinueIt) {
  SegmentIndex index(Offset(0x0102), 4096);
  EXPECT_FALSE(index.add_block(block_of_two(), 0x2fff, Offset(0x0142)));  // beyond the segment
  EXPECT_FALSE(index.add_block(block_of_two(), 0x3000, Offset(0x0141)));
  IndexBlock block = block_of_two();
  block.base = Offset(1);
  EXPECT_FALSE(index.add_block(block, 0x3000, Offset(0x0142)));
  EXPECT_TRUE(index.add_block(block_of_two(), 0x3000, Offset(0x0142)));
  EXPECT_FALSE(index.add_block(block_of_two(), 0x9000, Offset(0x9000)));  // again
}

TEST(SegmentFormat, IsTheBatchesAsTheyCame) {
  LogMachine m;
  m.append({0x11223344, 0x11223345}, 2, Codec::none, 1'000'000'000, LeaderEpoch(7));
  m.append({0x11223346}, 3, Codec::none, 1'000'000'000, LeaderEpoch(8));
  ASSERT_TRUE(m.spill());
  EXPECT_EQ(m.store.files(), std::vector<std::string>{"/data/group-1/topic-0/00000000000000000000.log"});
  EXPECT_EQ(hex(*m.store.read_view(m.segment(0))),
            "0000000000000000"
            "00000049"
            "00000007"
            "02"
            "6b181fda"
            "0000"
            "00000001"
            "0000000011223344"
            "0000000011223345"
            "ffffffffffffffff"
            "ffff"
            "ffffffff"
            "00000002"
            "16000000066b657904000000"
            "16000202066b657904010100"
            "0000000000000002"
            "0000003e"
            "00000008"
            "02"
            "98e04788"
            "0000"
            "00000000"
            "0000000011223346"
            "0000000011223346"
            "ffffffffffffffff"
            "ffff"
            "ffffffff"
            "00000001"
            "18000000066b6579060e0e0e00");
}

TEST(SegmentFormat, NamesOfFiles) {
  EXPECT_EQ(segment_path("d", Offset(42)), "d/00000000000000000042.log");
  EXPECT_EQ(index_path("d", Offset(42)), "d/00000000000000000042.index");
  EXPECT_EQ(parse_log_file_name("00000000000000000042.log").kind, LogFileKind::segment);
  EXPECT_EQ(parse_log_file_name("00000000000000000042.log").base, Offset(42));
  EXPECT_EQ(parse_log_file_name("00000000000000000042.index").kind, LogFileKind::index);
  for (const char* other : {"0000000000000000042.log", "00000000000000000042.tmp", "-0000000000000000042.log",
                            "99999999999999999999.log", "0000000000000000004x.log", ""}) {
    EXPECT_EQ(parse_log_file_name(other).kind, LogFileKind::other) << other;
  }
}

TEST(IndexFile, IsWrittenAtARollAndWhenTheTailIsDropped) {
  LogMachine m;
  m.append_many(100);
  ASSERT_TRUE(m.spill());
  m.scheduler.run_until_idle();
  const auto segments = m.log->segments();
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    const auto bytes = m.store.read_view(m.index(segments[i].base.value));
    ASSERT_TRUE(bytes);
    const auto block = decode_index_block(*bytes);
    ASSERT_TRUE(block);
    EXPECT_EQ(block->base, segments[i].base);
    EXPECT_EQ(block->to, segments[i].size_bytes);
    EXPECT_EQ(block->next, segments[i].next);
    EXPECT_GT(block->entries.size(), 3U);
  }
  EXPECT_FALSE(m.store.read_view(m.index(segments.back().base.value)));
  m.append_many(10);
  ASSERT_TRUE(m.spill());
  m.log->drop_tail();
  m.scheduler.run_until_idle();
  EXPECT_TRUE(m.store.read_view(m.index(segments.back().base.value)));
}

}  // namespace
}  // namespace sluice::storage
