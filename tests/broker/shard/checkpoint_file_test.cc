#include "broker/shard/checkpoint_file.h"

#include <gtest/gtest.h>

#include <string>

#include "protocol/base/random.h"

namespace sluice::broker {
namespace {

PartitionId partition(std::uint8_t topic, std::int32_t index) {
  PartitionId id;
  id.topic.bytes[15] = topic;
  id.index = PartitionIndex(index);
  return id;
}

Checkpoint sample() {
  Checkpoint checkpoint;
  checkpoint.group = GroupId(3);
  checkpoint.cluster_id = "c";
  checkpoint.snapshot = {LogIndex(17), Term(2), {{NodeId(1), "node-1", ServerRole::voter}}, LogIndex(1)};
  checkpoint.group_time_ms = 1234;
  checkpoint.journal_position = storage::JournalPosition{5, 8192, 4096, 96, 40};
  checkpoint.partitions.push_back(
      {partition(9, 4), "state", {Offset(2), Offset(10), {{Offset(0), 600, 77, 55}, {Offset(6), 10, 78}}}});
  checkpoint.tables.push_back({"t", {"rows1", "rows2"}});
  checkpoint.deleting.push_back(partition(8, 0));
  return checkpoint;
}

std::string hex(ByteSpan bytes) {
  std::string text;
  for (std::byte byte : bytes) {
    text += "0123456789abcdef"[static_cast<int>(byte) >> 4];
    text += "0123456789abcdef"[static_cast<int>(byte) & 15];
  }
  return text;
}

TEST(CheckpointFile, GivesBackWhatWasWritten) {
  const Checkpoint from = sample();
  auto to = decode_checkpoint(encode_checkpoint(from));
  ASSERT_TRUE(to) << to.error().message;
  EXPECT_EQ(to->group, from.group);
  EXPECT_EQ(to->cluster_id, from.cluster_id);
  EXPECT_EQ(to->snapshot.last_index, from.snapshot.last_index);
  EXPECT_EQ(to->snapshot.last_term, from.snapshot.last_term);
  EXPECT_EQ(to->snapshot.configuration, from.snapshot.configuration);
  EXPECT_EQ(to->snapshot.configuration_index, from.snapshot.configuration_index);
  EXPECT_EQ(to->group_time_ms, from.group_time_ms);
  EXPECT_EQ(to->journal_position->offset, 8192U);
  ASSERT_EQ(to->partitions.size(), 1U);
  EXPECT_EQ(to->partitions[0].id, from.partitions[0].id);
  EXPECT_EQ(to->partitions[0].state, "state");
  EXPECT_EQ(to->partitions[0].log, from.partitions[0].log);
  ASSERT_EQ(to->tables.size(), 1U);
  EXPECT_EQ(to->tables[0].chunks, from.tables[0].chunks);
  EXPECT_EQ(to->deleting, from.deleting);
}

TEST(CheckpointFile, GoldenBytes) {
  Checkpoint least;
  least.group = GroupId(3);
  least.cluster_id = "c";
  least.snapshot = {LogIndex(17), Term(2), {}, LogIndex(1)};
  const std::string bytes = hex(encode_checkpoint(least));
  // magic and version; the header's frame: length, crc, kind 1, last
  EXPECT_EQ(bytes.substr(0, 16), "534c434b50540001");
  EXPECT_EQ(bytes.substr(32, 8), "01010000");
  // version 1, group 3, cluster "c", index 17, term 2 as Protobuf fields 1 to 5
  EXPECT_EQ(bytes.substr(40, 22),
            "0801100"
            "31a016320112802");
  // the end: an empty message in one frame of kind 5
  EXPECT_EQ(bytes.substr(bytes.size() - 24, 8), "00000000");
  EXPECT_EQ(bytes.substr(bytes.size() - 8), "05010000");
}

TEST(CheckpointFile, SectionsLargerThanAFrameAreSplit) {
  Checkpoint from = sample();
  SeededRandom random(1);
  from.partitions[0].state.resize(kCheckpointFrameBytes * 3 + 17);
  for (char& c : from.partitions[0].state) c = static_cast<char>(random.next());
  auto to = decode_checkpoint(encode_checkpoint(from));
  ASSERT_TRUE(to) << to.error().message;
  EXPECT_EQ(to->partitions[0].state, from.partitions[0].state);
}

TEST(CheckpointFile, EveryTruncationAndEveryFlippedBitIsSeen) {
  const std::vector<std::byte> good = encode_checkpoint(sample());
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(decode_checkpoint(ByteSpan(good).first(size))) << size;
  for (std::size_t at = 0; at < good.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::vector<std::byte> bad = good;
      bad[at] ^= static_cast<std::byte>(1 << bit);
      EXPECT_FALSE(decode_checkpoint(bad)) << at << "." << bit;
    }
  std::vector<std::byte> longer = good;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode_checkpoint(longer));
}

TEST(CheckpointFile, Names) {
  EXPECT_EQ(checkpoint_file_name(LogIndex(17)), "checkpoint-00000000000000000017");
  EXPECT_EQ(parse_checkpoint_file_name("checkpoint-00000000000000000017"), LogIndex(17));
  for (const char* name :
       {"checkpoint-17", "checkpoint-00000000000000000017.new", "checkpoint-0000000000000000001x", "x"})
    EXPECT_FALSE(parse_checkpoint_file_name(name)) << name;
}

}  // namespace
}  // namespace sluice::broker
