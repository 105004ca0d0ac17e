// What a shard can say of itself: counters since it was made, and how things stand. For metrics; nothing in the broker
// decides by it. Counters are plain numbers of the shard's thread: another thread asks for a copy by a message.
// Owner: Shard.
#pragma once

#include <cstddef>
#include <cstdint>

#include "storage/journal/journal.h"
#include "storage/log/partition_log.h"

namespace sluice::broker {

/// What replicas and checkpoints count. Appends are those that this node made as a leader, what is replayed is not.
struct ShardCounters {
  std::uint64_t appended_batches = 0, appended_records = 0, appended_bytes = 0;
  std::uint64_t duplicate_batches = 0;  ///< retries of idempotent producers, answered with what is there
  std::uint64_t checkpoints = 0;
  std::uint64_t checkpoints_without_space = 0;  ///< put off since the disk is full
};

struct ShardReport {
  ShardCounters counters;
  storage::JournalStats journal;
  std::uint64_t journal_used_bytes = 0, journal_capacity_bytes = 0;
  std::uint64_t journal_memory_bytes = 0;
  storage::LogStats logs;
  std::size_t memory_topic_bytes = 0;
  std::size_t groups = 0, groups_led = 0;
  std::size_t partitions = 0;  ///< the broker's own included
  std::size_t queued_bytes = 0, unspilled_bytes = 0;
  bool disk_full = false;  ///< produce is refused
};

}  // namespace sluice::broker
