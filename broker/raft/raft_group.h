// One replica of one Raft group: libraft's raft_step() core behind plain C++. No I/O, no clock, no threads:
// events go in through the methods, effects come out through RaftOutput. This folder alone includes <raft.h>.
//
// What it adds to the core (rules: numbers as in the project's Raft notes):
//  - messages wait until the term and vote they rest on are durable (4), all of a group in order;
//  - a rejected pre-vote carries the replier's real term (2);
//  - persisted indexes are reported monotonically and never for entries truncated since (5);
//  - entries are given out for applying up to min(commit index, last stored) (6);
//  - the uncommitted tail is bounded by entries and bytes (3);
//  - a sole voter starts in a new term with a durable vote for itself (10, see start_state());
//  - every new leader submits a barrier of its own and is `ready()` once that is applied (11);
//  - outgoing entries are split so that a configuration change is always first in its message (11).
// Found by the simulation (tests/sim/raft) and by reading, and closed here too:
//  - the refusal of an older term's request acknowledges nothing (the core leaves its index uninitialised);
//  - a refusal older than an acknowledgement does not stop a follower's replication for good;
//  - entries are never cut while they are being written; a late beginning of the log is not appended at its end;
//  - a sole voter made by another leader leads a later term than that one, with a durable vote;
//  - who may vote is for the candidate to say, a change leaves when it is durable here, and a leader keeps its own
//    vote: otherwise a group between one and two voters can stay without a leader for good;
//  - the first of two changes stays when the second is taken back.
// Nothing above this folder knows how many voters there are.
//
// Ownership: Replica (broker/shard) owns it. Invariants: first_index() <= applied + 1; indexes are dense.
// Thread safety: one shard's thread. RaftOutput's methods are called inside this class's methods and must not call
// back into it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/clock.h"
#include "protocol/base/error.h"
#include "protocol/base/ids.h"
#include "protocol/base/random.h"

namespace sluice::broker {

enum class EntryType : std::uint8_t { command = 1, barrier = 2, change = 3 };

struct Entry {
  Term term;
  EntryType type = EntryType::command;
  SharedBytes payload;  ///< of a change: an encoded RaftConfiguration; of a barrier: empty
};

enum class ServerRole : std::uint8_t { standby = 0, voter = 1, spare = 2 };
struct RaftServer {
  NodeId id;
  std::string address;
  ServerRole role = ServerRole::voter;
  friend bool operator==(const RaftServer&, const RaftServer&) = default;
};
using RaftConfiguration = std::vector<RaftServer>;
/// libraft's own encoding, as it stands in entries of type change. Errors: malformed.
std::vector<std::byte> encode_configuration(const RaftConfiguration& configuration);
Result<RaftConfiguration> decode_configuration(ByteSpan bytes);

struct HardState {
  Term term;
  NodeId vote;  ///< 0 = none
  friend bool operator==(const HardState&, const HardState&) = default;
};

/// What a checkpoint (snapshot) says of the log before it.
struct SnapshotMeta {
  LogIndex last_index;
  Term last_term;
  RaftConfiguration configuration;
  LogIndex configuration_index;
};

/// What start-up found on disk.
struct RaftRecovery {
  HardState hard_state;
  std::optional<SnapshotMeta> snapshot;
  LogIndex first_index;        ///< of `entries`; snapshot.last_index + 1, or 1
  std::vector<Entry> entries;  ///< payloads are needed for changes only
};

enum class RaftRole : std::uint8_t { follower, candidate, leader };

/// A message to or from another replica of the group. Plain data; entries' payloads are attached by the sender's owner
/// (`attach`) when it leaves, because the core keeps none.
struct RaftMessage {
  enum class Kind : std::uint8_t {
    append = 1,
    append_result,
    vote,
    vote_result,
    install_snapshot,
    timeout_now
  } kind = Kind::append;
  NodeId from, to;
  Term term;
  // append: entries [prev_index + 1, prev_index + entry_count]
  LogIndex prev_index;
  Term prev_term;
  LogIndex leader_commit;
  std::uint32_t entry_count = 0;
  std::vector<Entry> entries;  ///< filled by the owner before sending: entry_count of them
  // append_result
  LogIndex rejected, last_log_index;
  // vote, vote_result, timeout_now (last_log_index above is shared)
  Term last_log_term;
  bool disrupt_leader = false, pre_vote = false, granted = false;
  std::uint16_t features = 0, capacity = 0;
  // install_snapshot
  std::optional<SnapshotMeta> snapshot;
};

class RaftOutput {
 public:
  virtual ~RaftOutput() = default;
  /// Make it durable, then call hard_state_persisted(). At most one newer one may be asked for before that.
  virtual void persist_hard_state(const HardState& state) = 0;
  /// Make entries durable at first, first + 1, ..., replacing whatever stood at `first` and behind; then call
  /// entries_persisted(). For entries that this replica submitted itself the payload is the slice given to submit().
  virtual void persist_entries(LogIndex first, std::span<const Entry> entries) = 0;
  virtual void send(RaftMessage message) = 0;
  /// Entries up to `upto` may be applied, in order; then call applied().
  virtual void committed(LogIndex upto) = 0;
  /// Role, term or known leader (0 = none) changed. `leader` to anything else: everything speculative is void.
  virtual void role_changed(RaftRole role, Term term, NodeId leader) = 0;
  /// The leader's log begins behind ours: fetch its checkpoint, make it durable, then call snapshot_installed(). All
  /// entries on disk are void from the moment the checkpoint replaces them. Asked again with a newer one, either will
  /// do.
  virtual void install_snapshot(const SnapshotMeta& snapshot) = 0;
};

struct RaftOptions {
  std::uint32_t election_timeout_ms = 1000;
  std::uint32_t heartbeat_ms = 100;
  std::uint32_t max_uncommitted_entries = 256;
  std::uint64_t max_uncommitted_bytes = 16U << 20;
  std::uint32_t install_snapshot_timeout_ms = 30'000;
};

class RaftGroup {
 public:
  RaftGroup(GroupId group, NodeId self, std::string address, RaftOptions options, Random& random, RaftOutput& output);
  ~RaftGroup();
  RaftGroup(const RaftGroup&) = delete;
  RaftGroup& operator=(const RaftGroup&) = delete;

