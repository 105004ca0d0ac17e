// Takes one checkpoint of a Replica: at most one at a time a shard. The order is what makes it safe:
//   everything as of one index, and a mark at each log's end there -> spill and sync every log up to its mark -> write
//   and sync the temporary file -> rename -> sync the group's directory -> only then tell raft and the journal, and
//   unlink what became garbage.
// Partitions go through the first three a few at a time, so that neither a turn nor the memory grows with their number
// (Capture keeps what changes meanwhile); the file counts only once it is whole, synced and has its name. A failure to
// write for lack of space leaves the old checkpoint in place; any other ends the process.
// Owner: Shard, whose turn calls step(). Thread safety: the shard's thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/shard/replica.h"

namespace sluice::broker {

class Checkpointer {
 public:
  /// Begins at the replica's applied index, and syncs up to `logs_at_once`.
  Checkpointer(Replica& replica, ReplicaContext& context, std::size_t logs_at_once,
               UniqueFunction<void(Result<void>)> done);
  ~Checkpointer();
  /// Goes on as far as a turn may; returns whether it did something. `done` is called from here or from the disk's
  /// poll.
  bool step();
  GroupId group() const { return replica_.group(); }

 private:
  bool take_partitions();
  void sync_log(Capture::Taken taken);
  bool take_the_rest();
  bool write_piece();
  void write_done(Result<void> result);
  void make_durable();
  void finish(Result<void> result);
  void give_up(Error why);
  std::string temporary_path() const;
  std::string final_path() const;

  Replica& replica_;
  ReplicaContext& context_;
  const std::size_t logs_at_once_;
  UniqueFunction<void(Result<void>)> done_;
  Capture& capture_;
  const std::optional<LogIndex> replaced_;  ///< index of the checkpoint before this one
  CheckpointWriter writer_;
  std::vector<std::byte> piece_;  ///< being written
  std::uint64_t written_ = 0;
  std::unique_ptr<storage::File> file_;
  std::size_t logs_syncing_ = 0;
  std::optional<Error> failed_;
  bool all_taken_ = false;  ///< partitions
  bool ended_ = false;      ///< all of the file is built
  bool writing_ = false;    ///< a piece, or what makes the file durable
  bool finished_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace sluice::broker
