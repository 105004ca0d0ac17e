// One group on this shard: its RaftGroup, its partitions' states and logs, its tables. The only place where entries are
// applied. Turns requests into entries in the journal's flush buffer, and committed entries into state and log.
//
// Flow of a turn (Shard::turn): submit_pending() packs what waits into entries; the journal's completions come as
// entries_durable(); apply_committed() applies, completes requests, and tells the ApplyObserver.
// Invariants: applied index <= commit index; a request's callback is called exactly once, from a turn; offsets given to
// an append are the log's own end when it is applied (checked; otherwise the group stops).
// Owner: Shard. Thread safety: the shard's thread.
#pragma once

#include <tsl/robin_map.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/core/commands.h"
#include "broker/core/table_state.h"
#include "broker/raft/raft_group.h"
#include "broker/shard/apply_observer.h"
#include "broker/shard/capture.h"
#include "broker/shard/partition.h"
#include "broker/shard/shard_report.h"
#include "protocol/base/clock.h"
#include "storage/journal/journal.h"
#include "storage/log/partition_log.h"

namespace sluice::broker {

/// What a Replica shares with its shard; outlives it.
struct ReplicaContext {
  NodeId self;
  std::string cluster_id;
  storage::Disk& disk;
  storage::Journal& journal;
  Clock& clock;
  Random& random;
  ApplyObserver& observer;
  std::shared_ptr<storage::FilePool> files;
  std::shared_ptr<storage::MemoryPool> memory;  ///< of memory topics
  std::shared_ptr<ProducerBudget> producers;
  storage::LogOptions log_options;
  RaftOptions raft_options;
  std::size_t max_entry_bytes = 1U << 20;
  std::size_t max_unspilled_bytes = 64U << 20;  ///< applying waits for the spill beyond this
  /// An error after which this replica (or, with `fatal`, the process) can't go on.
  UniqueFunction<void(GroupId, const Error&, bool fatal)> failed;
  /// Something waits for the next turn.
  UniqueFunction<void()> wake;
  /// Takes a message of a group to another node, or loses it; must not call back. None where all groups have one voter.
  UniqueFunction<void(GroupId, RaftMessage)> send = {};
  ShardCounters counters = {};
};

struct ReadResult {
  Offset high_watermark, log_start_offset;
  std::vector<SharedBytes> batches;
  std::size_t bytes = 0;
};

class Replica final : private RaftOutput {
 public:
  Replica(GroupId group, std::string directory, ReplicaContext& context);
  ~Replica() override;

  // ---- Start-up ----
  /// Takes a checkpoint's content. Errors: malformed, corrupt.
  Result<void> load(const Checkpoint& checkpoint);
  /// An entry that the journal holds, in its order; those the checkpoint covers are dropped. Commands are read back
  /// when they are applied.
  void recovered_entry(const storage::JournalEntry& entry, ByteSpan payload);
  void recovered_vote(const storage::JournalVote& vote);
  /// That was all. Errors: corrupt (entries are missing behind the checkpoint).
  Result<void> recovered() const;
  /// The hard state to make durable before start().
  HardState start_state() const;
  Result<void> start();

  // ---- Requests; leader only, answered with not_leader otherwise ----
  void append(AppendRequest request);
  /// A command of its own entry. The result is the table revision for a table write, else 0.
  void submit(Command command, UniqueFunction<void(Result<std::uint64_t>)> done);
  /// Moves a partition's start to `before`, which is not beyond its end; the result is where it then is.
  void delete_records(const PartitionId& partition, Offset before, UniqueFunction<void(Result<Offset>)> done);
  /// Errors: not_leader, not_ready, unknown_topic, offset_out_of_range, corrupt, io_error.
  void read(const PartitionId& partition, Offset offset, std::size_t max_bytes,
            UniqueFunction<void(Result<ReadResult>)> done);

  // ---- Look-ups ----
  GroupId group() const { return group_; }
  bool ready() const;  ///< leads, and its barrier is applied
  GroupLeadership leadership() const;
  Partition* find(const PartitionId& partition);
  const tsl::robin_map<PartitionId, std::unique_ptr<Partition>>& partitions() const { return partitions_; }
  const TableState* table(std::string_view name) const;
  /// Partitions whose files wait for a checkpoint before they are unlinked.
  std::vector<PartitionId> deleting() const;
  std::int64_t group_time_ms() const { return group_time_ms_; }
  LogIndex applied_index() const { return applied_; }
  LogIndex checkpoint_index() const { return checkpoint_index_; }
  std::uint64_t entries_since_checkpoint() const { return applied_.value - checkpoint_index_.value; }
  std::size_t queued_bytes() const { return queued_bytes_; }
  std::size_t unspilled_bytes() const { return unspilled_bytes_; }
  bool stopped() const { return stopped_; }

