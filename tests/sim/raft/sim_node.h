// A node of the simulation: a RaftGroup, the log that it has in memory, and a disk that has only what was synced before
// a crash. Its state machine is a hash. It breaks its contract on purpose when told to (Sabotage), so that a test can
// see the checkers notice.
//
// Invariants: nothing calls the RaftGroup from within its output: effects are put into the cluster's queue. What a node
// that has crashed since put there is void (epoch_).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "broker/raft/raft_group.h"
#include "protocol/base/random.h"
#include "tests/sim/raft/checker.h"
#include "tests/sim/raft/event_queue.h"

namespace sluice::broker::sim {

enum class Sabotage {
  none,
  report_entries_early,     ///< says 'durable' when the write begins
  report_hard_state_early,  ///< the same for term and vote
  forget_vote,              ///< a restart knows the term alone
  keep_cut_entries,         ///< a write over the log's middle leaves what stands behind it
  count_install_early,      ///< says 'installed' before the checkpoint is durable
  checkpoint_ahead,         ///< a checkpoint says less than it holds
};

class SimCluster;

class SimNode final : public RaftOutput {
 public:
  SimNode(SimCluster& cluster, NodeId id);

  NodeId id() const { return id_; }
  bool up() const { return group_ != nullptr; }
  RaftGroup& group() { return *group_; }
  const AppliedState& state() const { return state_; }

  /// What the disk holds before the first start; nothing: a node that will join.
  void format(const RaftConfiguration& first);
  void boot();
  void crash();
  void receive(RaftMessage message);
  /// Submits one command if it can.
  bool submit(std::uint64_t value);
  void change(const RaftConfiguration& configuration);
  void transfer(NodeId to);
  void take_checkpoint();
  /// In words, for a report.
  std::string uncommitted_change() const;

  void persist_hard_state(const HardState& state) override;
  void persist_entries(LogIndex first, std::span<const Entry> entries) override;
  void send(RaftMessage message) override;
  void committed(LogIndex upto) override;
  void role_changed(RaftRole role, Term term, NodeId leader) override;
  void install_snapshot(const SnapshotMeta& snapshot) override;

 private:
  struct Checkpoint {
    SnapshotMeta meta;
    AppliedState state;
  };
  struct EntryWrite {
    LogIndex first;
    std::vector<Entry> entries;
  };
  using Write = std::variant<HardState, EntryWrite>;
  struct Log {
    LogIndex first{1};
    std::vector<Entry> entries;
    LogIndex end() const { return first.plus(entries.size()); }
    void replace(LogIndex from, std::span<const Entry> with, bool keep_behind);
    void trim(LogIndex first_kept);
  };
  struct Disk {
    HardState hard_state;
    Log log;
    std::optional<Checkpoint> checkpoint;
  };

  Millis now() const;
  Random& random() const;
  /// Runs later, if the node has not crashed by then.
  void later(Micros delay, std::function<void()> run);
  void start_write(Write write);
  void finish_write();
  void land(const Write& write);
  void report(const Write& write);
  void apply_committed();
  void fetch_checkpoint();
  void land_install(const Checkpoint& checkpoint);
  void arm_timer();

  SimCluster& cluster_;
  const NodeId id_;
  Disk disk_;

  // Lost by a crash.
  std::unique_ptr<RaftGroup> group_;
  std::uint64_t epoch_ = 0;
  Log log_;
  std::deque<Write> writes_;
  Micros last_write_done_ = 0;
  AppliedState state_;
  LogIndex commit_;
  bool apply_armed_ = false, checkpoint_armed_ = false;
  std::optional<SnapshotMeta> wanted_;
  std::optional<Checkpoint> installing_;
  std::map<LogIndex, Entry> unacknowledged_;
  Micros timer_at_ = 0;
  bool timer_armed_ = false;
};

}  // namespace sluice::broker::sim
