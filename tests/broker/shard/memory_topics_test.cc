// Memory topics on one shard: their records are on no disk, and no offset is given out twice whatever is lost.
#include <gtest/gtest.h>

#include "broker/shard/shard.h"
#include "tests/broker/shard/shard_machine.h"

namespace sluice::broker {
namespace {

using Strings = std::vector<std::string>;
using Producer = TestProducer;

TopicSettings in_memory() {
  TopicSettings settings;
  EXPECT_TRUE(set_topic_setting(settings, "storage", "memory"));
  return settings;
}

/// A batch that says to hold so many records; nobody looks into a compressed one.
std::vector<std::byte> batch_of(std::int32_t records) {
  BatchBuilder builder({});
  builder.add(1'700'000'000'000, std::nullopt, as_bytes("x"));
  auto bytes = builder.build();
  store_be(bytes.data() + 23, records - 1);
  store_be(bytes.data() + 57, records);
  return bytes;
}
ShardMachine::Answer send_many(ShardMachine& m, std::int32_t records) {
  auto answer = std::make_shared<std::optional<Result<AppendResult>>>();
  const SharedBytes bytes = SharedBytes::take(batch_of(records));
  m.replica().append({ShardMachine::partition(), *parse_batch_header(bytes), bytes, false,
                      [answer](Result<AppendResult> result) { *answer = std::move(result); }});
  return answer;
}
Offset produced(ShardMachine& m, std::int32_t records) {
  const auto answer = send_many(m, records);
  m.run_until([&] { return answer->has_value(); });
  return answer->has_value() && **answer ? (**answer)->base_offset : Offset(-1);
}
PartitionState& state(ShardMachine& m) { return m.replica().find(ShardMachine::partition())->state; }
Errc read_error(ShardMachine& m, Offset at) {
  std::optional<Result<ReadResult>> read;
  m.replica().read(ShardMachine::partition(), at, 1000, [&](Result<ReadResult> result) { read = std::move(result); });
  m.run_until([&] { return read.has_value(); });
  return read && !*read ? read->error().code : Errc::internal;
}

TEST(MemoryTopics, AnswerInTheCallAndWriteNothing) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create(in_memory());
  m.run();
  m.store.stall("data", std::chrono::seconds(100));
  const LogIndex before = m.replica().applied_index();
  for (int i = 0; i < 100; ++i) {
    const auto answer = m.send(std::to_string(i), {}, i % 2 == 0);
    ASSERT_TRUE(answer->has_value()) << "the disk stands still, and nobody waits for it";
    ASSERT_TRUE(**answer);
    EXPECT_EQ((**answer)->base_offset, Offset(i));
    EXPECT_TRUE((**answer)->memory);
  }
  EXPECT_EQ(m.values().size(), 100U);
  EXPECT_EQ(m.values()[99], "99");
  EXPECT_EQ(m.replica().applied_index(), before);
  EXPECT_EQ(m.replica().unspilled_bytes(), 0U);
  m.store.stall("data", Nanos(0));
}

TEST(MemoryTopics, StandBesideOthersInCheckpoints) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create(in_memory(), 0);
  m.create({}, 1);
  ASSERT_TRUE(m.produce("gone", {}, 0));
  ASSERT_TRUE(m.produce("kept", {}, 1));
  m.checkpoint();
  ASSERT_TRUE(m.crash());
  EXPECT_EQ(m.values(0), Strings{});
  EXPECT_EQ(m.values(1), Strings{"kept"});
  ASSERT_TRUE(m.produce("new", {}, 0));
  EXPECT_EQ(m.values(0), Strings{"new"});
  EXPECT_TRUE(m.files("07000000000000000000000000000000-0").empty());
  EXPECT_FALSE(m.files("07000000000000000000000000000000-1").empty());
}

