// What a log does when its disk is full, fails, or forgets; and when its indexes are not what they should be.
#include <gtest/gtest.h>

#include <string>

#include "protocol/base/crc32c.h"
#include "storage/log/index_format.h"
#include "tests/storage/log/log_machine.h"

namespace sluice::storage {
namespace {

using sim::SimOp;

TEST(LogFault, AFullDiskLosesNothing) {
  LogMachine m;
  m.append_many(10);
  ASSERT_TRUE(m.spill());
  m.append_many(300);
  m.store.set_capacity(4 * 4096);
  const auto spilled = m.spill();
  ASSERT_FALSE(spilled);
  EXPECT_EQ(spilled.error().code, Errc::no_space);
  EXPECT_FALSE(m.log->spilling());
  EXPECT_GT(m.log->unspilled_bytes(), 0U);
  m.check_all();
  EXPECT_EQ(m.spill().error().code, Errc::no_space);
  m.append_many(5);
  m.store.set_capacity(0);
  ASSERT_TRUE(m.spill());
  EXPECT_EQ(m.log->unspilled_bytes(), 0U);
  m.log->drop_tail();
  m.check_all();
  m.take_checkpoint();
  m.crash();
  m.check_all();
}

TEST(LogFault, AWriteThatFailedHalfwayIsWrittenOver) {
  for (std::uint64_t seed = 1; seed < 30; ++seed) {
    LogMachine m(seed, LogMachine::no_tail());
    m.append_many(5);
    m.store.inject({.op = SimOp::write, .path_contains = ".log", .error = Errc::no_space, .times = 3});
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(m.spill().error().code, Errc::no_space);
      m.append_many(20);
    }
    m.take_checkpoint();
    m.check_all();
    m.crash();
    m.check_all();
  }
}

TEST(LogFault, AFailedWriteOrSyncIsHandedUp) {
  LogMachine m;
  m.append_many(5);
  m.store.fail_next(SimOp::write, ".log");
  const auto spilled = m.spill();
  ASSERT_FALSE(spilled);
  EXPECT_EQ(spilled.error().code, Errc::io_error);
  EXPECT_NE(spilled.error().message.find("00000000000000000000.log"), std::string::npos);
  ASSERT_TRUE(m.spill());
  m.store.fail_next(SimOp::sync, ".log");
  EXPECT_EQ(m.sync().error().code, Errc::io_error);
  EXPECT_TRUE(m.log->needs_sync());
  m.store.fail_next(SimOp::sync_dir, "topic-0");
  EXPECT_EQ(m.sync().error().code, Errc::io_error);
  m.store.fail_next(SimOp::sync_dir, "group-1");
  EXPECT_EQ(m.sync().error().code, Errc::io_error);
  EXPECT_TRUE(m.log->needs_sync());
  EXPECT_TRUE(m.sync());
}

TEST(LogFault, AFailedReadFailsOnlyThatRead) {
  LogMachine m(1, LogMachine::no_tail());
  m.append_many(100);
  ASSERT_TRUE(m.spill());
  m.store.fail_next(SimOp::read, ".log");
  const auto read = m.read(Offset(3));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::io_error);
  EXPECT_NE(read.error().message.find(".log"), std::string::npos);
  m.check_all();
}

TEST(LogFault, AFailingIndexCostsNothingButTime) {
  LogMachine m(1, LogMachine::no_tail());
  m.store.inject({.op = SimOp::write, .path_contains = ".index", .times = sim::SimFault::kAlways});
  m.store.inject({.op = SimOp::read, .path_contains = ".index", .times = sim::SimFault::kAlways});
  m.append_many(100);
  m.take_checkpoint();
  m.check_all();
  m.crash();
  m.append_many(100);
  m.take_checkpoint();
  m.check_all();
}

TEST(LogFault, AMissingIndexIsRebuiltAndWrittenAgain) {
  LogMachine m(1, LogMachine::no_tail());
  m.append_many(100);
  m.take_checkpoint();
  m.scheduler.run_until_idle();
  const auto before = m.store.read_view(m.index(0));
  ASSERT_TRUE(before);
  m.store.put_file(m.index(0), {});
  m.kill();
  ASSERT_TRUE(m.read(Offset(20)));
  m.scheduler.run_until_idle();
  EXPECT_EQ(m.store.read_view(m.index(0)).value(), before.value());
  m.check_all();
}

TEST(LogFault, ACorruptIndexIsRebuilt) {
  LogMachine m(1, LogMachine::no_tail());
  m.append_many(40);
  m.take_checkpoint();
  m.scheduler.run_until_idle();
  const std::size_t size = m.store.read_view(m.index(0))->size();
  for (std::size_t at = 0; at < size; at += 3) {
    m.store.flip_bit(m.index(0), at, static_cast<unsigned>(at % 8));
    m.kill();
    ASSERT_TRUE(m.read(Offset(25)));
    m.scheduler.run_until_idle();
    m.check_all();
  }
}

// A valid block that leads to wrong places: it can only come from a bug or from another life of the partition.
TEST(LogFault, AnIndexThatLiesIsFoundOut) {
  LogMachine m(1, LogMachine::no_tail());
  m.append_many(100);
  m.take_checkpoint();
  m.scheduler.run_until_idle();
  auto block = decode_index_block(*m.store.read_view(m.index(0)));
  ASSERT_TRUE(block);
  for (IndexEntry& entry : block->entries) entry.position += 1;
  ByteWriter out;
  encode_index_block(*block, out);
  m.store.put_file(m.index(0), out.span());
  m.kill();
  m.check_all();
}