  // ---- Called by the shard ----
  /// A message of a peer.
  void receive(RaftMessage message);
  /// Packs waiting requests into entries, appends into so many at most: none while only control commands may use the
  /// journal. Returns whether it did something.
  bool submit_pending(std::size_t append_entries);
  bool apply_committed();
  /// Everything appended to the journal up to `sequence` is durable.
  void journal_durable(std::uint64_t sequence);
  void tick();
  Millis next_timeout() const { return raft_.next_timeout(); }
  /// Starts to write what is only in memory to segments, a few logs at a time, unless that is under way.
  void spill();
  bool spilling() const { return spilling_ > 0; }
  /// What the journal held at the start is not all applied yet.
  bool recovering() const { return applied_ < recovered_to_; }
  /// Where the next entry to apply lies in the journal, as (file, offset); nothing where it is in memory.
  std::pair<std::uint64_t, std::uint64_t> next_place() const;
  void drop_tails();
  /// Whether requests had to wait for the journal since the last call: memory of logs keeps its flush buffers, or its
  /// capacity is in use.
  bool take_starved() { return std::exchange(starved_, false); }
  /// Retention: submits start-offset advances for what is due.
  void enforce_retention();
  /// Retention of memory topics by age: cheap, for more often.
  void expire_memory();
  void expire_producers(std::int64_t max_idle_ms);
  /// Fails everything that waits; nothing is submitted any more.
  void stop_requests(const Error& why);

  // ---- For the Checkpointer ----
  /// Begins to take the group's content as of applied_index(); one at a time.
  Capture& begin_capture();
  /// Ends it. `durable`: what it took is a durable checkpoint now; that trims the core and the journal, and unlinks
  /// what became garbage.
  void end_capture(bool durable);
  const std::string& directory() const { return directory_; }

 private:
  struct PendingAppend {
    PartitionId partition;
    Offset base_offset;
    std::int64_t append_time_ms = -1;
    bool reply_when_durable = false;
    UniqueFunction<void(Result<AppendResult>)> done;
    std::vector<UniqueFunction<void(Result<AppendResult>)>> duplicates;  ///< share this one's outcome
  };
  struct PendingEntry {
    LogIndex index;
    Term term;
    std::vector<PendingAppend> appends;
    UniqueFunction<void(Result<std::uint64_t>)> command_done;
  };
  struct QueuedCommand {
    Command command;
    UniqueFunction<void(Result<std::uint64_t>)> done;
  };
  /// What raft asked to be persisted and the journal had no room for yet, in order.
  struct ToJournal {
    bool is_vote = false;
    storage::JournalEntry entry;
    SharedBytes payload;
    HardState vote;
  };
  /// What is in the journal and not yet durable, in order.
  struct InJournal {
    std::uint64_t sequence = 0;
    bool is_vote = false;
    LogIndex index;
    Term term;
    HardState vote;
  };
  struct StoredEntry {
    Term term;
    EntryType type = EntryType::command;
    std::optional<SharedBytes> payload;  ///< nullopt: read it back from the journal
    std::uint32_t read_bytes = 0;        ///< that are, or were
  };

  // RaftOutput
  void persist_hard_state(const HardState& state) override;
  void persist_entries(LogIndex first, std::span<const Entry> entries) override;
  void send(RaftMessage message) override;
  void committed(LogIndex upto) override;
  void role_changed(RaftRole role, Term term, NodeId leader) override;
  void install_snapshot(const SnapshotMeta& snapshot) override;

  struct Outgoing;
  void attach(const std::shared_ptr<Outgoing>& outgoing);
  void depart(Outgoing& outgoing);

  Millis now() const;
  std::int64_t next_group_time() const;
  /// By which things grow old: the group's time never goes back, so a clock that was wrong once may have left it in a
  /// far future.
  std::int64_t expiry_time() const;
  bool drain_to_journal();
  bool submit_appends();
  bool submit_command();
  std::size_t next_entry_size() const;
  void pack(EntryWriter& writer, PendingEntry& entry, std::int64_t group_time);
  void take(AppendRequest request, EntryWriter& writer, PendingEntry& entry, std::int64_t group_time);
  void join(AppendRequest request, Offset offset, PendingEntry& packing);
  static void answer_duplicate(Partition& partition, AppendRequest request, Offset base);
  void answer(PendingAppend& append, const Result<AppendResult>& result);
  void refuse_queued_appends(const Error& why);
  void leadership_lost(const Error& why);
  void answer_durable(LogIndex upto);

