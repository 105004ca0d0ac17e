// One partition of a group on this shard: its state, and its records on disk or, of a memory topic, in memory; and what
// a request to append to it is. Owner: Replica, which keeps each at one place for its life. Thread safety: the shard's
// thread.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>

#include "broker/core/partition_state.h"
#include "protocol/base/bytes.h"
#include "protocol/base/unique_function.h"
#include "storage/log/memory_log.h"
#include "storage/log/partition_log.h"

namespace sluice::broker {

struct AppendResult {
  Offset base_offset;
  std::int64_t append_time_ms = -1;  ///< with LogAppendTime
  Offset log_start_offset;
  bool memory = false;  ///< it is on no disk
};
struct AppendRequest {
  PartitionId partition;
  BatchHeader header;  ///< as validate_batch() gave it
  SharedBytes batch;
  /// acks=1: this replica's journal has it; otherwise: committed and applied. One and the same in a memory topic: the
  /// leader has it.
  bool reply_when_durable = false;
  UniqueFunction<void(Result<AppendResult>)> done;
};

/// The records of a memory topic's partition, and what waits for offsets.
struct MemoryPartition {
  MemoryPartition(std::shared_ptr<storage::MemoryPool> pool, UniqueFunction<void(Offset)> start_moved)
      : log(std::move(pool), std::move(start_moved)) {}
  storage::MemoryLog log;
  std::list<AppendRequest> waiting;  ///< until the leader is ready, or more offsets are reserved
  bool reserving = false;            ///< offsets, by a command under way
  bool ageing = false;               ///< in the replica's list of partitions with records that may become too old
};

struct Partition {
  Partition(PartitionState of, std::unique_ptr<storage::PartitionLog> records)
      : state(std::move(of)), log(std::move(records)) {}
  /// Of a memory topic: `of` says so.
  Partition(PartitionState of, std::shared_ptr<storage::MemoryPool> pool);
  Partition(const Partition&) = delete;
  Partition& operator=(const Partition&) = delete;

  /// Of a memory topic: its settings changed.
  void set_memory_bound();
  std::uint64_t size_bytes() const { return memory ? memory->log.size_bytes() : log->size_bytes(); }
  // As the functions of PartitionLog. All that a log in memory has may be seen: it needs no limit.
  void read(Offset offset, std::size_t max_bytes, Offset limit, UniqueFunction<void(Result<storage::LogRead>)> done);
  void find_time(std::int64_t timestamp_ms, Offset limit,
                 UniqueFunction<void(Result<std::optional<storage::TimeMatch>>)> done);
  void find_max_time(Offset limit, UniqueFunction<void(Result<std::optional<storage::TimeMatch>>)> done);

  PartitionState state;
  std::unique_ptr<storage::PartitionLog> log;  ///< nullptr: of a memory topic
  std::unique_ptr<MemoryPartition> memory;     ///< nullptr: on disk
  bool failed = false;                         ///< a read error: this replica of it stopped serving
  bool table_feed = false;                     ///< its batches are those of a table's writes
  bool dirty = false;                          ///< in the replica's list of logs to spill
  std::size_t unspilled_seen = 0;              ///< what of it the replica's sum counts
  std::uint64_t captured = 0;                  ///< number of the last Capture that has it, or that it is younger than
};

}  // namespace sluice::broker
