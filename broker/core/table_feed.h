// A table's change feed: one record batch for each write that was applied, in the single partition of the internal
// topic that bears the table's name. Whoever watches a table takes the map at a revision, then the feed's records above
// it. Every replica builds the same bytes from the same entry. Pure.
//
//   key      the row's key
//   value    the row's value; null where the row was deleted
//   headers  revision = the write's, in decimal digits; all records of a write share it
//
// Timestamps are the entry's group time. Owner: Replica (broker/shard).
#pragma once

#include <string_view>

#include "broker/core/cluster_view.h"
#include "broker/core/commands.h"
#include "protocol/base/bytes.h"
#include "protocol/base/ids.h"

namespace sluice::broker {

inline constexpr std::string_view kRevisionHeader = "revision";

/// The feed's partition. Its topic id is the table's name, padded with zeros: the same in every cluster, so that the
/// feed exists from the table's first write on. `table`: 1 to 16 bytes.
PartitionId table_feed_partition(std::string_view table);
TopicSettings table_feed_settings();
/// The feed as a topic: a live internal one of one partition, in `group`.
TopicInfo table_feed_topic(std::string_view table, GroupId group);

/// The batch of an applied write; `write` has rows.
SharedBytes encode_table_feed(const WriteTableCommand& write, std::uint64_t revision, Offset base_offset,
                              LeaderEpoch epoch, std::int64_t group_time_ms);

}  // namespace sluice::broker
