// A partition's two layers: small stories of producers, leaders and checkpoints.
#include "broker/core/partition_state.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/broker/core/batch_headers.h"
#include "tests/broker/core/samples.h"

namespace sluice::broker {
namespace {

using Outcome = PartitionState::Outcome;
constexpr std::int32_t kMaxSequence = std::numeric_limits<std::int32_t>::max();

class PartitionStateTest : public ::testing::Test {
 protected:
  std::shared_ptr<ProducerBudget> budget = make_producer_budget(3);
  PartitionState state{sample_partition(), LeaderEpoch(1), {}, budget};
  std::int64_t now_ms = 1000;

  /// What the state says of a batch, in a word: `append 3`, `duplicate 0`, `pending 0`, or the error's name.
  std::string says(const BatchHeader& header) const {
    const auto verdict = state.check(header);
    switch (verdict.outcome) {
      case Outcome::append: return "append " + std::to_string(verdict.offset.value);
      case Outcome::duplicate: return "duplicate " + std::to_string(verdict.offset.value);
      case Outcome::duplicate_pending: return "pending " + std::to_string(verdict.offset.value);
      case Outcome::refused: break;
    }
    EXPECT_FALSE(verdict.error.message.empty());
    return std::string(errc_name(verdict.error.code));
  }
  void submit(const BatchHeader& header) {
    ASSERT_EQ(state.check(header).outcome, Outcome::append);
    state.submitted(header);
  }
  void apply(BatchHeader header) {
    header.base_offset = state.end_offset();
    const auto applied = state.apply_append(header, now_ms);
    ASSERT_TRUE(applied.has_value()) << applied.error().message;
  }
  void produce(const BatchHeader& header) {
    submit(header);
    apply(header);
  }
};

TEST_F(PartitionStateTest, SpeculationRunsAheadAndNeverShows) {
  submit(plain_batch(3));
  submit(plain_batch(2));
  EXPECT_EQ(state.next_offset().value, 5);
  EXPECT_EQ(state.end_offset().value, 0);
  apply(plain_batch(3));
  EXPECT_EQ(state.end_offset().value, 3);
  EXPECT_EQ(state.next_offset().value, 5);
  state.discard_speculation();
  EXPECT_EQ(state.next_offset().value, 3);
  apply(plain_batch(4));  // as a follower
  EXPECT_EQ(state.next_offset().value, 7);
}

TEST_F(PartitionStateTest, DuplicateOfAPendingBatchSharesItsFate) {
  submit(producer_batch(7, 0, 0, 2));
  EXPECT_EQ(says(producer_batch(7, 0, 0, 2)), "pending 0");
  submit(producer_batch(7, 0, 2, 1));
  apply(producer_batch(7, 0, 0, 2));
  EXPECT_EQ(says(producer_batch(7, 0, 0, 2)), "duplicate 0");
  EXPECT_EQ(says(producer_batch(7, 0, 2, 1)), "pending 2");
  state.discard_speculation();
  EXPECT_EQ(says(producer_batch(7, 0, 2, 1)), "append 2") << "what was discarded is taken again";
  EXPECT_EQ(says(producer_batch(7, 0, 3, 1)), "out_of_order_sequence");
}

TEST_F(PartitionStateTest, RemembersFiveBatches) {
  for (std::int32_t i = 0; i < 7; ++i) produce(producer_batch(7, 0, 2 * i, 2));
  EXPECT_EQ(says(producer_batch(7, 0, 12, 2)), "duplicate 12");
  EXPECT_EQ(says(producer_batch(7, 0, 4, 2)), "duplicate 4");
  EXPECT_EQ(says(producer_batch(7, 0, 2, 2)), "duplicate_sequence");
  EXPECT_EQ(says(producer_batch(7, 0, 0, 4)), "duplicate_sequence") << "all of it was appended, in other batches";
  EXPECT_EQ(says(producer_batch(7, 0, 3, 2)), "out_of_order_sequence") << "half of it is remembered";
  EXPECT_EQ(says(producer_batch(7, 0, 12, 1)), "out_of_order_sequence") << "same first sequence, another last one";
  EXPECT_EQ(says(producer_batch(7, 0, 15, 1)), "out_of_order_sequence");
  EXPECT_EQ(says(producer_batch(7, 0, 14, 1)), "append 14");
}

TEST_F(PartitionStateTest, UnknownProducersMayBeginAnywhere) {
  produce(producer_batch(7, 3, 40, 2));
  EXPECT_EQ(says(producer_batch(7, 3, 42, 1)), "append 2");
  // 38 and 39 may never have arrived: to call them a duplicate would be to lose them.
  EXPECT_EQ(says(producer_batch(7, 3, 38, 2)), "out_of_order_sequence");
  for (std::int32_t i = 42; i < 47; ++i) produce(producer_batch(7, 3, i, 1));
  EXPECT_EQ(says(producer_batch(7, 3, 40, 2)), "duplicate_sequence");
  EXPECT_EQ(says(producer_batch(7, 3, 39, 1)), "out_of_order_sequence");
}

TEST_F(PartitionStateTest, SequencesWrapToZero) {
  produce(producer_batch(7, 0, kMaxSequence - 1, 3));  // MAX-1, MAX, 0
  EXPECT_EQ(says(producer_batch(7, 0, kMaxSequence - 1, 3)), "duplicate 0");
  EXPECT_EQ(says(producer_batch(7, 0, 1, 1)), "append 3");
  EXPECT_EQ(says(producer_batch(7, 0, 0, 1)), "out_of_order_sequence");
  for (std::int32_t i = 1; i < 7; ++i) produce(producer_batch(7, 0, i, 1));
  EXPECT_EQ(says(producer_batch(7, 0, kMaxSequence - 1, 3)), "duplicate_sequence");
  EXPECT_EQ(says(producer_batch(7, 0, kMaxSequence, 1)), "duplicate_sequence");

  produce(producer_batch(8, 0, kMaxSequence, 1));
  EXPECT_EQ(says(producer_batch(8, 0, 0, 1)), "append 10");
}

TEST_F(PartitionStateTest, EpochsGoUpAndBeginAtZero) {
  produce(producer_batch(7, 1, 0, 1));
  EXPECT_EQ(says(producer_batch(7, 0, 1, 1)), "invalid_producer_epoch");
  EXPECT_EQ(says(producer_batch(7, 2, 1, 1)), "out_of_order_sequence");
  submit(producer_batch(7, 2, 0, 1));
  EXPECT_EQ(says(producer_batch(7, 1, 0, 1)), "invalid_producer_epoch") << "fenced by what is only submitted";
  state.discard_speculation();
  EXPECT_EQ(says(producer_batch(7, 1, 0, 1)), "duplicate 0");
  produce(producer_batch(7, 2, 0, 1));
  EXPECT_EQ(says(producer_batch(7, 2, 0, 1)), "duplicate 1");
  EXPECT_EQ(says(producer_batch(7, 1, 1, 1)), "invalid_producer_epoch");
}

TEST_F(PartitionStateTest, BatchesTooLargeAreRefusedButTheirDuplicatesAreNot) {
  produce(producer_batch(7, 0, 0, 1));
  TopicSettings small;
  small.max_message_bytes = 99;
  state.apply_settings(small);
  EXPECT_EQ(says(plain_batch(1)), "too_large");
  EXPECT_EQ(says(producer_batch(7, 0, 1, 1)), "too_large");
  EXPECT_EQ(says(producer_batch(7, 0, 0, 1)), "duplicate 0");
}

TEST_F(PartitionStateTest, AtTheCapNewProducersWaitAndNoneIsEvicted) {
  produce(producer_batch(1, 0, 0, 1));
  submit(producer_batch(2, 0, 0, 1));
  submit(producer_batch(3, 0, 0, 1));
  EXPECT_EQ(budget->used(), 3U) << "what is submitted holds its place";
  EXPECT_EQ(says(producer_batch(4, 0, 0, 1)), "busy");
  EXPECT_EQ(says(producer_batch(1, 0, 1, 1)), "append 3");
  EXPECT_EQ(says(plain_batch(1)), "append 3");
  apply(producer_batch(2, 0, 0, 1));
  EXPECT_EQ(budget->used(), 3U) << "and is not counted twice";
  state.discard_speculation();
  EXPECT_EQ(budget->used(), 2U);
  EXPECT_EQ(says(producer_batch(4, 0, 0, 1)), "append 2");

  // What is committed is never refused.
  apply(producer_batch(3, 0, 0, 1));
  apply(producer_batch(4, 0, 0, 1));
  EXPECT_EQ(budget->used(), 4U);
  now_ms = 2000;
  apply(producer_batch(3, 0, 1, 1));
  state.apply_expire_producers(2000);
  EXPECT_EQ(state.producer_count(), 1U);
  EXPECT_EQ(budget->used(), 1U);
  state = PartitionState(sample_partition(), LeaderEpoch(1), {}, budget);
  EXPECT_EQ(budget->used(), 0U) << "a partition that goes gives back its places";
}

TEST_F(PartitionStateTest, ExpiryForgetsTheIdleOnly) {
  EXPECT_EQ(state.oldest_producer_ms(), std::nullopt);
  produce(producer_batch(1, 0, 0, 1));
  now_ms = 1500;
  produce(producer_batch(2, 0, 0, 1));
  EXPECT_EQ(state.oldest_producer_ms(), 1000);
  state.apply_expire_producers(1000);
  EXPECT_EQ(state.producer_count(), 2U) << "idle since before, not at";
  state.apply_expire_producers(1001);
  EXPECT_EQ(state.producer_count(), 1U);
  EXPECT_EQ(state.oldest_producer_ms(), 1500);
  EXPECT_EQ(says(producer_batch(1, 0, 9, 1)), "append 2") << "unknown again";
  state.apply_expire_producers(5000);
  EXPECT_EQ(state.oldest_producer_ms(), std::nullopt);
}

TEST_F(PartitionStateTest, ExpiryUnderAPendingBatchKeepsItsSequence) {
  produce(producer_batch(1, 0, 0, 1));
  submit(producer_batch(1, 0, 1, 1));
  state.apply_expire_producers(9999);
  EXPECT_EQ(budget->used(), 0U);
  EXPECT_EQ(says(producer_batch(1, 0, 1, 1)), "pending 1");
  apply(producer_batch(1, 0, 1, 1));
  EXPECT_EQ(budget->used(), 1U);
  EXPECT_EQ(says(producer_batch(1, 0, 1, 1)), "duplicate 1");
  EXPECT_EQ(says(producer_batch(1, 0, 2, 1)), "append 2");
}

TEST_F(PartitionStateTest, ApplyRefusesWhatDoesNotContinueTheLog) {
  apply(plain_batch(3, 0, 5));
  const auto refuses = [&](const BatchHeader& header) {
    const auto result = state.apply_append(header, now_ms);
    return !result && result.error().code == Errc::internal && state.end_offset().value == 3;
  };
  EXPECT_TRUE(refuses(plain_batch(1, 2, 5)));
  EXPECT_TRUE(refuses(plain_batch(1, 4, 5)));
  EXPECT_TRUE(refuses(plain_batch(1, 3, 4))) << "its leader epoch went back";
  EXPECT_TRUE(refuses(plain_batch(1, 3, 0))) << "below the epoch base";
  EXPECT_TRUE(refuses(plain_batch(0, 3, 5))) << "no records";
  EXPECT_TRUE(state.apply_append(plain_batch(1, 3, 5), now_ms));
}

TEST_F(PartitionStateTest, TheStartOnlyMovesForwardsAndNotBeyondTheEnd) {
  apply(plain_batch(5));
  EXPECT_TRUE(state.apply_advance_start(Offset(2)));
  EXPECT_FALSE(state.apply_advance_start(Offset(2)));
  EXPECT_FALSE(state.apply_advance_start(Offset(1)));
  EXPECT_EQ(state.start_offset().value, 2);
  EXPECT_TRUE(state.apply_advance_start(Offset(100)));
  EXPECT_EQ(state.start_offset().value, 5);
  EXPECT_FALSE(state.apply_advance_start(Offset(101)));
}

TEST_F(PartitionStateTest, LeaderEpochsFitInt32) {
  EXPECT_EQ(state.leader_epoch(Term(4))->value, 5);
  EXPECT_EQ(state.leader_epoch(Term(kMaxSequence - 1))->value, kMaxSequence);
  EXPECT_FALSE(state.leader_epoch(Term(kMaxSequence)));
  EXPECT_FALSE(state.leader_epoch(Term(~std::uint64_t{0})));
}

TEST_F(PartitionStateTest, EpochEnds) {
  const auto end = [&](std::int32_t asked, std::int32_t current) {
    const auto found = state.epoch_end(LeaderEpoch(asked), LeaderEpoch(current));
    return found ? std::to_string(found->epoch.value) + ":" + std::to_string(found->end_offset.value) : "none";
  };
  EXPECT_EQ(end(2, 3), "2:0") << "nothing was ever written";
  apply(plain_batch(4, 0, 3));
  apply(plain_batch(2, 0, 3));
  apply(plain_batch(4, 0, 6));
  EXPECT_EQ(end(-1, 8), "none");
  EXPECT_EQ(end(9, 8), "none");
  EXPECT_EQ(end(8, 8), "8:10") << "the current epoch, though nothing was written in it";
  EXPECT_EQ(end(7, 8), "6:10");
  EXPECT_EQ(end(6, 8), "6:10");
  EXPECT_EQ(end(5, 8), "3:6");
  EXPECT_EQ(end(3, 8), "3:6");
  EXPECT_EQ(end(2, 8), "2:0");
  ASSERT_TRUE(state.apply_advance_start(Offset(5)));
  EXPECT_EQ(end(2, 8), "2:5");
  EXPECT_EQ(end(4, 8), "3:6");
  ASSERT_TRUE(state.apply_advance_start(Offset(6)));
  EXPECT_EQ(end(4, 8), "4:6") << "epoch 3 is trimmed away";
  ASSERT_TRUE(state.apply_advance_start(Offset(10)));
  EXPECT_EQ(end(6, 8), "6:10");
  apply(plain_batch(1, 0, 8));
  EXPECT_EQ(end(6, 8), "6:10");
  EXPECT_EQ(end(8, 9), "8:11");
}

TEST_F(PartitionStateTest, EpochOfARecord) {
  const auto at = [&](std::int64_t offset) { return state.epoch_at(Offset(offset)).value_or(LeaderEpoch(-1)).value; };
  EXPECT_EQ(at(0), -1) << "there is none";
  apply(plain_batch(4, 0, 3));
  apply(plain_batch(2, 0, 3));
  apply(plain_batch(4, 0, 6));
  EXPECT_EQ(at(0), 3);
  EXPECT_EQ(at(5), 3);
  EXPECT_EQ(at(6), 6);
  EXPECT_EQ(at(9), 6);
  state.apply_advance_start(Offset(7));
  EXPECT_EQ(at(7), 6);
  EXPECT_EQ(at(6), -1);
}

TEST_F(PartitionStateTest, EpochHistoryIsBounded) {
  for (std::int32_t epoch = 1; epoch <= 5000; ++epoch) apply(plain_batch(1, 0, epoch));
  EXPECT_EQ(state.epoch_end(LeaderEpoch(4990), LeaderEpoch(5000))->end_offset.value, 4990);
  EXPECT_LT(state.encode().size(), 20'000U);
}

}  // namespace
}  // namespace sluice::broker
