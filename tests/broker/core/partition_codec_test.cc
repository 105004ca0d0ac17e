// A partition in a checkpoint: golden bytes, and that nothing damaged is believed.
#include <gtest/gtest.h>

#include "broker/core/partition_state.h"
#include "broker/core/partition_state.pb.h"
#include "protocol/base/random.h"
#include "tests/broker/core/batch_headers.h"
#include "tests/broker/core/samples.h"

namespace sluice::broker {
namespace {

/// Offsets 2 to 9, two epochs, one producer.
PartitionState sample_state(const std::shared_ptr<ProducerBudget>& budget) {
  PartitionState state(sample_partition(), LeaderEpoch(7), sample_settings(), budget);
  EXPECT_TRUE(state.apply_append(plain_batch(3, 0, 8), 999));
  EXPECT_TRUE(state.apply_append(producer_batch(40, 1, 0, 3, 3, 8), 1000));
  EXPECT_TRUE(state.apply_append(producer_batch(40, 1, 3, 3, 6, 9), 1000));
  EXPECT_TRUE(state.apply_advance_start(Offset(2)));
  return state;
}

TEST(PartitionCodec, GoldenBytes) {
  EXPECT_EQ(
      hex(sample_state(make_producer_budget(10)).encode()),
      "080112100102030405060708090a0b0c0d0e0f10180320072a16080110d00f18808001204d280138882740f02e48d836300238094204"
      "080810024204080910064a150828100118d00f2a04100218032a06080310051806");
}

TEST(PartitionCodec, WhatComesBackBehavesTheSame) {
  const auto budget = make_producer_budget(10);
  PartitionState state = sample_state(budget);
  state.submitted(plain_batch(5));  // speculation is not stored
  auto back = PartitionState::decode(state.encode(), budget);
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(budget->used(), 2U);
  EXPECT_EQ(back->encode(), state.encode());
  EXPECT_EQ(back->id(), sample_partition());
  EXPECT_EQ(back->settings(), sample_settings());
  EXPECT_EQ(back->epoch_base().value, 7);
  EXPECT_EQ(back->start_offset().value, 2);
  EXPECT_EQ(back->end_offset().value, 9);
  EXPECT_EQ(back->next_offset().value, 9);
  EXPECT_EQ(back->producer_count(), 1U);
  EXPECT_EQ(back->oldest_producer_ms(), 1000);
  EXPECT_EQ(back->epoch_end(LeaderEpoch(8), LeaderEpoch(9))->end_offset.value, 6);
  EXPECT_EQ(back->check(producer_batch(40, 1, 0, 3)).offset.value, 3);
  EXPECT_EQ(back->check(producer_batch(40, 1, 0, 3)).outcome, PartitionState::Outcome::duplicate);
}

TEST(PartitionCodec, EqualStatesGiveEqualBytesWhateverTheirHistory) {
  const auto budget = make_producer_budget(1000);
  PartitionState one(sample_partition(), LeaderEpoch(0), {}, budget);
  for (std::int64_t i = 0; i < 100; ++i) ASSERT_TRUE(one.apply_append(producer_batch(i * 7 % 100, 0, 0, 1, i), i));
  auto two = PartitionState::decode(one.encode(), budget);
  ASSERT_TRUE(two);
  EXPECT_EQ(one.encode(), two->encode());
}

TEST(PartitionCodec, SettingsThatAnOlderVersionDidNotWriteHaveTheirDefaults) {
  const auto budget = make_producer_budget(10);
  pb::PartitionState message;
  ASSERT_TRUE(message.ParseFromString(sample_state(budget).encode()));
  message.mutable_settings()->Clear();
  const auto decoded = PartitionState::decode(message.SerializeAsString(), budget);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->settings(), TopicSettings{});
}

TEST(PartitionCodec, RefusesEveryBrokenInvariant) {
  const auto budget = make_producer_budget(10);
  const std::string good = sample_state(budget).encode();
  const auto refused = [&](auto break_it) {
    pb::PartitionState message;
    EXPECT_TRUE(message.ParseFromString(good));
    break_it(message);
    const auto decoded = PartitionState::decode(message.SerializeAsString(), budget);
    EXPECT_TRUE(decoded.has_value() || !decoded.error().message.empty());
    return decoded ? std::optional<Errc>() : decoded.error().code;
  };
  using M = pb::PartitionState;
  EXPECT_EQ(refused([](M&) {}), std::nullopt);
  EXPECT_EQ(refused([](M& m) { m.set_version(3); }), Errc::unsupported);
  EXPECT_EQ(refused([](M& m) { m.set_version(2); }), Errc::malformed) << "that is a memory topic's";
  EXPECT_EQ(refused([](M& m) { m.mutable_settings()->set_in_memory(true); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) { m.set_version(0); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) { m.set_topic_id("short"); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) { m.set_topic_id(std::string(16, '\0')); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) { m.set_index(-1); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) { m.set_epoch_base(-1); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) { m.set_epoch_base(9); }), Errc::malformed) << "above an epoch that was written";
  EXPECT_EQ(refused([](M& m) { m.mutable_settings()->set_segment_bytes(1); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) { m.mutable_settings()->set_segment_ms(~0ULL); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) { m.set_start_offset(-1); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) { m.set_start_offset(10); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) { m.set_end_offset(8); }), Errc::malformed) << "a producer's batch lies beyond";
  EXPECT_EQ(refused([](M& m) { m.mutable_epochs(1)->set_epoch(8); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) { m.mutable_epochs(1)->set_start(2); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) { m.mutable_epochs(0)->set_start(1); }), Errc::malformed) << "before the log's start";
  EXPECT_EQ(refused([](M& m) { m.mutable_epochs(1)->set_start(10); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) {
              for (int i = 0; i < 2000; ++i) *m.add_epochs() = m.epochs(1);
            }),
            Errc::malformed);
  EXPECT_EQ(refused([](M& m) { *m.add_producers() = m.producers(0); }), Errc::malformed) << "the same one twice";
  EXPECT_EQ(refused([](M& m) { m.mutable_producers(0)->set_id(-1); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) { m.mutable_producers(0)->set_epoch(-1); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) { m.mutable_producers(0)->set_epoch(32768); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) { m.mutable_producers(0)->set_forgotten((1U << 30) + 1); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) { m.mutable_producers(0)->clear_batches(); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) {
              for (int i = 0; i < 4; ++i) *m.mutable_producers(0)->add_batches() = m.producers(0).batches(0);
            }),
            Errc::malformed);
  EXPECT_EQ(refused([](M& m) { m.mutable_producers(0)->mutable_batches(0)->set_first_sequence(-1); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) { m.mutable_producers(0)->mutable_batches(1)->set_last_sequence(-1); }), Errc::malformed);
  EXPECT_EQ(refused([](M& m) { m.mutable_producers(0)->mutable_batches(1)->set_base_offset(5); }), Errc::malformed);
  EXPECT_EQ(budget->used(), 0U) << "a refused state holds no place";
}

TEST(PartitionCodec, DamageIsNeverMoreThanAnError) {
  const auto budget = make_producer_budget(10);
  const std::string good = sample_state(budget).encode();
  for (std::size_t size = 0; size < good.size(); ++size) {
    const std::string cut(good.data(), size);
    const auto decoded = PartitionState::decode(cut, budget);
    if (decoded) EXPECT_LE(decoded->start_offset(), decoded->end_offset());
  }
  SeededRandom random(11);
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = good;
    for (std::uint64_t flips = 1 + random.below(3); flips > 0; --flips) {
      damaged[random.below(damaged.size())] ^= static_cast<char>(1 << random.below(8));
    }
    if (auto decoded = PartitionState::decode(damaged, budget)) {
      // What is believed must be usable, and must be what its own bytes say.
      const auto again = PartitionState::decode(decoded->encode(), budget);
      ASSERT_TRUE(again);
      ASSERT_EQ(again->encode(), decoded->encode());
      decoded->check(producer_batch(40, 1, 6, 1));
    }
  }
  EXPECT_EQ(budget->used(), 0U);
}

}  // namespace
}  // namespace sluice::broker