  Result<void> apply_entry(LogIndex index, const SharedBytes& payload);
  Result<void> apply_append(const AppendCommand& append, const SharedBytes& payload, std::int64_t group_time,
                            PendingAppend* pending);
  Result<std::uint64_t> apply_command(const Command& command, std::int64_t group_time);
  void add_table(std::string_view name);
  Result<std::uint64_t> apply_table_write(const WriteTableCommand& write, std::int64_t group_time);
  Result<void> append_to_feed(const WriteTableCommand& write, std::uint64_t revision, std::int64_t group_time);
  Result<std::uint64_t> create_partition(const CreatePartitionCommand& create);
  void delete_partition(const PartitionId& id);

  // Memory topics: replica_memory.cc
  void append_to_memory(Partition& partition, AppendRequest request);
  bool take_to_memory(Partition& partition, AppendRequest& request);
  void take_waiting(Partition& partition);
  void refuse_waiting(Partition& partition, const Error& why);
  void reserve_offsets(Partition& partition, Offset needed);
  void begin_memory_life(Partition& partition, bool made_now);
  void begin_memory_lives();
  void end_memory_life(Partition& partition, const Error& why);
  void announce();
  void count_unspilled(Partition& partition);
  void spill_done(const PartitionId& id, const Result<void>& result);
  void read_ahead();
  void read_back(LogIndex index, Result<SharedBytes> payload);
  void stop(const Error& why, bool fatal);
  void remove_deleted(const std::vector<PartitionId>& ids);
  void unlink_next();
  void unlinked(const PartitionId& id);
  void before_change(Partition& partition) {
    if (capture_) capture_->before_change(partition);
  }
  std::unique_ptr<storage::PartitionLog> make_log(const PartitionId& id, const TopicSettings& settings) const;

  const GroupId group_;
  const std::string directory_;
  ReplicaContext& context_;
  RaftGroup raft_;
  RaftRecovery recovery_;                  ///< until start()
  std::optional<LogIndex> recovered_gap_;  ///< where the journal went on behind a gap, until something replaced that

  tsl::robin_map<PartitionId, std::unique_ptr<Partition>> partitions_;
  std::map<std::string, TableState, std::less<>> tables_;
  std::map<PartitionId, std::unique_ptr<storage::PartitionLog>> deleting_;  ///< files to unlink after a checkpoint

  std::set<PartitionId> to_unlink_;  ///< of deleting_: a durable checkpoint names them
  std::set<PartitionId> unlinking_;
  bool in_unlink_loop_ = false;

  std::deque<AppendRequest> append_queue_;
  std::deque<QueuedCommand> command_queue_;
  std::size_t queued_bytes_ = 0;
  std::deque<PendingEntry> pending_;  ///< submitted, not applied, ascending index
  std::deque<StoredEntry> entries_;   ///< [applied_ + 1, last index], payloads in memory where possible
  LogIndex applied_, commit_, checkpoint_index_;
  Term applied_term_;
  std::int64_t group_time_ms_ = 0;
  std::int64_t submitted_time_ms_ = 0;  ///< group time of the last entry submitted here
  std::deque<ToJournal> to_journal_;
  std::deque<InJournal> in_journal_;
  std::unique_ptr<Capture> capture_;  ///< while a checkpoint is taken
  std::uint64_t captures_ = 0;
  std::deque<PartitionId> dirty_;    ///< partitions with something to spill, longest first; some may be deleted
  std::vector<PartitionId> ageing_;  ///< memory topics' partitions with records
  std::size_t unspilled_bytes_ = 0;
  int spilling_ = 0;
  SteadyTime spill_again_{0};   ///< not before, after the disk was full
  LogIndex recovered_to_;       ///< up to here entries may be in the journal alone
  LogIndex read_to_;            ///< up to here they were asked for
  std::size_t read_bytes_ = 0;  ///< of those asked for and not applied
  std::size_t outgoing_ = 0;    ///< messages whose entries are being read back
  bool starved_ = false;
  bool stopped_ = false;
  GroupLeadership announced_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  ///< callbacks hold it weakly
};

}  // namespace sluice::broker
