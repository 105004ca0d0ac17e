// When and how a Replica is checkpointed: at most one at a time a shard. The order is what makes it safe:
//   capture state and mark the logs' ends -> spill and sync every log up to its mark -> write and sync the temporary
//   file -> rename -> sync the group's directory -> only then tell raft and the journal, and unlink what became garbage.
// A failure to write for lack of space leaves the old checkpoint in place; any other ends the process.
// Owner: Shard. Thread safety: the shard's thread.
#pragma once

#include <deque>
#include <memory>

#include "broker/shard/replica.h"

namespace sluice::broker {

class Checkpointer {
 public:
  Checkpointer(Replica& replica, ReplicaContext& context, UniqueFunction<void(Result<void>)> done);
  ~Checkpointer();
  /// Starts; `done` is called later, from the disk's poll, never inside.
  void start();
  GroupId group() const { return replica_.group(); }

 private:
  void sync_logs();
  void log_synced(std::size_t nth, Result<storage::LogState> state);
  void write_file();
  void write_next_piece();
  void finish(Result<void> result);
  std::string temporary_path() const;
  std::string final_path() const;

  Replica& replica_;
  ReplicaContext& context_;
  UniqueFunction<void(Result<void>)> done_;
  Checkpoint checkpoint_;
  std::optional<LogIndex> replaced_;  ///< index of the checkpoint before this one
  std::vector<std::byte> bytes_;
  std::size_t written_ = 0;
  std::unique_ptr<storage::File> file_;
  std::size_t next_log_ = 0;
  std::size_t logs_syncing_ = 0;
  std::optional<Error> failed_;
  bool in_sync_loop_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace sluice::broker
