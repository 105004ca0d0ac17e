// One thread's share of a node: its Journal, its Replicas, their memory, and the order of a turn. Knows no API:
// requests and waits belong to broker/service.
//
// A turn: completions of the disk, then ticks, then waiting requests into entries (groups take turns), one flush, then
// what committed is applied; then, seldom, spill, checkpoint, retention. Whoever gives the shard work has `wake`
// called; the loop then calls turn() until it returns false. Life: construct, format() for a new data directory,
// recover(), turn()..., drain(), destroy. Owner: Node (broker/app). Thread safety: one thread, from recover() on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "broker/shard/append_pace.h"
#include "broker/shard/apply_observer.h"
#include "broker/shard/checkpointer.h"
#include "broker/shard/replica.h"
#include "broker/shard/shard_report.h"
#include "broker/shard/space_guard.h"
#include "storage/journal/journal.h"

namespace sluice::broker {

struct ShardOptions {
  ShardId id;
  NodeId node;
  std::string cluster_id;
  std::string data_directory;   ///< DATA; groups live in DATA/group-G
  std::vector<GroupId> groups;  ///< pinned to this shard
  RaftConfiguration members;    ///< of groups that format() makes; empty: this node alone
  storage::JournalOptions journal;
  storage::LogOptions log;
  RaftOptions raft;
  std::size_t max_open_files = 1024;
  std::size_t max_tail_bytes = 32U << 20;          ///< spilled data that logs keep for readers
  std::size_t max_memory_topic_bytes = 64U << 20;  ///< what memory topics hold
  std::size_t spill_bytes = 16U << 20;             ///< unspilled memory that starts the spill
  std::size_t max_unspilled_bytes = 96U << 20;     ///< of one group; applying waits for the spill beyond it
  std::uint64_t checkpoint_entries = 10'000;       ///< entries retained by a group that start a checkpoint
  std::size_t checkpoint_logs_at_once = 64;        ///< that a checkpoint syncs
  Millis idle_checkpoint{10'000};  ///< quiet time after which a group is checkpointed and frees its tails
  Millis retention_check{60'000};
  std::int64_t producer_expiry_ms = 24LL * 3600 * 1000;
  std::uint64_t min_free_bytes = 64ULL << 20;  ///< produce is refused below this plus what is unspilled
  std::uint64_t reserve_bytes = 16ULL << 20;   ///< the reserve file that keeps control commands possible
};

/// What a shard needs of the world.
struct ShardSeams {
  storage::Disk& disk;
  Clock& clock;
  Random& random;
  ApplyObserver& observer;
  std::shared_ptr<ProducerBudget> producers;
  UniqueFunction<void()> wake;                     ///< something waits for turn()
  UniqueFunction<void(const Error&)> fatal;        ///< the process has to exit; nothing is acknowledged after this
  UniqueFunction<void()> freed = {};               ///< the shard fell idle and freed much memory; may be empty
  UniqueFunction<void()> starved = {};             ///< the journal waits for buffers that somebody holds; may be empty
  std::shared_ptr<UnspilledTotal> unspilled = {};  ///< of the node; none: of this shard alone
  UniqueFunction<void(GroupId, RaftMessage)> send = {};  ///< to other nodes, see ReplicaContext; may be empty
};

class Shard final : public storage::JournalObserver {
 public:
  Shard(ShardOptions options, ShardSeams seams);
  ~Shard() override;

  /// Prepares a new data directory: journal directory, reserve file, and every group's first checkpoint. Blocking; does
  /// nothing to a group that has one. Durable when it returns.
  Result<void> format();
  /// Reads checkpoints, replays the journal, starts every group. Blocking. Errors: corrupt, io_error, with file and
  /// what is at stake; the node must not serve then.
  Result<void> recover();

  /// A message of another node's replica of a group; one for a group that is not here is dropped.
  void receive(GroupId group, RaftMessage message);

  /// One turn; returns whether it did something, so that another may be due at once.
  bool turn();

  ShardId id() const { return options_.id; }
  Replica* replica(GroupId group);
  const std::vector<std::unique_ptr<Replica>>& replicas() const { return replicas_; }
  /// Every group leads here, past its barrier.
  bool ready() const;
  bool disk_full() const { return space_.full(); }
  /// Room on the disk of the data directory. Errors: io_error, not_found.
  Result<storage::DiskSpace> disk_space() const { return seams_.disk.space(options_.data_directory); }
  /// What requests and unspilled batches hold in memory, in bytes.
  std::size_t memory_bytes() const;
  /// How it stands, for metrics; cheap.
  ShardReport report() const;

  /// Answers what waits with shutting_down, checkpoints every group that has something new, then calls `done`.
  void drain(UniqueFunction<void()> done);

  /// Starts a checkpoint of `group` now (tests, and the admin side later). False: one is under way, or nothing is new.
  bool checkpoint(GroupId group);

  // JournalObserver
  void journal_durable(std::uint64_t sequence) override;
  void journal_failed(const Error& error) override;

 private:
  std::string group_directory(GroupId group) const;
  struct Loaded {
    Checkpoint checkpoint;
    LogIndex newest;  ///< index of the newest file, which is damaged when it is not the checkpoint's
  };
  Result<std::optional<Loaded>> load_checkpoint(GroupId group);
  std::string journal_id_path() const;
  Result<void> check_journal_id() const;
  Result<void> keep_journal_id();
  void report_unknown(const std::vector<storage::DirEntry>& entries, Replica& replica);
  bool tick_due();
  bool submit_pending();
  std::size_t appends_allowed();
  void check_journal_write(SteadyTime now);
  void arm_tick_timer();
  void arm_idle_mark();
  void relieve_pressure();
  void arm_housekeeping();
  void housekeep();
  bool apply_committed();
  bool checkpoint_quiet();
  void free_memory();
  bool clocks_agree();
  void checkpoint_done(Result<void> result);
  void fatal(const Error& error);
  void continue_drain();

  ShardOptions options_;
  ShardSeams seams_;
  std::unique_ptr<storage::Journal> journal_;
  ReplicaContext context_;
  std::vector<std::unique_ptr<Replica>> replicas_;
  SpaceGuard space_;
  std::unique_ptr<Checkpointer> checkpointer_;
  std::unique_ptr<Checkpointer> finished_checkpointer_;  ///< destroyed in the next turn, not inside its own callback
  std::optional<std::uint64_t> durable_;                 ///< news of the journal for the next step of the turn
  SteadyTime durable_at_{0};                             ///< when the last of it came
  bool idle_mark_armed_ = false;
  std::size_t first_in_turn_ = 0;
  Clock::TimerId tick_timer_ = 0;
  SteadyTime tick_at_{0};
  AppendPace pace_;
  Clock::TimerId pace_timer_ = 0;
  std::uint64_t slow_write_ = 0;  ///< the journal's oldest write when it was looked at last; 0: none
  Nanos slow_write_for_{0};       ///< for how long it has been seen
  SteadyTime write_checked_{0};
  SteadyTime starved_told_{0};
  SteadyTime pressure_checked_{0};
  SteadyTime space_checked_{0};
  SteadyTime retention_due_{0};
  Nanos wall_minus_steady_{0};
  bool clock_warned_ = false;
  struct Quiet {
    LogIndex applied;
    SteadyTime since{0};
  };
  std::vector<Quiet> quiet_;  ///< by replica
  bool quiet_due_ = false;    ///< quiet groups are being checkpointed, one after the other
  std::uint64_t appends_seen_ = 0;
  bool memory_freed_ = false;  ///< since everything fell quiet
  UniqueFunction<void()> drained_;
  bool draining_ = false;
  bool dead_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace sluice::broker