  /// The hard state that must be durable before start(): of a sole voter, the next term with a vote for itself;
  /// otherwise what was recovered.
  static HardState start_state(NodeId self, const RaftRecovery& recovery);
  /// Starts with what is on disk; `recovery.hard_state` is start_state(), durable. May at once become leader and ask
  /// for its barrier to be persisted. Errors: corrupt (a recovery that contradicts itself), internal.
  Result<void> start(const RaftRecovery& recovery, Millis now);

  /// Leader only: appends commands to the log, in order; output gets persist_entries() before this returns. Indexes are
  /// last_index() + 1 and so on. Errors: not_leader; not_ready (its barrier is not applied yet); busy (the
  /// uncommitted tail is full: wait for commits); too_large (more than may ever be uncommitted); internal. While
  /// leadership is being handed over: not_leader. On an error nothing happened.
  Result<LogIndex> submit(std::span<const SharedBytes> commands, Millis now);
  /// Whether submit() of `bytes` more would be taken now.
  bool can_submit(std::size_t bytes) const;
  /// Leader only: changes one server of the membership; a new server joins as standby or spare, never as voter,
  /// and the leader keeps its own vote (hand over leadership first).
  /// Errors: as submit(); busy while another change is under way, or the one to promote lags behind; invalid_argument.
  Result<LogIndex> submit_configuration(const RaftConfiguration& configuration, Millis now);

  /// persist_hard_state()'s state, and all before it, is durable.
  void hard_state_persisted(const HardState& state, Millis now);
  /// Entries up to `last`, whose entry had `last_term` when it was written, are durable.
  void entries_persisted(LogIndex last, Term last_term, Millis now);
  /// Entries up to `index` were applied.
  void applied(LogIndex index, Millis now);
  /// A checkpoint at `snapshot.last_index` is durable: the core forgets entries up to it, but for `trailing` of them.
  void snapshot_taken(LogIndex last_index, std::uint32_t trailing, Millis now);
  /// The checkpoint that install_snapshot() asked for, or one behind it, is durable, and so applied.
  void snapshot_installed(const SnapshotMeta& snapshot, Millis now);
  /// A message from a peer. A malformed or stale one is dropped.
  void receive(RaftMessage message, Millis now);
  /// To be called when `next_timeout()` is reached.
  void tick(Millis now);
  Millis next_timeout() const;  ///< at most an hour ahead; changes with every call of a method above
  /// Starts handing leadership to `to` (0 = the best follower). Errors: not_leader, busy, invalid_argument (no other
  /// voter).
  Result<void> transfer_leadership(NodeId to, Millis now);

  RaftRole role() const;
  /// Leader whose own barrier is applied.
  bool ready() const;
  /// The core met what can't be (a committed entry that its leader contradicts), and said so in the log: the group has
  /// stopped, and takes and sends nothing any more. It was told by role_changed(follower) if it led.
  bool failed() const;
  Term term() const;
  NodeId leader() const;  ///< 0 = unknown
  LogIndex last_index() const;
  LogIndex first_index() const;  ///< the first that the core still has; last snapshot + 1 (minus trailing)
  LogIndex commit_index() const;
  /// Term of an entry that the core still has; 0 otherwise.
  Term term_at(LogIndex index) const;
  const RaftConfiguration& configuration()
      const;  ///< the latest committed one, as of applied(): what a checkpoint says
  LogIndex configuration_index() const;
  GroupId group() const;

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace sluice::broker