TEST(LogFault, ADamagedHeaderFailsTheReadsThatMeetIt) {
  // The fields that no CRC covers, and the length: base offset, length, leader epoch, magic.
  for (std::uint64_t byte = 0; byte < 17; ++byte) {
    SCOPED_TRACE("byte " + std::to_string(byte));
    LogMachine m(1, LogMachine::no_tail());
    for (int i = 0; i < 20; ++i) m.append({i}, 100, Codec::none, 1000, LeaderEpoch(0x01010101));
    m.take_checkpoint();
    m.log->drop_tail();  // writes the index
    m.scheduler.run_until_idle();
    const std::uint64_t size = m.journal[0].bytes.size();
    m.store.flip_bit(m.segment(0), 10 * size + byte, 3);  // an epoch that went up is seen when the next goes down
    m.kill();
    const auto damaged = m.read(Offset(10), 1);
    ASSERT_FALSE(damaged);
    EXPECT_EQ(damaged.error().code, Errc::corrupt);
    EXPECT_NE(damaged.error().message.find(m.segment(0)), std::string::npos) << damaged.error().message;
    for (std::int64_t offset : {0, 5, 8, 13, 19}) {
      const auto read = m.read(Offset(offset), 1);
      ASSERT_TRUE(read) << offset << ": " << read.error().message;
      m.check_read(*read, Offset(offset), 1, Offset(1000));
    }
    for (int i = 0; i < 3; ++i) m.append({20 + i}, 100, Codec::none, 1000, LeaderEpoch(0x01010102));
    EXPECT_TRUE(m.spill());
    EXPECT_TRUE(m.read(Offset(20), 1));
  }
}

TEST(LogFault, ADamagedHeaderLeavesTheRestReadableThroughTheIndex) {
  LogMachine m(1, LogMachine::no_tail());
  m.append_many(100);
  m.take_checkpoint();
  m.scheduler.run_until_idle();
  const std::uint64_t size = m.journal[0].bytes.size();
  m.store.flip_bit(m.segment(0), 2 * size + 3, 1);
  m.kill();
  EXPECT_EQ(m.read(Offset(2), 1).error().code, Errc::corrupt);
  for (std::int64_t offset : {0, 10, 18, 50, 99}) EXPECT_TRUE(m.read(Offset(offset), 1)) << offset;
}

TEST(LogFault, ALargeLengthTakesNoMemoryWithoutProof) {
  LogOptions options = LogMachine::no_tail();
  options.segment_bytes = 64U << 20;
  LogMachine m(1, options);
  m.append({1}, 100);
  const std::uint64_t second = m.journal[0].bytes.size();
  for (int i = 0; i < 20; ++i) m.append({1}, 1U << 20);
  m.take_checkpoint();
  std::byte length[4];
  store_be<std::int32_t>(length, 10U << 20);
  m.store.overwrite(m.segment(0), second + 8, length);
  m.kill();
  m.store.reset_counters();
  EXPECT_EQ(m.read(Offset(1), 1).error().code, Errc::corrupt);
  EXPECT_LT(m.store.counters().read_bytes, 4U << 20);
}

TEST(LogFault, AnEpochThatGoesBackIsSeen) {
  LogMachine m(1, LogMachine::no_tail());
  m.append({1}, 100, Codec::none, 1000, LeaderEpoch(5));
  m.append({1}, 100, Codec::none, 1000, LeaderEpoch(5));
  m.take_checkpoint();
  m.store.flip_bit(m.segment(0), m.journal[0].bytes.size() + 15, 0);
  m.kill();
  EXPECT_EQ(m.read(Offset(1), 1).error().code, Errc::corrupt);
}

// Records that no codec made, under a CRC that holds: what a client sent so is not looked at on arrival.
TEST(LogFault, ABatchThatCantBeDecodedHidesNoTime) {
  LogMachine m;
  m.append({10}, 50);
  auto& poison = m.journal.emplace_back(
      LogMachine::Batch{Offset(1), Offset(3), make_batch(Offset(1), {20, 21}, 50, Codec::gzip), {21, 21}, 1000});
  std::fill(poison.bytes.begin() + kBatchHeaderSize, poison.bytes.end(), std::byte{0xff});
  store_be(poison.bytes.data() + 17, crc32c(ByteSpan(poison.bytes).subspan(21)));
  m.log->append(SharedBytes::copy_of(poison.bytes), 1000);
  m.append({15}, 50);
  for (int pass = 0; pass < 2; ++pass) {
    const auto found = m.find_time(15);
    ASSERT_TRUE(found && *found);
    EXPECT_EQ((*found)->offset, Offset(1));
    EXPECT_EQ(m.find_max_time()->value().offset, Offset(1));
    m.take_checkpoint();
    m.crash();
  }
  // The same on a disk that rots is corruption.
  m.store.flip_bit(m.segment(0), m.journal[0].bytes.size() + kBatchHeaderSize + 3, 2);
  m.kill();
  EXPECT_EQ(m.find_time(15).error().code, Errc::corrupt);
}

}  // namespace
}  // namespace sluice::storage
