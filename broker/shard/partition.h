// One partition of a group on this shard: its state and its log. Owner: Replica.
#pragma once

#include <tsl/robin_map.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "broker/core/partition_state.h"
#include "storage/log/partition_log.h"

namespace sluice::broker {

struct Partition {
  Partition(PartitionState s, std::unique_ptr<storage::PartitionLog> l) : state(std::move(s)), log(std::move(l)) {}
  PartitionState state;
  std::unique_ptr<storage::PartitionLog> log;
  bool failed = false;             ///< a read error: this replica of it stopped serving
  bool table_feed = false;         ///< its batches are those of a table's writes
  bool dirty = false;              ///< in the replica's list of logs to spill
  std::size_t unspilled_seen = 0;  ///< what of it the replica's sum counts
  std::uint64_t captured = 0;      ///< number of the last Capture that has it, or that it is younger than
};

}  // namespace sluice::broker
