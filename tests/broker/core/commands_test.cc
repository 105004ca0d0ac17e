// The entry format: golden bytes, round trips, and that no damage to an entry is more than an error.
#include "broker/core/commands.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "protocol/base/random.h"
#include "protocol/base/record_batch.h"
#include "tests/broker/core/samples.h"

namespace sluice::broker {
namespace {

constexpr std::int64_t kTime = 0x0102030405060708;

std::string golden(const Command& command) { return hex(encode_entry(command, kTime)); }

WriteTableCommand sample_write() {
  WriteTableCommand command{"t", {}};
  command.writes.push_back({"a", "x", 0});
  command.writes.push_back({"b", std::nullopt, 9});
  command.writes.push_back({"c", "", std::nullopt});
  return command;
}

std::vector<std::byte> sample_batch(std::size_t value_size) {
  BatchBuilder builder({});
  const std::string value(value_size, 'v');
  builder.add(1, std::nullopt, as_bytes(value));
  return builder.build();
}

/// Reads everything. nullopt: some part was refused.
std::optional<std::size_t> commands_in(ByteSpan entry) {
  auto reader = EntryReader::open(entry);
  if (!reader) return std::nullopt;
  std::size_t count = 0;
  for (; !reader->done(); ++count) {
    if (!reader->next()) return std::nullopt;
  }
  return count;
}

template <class T>
T only_command(ByteSpan entry) {
  auto reader = EntryReader::open(entry);
  EXPECT_TRUE(reader.has_value());
  EXPECT_EQ(reader->group_time_ms(), kTime);
  auto next = reader->next();
  EXPECT_TRUE(next.has_value()) << next.error().message;
  EXPECT_TRUE(reader->done());
  return std::get<T>(std::get<Command>(std::move(*next)));
}

TEST(Commands, GoldenBytesOfEveryKind) {
  const PartitionId id = sample_partition();
  EXPECT_EQ(
      golden(CreatePartitionCommand{id, LeaderEpoch(7), {}}),
      "0100000001000000080706050403020102000000430000000a140a100102030405060708090a0b0c0d0e0f10100310071a29088090e4"
      "c0041001188080808004208c8040280038ffffffffffffffff7f4080dddb01488088b2a002");
  EXPECT_EQ(golden(DeletePartitionCommand{id}),
            "0100000001000000080706050403020103000000160000000a140a100102030405060708090a0b0c0d0e0f101003");
  EXPECT_EQ(golden(AdvanceStartCommand{id, Offset(300)}),
            "0100000001000000080706050403020104000000190000000a140a100102030405060708090a0b0c0d0e0f10100310ac02");
  EXPECT_EQ(golden(AlterPartitionCommand{id, sample_settings()}),
            "01000000010000000807060504030201050000002e0000000a140a100102030405060708090a0b0c0d0e0f1010031216080110d00f"
            "18808001204d280138882740f02e48d836");
  EXPECT_EQ(golden(ExpireProducersCommand{-5}),
            "01000000010000000807060504030201060000000200000008"
            "09");
  EXPECT_EQ(golden(ReserveOffsetsCommand{id, Offset(300)}),
            "0100000001000000080706050403020108000000190000000a140a100102030405060708090a0b0c0d0e0f10100310ac02");
  EXPECT_EQ(golden(sample_write()),
            "01000000010000000807060504030201070000001b0000000a017412080a0161120178180012050a0162180912050a01631200");
}

TEST(Commands, GoldenBytesOfAppends) {
  // Two batches as short as a batch can be (a header alone), told apart by their base offsets.
  std::vector<std::byte> batch(kBatchHeaderSize);
  store_be(batch.data() + 8, static_cast<std::int32_t>(kBatchHeaderSize - kBatchLengthEnd));
  std::vector<std::byte> memory(kEntryHeaderSize + 2 * append_command_size(batch.size()));
  EntryWriter writer(memory);
  EXPECT_EQ(writer.room(), memory.size() - kEntryHeaderSize);
  const MutableByteSpan first = writer.append(sample_partition(), batch);
  store_be(first.data(), std::int64_t{0x11});
  const MutableByteSpan second = writer.append({sample_topic_id(), PartitionIndex(4)}, batch);
  store_be(second.data(), std::int64_t{0x22});
  EXPECT_EQ(writer.room(), 0U);
  EXPECT_EQ(writer.count(), 2U);
  ASSERT_EQ(writer.finish(kTime), memory.size());

  const std::string rest = "00000031" + std::string(2 * (kBatchHeaderSize - 12), '0');
  EXPECT_EQ(hex(memory),
            "01000000020000000807060504030201"
            "01000000550000000102030405060708090a0b0c0d0e0f1003000000000000000000000000000011" +
                rest + "01000000550000000102030405060708090a0b0c0d0e0f1004000000000000000000000000000022" + rest);

  auto reader = EntryReader::open(memory);
  ASSERT_TRUE(reader);
  const auto one = std::get<AppendCommand>(*reader->next());
  EXPECT_EQ(one.partition, sample_partition());
  EXPECT_EQ(one.batch.data(), first.data());
  EXPECT_EQ(memory.data() + one.batch_offset, first.data());
  const auto two = std::get<AppendCommand>(*reader->next());
  EXPECT_EQ(two.partition.index.value, 4);
  EXPECT_EQ(two.batch.size(), batch.size());
  EXPECT_EQ(memory.data() + two.batch_offset, second.data());
  EXPECT_TRUE(reader->done());
}

TEST(Commands, EveryKindComesBackAsItWent) {
  const PartitionId id = sample_partition();
  const auto create = only_command<CreatePartitionCommand>(
      encode_entry(CreatePartitionCommand{id, LeaderEpoch(7), sample_settings()}, kTime));
  EXPECT_EQ(create.partition, id);
  EXPECT_EQ(create.epoch_base.value, 7);
  EXPECT_EQ(create.settings, sample_settings());
  EXPECT_EQ(only_command<DeletePartitionCommand>(encode_entry(DeletePartitionCommand{id}, kTime)).partition, id);
  EXPECT_EQ(only_command<AdvanceStartCommand>(encode_entry(AdvanceStartCommand{id, Offset(300)}, kTime)).start.value,
            300);
  EXPECT_EQ(only_command<AlterPartitionCommand>(encode_entry(AlterPartitionCommand{id, {}}, kTime)).settings,
            TopicSettings{});
  EXPECT_EQ(only_command<ExpireProducersCommand>(encode_entry(ExpireProducersCommand{-5}, kTime)).idle_since_ms, -5);
  const auto table = only_command<WriteTableCommand>(encode_entry(sample_write(), kTime));
  EXPECT_EQ(table.table, "t");
  ASSERT_EQ(table.writes.size(), 3U);
  EXPECT_EQ(table.writes[0].expected_revision, 0U);
  EXPECT_EQ(table.writes[1].value, std::nullopt);
  EXPECT_EQ(table.writes[2].value, "") << "an empty value is not a deletion";
  EXPECT_EQ(table.writes[2].expected_revision, std::nullopt);
}

TEST(Commands, RandomTableWritesComeBack) {
  EXPECT_TRUE(rc::check("write_table round trip", [] {
    using Write = std::tuple<std::string, rc::Maybe<std::string>, rc::Maybe<std::uint64_t>>;
    const auto writes = *rc::gen::nonEmpty<std::vector<Write>>();
    WriteTableCommand command{"table", {}};
    for (const auto& [key, value, expected] : writes) {
      TableWrite& write = command.writes.emplace_back();
      write.key = key;
      if (value) write.value = *value;
      if (expected) write.expected_revision = *expected;
    }
    const auto decoded = only_command<WriteTableCommand>(encode_entry(command, kTime));
    RC_ASSERT(decoded.writes.size() == command.writes.size());
    for (std::size_t i = 0; i < command.writes.size(); ++i) {
      RC_ASSERT(decoded.writes[i].key == command.writes[i].key);
      RC_ASSERT(decoded.writes[i].value == command.writes[i].value);
      RC_ASSERT(decoded.writes[i].expected_revision == command.writes[i].expected_revision);
    }
  }));
}

TEST(Commands, RefusesHeadersThatDoNotHold) {
  const auto damaged = [](std::size_t at, int value) {
    auto entry = encode_entry(ExpireProducersCommand{1}, kTime);
    entry[at] = static_cast<std::byte>(value);
    const auto reader = EntryReader::open(entry);
    return reader ? std::optional<Errc>() : reader.error().code;
  };
  EXPECT_EQ(damaged(0, 2), Errc::unsupported);
  EXPECT_EQ(damaged(1, 1), Errc::malformed);
  EXPECT_EQ(damaged(3, 1), Errc::malformed);
  EXPECT_EQ(damaged(4, 0), Errc::malformed) << "no commands";
  EXPECT_EQ(damaged(7, 255), Errc::malformed) << "more commands than bytes";
  EXPECT_EQ(commands_in({}), std::nullopt);
}

TEST(Commands, RefusesBodiesThatDoNotHold) {
  const auto entry_of = [](int kind, std::string_view body) {
    auto entry = encode_entry(ExpireProducersCommand{1}, kTime);
    entry.resize(kEntryHeaderSize + kCommandHeaderSize);
    entry[16] = static_cast<std::byte>(kind);
    store_le(entry.data() + 20, static_cast<std::uint32_t>(body.size()));
    entry.insert(entry.end(), as_bytes(body).begin(), as_bytes(body).end());
    return entry;
  };
  ASSERT_EQ(commands_in(entry_of(6, std::string_view("\x08\x09", 2))), 1U);
  EXPECT_EQ(commands_in(entry_of(0, "")), std::nullopt) << "kind 0";
  EXPECT_EQ(commands_in(entry_of(8, "")), std::nullopt) << "unknown kind";
  EXPECT_EQ(commands_in(entry_of(3, "")), std::nullopt) << "no partition";
  EXPECT_EQ(commands_in(entry_of(6, "\xff")), std::nullopt) << "no message";
  EXPECT_EQ(commands_in(entry_of(7, "\x0a\x01t")), std::nullopt) << "no rows";
  EXPECT_EQ(commands_in(entry_of(7, "\x12\x00")), std::nullopt) << "no table";
  EXPECT_EQ(commands_in(encode_entry(AdvanceStartCommand{sample_partition(), Offset(-1)}, 0)), std::nullopt);
  EXPECT_EQ(commands_in(encode_entry(DeletePartitionCommand{{TopicId{}, PartitionIndex(0)}}, 0)), std::nullopt);
  EXPECT_EQ(commands_in(encode_entry(DeletePartitionCommand{{sample_topic_id(), PartitionIndex(-1)}}, 0)),
            std::nullopt);
  EXPECT_EQ(commands_in(encode_entry(CreatePartitionCommand{sample_partition(), LeaderEpoch(-1), {}}, 0)),
            std::nullopt);
  TopicSettings tiny;
  tiny.segment_bytes = 1;
  EXPECT_EQ(commands_in(encode_entry(AlterPartitionCommand{sample_partition(), tiny}, 0)), std::nullopt);
}

TEST(Commands, RefusesAppendsWhoseBatchIsNotOne) {
  const auto batch = sample_batch(20);
  std::vector<std::byte> memory(1000);
  EntryWriter writer(memory);
  writer.append(sample_partition(), batch);
  memory.resize(writer.finish(kTime));
  ASSERT_EQ(commands_in(memory), 1U);
  const auto damaged = [&](std::size_t at) {
    auto entry = memory;
    entry[at] ^= std::byte{0x80};
    return commands_in(entry);
  };
  EXPECT_EQ(damaged(16 + 8 + 19), std::nullopt) << "negative partition";
  EXPECT_EQ(damaged(16 + 8 + 20), std::nullopt) << "reserved";
  EXPECT_EQ(damaged(16 + 8 + 24 + 11), std::nullopt) << "the batch's own length";
}

TEST(Commands, TruncationAndTrailingBytesAreErrorsEverywhere) {
  std::vector<std::byte> packed(2000);
  EntryWriter writer(packed);
  for (std::size_t size : {0U, 7U, 100U}) writer.append(sample_partition(), sample_batch(size));
  packed.resize(writer.finish(kTime));
  ASSERT_EQ(commands_in(packed), 3U);
  const std::vector<std::vector<std::byte>> entries = {
      packed, encode_entry(sample_write(), kTime),
      encode_entry(CreatePartitionCommand{sample_partition(), LeaderEpoch(7), sample_settings()}, kTime)};
  for (const auto& entry : entries) {
    for (std::size_t size = 0; size < entry.size(); ++size) {
      // A copy of its own, so that reading past its end is seen.
      const std::vector<std::byte> cut(entry.begin(), entry.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_EQ(commands_in(cut), std::nullopt) << size << " of " << entry.size();
    }
    auto longer = entry;
    longer.push_back(std::byte{0});
    EXPECT_EQ(commands_in(longer), std::nullopt);
  }
}

TEST(Commands, FlippedBitsNeverDoMoreThanFail) {
  SeededRandom random(7);
  for (const auto& entry : {encode_entry(sample_write(), kTime),
                            encode_entry(CreatePartitionCommand{sample_partition(), LeaderEpoch(7), {}}, kTime)}) {
    for (int round = 0; round < 3000; ++round) {
      auto damaged = entry;
      for (std::uint64_t flips = 1 + random.below(4); flips > 0; --flips) {
        damaged[random.below(damaged.size())] ^= static_cast<std::byte>(1U << random.below(8));
      }
      commands_in(damaged);
    }
  }
}

}  // namespace
}  // namespace sluice::broker
