#include "broker/core/table_feed.h"

#include <algorithm>
#include <string>

#include "protocol/base/check.h"
#include "protocol/base/record_batch.h"

namespace sluice::broker {

PartitionId table_feed_partition(std::string_view table) {
  PartitionId id;
  CHECK(!table.empty() && table.size() <= id.topic.bytes.size(), "a table's name is its feed's topic id");
  std::copy(table.begin(), table.end(), id.topic.bytes.begin());
  id.index = PartitionIndex(0);
  return id;
}

TopicSettings table_feed_settings() {
  TopicSettings settings;
  settings.segment_bytes = 16U << 20;
  return settings;
}

TopicInfo table_feed_topic(std::string_view table, GroupId group) {
  TopicInfo topic;
  topic.name = table;
  topic.id = table_feed_partition(table).topic;
  topic.phase = TopicPhase::live;
  topic.internal = true;
  topic.settings = table_feed_settings();
  topic.partitions = {{group, LeaderEpoch(0)}};
  return topic;
}

SharedBytes encode_table_feed(const WriteTableCommand& write, std::uint64_t revision, Offset base_offset,
                              LeaderEpoch epoch, std::int64_t group_time_ms) {
  CHECK(!write.writes.empty(), "an applied write has rows");
  const std::vector<RecordHeader> headers{{std::string(kRevisionHeader), std::to_string(revision)}};
  BatchBuilder batch({});
  for (const TableWrite& row : write.writes)
    batch.add(group_time_ms, as_bytes(row.key), row.value ? std::optional(as_bytes(*row.value)) : std::nullopt,
              headers);
  std::vector<std::byte> bytes = batch.build();
  stamp_batch(bytes, base_offset, epoch);
  return SharedBytes::take(std::move(bytes));
}

}  // namespace sluice::broker
