// RaftGroup's inside: the state around libraft's core, what goes into raft_step() and what comes out of it.
// core.cc has the events, core_receive.cc the messages among them, core_effects.cc what follows from them, recovery.cc
// what start-up found. Owner: RaftGroup.
//
// Invariants: `applied_ <= given_ <= commit_`; configurations_ names every change in the core's log, and the one in
// force before it; no entries are cut from the log while some of it is still being written (see must_wait()).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "broker/raft/configuration.h"
#include "broker/raft/hard_state_gate.h"
#include "broker/raft/messages.h"
#include "broker/raft/raft_group.h"
#include "broker/raft/raft_library.h"
#include "broker/raft/uncommitted_tail.h"

namespace sluice::broker {

/// Whether what start-up found can be: terms in order, entries that reach the snapshot, configurations that can be
/// read. Errors: corrupt.
Result<void> check_recovery(GroupId group, const RaftRecovery& recovery);
/// The membership that the end of the log has, or nothing.
std::optional<ConfigurationLog::Item> last_configuration(const RaftRecovery& recovery);
/// Every change in the log, and the checkpoint's configuration among them. Only of a recovery that check_recovery()
/// took.
std::vector<ConfigurationLog::Item> recovered_changes(const RaftRecovery& recovery);
/// The highest term of an entry or snapshot.
Term last_log_term(const RaftRecovery& recovery);

class RaftGroup::Core {
 public:
  Core(GroupId group, NodeId self, std::string address, RaftOptions options, Random& random, RaftOutput& output);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  Result<void> start(const RaftRecovery& recovery, Millis now);
  Result<LogIndex> submit(std::span<const SharedBytes> commands, Millis now);
  bool can_submit(std::size_t bytes) const;
  Result<LogIndex> submit_configuration(const RaftConfiguration& configuration, Millis now);
  void hard_state_persisted(const HardState& state, Millis now);
  void entries_persisted(LogIndex last, Term last_term, Millis now);
  void applied(LogIndex index, Millis now);
  void snapshot_taken(LogIndex last_index, std::uint32_t trailing, Millis now);
  void snapshot_installed(const SnapshotMeta& snapshot, Millis now);
  void receive(RaftMessage message, Millis now);
  void tick(Millis now);
  Millis next_timeout() const;
  Result<void> transfer_leadership(NodeId to, Millis now);

  RaftRole role() const;
  bool ready() const;
  bool failed() const { return failed_; }
  Term term() const { return Term(raft_.current_term); }
  NodeId leader() const;
  LogIndex last_index() const;
  LogIndex first_index() const { return LogIndex(raft_.trail.offset + 1); }
  LogIndex commit_index() const { return commit_; }
  Term term_at(LogIndex index) const { return Term(trail_term(raft_.trail, index.value)); }
  const RaftConfiguration& configuration() const;
  LogIndex configuration_index() const;
  GroupId group() const { return group_; }

 private:
  /// What an event brought along, for its effects.
  struct Event {
    LogIndex first;                          ///< of `entries`
    std::span<const Entry> entries;          ///< submitted or received
    const SnapshotMeta* snapshot = nullptr;  ///< offered
    bool outdated = false;                   ///< a request of an older term than ours
  };
  struct Standing {
    RaftRole role = RaftRole::follower;
    Term term;
    NodeId leader;
    bool operator==(const Standing&) const = default;
  };

  bool running() const { return started_ && !failed_; }
  bool writing() const { return raft_.last_stored < last_index().value && !installing_; }
  raft_event event(raft_event_type type, Millis now);
  /// One raft_step() and all its effects; libraft's code.
  int step(raft_event& event, const Event& brought);
  /// The same, where an error means that the group can't go on.
  void must_step(raft_event& event, const Event& brought, const char* doing);
  void fail_group(const char* doing, int code);

  // Effects (core_effects.cc).
  void publish(const raft_update& update, const Event& brought);
  void publish_standing();
  void publish_entries(const raft_update& update, const Event& brought);
  void publish_messages(const raft_update& update, const Event& brought);
  void publish_committed();
  void write_hard_state();
  void split_append(RaftMessage message);
  void send_append(RaftMessage message);
  void release_appends();
  LogIndex unwritten_change() const;
  void send(RaftMessage message);

  // Events (core.cc, core_receive.cc).
  void deliver(const RaftMessage& message, Millis now);
  bool must_wait(const RaftMessage& message) const;
  void skip_snapshotted(RaftMessage& message) const;
  void discount_late_refusal(RaftMessage& message) const;
  bool votes() const;
  void vote_as_asked(const RaftMessage& message, Millis now);
  void settle_earlier_change(const RaftMessage& message, Millis now);
  void apply_configuration(LogIndex index, const RaftConfiguration& configuration, Millis now);
  void persist_snapshot(const SnapshotMeta& snapshot, Millis now);
  bool sole_voter() const;
  void claim_next_term(Millis now);
  Result<LogIndex> append(std::span<const Entry> entries, Millis now);
  Result<void> may_submit() const;

  const GroupId group_;
  const NodeId self_;
  const RaftOptions options_;
  RaftOutput& output_;
  raft raft_{};

  bool started_ = false, failed_ = false, stepping_ = false;
  Millis now_{0};
  Millis last_tick_{-1};
  Standing standing_;
  HardStateGate gate_;
  UncommittedTail tail_;
  ConfigurationLog configurations_;
  std::optional<SnapshotMeta> snapshot_;    ///< the newest local one
  std::optional<SnapshotMeta> installing_;  ///< what the core waits for
  NodeId installing_from_;
  LogIndex offered_;                        ///< last index of the newest snapshot that install_snapshot() named
  std::optional<RaftMessage> waiting_;      ///< must_wait()
  std::vector<RaftMessage> behind_change_;  ///< appends that wait for unwritten_change()
  Millis leader_heard_{0};
  LogIndex commit_, given_, applied_;
  Term barrier_term_, claimed_term_;
  LogIndex barrier_index_;
  std::vector<raft_entry> scratch_;
};

}  // namespace sluice::broker
