// What a shard says of itself: counters of appends, spills and checkpoints, and how things stand.
#include "broker/shard/shard_report.h"

#include <gtest/gtest.h>

#include "tests/broker/shard/shard_machine.h"

namespace sluice::broker {
namespace {

TEST(ShardReport, CountsWhatALeaderAppends) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create();
  const ShardReport before = m.shard().report();
  EXPECT_EQ(before.groups, 2U);
  EXPECT_EQ(before.groups_led, 2U);
  EXPECT_GT(before.journal_capacity_bytes, 0U);
  const TestProducer producer{ProducerId(5), 0};
  ASSERT_TRUE(m.produce("first", producer));
  ASSERT_TRUE(m.produce("first", producer));
  ASSERT_TRUE(m.produce("second"));
  const ShardReport after = m.shard().report();
  EXPECT_EQ(after.counters.appended_batches, 2U);
  EXPECT_EQ(after.counters.appended_records, 2U);
  EXPECT_GT(after.counters.appended_bytes, 2 * kBatchHeaderSize);
  EXPECT_EQ(after.counters.duplicate_batches, 1U);
  EXPECT_EQ(after.unspilled_bytes - before.unspilled_bytes, after.counters.appended_bytes);
  EXPECT_GT(after.journal.flushes, before.journal.flushes);
  EXPECT_GT(after.journal_used_bytes, before.journal_used_bytes);
  EXPECT_FALSE(after.disk_full);
}

TEST(ShardReport, CountsSpillsAndCheckpoints) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(m.produce(std::string(1000, 'x')));
  const ShardReport before = m.shard().report();
  m.checkpoint();
  const ShardReport after = m.shard().report();
  EXPECT_EQ(after.counters.checkpoints - before.counters.checkpoints, 1U);
  EXPECT_EQ(after.logs.spilled_bytes - before.logs.spilled_bytes, after.counters.appended_bytes);
  EXPECT_GE(after.logs.spill_writes, 1U);
}

TEST(ShardReport, WhatIsReplayedIsNotAppended) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create();
  ASSERT_TRUE(m.produce("a"));
  ASSERT_TRUE(m.crash());
  EXPECT_EQ(m.values(), std::vector<std::string>{"a"});
  EXPECT_EQ(m.shard().report().counters.appended_batches, 0U);
}

/// Who waits for each reply would pay for a write more a record.
TEST(ShardReport, TheJournalMarksItsEndOnceWhenItFallsQuiet) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create();
  m.run();
  const std::uint64_t before = m.shard().report().journal.flushes;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(m.produce("x"));
  EXPECT_EQ(m.shard().report().journal.flushes - before, 10U);
  m.run(std::chrono::seconds(1));
  EXPECT_EQ(m.shard().report().journal.flushes - before, 11U);
}

}  // namespace
}  // namespace sluice::broker
