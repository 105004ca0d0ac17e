// A group's content as of one index, taken for a checkpoint a few partitions at a time, while the group goes on: what
// is about to change and was not taken yet is taken first. So the whole is consistent and no turn takes long.
//
// Invariants: each partition that was there at the index is taken once, or named as deleting if it was deleted before
// its turn came; one that came later is not taken. Partitions and tables outlive the capture or are told of by
// before_delete(). Owner: Replica, for its Checkpointer.
#pragma once

#include <tsl/robin_map.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/core/table_snapshot.h"
#include "broker/shard/checkpoint_file.h"
#include "broker/shard/partition.h"

namespace sluice::broker {

class Capture {
 public:
  using Partitions = tsl::robin_map<PartitionId, std::unique_ptr<Partition>>;

  /// Of `partitions` as they are now. `number`: greater than that of any capture before.
  Capture(std::uint64_t number, CheckpointHeader header, Partitions& partitions, std::vector<PartitionId> deleting);
  void add_table(const TableState& table) { tables_.push_back(std::make_unique<TableSnapshot>(table)); }

  const CheckpointHeader& header() const { return header_; }
  std::uint64_t number() const { return number_; }

  // ---- Called by who applies, before it changes something ----
  void before_change(Partition& partition) {
    if (partition.captured != number_) take_early(partition);
  }
  void before_delete(Partition& partition);
  void before_write(const WriteTableCommand& write);
  /// What is held since it changed. Applying waits for the checkpoint when it becomes much.
  std::size_t early_bytes() const;

  // ---- Called by the Checkpointer ----
  /// A partition's state, and its log on disk is marked there.
  struct Taken {
    PartitionId id;
    std::string state;
    std::optional<storage::LogState> log;  ///< of a memory topic, that has none to be synced
  };
  /// The next one; nullopt: that was all.
  std::optional<Taken> next();
  /// Tables whose chunks are not all taken; the caller takes them.
  std::vector<std::unique_ptr<TableSnapshot>>& tables() { return tables_; }
  /// Deleted before they were in the checkpoint: their logs can't be vouched for, and the journal confirms it.
  std::vector<PartitionId>& deleting() { return deleting_; }
  /// Partitions that had garbage when they were taken.
  const std::vector<PartitionId>& with_garbage() const { return with_garbage_; }

 private:
  Taken take(Partition& partition);
  void take_early(Partition& partition);

  const std::uint64_t number_;
  const CheckpointHeader header_;
  Partitions& partitions_;
  std::vector<PartitionId> ids_;  ///< of partitions_ at the index
  std::size_t next_ = 0;
  std::deque<Taken> early_;
  std::size_t early_bytes_ = 0;
  std::vector<std::unique_ptr<TableSnapshot>> tables_;
  std::vector<PartitionId> deleting_;
  std::vector<PartitionId> with_garbage_;
};

}  // namespace sluice::broker