TEST(MemoryTopics, EachLifeBeginsAboveEveryOffsetThatWasGivenOut) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ShardMachine m(seed);
    ASSERT_TRUE(m.start());
    m.create(in_memory());
    Offset issued{-1};
    LeaderEpoch epoch{-1};
    for (int life = 0; life < 5; ++life) {
      for (std::uint64_t i = m.random.below(12); i > 0; --i) {
        // Some take a good part of a block, and one may be larger than a block.
        const auto records =
            static_cast<std::int32_t>(1 + (m.random.one_in(3) ? m.random.below(20'000'000) : m.random.below(100)));
        const auto answer = send_many(m, records);
        if (m.random.one_in(6)) m.run(std::chrono::microseconds(m.random.below(400)));
        if (!answer->has_value() && m.random.one_in(4)) break;  // lost with the power, or not: nobody was told
        m.run_until([&] { return answer->has_value(); });
        ASSERT_TRUE(answer->has_value() && **answer);
        EXPECT_GT((**answer)->base_offset, issued);
        issued = (**answer)->base_offset.plus(records - 1);
        if (m.random.one_in(8)) m.checkpoint();
      }
      const auto now = state(m).leader_epoch(m.leaderships[ShardMachine::kGroup].term);
      EXPECT_GT(*now, epoch);
      epoch = *now;
      ASSERT_TRUE(m.crash());
      EXPECT_GT(state(m).start_offset(), issued);
      EXPECT_EQ(state(m).start_offset(), state(m).end_offset());
      if (issued.value >= 0) EXPECT_EQ(read_error(m, issued), Errc::offset_out_of_range);
    }
  }
}

TEST(MemoryTopics, ACrashBeforeAnybodyWroteCostsNoBlock) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create(in_memory());
  for (int life = 0; life < 3; ++life) ASSERT_TRUE(m.crash());
  EXPECT_EQ(state(m).start_offset(), Offset(kOffsetBlock));
  EXPECT_EQ(produced(m, 1), Offset(kOffsetBlock));
}

TEST(MemoryTopics, OffsetsAreReservedAheadAndAppendsWaitWhereTheyAreNot) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create(in_memory());
  m.run();
  const auto half = static_cast<std::int32_t>(kOffsetBlock / 2);
  ASSERT_EQ(produced(m, half), Offset(0));
  EXPECT_EQ(state(m).reserved_end(), Offset(kOffsetBlock));
  ASSERT_EQ(produced(m, 1), Offset(half));
  m.run();
  EXPECT_EQ(state(m).reserved_end(), Offset(2 * kOffsetBlock));

  m.store.stall("journal", std::chrono::seconds(5));
  ASSERT_EQ(produced(m, 2 * half), Offset(half + 1));
  const auto waits = send_many(m, half);
  const auto behind = m.send("behind");
  m.run(std::chrono::seconds(1));
  EXPECT_FALSE(waits->has_value()) << "it would take offsets that nobody reserved";
  EXPECT_FALSE(behind->has_value()) << "order is kept";
  EXPECT_GT(m.replica().queued_bytes(), 0U);
  m.store.stall("journal", Nanos(0));
  m.run_until([&] { return behind->has_value(); });
  EXPECT_EQ((**waits)->base_offset, Offset(3 * half + 1));
  EXPECT_EQ((**behind)->base_offset, Offset(4 * half + 1));
  EXPECT_EQ(m.replica().queued_bytes(), 0U);
}

TEST(MemoryTopics, ARetryIsAnsweredWithTheFirstOffsetForTheLifeOfTheProcess) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create(in_memory());
  const Producer producer{ProducerId(5), 0};
  EXPECT_EQ(m.produce("a", producer)->base_offset, Offset(0));
  EXPECT_EQ(m.produce("a", producer)->base_offset, Offset(0));
  EXPECT_EQ(m.produce("b", {ProducerId(5), 1})->base_offset, Offset(1));
  EXPECT_EQ(m.produce("d", {ProducerId(5), 3}).error().code, Errc::out_of_order_sequence);
  EXPECT_EQ(m.values(), (Strings{"a", "b"}));
}

