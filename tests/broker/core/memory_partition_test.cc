// A memory topic's partition: lives, and that no offset is given out twice.
#include <gtest/gtest.h>

#include "broker/core/partition_state.h"
#include "tests/broker/core/batch_headers.h"
#include "tests/broker/core/samples.h"

namespace sluice::broker {
namespace {

constexpr Offset kFirstBlockEnd{kOffsetBlock};

PartitionState memory_state(const std::shared_ptr<ProducerBudget>& budget) {
  TopicSettings settings = sample_settings();
  settings.storage = TopicStorage::memory;
  settings.max_message_bytes = 1000;
  return {sample_partition(), LeaderEpoch(7), settings, budget};
}

TEST(MemoryPartition, WhoMadeItBeginsAtZeroAndALaterLeaderAboveAllThatIsReserved) {
  const auto budget = make_producer_budget(10);
  PartitionState state = memory_state(budget);
  EXPECT_TRUE(state.in_memory());
  EXPECT_EQ(state.reserved_end(), kFirstBlockEnd);
  EXPECT_EQ(state.end_offset(), kFirstBlockEnd) << "between lives";
  state.begin_life(true);
  EXPECT_EQ(state.start_offset(), Offset(0));
  ASSERT_TRUE(state.apply_append(plain_batch(3, 0, 8), 1000));
  EXPECT_EQ(state.end_offset(), Offset(3));

  state.begin_life(false);
  EXPECT_EQ(state.start_offset(), kFirstBlockEnd);
  EXPECT_EQ(state.end_offset(), kFirstBlockEnd);
  const BatchHeader next = plain_batch(3, kOffsetBlock, 9);
  EXPECT_EQ(state.check(next).offset, kFirstBlockEnd);
  EXPECT_FALSE(state.apply_append(next, 1000)) << "nothing is reserved there";
  state.apply_reserve_offsets(Offset(2 * kOffsetBlock));
  EXPECT_TRUE(state.apply_append(next, 1000));
  state.apply_reserve_offsets(Offset(5));
  EXPECT_EQ(state.reserved_end(), Offset(2 * kOffsetBlock)) << "never back";
}

TEST(MemoryPartition, ABlockEndsWhereItEnds) {
  PartitionState state = memory_state(make_producer_budget(10));
  state.begin_life(true);
  BatchHeader batch = plain_batch(static_cast<std::int32_t>(kOffsetBlock), 0, 8);
  ASSERT_TRUE(state.apply_append(batch, 1000)) << "to the last one";
  batch = plain_batch(1, kOffsetBlock, 8);
  EXPECT_FALSE(state.apply_append(batch, 1000));
}

TEST(MemoryPartition, ALifesProducersAndEpochsEndWithIt) {
  const auto budget = make_producer_budget(10);
  PartitionState state = memory_state(budget);
  state.begin_life(true);
  ASSERT_TRUE(state.apply_append(producer_batch(40, 0, 0, 2, 0, 8), 1000));
  EXPECT_EQ(state.check(producer_batch(40, 0, 0, 2)).outcome, PartitionState::Outcome::duplicate);
  EXPECT_EQ(budget->used(), 1U);
  EXPECT_EQ(state.epoch_at(Offset(0)), LeaderEpoch(8));
  state.end_life();
  EXPECT_EQ(budget->used(), 0U);
  EXPECT_EQ(state.producer_count(), 0U);
  state.begin_life(false);
  EXPECT_EQ(state.check(producer_batch(40, 0, 2, 2)).outcome, PartitionState::Outcome::append);
  // Who read in the life before: its epoch ended where this one begins, and its position is below the start.
  const auto end = state.epoch_end(LeaderEpoch(8), LeaderEpoch(9));
  ASSERT_TRUE(end);
  EXPECT_EQ(end->epoch, LeaderEpoch(8));
  EXPECT_EQ(end->end_offset, kFirstBlockEnd);
}

TEST(MemoryPartition, ACheckpointHoldsWhatIsReservedAndNothingElse) {
  const auto budget = make_producer_budget(10);
  PartitionState state = memory_state(budget);
  const std::string empty = state.encode();
  EXPECT_EQ(hex(empty),
            "080212100102030405060708090a0b0c0d0e0f10180320072a19080110d00f1880800120e807280138882740f02e48d83650013080"
            "8080083880808008");
  state.begin_life(true);
  ASSERT_TRUE(state.apply_append(producer_batch(40, 0, 0, 2, 0, 8), 1000));
  EXPECT_EQ(state.encode(), empty) << "equal on every replica, whoever leads";
  state.apply_reserve_offsets(Offset(2 * kOffsetBlock));
  auto back = PartitionState::decode(state.encode(), budget);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->reserved_end(), Offset(2 * kOffsetBlock));
  EXPECT_EQ(back->start_offset(), Offset(2 * kOffsetBlock));
  EXPECT_EQ(back->end_offset(), Offset(2 * kOffsetBlock));
  EXPECT_EQ(back->encode(), state.encode());
}

TEST(MemoryPartition, AnAlterationLeavesItInMemory) {
  PartitionState state = memory_state(make_producer_budget(10));
  state.apply_settings({});
  EXPECT_TRUE(state.in_memory());
}

}  // namespace
}  // namespace sluice::broker
