#include "broker/raft/core.h"

#include <algorithm>
#include <utility>

#include "protocol/base/check.h"
#include "protocol/base/log.h"

namespace sluice::broker {
namespace {

constexpr unsigned short kCapacity = 65535;  // the core's own watch over disk space is not used
constexpr Millis kNever = std::chrono::hours(1);

raft_snapshot_metadata to_core(const SnapshotMeta& snapshot) {
  raft_snapshot_metadata core{};
  core.index = snapshot.last_index.value;
  core.term = snapshot.last_term.value;
  core.configuration = to_core(snapshot.configuration);
  core.configuration_index = snapshot.configuration_index.value;
  return core;
}

}  // namespace

RaftGroup::Core::Core(GroupId group, NodeId self, std::string address, RaftOptions options, Random& random,
                      RaftOutput& output)
    : group_(group),
      self_(self),
      options_(options),
      output_(output),
      tail_(options.max_uncommitted_entries, options.max_uncommitted_bytes) {
  const auto abi = sluice_raft_abi();
  CHECK(abi.header_version == RAFT_VERSION_NUMBER && abi.raft_size == sizeof(raft) &&
            abi.event_size == sizeof(raft_event) && abi.update_size == sizeof(raft_update) &&
            abi.message_size == sizeof(raft_message) && abi.trail_offset == offsetof(raft, trail),
        "C and C++ see the same structs");
  CHECK(self.value > 0);
  const int rv = raft_init(&raft_, nullptr, nullptr, static_cast<raft_id>(self.value), address.c_str());
  CHECK(rv == 0, "raft_init() fails for want of memory alone");
  raft_.tracer = nullptr;  // the default one formats every message, into one static buffer for all threads
  raft_seed(&raft_, static_cast<unsigned>(random.next()));
  raft_set_election_timeout(&raft_, options.election_timeout_ms);
  raft_set_heartbeat_timeout(&raft_, options.heartbeat_ms);
  raft_set_install_snapshot_timeout(&raft_, options.install_snapshot_timeout_ms);
  raft_set_max_inflight_entries(&raft_, std::max(options.max_uncommitted_entries, 32U));
  raft_set_pre_vote(&raft_, true);
}

RaftGroup::Core::~Core() { raft_close(&raft_, nullptr); }

raft_event RaftGroup::Core::event(raft_event_type type, Millis now) {
  CHECK(!stepping_, "RaftOutput must not call back");
  now_ = std::max(now_, now);
  raft_event event{};
  event.time = static_cast<raft_time>(now_.count());
  event.type = type;
  event.capacity = kCapacity;
  return event;
}

int RaftGroup::Core::step(raft_event& event, const Event& brought) {
  raft_update update{};
  const int code = raft_step(&raft_, &event, &update);
  if (code != 0) return code;
  stepping_ = true;
  publish(update, brought);
  stepping_ = false;
  // A barrier of the own term, unless the core has just appended one.
  if (role() == RaftRole::leader && barrier_term_ != term()) {
    const Entry barrier{term(), EntryType::barrier, {}};
    if (auto appended = append({&barrier, 1}, now_); !appended) fail_group("submit a barrier", RAFT_SHUTDOWN);
  }
  return 0;
}

void RaftGroup::Core::must_step(raft_event& event, const Event& brought, const char* doing) {
  if (const int code = step(event, brought); code != 0) fail_group(doing, code);
}

void RaftGroup::Core::fail_group(const char* doing, int code) {
  log_error(
      "Raft group {} of node {} stops: to {} failed with '{}' (term {}, last index {}, commit index {}). Its log "
      "contradicts "
      "its leader's; compare the replicas before restarting it.",
      group_.value, self_.value, doing, raft_strerror(code), term().value, last_index().value, commit_.value);
  failed_ = true;
  publish_standing();
}

Result<void> RaftGroup::Core::start(const RaftRecovery& recovery, Millis now) {
  CHECK(!started_);
  if (auto sound = check_recovery(group_, recovery); !sound) return fail(sound.error());
  const auto last = last_configuration(recovery);
  CHECK(!last || !is_sole_voter(last->configuration, self_) ||
            (recovery.hard_state.vote == self_ && recovery.hard_state.term > last_log_term(recovery)),
        "a sole voter starts with start_state()");

  raft_event start = event(RAFT_START, now);
  start.start.term = recovery.hard_state.term.value;
  start.start.voted_for = static_cast<raft_id>(recovery.hard_state.vote.value);
  start.start.start_index = recovery.first_index.value;
  raft_snapshot_metadata metadata{};
  if (recovery.snapshot) {
    metadata = to_core(*recovery.snapshot);
    start.start.metadata = &metadata;
    snapshot_ = recovery.snapshot;
    commit_ = given_ = applied_ = snapshot_->last_index;
  }
  for (auto& change : recovered_changes(recovery))
    configurations_.append(change.index, std::move(change.configuration));
  to_core_entries(recovery.entries, nullptr, scratch_);
  raft_entry* entries = nullptr;
  if (!scratch_.empty()) {  // on libraft's heap, because it frees them when it fails
    entries = static_cast<raft_entry*>(raft_malloc(scratch_.size() * sizeof(raft_entry)));
    CHECK(entries != nullptr);
    std::ranges::copy(scratch_, entries);
  }
  start.start.entries = entries;
  start.start.n_entries = static_cast<unsigned>(scratch_.size());
  gate_.start(recovery.hard_state);
  started_ = true;
  if (const int code = step(start, {}); code != 0) {
    fail_group("start", code);
    return fail(Errc::internal, "Raft group " + std::to_string(group_.value) + " can't start: " + raft_strerror(code));
  }
  if (entries != nullptr) raft_free(entries);
  return {};
}

Result<void> RaftGroup::Core::may_submit() const {
  if (failed_) return fail(Errc::internal, "the Raft group has stopped; see the log");
  if (role() != RaftRole::leader || raft_transferee(&raft_) != 0)
    return fail(Errc::not_leader, "not the leader of the Raft group");
  if (!ready()) return fail(Errc::not_ready, "the new leader's barrier is not applied yet");
  return {};
}

Result<LogIndex> RaftGroup::Core::append(std::span<const Entry> entries, Millis now) {
  const LogIndex first = last_index().next();
  to_core_entries(entries, nullptr, scratch_);
  raft_event submit = event(RAFT_SUBMIT, now);
  submit.submit.entries = scratch_.data();
  submit.submit.n = static_cast<unsigned>(scratch_.size());
  if (const int code = step(submit, {.first = first, .entries = entries}); code != 0) {
    const Errc error = code == RAFT_NOTLEADER    ? Errc::not_leader
                       : code == RAFT_CANTCHANGE ? Errc::busy
                                                 : Errc::internal;
    if (error == Errc::internal) log_error("Raft group {}: submit failed with '{}'", group_.value, raft_strerror(code));
    return fail(error, std::string("the Raft core refused entries: ") + raft_strerror(code));
  }
  return first;
}

Result<LogIndex> RaftGroup::Core::submit(std::span<const SharedBytes> commands, Millis now) {
  CHECK(!commands.empty());
  if (auto may = may_submit(); !may) return fail(may.error());
  std::uint64_t bytes = 0;
  for (const SharedBytes& command : commands) bytes += command.size();
  if (!tail_.fits(commands.size(), bytes)) {
    if (tail_.empty()) return fail(Errc::too_large, "more commands at once than may ever be uncommitted");
    return fail(Errc::busy, "too much is submitted and not committed yet");
  }
  std::vector<Entry> entries;
  entries.reserve(commands.size());
  for (const SharedBytes& command : commands) entries.push_back({term(), EntryType::command, command});
  return append(entries, now);
}

bool RaftGroup::Core::can_submit(std::size_t bytes) const { return may_submit().has_value() && tail_.fits(1, bytes); }

Result<LogIndex> RaftGroup::Core::submit_configuration(const RaftConfiguration& configuration, Millis now) {
  if (auto may = may_submit(); !may) return fail(may.error());
  if (raft_.configuration_uncommitted_index != 0) return fail(Errc::busy, "another configuration change is under way");
  if (!tail_.fits(1, 0)) return fail(Errc::busy, "too much is submitted and not committed yet");
  const ConfigurationLog::Item* current = configurations_.latest();
  CHECK(current != nullptr, "a leader has a configuration");
  auto next = ordered_change(current->configuration, configuration);
  if (!next) return fail(next.error());
  if (std::ranges::find_if(*next, [&](const RaftServer& server) {
        return server.id == self_ && server.role == ServerRole::voter;
      }) == next->end())
    return fail(Errc::invalid_argument, "a leader can't take away its own vote: hand over leadership first");
  for (const RaftServer& server : *next) {
    if (server.role != ServerRole::voter || server.id == self_) continue;
    if (std::ranges::find(current->configuration, server) != current->configuration.end()) continue;
    // A voter that is far behind would take the group's majority with it.
    raft_index match = 0;
    if (raft_match_index(&raft_, static_cast<raft_id>(server.id.value), &match) != 0 ||
        match + options_.max_uncommitted_entries < last_index().value)
      return fail(Errc::busy, "server " + std::to_string(server.id.value) + " has not caught up yet");
  }
  const Entry change{term(), EntryType::change, SharedBytes::take(encode_configuration(*next))};
  return append({&change, 1}, now);
}

void RaftGroup::Core::hard_state_persisted(const HardState& state, Millis now) {
  CHECK(!stepping_, "RaftOutput must not call back");
  now_ = std::max(now_, now);
  gate_.written(state);
  if (failed_) return;
  stepping_ = true;
  while (auto message = gate_.release()) output_.send(std::move(*message));
  write_hard_state();
  stepping_ = false;
}

void RaftGroup::Core::entries_persisted(LogIndex last, Term last_term, Millis now) {
  if (!running() || installing_) return;
  if (last.value <= raft_.last_stored) return;                    // reported before
  if (term_at(last) != last_term || last > last_index()) return;  // cut off since
  raft_event persisted = event(RAFT_PERSISTED_ENTRIES, now);
  persisted.persisted_entries.index = last.value;
  must_step(persisted, {}, "note persisted entries");
  if (waiting_ && !writing()) {
    RaftMessage message = std::move(*waiting_);
    waiting_.reset();
    receive(std::move(message), now);
  }
}

void RaftGroup::Core::apply_configuration(LogIndex index, const RaftConfiguration& configuration, Millis now) {
  raft_event change = event(RAFT_CONFIGURATION, now);
  change.configuration.index = index.value;
  change.configuration.conf = to_core(configuration);
  must_step(change, {}, "apply a configuration");
}

void RaftGroup::Core::applied(LogIndex index, Millis now) {
  if (!running() || index <= applied_) return;
  CHECK(index <= given_, "only committed entries are applied");
  while (const ConfigurationLog::Item* change = configurations_.next_after(applied_)) {
    if (change->index > index || installing_) break;
    applied_ = change->index;
    apply_configuration(change->index, change->configuration, now);
    if (failed_) return;
  }
  applied_ = index;
}

void RaftGroup::Core::snapshot_taken(LogIndex last_index, std::uint32_t trailing, Millis now) {
  if (!running() || installing_ || (snapshot_ && last_index <= snapshot_->last_index)) return;
  CHECK(last_index <= applied_ && last_index.value > 0, "a checkpoint holds applied entries");
  const ConfigurationLog::Item* configuration = configurations_.at(last_index);
  CHECK(configuration != nullptr, "entry 1 is a configuration");
  snapshot_ = {last_index, term_at(last_index), configuration->configuration, configuration->index};
  raft_event taken = event(RAFT_SNAPSHOT, now);
  taken.snapshot.metadata = to_core(*snapshot_);
  taken.snapshot.trailing = trailing;
  must_step(taken, {}, "note a snapshot");
  configurations_.trim(LogIndex(raft_.trail.offset));
}

void RaftGroup::Core::persist_snapshot(const SnapshotMeta& snapshot, Millis now) {
  raft_event persisted = event(RAFT_PERSISTED_SNAPSHOT, now);
  persisted.persisted_snapshot.metadata = to_core(snapshot);
  persisted.persisted_snapshot.last = true;
  must_step(persisted, {}, "install a snapshot");
}

void RaftGroup::Core::snapshot_installed(const SnapshotMeta& snapshot, Millis now) {
  if (!running()) return;
  CHECK(installing_ && snapshot.last_index >= installing_->last_index,
        "the snapshot asked for, or a newer one, is installed");
  const SnapshotMeta asked = std::move(*installing_);
  installing_.reset();
  offered_ = {};
  snapshot_ = snapshot;
  configurations_.reset();
  configurations_.append(snapshot.configuration_index, snapshot.configuration);
  given_ = applied_ = snapshot.last_index;
  commit_ = std::max(commit_, snapshot.last_index);
  persist_snapshot(asked, now);
  if (failed_ || snapshot.last_index == asked.last_index) return;
  // The core can take no other snapshot than the one it asked for: it is offered the newer one that is there.
  RaftMessage offer;
  offer.kind = RaftMessage::Kind::install_snapshot;
  offer.from = leader().value != 0 && leader() != self_ ? leader() : installing_from_;
  offer.to = self_;
  offer.term = term();
  offer.snapshot = snapshot;
  raft_message message = broker::to_core(offer, nullptr);
  raft_event offered = event(RAFT_RECEIVE, now);
  offered.receive.message = &message;
  must_step(offered, {}, "move on to a newer snapshot");
  if (!failed_) persist_snapshot(snapshot, now);
}

bool RaftGroup::Core::sole_voter() const {
  const ConfigurationLog::Item* latest = configurations_.latest();
  return latest != nullptr && is_sole_voter(latest->configuration, self_);
}

void RaftGroup::Core::claim_next_term(Millis now) {
  // A vote for ourselves in the next term, by the way that any other takes. A sole voter of the core just becomes
  // leader of the term it is in, which another may lead: the one that has made it the sole voter.
  RaftMessage vote;
  vote.kind = RaftMessage::Kind::vote;
  vote.from = vote.to = self_;
  vote.term = claimed_term_ = term().next();
  vote.last_log_index = last_index();
  vote.last_log_term = term_at(last_index());
  vote.disrupt_leader = true;
  raft_message core = broker::to_core(vote, nullptr);
  raft_event received = event(RAFT_RECEIVE, now);
  received.receive.message = &core;
  must_step(received, {}, "claim a term");
}

void RaftGroup::Core::tick(Millis now) {
  if (!running()) return;
  raft_event timeout = event(RAFT_TIMEOUT, now);
  last_tick_ = now_;
  if (role() == RaftRole::follower && sole_voter() && !writing() && !installing_ &&
      timeout.time >= raft_timeout(&raft_)) {
    if (claimed_term_ != term()) return claim_next_term(now);
    if (!gate_.durable()) return;
  }
  must_step(timeout, {}, "note a timeout");
}

Millis RaftGroup::Core::next_timeout() const {
  if (!running()) return now_ + kNever;
  // Nobody to send heartbeats to, nobody to lose contact with.
  if (role() == RaftRole::leader && raft_.configuration.n == 1) return now_ + kNever;
  const Millis at(static_cast<Millis::rep>(raft_timeout(&raft_)));
  // The core goes on counting a server that it has ceased to send to: that must not make a busy loop.
  return at > last_tick_ ? at : last_tick_ + Millis(options_.heartbeat_ms);
}

Result<void> RaftGroup::Core::transfer_leadership(NodeId to, Millis now) {
  if (failed_ || role() != RaftRole::leader) return fail(Errc::not_leader, "not the leader of the Raft group");
  if (raft_transferee(&raft_) != 0) return fail(Errc::busy, "leadership is being handed over already");
  raft_event transfer = event(RAFT_TRANSFER, now);
  transfer.transfer.server_id = static_cast<raft_id>(to.value);
  switch (const int code = step(transfer, {}); code) {
    case 0: return {};
    case RAFT_BADID:
    case RAFT_NOTFOUND:
      return fail(Errc::invalid_argument, "node " + std::to_string(to.value) + " is no other voter of the Raft group");
    default:
      return fail(Errc::internal, std::string("the Raft core can't hand over leadership: ") + raft_strerror(code));
  }
}

RaftRole RaftGroup::Core::role() const {
  if (failed_) return RaftRole::follower;
  switch (raft_.state) {
    case RAFT_LEADER: return RaftRole::leader;
    case RAFT_CANDIDATE: return RaftRole::candidate;
    default: return RaftRole::follower;
  }
}

bool RaftGroup::Core::ready() const {
  return role() == RaftRole::leader && barrier_term_ == term() && applied_ >= barrier_index_;
}

NodeId RaftGroup::Core::leader() const {
  if (failed_ || raft_.state == RAFT_CANDIDATE) return {};
  if (raft_.state == RAFT_LEADER) return self_;
  return NodeId(static_cast<std::int32_t>(raft_.follower_state.current_leader.id));
}

LogIndex RaftGroup::Core::last_index() const {
  const raft_trail& trail = raft_.trail;
  if (trail.front == trail.back) return LogIndex(trail.snapshot.index);
  return LogIndex(trail.records[(trail.back + trail.size - 1) % trail.size].index);
}

const RaftConfiguration& RaftGroup::Core::configuration() const {
  static const RaftConfiguration none;
  // Entry 1 is the same everywhere, and so committed from the start.
  const ConfigurationLog::Item* item = configurations_.at(std::max(applied_, LogIndex(1)));
  return item == nullptr ? none : item->configuration;
}

LogIndex RaftGroup::Core::configuration_index() const {
  const ConfigurationLog::Item* item = configurations_.at(std::max(applied_, LogIndex(1)));
  return item == nullptr ? LogIndex() : item->index;
}

}  // namespace sluice::broker