TEST(MemoryTopics, DeletedRecordsGoAtOnceAndADeletedTopicForGood) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create(in_memory());
  for (const char* value : {"a", "b", "c"}) ASSERT_TRUE(m.produce(value));
  std::optional<Result<Offset>> start;
  m.replica().delete_records(ShardMachine::partition(), Offset(2), [&](Result<Offset> at) { start = std::move(at); });
  ASSERT_TRUE(start && *start);
  EXPECT_EQ(**start, Offset(2));
  EXPECT_EQ(m.values(), Strings{"c"});
  EXPECT_EQ(read_error(m, Offset(1)), Errc::offset_out_of_range);
  const std::size_t held = m.shard().report().memory_topic_bytes;
  EXPECT_GT(held, 0U);
  ASSERT_TRUE(m.command(DeletePartitionCommand{ShardMachine::partition()}));
  EXPECT_EQ(m.replica().find(ShardMachine::partition()), nullptr);
  EXPECT_EQ(m.produce("d").error().code, Errc::unknown_topic);
  m.checkpoint();
  ASSERT_TRUE(m.crash());
  EXPECT_EQ(m.replica().find(ShardMachine::partition()), nullptr);
}

TEST(MemoryTopics, OldRecordsGoByBytesAndByAge) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  TopicSettings settings = in_memory();
  settings.retention_bytes = 1000;
  m.create(settings);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(m.produce(std::string(100, 'x')));
  EXPECT_EQ(m.values().size(), 5U);
  EXPECT_EQ(state(m).start_offset(), Offset(95));
  settings.retention_bytes = -1;
  settings.retention_ms = 20'000;
  ASSERT_TRUE(m.command(AlterPartitionCommand{ShardMachine::partition(), settings}));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(m.produce(std::string(100, 'x')));
  EXPECT_EQ(m.values().size(), 15U);
  m.run(std::chrono::seconds(60));
  EXPECT_EQ(m.values().size(), 0U);
  EXPECT_EQ(state(m).start_offset(), Offset(110));
  m.run(std::chrono::seconds(60));
  EXPECT_EQ(m.shard().report().memory_topic_bytes, 0U) << "an idle shard gives memory back";
}

TEST(MemoryTopics, TakeNoMoreMemoryThanTheirShareAndTheOldestOfAllGo) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create(in_memory(), 0);
  m.create(in_memory(), 1);
  ASSERT_TRUE(m.produce("first", {}, 0));
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(m.produce(std::string(10'000, 'y'), {}, 1));
    ASSERT_LE(m.shard().report().memory_topic_bytes, ShardMachine::kMemoryTopicBytes);
  }
  EXPECT_EQ(m.values(0), Strings{});
  EXPECT_EQ(state(m).start_offset(), Offset(1));
  EXPECT_GT(m.values(1).size(), 50U);
}

TEST(MemoryTopics, TimesAreTheBrokersWhereTheTopicSaysSo) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  TopicSettings settings = in_memory();
  settings.log_append_time = true;
  m.create(settings);
  const auto answer = m.produce("a", {ProducerId(5), 0});
  ASSERT_TRUE(answer);
  EXPECT_GT(answer->append_time_ms, 0);
  m.run(std::chrono::seconds(1));
  const auto again = m.produce("a", {ProducerId(5), 0});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->append_time_ms, answer->append_time_ms);
  EXPECT_TRUE(again->memory);
  EXPECT_EQ(m.values(), Strings{"a"});
  std::optional<Result<std::optional<storage::TimeMatch>>> match;
  m.replica().find(ShardMachine::partition())->find_max_time(Offset(1), [&](auto found) { match = std::move(found); });
  EXPECT_EQ((**match)->timestamp_ms, answer->append_time_ms);
}

}  // namespace
}  // namespace sluice::broker
