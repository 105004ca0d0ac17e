// A message from a peer, on its way into the core: what is dropped, waits, or is put right first, because the core
// would take it wrong. Owner: RaftGroup.
#include <algorithm>
#include <utility>

#include "broker/raft/core.h"
#include "protocol/base/check.h"
#include "protocol/base/log.h"

namespace sluice::broker {

bool RaftGroup::Core::must_wait(const RaftMessage& message) const {
  // Cutting entries off while they are being written would leave their completions ambiguous: the same entry may come
  // back behind the cut, and a late completion of its first writing would then vouch for a second one (rule 5).
  if (!writing() || message.term < term()) return false;
  if (message.kind == RaftMessage::Kind::install_snapshot)
    return term_at(message.snapshot->last_index) != message.snapshot->last_term;
  if (message.kind != RaftMessage::Kind::append) return false;
  for (std::size_t i = 0; i < message.entries.size(); ++i) {
    const Term here = term_at(message.prev_index.plus(i + 1));
    if (here.value == 0) return false;
    if (here != message.entries[i].term) return true;
  }
  return false;
}

void RaftGroup::Core::skip_snapshotted(RaftMessage& message) const {
  // Entries up to our snapshot are committed, so that a leader of our term or a later one has the same. The core has
  // forgotten them, takes a late copy of the log's beginning for new entries, and refuses what follows on the last one
  // forgotten, though it has acknowledged it.
  const raft_trail& trail = raft_.trail;
  if (message.term < term() || trail.offset == 0 || message.prev_index.value > trail.offset ||
      message.prev_index.value == trail.snapshot.index)
    return;
  const LogIndex base(trail.snapshot.index);
  const std::uint64_t skipped = std::min<std::uint64_t>(base.value - message.prev_index.value, message.entries.size());
  message.entries.erase(message.entries.begin(), message.entries.begin() + static_cast<std::ptrdiff_t>(skipped));
  message.entry_count = static_cast<std::uint32_t>(message.entries.size());
  message.prev_index = base;
  message.prev_term = Term(trail.snapshot.term);
}

void RaftGroup::Core::settle_earlier_change(const RaftMessage& message, Millis now) {
  // A change is made only when the one before it is committed. The core remembers one uncommitted change, and would
  // take back both if it had to give up the second: so it is told of the first before it sees the second. That is true
  // only of a log that agrees with the leader's.
  const LogIndex earlier(raft_.configuration_uncommitted_index);
  if (earlier.value == 0 || message.entries.empty() || message.entries[0].type != EntryType::change || installing_)
    return;
  if (message.term < term() || earlier > message.prev_index || term_at(message.prev_index) != message.prev_term) return;
  const ConfigurationLog::Item* change = configurations_.at(earlier);
  CHECK(change != nullptr && change->index == earlier);
  apply_configuration(earlier, RaftConfiguration(change->configuration), now);
}

void RaftGroup::Core::discount_late_refusal(RaftMessage& message) const {
  // A follower never refuses what it has acknowledged in this term: that is a message from before. The core would go
  // back behind the acknowledged index, count a negative number of entries under way, and never send it another.
  raft_index match = 0;
  if (message.rejected.value == 0 || message.term != term() || role() != RaftRole::leader ||
      raft_match_index(&raft_, static_cast<raft_id>(message.from.value), &match) != 0)
    return;
  message.last_log_index = std::max(message.last_log_index, LogIndex(match));
  if (message.rejected.value > match) return;
  message.rejected = {};
  message.last_log_index = LogIndex(match);
}

void RaftGroup::Core::receive(RaftMessage message, Millis now) {
  CHECK(!stepping_, "RaftOutput must not call back");
  if (!running()) return;
  if (const char* fault = fault_of(message, self_); fault != nullptr) {
    log_warn("Raft group {} of node {} drops a message of node {}: {}", group_.value, self_.value, message.from.value,
             fault);
    return;
  }
  switch (message.kind) {
    case RaftMessage::Kind::append:
    case RaftMessage::Kind::install_snapshot:
      if (role() == RaftRole::leader && message.term == term()) {
        log_error("Raft group {}: node {} claims to lead term {}, which node {} leads", group_.value,
                  message.from.value, term().value, self_.value);
        return;
      }
      if (message.term >= term()) leader_heard_ = now_ = std::max(now_, now);
      if (message.kind == RaftMessage::Kind::append) skip_snapshotted(message);
      if (must_wait(message)) {
        waiting_ = std::move(message);
        return;
      }
      break;
    case RaftMessage::Kind::append_result: discount_late_refusal(message); break;
    case RaftMessage::Kind::vote:
      if (role() == RaftRole::follower && !votes()) {
        vote_as_asked(message, now);
        return;
      }
      break;
    case RaftMessage::Kind::vote_result:
      // The core looks into a candidate's fields before it has made sure that it is one.
      if (role() != RaftRole::candidate) return;
      break;
    case RaftMessage::Kind::timeout_now:
      // It would lead the very term that its leader may still lead; tick() knows better.
      if (sole_voter()) return;
      break;
    default: break;
  }
  deliver(message, now);
}

void RaftGroup::Core::deliver(const RaftMessage& message, Millis now) {
  settle_earlier_change(message, now);
  if (failed_) return;
  Event brought{.first = message.prev_index.next(), .entries = message.entries, .outdated = message.term < term()};
  scratch_.clear();
  if (!message.entries.empty()) {
    // The core frees a batch, or hands it up; payloads stay here, so that a batch is no more than a token.
    void* batch = raft_malloc(1);
    CHECK(batch != nullptr);
    to_core_entries(message.entries, batch, scratch_);
  }
  const bool was_installing = installing_.has_value();
  if (message.snapshot) {
    brought.snapshot = &*message.snapshot;
    if (!was_installing) installing_from_ = message.from;
  }
  raft_message core = broker::to_core(message, scratch_.data());
  raft_event received = event(RAFT_RECEIVE, now);
  received.receive.message = &core;
  must_step(received, brought, "take a message");
  if (failed_ || !was_installing || !message.snapshot || brought.outdated || message.snapshot->last_index <= offered_)
    return;
  offered_ = message.snapshot->last_index;
  stepping_ = true;
  output_.install_snapshot(*message.snapshot);
  stepping_ = false;
}

bool RaftGroup::Core::votes() const {
  const raft_configuration& own = raft_.configuration;
  return std::any_of(own.servers, own.servers + own.n, [&](const raft_server& server) {
    return server.id == static_cast<raft_id>(self_.value) && server.role == RAFT_VOTER;
  });
}

void RaftGroup::Core::vote_as_asked(const RaftMessage& message, Millis now) {
  now_ = std::max(now_, now);
  // Who may vote is for the candidate's configuration to say (Ongaro's dissertation, 4.2): a server learns of its
  // promotion by an entry that may need its own vote to get through, and a group that goes from one voter to two would
  // never have a leader again if it refused. The core refuses, so that it sees us as a voter for the time of this one
  // message.
  // It also never forgets a leader that it can't succeed: here it is one that was heard of lately.
  if (now_ - leader_heard_ >= Millis(options_.election_timeout_ms)) raft_.follower_state.current_leader.id = 0;
  raft_configuration voting = broker::to_core(RaftConfiguration{{self_, "self", ServerRole::voter}});
  std::swap(raft_.configuration, voting);
  deliver(message, now);
  std::swap(raft_.configuration, voting);
  raft_configuration_close(&voting);
}

}  // namespace sluice::broker
