#include "tests/sim/raft/sim_node.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "tests/sim/raft/sim_cluster.h"

namespace sluice::broker::sim {
namespace {

constexpr RaftOptions kOptions = {.election_timeout_ms = 300,
                                  .heartbeat_ms = 50,
                                  .max_uncommitted_entries = 64,
                                  .max_uncommitted_bytes = 1 << 20,
                                  .install_snapshot_timeout_ms = 5000};

}  // namespace

SimNode::SimNode(SimCluster& cluster, NodeId id) : cluster_(cluster), id_(id) {}

Millis SimNode::now() const { return Millis(static_cast<Millis::rep>(cluster_.queue().now() / 1000)); }
Random& SimNode::random() const { return cluster_.random(); }

void SimNode::later(Micros delay, std::function<void()> run) {
  cluster_.queue().after(delay, [this, epoch = epoch_, run = std::move(run)] {
    if (epoch != epoch_ || group_ == nullptr) return;
    run();
    if (group_ == nullptr) return;
    if (group_->failed()) cluster_.checker().violated(fmt::format("the group of node {} stopped", id_.value));
    arm_timer();
  });
}

// ---- life and death

void SimNode::format(const RaftConfiguration& first) {
  disk_.hard_state = {Term(1), NodeId(0)};
  disk_.log.entries.push_back({Term(1), EntryType::change, SharedBytes::take(encode_configuration(first))});
}

void SimNode::boot() {
  RaftRecovery recovery;
  if (disk_.checkpoint) {
    const SnapshotMeta& meta = disk_.checkpoint->meta;
    // A log that does not hold the checkpoint's last entry was replaced by it.
    const Log& log = disk_.log;
    const bool holds = log.first <= meta.last_index && meta.last_index < log.end() &&
                       log.entries[meta.last_index.value - log.first.value].term == meta.last_term;
    if (!holds && log.first != meta.last_index.next()) disk_.log = Log{meta.last_index.next(), {}};
    recovery.snapshot = meta;
    state_ = disk_.checkpoint->state;
    cluster_.checker().loaded(id_, state_);
  } else {
    state_ = {};
  }
  recovery.first_index = disk_.log.first;
  recovery.entries = disk_.log.entries;
  recovery.hard_state = disk_.hard_state;
  if (cluster_.sabotage() == Sabotage::forget_vote) recovery.hard_state.vote = {};
  recovery.hard_state = disk_.hard_state = RaftGroup::start_state(id_, recovery);

  log_ = disk_.log;
  commit_ = state_.index;
  group_ = std::make_unique<RaftGroup>(GroupId(1), id_, fmt::format("node{}", id_.value), kOptions, random(), *this);
  const auto started = group_->start(recovery, now());
  if (!started) cluster_.checker().violated(fmt::format("node {}: {}", id_.value, started.error().message));
  arm_timer();
}

void SimNode::crash() {
  // Of what was being written, some beginning has reached the disk.
  const std::uint64_t landed = writes_.empty() ? 0 : random().below(writes_.size() + 1);
  for (std::uint64_t i = 0; i < landed; ++i) land(writes_[i]);
  if (landed < writes_.size() && random().one_in(2)) {
    if (auto* torn = std::get_if<EntryWrite>(&writes_[landed])) {
      torn->entries.resize(random().below(torn->entries.size() + 1));
      if (!torn->entries.empty()) land(*torn);
    }
  }
  if (installing_ && random().one_in(2)) disk_.checkpoint = installing_;  // renamed; the old log is still there
  ++epoch_;
  group_.reset();
  writes_.clear();
  last_write_done_ = 0;
  unacknowledged_.clear();
  wanted_.reset();
  installing_.reset();
  apply_armed_ = checkpoint_armed_ = timer_armed_ = false;
}

void SimNode::arm_timer() {
  const Micros at = static_cast<Micros>(group_->next_timeout().count()) * 1000;
  if (timer_armed_ && timer_at_ <= at) return;
  timer_armed_ = true;
  timer_at_ = std::max(at, cluster_.queue().now() + 1);
  later(timer_at_ - cluster_.queue().now(), [this, at = timer_at_] {
    if (!timer_armed_ || timer_at_ != at) return;  // another one was set for an earlier time
    timer_armed_ = false;
    if (now() >= group_->next_timeout()) group_->tick(now());
  });
}

// ---- requests

void SimNode::receive(RaftMessage message) {
  later(0, [this, message = std::move(message)] { group_->receive(message, now()); });
}

bool SimNode::submit(std::uint64_t value) {
  const std::string text = fmt::format("value {}", value);
  const SharedBytes command = SharedBytes::copy_of(as_bytes(text));
  const bool expected = group_->can_submit(command.size());
  const Term term = group_->term();
  const auto index = group_->submit({&command, 1}, now());
  if (index.has_value() != expected) cluster_.checker().violated("submit() does not what can_submit() says");
  if (index) unacknowledged_[*index] = Entry{term, EntryType::command, command};
  arm_timer();
  return index.has_value();
}

void SimNode::change(const RaftConfiguration& configuration) {
  (void)group_->submit_configuration(configuration, now());
  arm_timer();
}

void SimNode::transfer(NodeId to) {
  (void)group_->transfer_leadership(to, now());
  arm_timer();
}

void SimNode::take_checkpoint() {
  if (checkpoint_armed_ || wanted_ || state_.index.value == 0) return;
  if (disk_.checkpoint && disk_.checkpoint->meta.last_index >= state_.index) return;
  checkpoint_armed_ = true;
  Checkpoint taken{
      {state_.index, group_->term_at(state_.index), group_->configuration(), group_->configuration_index()}, state_};
  if (cluster_.sabotage() == Sabotage::checkpoint_ahead && state_.index > group_->first_index()) {
    taken.meta.last_index = LogIndex(state_.index.value - 1);
    taken.meta.last_term = group_->term_at(taken.meta.last_index);
    taken.state.index = taken.meta.last_index;
  }
  const auto trailing = static_cast<std::uint32_t>(random().one_in(2) ? 0 : random().below(40));
  later(random().below(20'000), [this, taken, trailing] {
    checkpoint_armed_ = false;
    if (wanted_ || (disk_.checkpoint && disk_.checkpoint->meta.last_index >= taken.meta.last_index)) return;
    disk_.checkpoint = taken;
    group_->snapshot_taken(taken.meta.last_index, trailing, now());
    // The disk may keep more than memory does.
    log_.trim(group_->first_index());
    if (random().one_in(2)) disk_.log.trim(std::min(group_->first_index(), disk_.log.end()));
  });
}

std::string SimNode::uncommitted_change() const {
  std::string text;
  for (std::size_t i = 0; i < log_.entries.size(); ++i) {
    if (log_.entries[i].type != EntryType::change || log_.first.plus(i) <= state_.index) continue;
    text += fmt::format(", {}:", log_.first.plus(i).value);
    const auto configuration = decode_configuration(log_.entries[i].payload);
    for (const RaftServer& server : *configuration)
      text += fmt::format(" {}{}", server.id.value, server.role == ServerRole::voter ? "" : "s");
  }
  return text;
}

// ---- what the group asks for

void SimNode::persist_hard_state(const HardState& state) { start_write(state); }

void SimNode::persist_entries(LogIndex first, std::span<const Entry> entries) {
  for (std::size_t i = 0; i < entries.size(); ++i) cluster_.checker().wrote(id_, first.plus(i), entries[i]);
  if (first > log_.end() || first < log_.first)
    return cluster_.checker().violated(
        fmt::format("node {} writes {} where its log ends at {}", id_.value, first.value, log_.end().value));
  log_.replace(first, entries, false);
  start_write(EntryWrite{first, {entries.begin(), entries.end()}});
}

void SimNode::send(RaftMessage message) {
  cluster_.checker().sent(message);
  if (!message.pre_vote && (message.granted || message.kind == RaftMessage::Kind::vote)) cluster_.tempt(id_);
  for (std::uint32_t i = 0; i < message.entry_count; ++i) {
    const LogIndex index = message.prev_index.plus(i + 1);
    if (index < log_.first || index >= log_.end())
      return cluster_.checker().violated(
          fmt::format("node {} sends entry {}, which it has not", id_.value, index.value));
    message.entries.push_back(log_.entries[index.value - log_.first.value]);
  }
  cluster_.transmit(std::move(message));
}

void SimNode::committed(LogIndex upto) {
  commit_ = upto;
  while (!unacknowledged_.empty() && unacknowledged_.begin()->first <= upto) {
    cluster_.checker().acknowledged(id_, unacknowledged_.begin()->first, unacknowledged_.begin()->second);
    unacknowledged_.erase(unacknowledged_.begin());
  }
  if (std::exchange(apply_armed_, true)) return;
  later(random().below(3000), [this] { apply_committed(); });
}

void SimNode::role_changed(RaftRole role, Term term, NodeId) {
  if (role != RaftRole::leader) return unacknowledged_.clear();
  cluster_.checker().leads(id_, term, *group_);
  cluster_.tempt(id_);
}

void SimNode::install_snapshot(const SnapshotMeta& snapshot) {
  const bool fetching = wanted_.has_value();
  wanted_ = snapshot;
  if (!fetching) later(random().below(300'000), [this] { fetch_checkpoint(); });
}

// ---- what comes of it

void SimNode::apply_committed() {
  apply_armed_ = false;
  if (wanted_) return;
  while (state_.index < commit_) {
    const LogIndex index = state_.index.next();
    if (index < log_.first || index >= log_.end())
      return cluster_.checker().violated(
          fmt::format("node {} is to apply {}, which it has not", id_.value, index.value));
    cluster_.checker().apply(id_, state_, index, log_.entries[index.value - log_.first.value]);
  }
  group_->applied(state_.index, now());
}

void SimNode::fetch_checkpoint() {
  for (SimNode* source : cluster_.reachable(id_)) {
    if (source == this || source->state_.index < wanted_->last_index) continue;
    if (!source->disk_.checkpoint || source->disk_.checkpoint->meta.last_index < wanted_->last_index) {
      source->take_checkpoint();
      continue;
    }
    installing_ = source->disk_.checkpoint;
    if (cluster_.sabotage() == Sabotage::count_install_early) {
      later(0, [this, checkpoint = *installing_] { land_install(checkpoint); });
      return;
    }
    later(random().below(50'000), [this, checkpoint = *installing_] {
      disk_.checkpoint = checkpoint;
      disk_.log = Log{checkpoint.meta.last_index.next(), {}};
      land_install(checkpoint);
    });
    return;
  }
  later(100'000, [this] { fetch_checkpoint(); });
}

void SimNode::land_install(const Checkpoint& checkpoint) {
  if (wanted_->last_index > checkpoint.meta.last_index && random().one_in(2)) {
    installing_.reset();
    return fetch_checkpoint();  // a newer one was offered meanwhile; either will do
  }
  wanted_.reset();
  installing_.reset();
  state_ = checkpoint.state;
  commit_ = state_.index;
  log_ = Log{checkpoint.meta.last_index.next(), {}};
  cluster_.checker().loaded(id_, state_);
  group_->snapshot_installed(checkpoint.meta, now());
}

// ---- the disk

void SimNode::Log::replace(LogIndex from, std::span<const Entry> with, bool keep_behind) {
  const std::size_t at = from.value - first.value;
  if (!keep_behind || entries.size() < at + with.size())
    entries.resize(std::min(entries.size(), at + (keep_behind ? with.size() : 0)));
  if (entries.size() < at + with.size()) entries.resize(at + with.size());
  std::ranges::copy(with, entries.begin() + static_cast<std::ptrdiff_t>(at));
}

void SimNode::Log::trim(LogIndex first_kept) {
  if (first_kept <= first) return;
  const std::uint64_t gone = std::min<std::uint64_t>(first_kept.value - first.value, entries.size());
  entries.erase(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(gone));
  first = first_kept;
}

void SimNode::start_write(Write write) {
  const bool early = std::holds_alternative<HardState>(write) ? cluster_.sabotage() == Sabotage::report_hard_state_early
                                                              : cluster_.sabotage() == Sabotage::report_entries_early;
  if (early) later(0, [this, write] { report(write); });
  writes_.push_back(std::move(write));
  const Micros stall = random().one_in(200) ? random().below(400'000) : 0;
  const Micros at = cluster_.queue().now() + 1 + random().below(cluster_.weather().disk_delay) + stall;
  last_write_done_ = std::max(last_write_done_, at);
  later(last_write_done_ - cluster_.queue().now(), [this] { finish_write(); });
}

void SimNode::finish_write() {
  const Write write = std::move(writes_.front());
  writes_.pop_front();
  land(write);
  const bool early = std::holds_alternative<HardState>(write) ? cluster_.sabotage() == Sabotage::report_hard_state_early
                                                              : cluster_.sabotage() == Sabotage::report_entries_early;
  if (!early) report(write);
}

void SimNode::land(const Write& write) {
  if (const auto* state = std::get_if<HardState>(&write)) {
    disk_.hard_state = *state;
    return;
  }
  const auto& entries = std::get<EntryWrite>(write);
  if (entries.first < disk_.log.first || entries.first > disk_.log.end())
    return;  // of a log that a checkpoint replaced
  disk_.log.replace(entries.first, entries.entries, cluster_.sabotage() == Sabotage::keep_cut_entries);
}

void SimNode::report(const Write& write) {
  if (const auto* state = std::get_if<HardState>(&write)) {
    group_->hard_state_persisted(*state, now());
    return;
  }
  const auto& entries = std::get<EntryWrite>(write);
  group_->entries_persisted(LogIndex(entries.first.value + entries.entries.size() - 1), entries.entries.back().term,
                            now());
}

}  // namespace sluice::broker::sim
