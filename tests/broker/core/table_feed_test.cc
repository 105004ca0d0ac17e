#include "broker/core/table_feed.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "protocol/base/record_batch.h"

namespace sluice::broker {
namespace {

TEST(TableFeed, ItsTopicIsTheSameEverywhere) {
  const TopicInfo topic = table_feed_topic(kClusterTable, kControllerGroup);
  EXPECT_EQ(topic.id.hex(), "5f636c75737465720000000000000000");
  EXPECT_TRUE(topic.internal);
  EXPECT_EQ(topic.phase, TopicPhase::live);
  EXPECT_EQ(table_feed_partition(kClusterTable).topic, topic.id);
  ClusterView view;
  ASSERT_TRUE(view.apply_row(topic_row_key(kClusterTable), encode_topic_row(topic), 1));
  EXPECT_EQ(view.partition_count(), 0U) << "it takes nothing from what clients may create";
}

TEST(TableFeed, EveryRowOfAWriteIsARecordWithItsRevision) {
  const WriteTableCommand write{"_cluster", {{"set", "value", 3}, {"gone", std::nullopt, std::nullopt}}};
  const SharedBytes batch = encode_table_feed(write, 17, Offset(40), LeaderEpoch(2), 1234);
  const auto header = validate_batch(batch, {});
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(header->base_offset, Offset(40));
  EXPECT_EQ(header->leader_epoch, LeaderEpoch(2));
  EXPECT_EQ(header->next_offset(), Offset(42));
  std::vector<std::string> seen;
  std::vector<std::byte> scratch;
  ASSERT_TRUE(for_each_record(batch, scratch, 1U << 20, [&](const RecordView& record) {
    EXPECT_EQ(record.timestamp_ms, 1234);
    seen.push_back(std::string(as_text(*record.key)) + "=" +
                   (record.value ? std::string(as_text(*record.value)) : "(null)"));
    return true;
  }));
  EXPECT_EQ(seen, (std::vector<std::string>{"set=value", "gone=(null)"}));
  const std::string text(as_text(batch));
  EXPECT_NE(text.find("revision"), std::string::npos);
  EXPECT_NE(text.find("17"), std::string::npos);
}

}  // namespace
}  // namespace sluice::broker
