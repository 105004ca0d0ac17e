#include "broker/shard/shard.h"

#include <fmt/core.h>

#include <algorithm>

#include "protocol/base/log.h"

namespace sluice::broker {
namespace {

constexpr Nanos kPressureEvery = std::chrono::milliseconds(20);
/// Quiet time after which the journal's last flush is marked as durable: more than a client takes to send the next
/// record.
constexpr Nanos kIdleMarkAfter = std::chrono::milliseconds(10);
constexpr Nanos kHousekeepingEvery = std::chrono::seconds(1);
constexpr Nanos kLongestJournalWrite = std::chrono::seconds(30);
constexpr Nanos kClocksMayPart = std::chrono::minutes(10);

}  // namespace

Shard::Shard(ShardOptions options, ShardSeams seams)
    : options_(std::move(options)),
      seams_(std::move(seams)),
      journal_(std::make_unique<storage::Journal>(seams_.disk, seams_.random, options_.journal, *this, &seams_.clock)),
      context_{.self = options_.node,
               .cluster_id = options_.cluster_id,
               .disk = seams_.disk,
               .journal = *journal_,
               .clock = seams_.clock,
               .random = seams_.random,
               .observer = seams_.observer,
               .files = storage::make_file_pool(seams_.disk, options_.max_open_files, options_.max_tail_bytes),
               .memory = std::make_shared<storage::MemoryPool>(options_.max_memory_topic_bytes),
               .producers = seams_.producers,
               .log_options = options_.log,
               .raft_options = options_.raft,
               .max_entry_bytes = std::min<std::size_t>(options_.journal.flush_bytes - storage::kDiskBlock,
                                                        options_.journal.max_entry_bytes),
               .max_unspilled_bytes = options_.max_unspilled_bytes,
               .failed = {},
               .wake = {},
               .send = std::move(seams_.send),
               .counters = {}},
      space_(seams_.disk, fmt::format("{}/shard-{}", options_.data_directory, options_.id.value),
             options_.min_free_bytes, options_.reserve_bytes, std::move(seams_.unspilled)) {
  context_.wake = [this] { seams_.wake(); };
  context_.failed = [this](GroupId group, const Error& error, bool is_fatal) {
    if (is_fatal) fatal({error.code, fmt::format("group {}: {}", group.value, error.message)});
  };
  for (GroupId group : options_.groups)
    replicas_.push_back(std::make_unique<Replica>(group, group_directory(group), context_));
  quiet_.resize(replicas_.size());
}

Shard::~Shard() {
  if (tick_timer_ != 0) seams_.clock.cancel(tick_timer_);
  if (pace_timer_ != 0) seams_.clock.cancel(pace_timer_);
}

std::string Shard::group_directory(GroupId group) const {
  return fmt::format("{}/group-{}", options_.data_directory, group.value);
}

Replica* Shard::replica(GroupId group) {
  for (auto& replica : replicas_)
    if (replica->group() == group) return replica.get();
  return nullptr;
}

bool Shard::ready() const {
  return std::ranges::all_of(replicas_, [](const auto& replica) { return replica->ready(); });
}

std::size_t Shard::memory_bytes() const {
  std::size_t bytes = context_.memory->allocated_bytes();
  for (const auto& replica : replicas_) bytes += replica->queued_bytes() + replica->unspilled_bytes();
  return bytes;
}

ShardReport Shard::report() const {
  ShardReport report;
  report.counters = context_.counters;
  report.journal = journal_->stats();
  const storage::Journal::Usage usage = journal_->usage();
  report.journal_used_bytes = usage.used_bytes;
  report.journal_capacity_bytes = usage.capacity_bytes;
  report.journal_memory_bytes = journal_->memory_bytes();
  report.logs = storage::log_stats(*context_.files);
  report.memory_topic_bytes = context_.memory->allocated_bytes();
  report.groups = replicas_.size();
  for (const auto& replica : replicas_) {
    report.groups_led += replica->ready() ? 1 : 0;
    report.partitions += replica->partitions().size();
    report.queued_bytes += replica->queued_bytes();
    report.unspilled_bytes += replica->unspilled_bytes();
  }
  report.disk_full = space_.full();
  return report;
}

void Shard::receive(GroupId group, RaftMessage message) {
  Replica* const replica = dead_ ? nullptr : this->replica(group);
  if (replica != nullptr) replica->receive(std::move(message));
}

void Shard::fatal(const Error& error) {
  if (std::exchange(dead_, true)) return;
  for (auto& replica : replicas_) replica->stop_requests({Errc::not_leader, "the node stops: " + error.message});
  seams_.fatal(error);
}

// ---- The turn ----

bool Shard::turn() {
  if (dead_) return false;
  finished_checkpointer_.reset();
  bool worked = seams_.disk.poll() > 0;
  worked |= tick_due();
  if (durable_ && !dead_) {
    const std::uint64_t sequence = *std::exchange(durable_, std::nullopt);
    for (auto& replica : replicas_) replica->journal_durable(sequence);
    worked = true;
  }
  worked |= submit_pending();
  if (!dead_) journal_->flush();
  worked |= apply_committed();
  if (!dead_) relieve_pressure();
  if (!dead_ && checkpointer_) worked |= checkpointer_->step();
  if (!dead_ && !checkpointer_ && quiet_due_) worked |= quiet_due_ = checkpoint_quiet();
  if (!dead_) arm_tick_timer();
  if (draining_ && !dead_) continue_drain();
  return worked;
}

bool Shard::apply_committed() {
  bool worked = false;
  std::vector<Replica*> recovering;
  for (auto& replica : replicas_) {
    if (replica->recovering())
      recovering.push_back(replica.get());
    else if (!dead_)
      worked |= replica->apply_committed();
  }
  // Groups share flushes: who is behind reads first, so that each flush is read about once.
  if (recovering.size() > 1) std::ranges::sort(recovering, {}, &Replica::next_place);
  for (Replica* replica : recovering)
    if (!dead_) worked |= replica->apply_committed();
  return worked;
}

/// Groups take turns, an entry each, and only as long as the journal can begin to write what they bring: so one that
/// has much to write costs the others about a flush, and not all that it has.
bool Shard::submit_pending() {
  bool worked = false;
  std::size_t rounds = appends_allowed();
  for (bool again = true; again && !dead_;) {
    // On a full disk they are let through, to be refused.
    const bool append = rounds > 0 && (journal_->flushes_waiting() == 0 || journal_->write_refused());
    again = false;
    for (std::size_t i = 0; i < replicas_.size() && !dead_; ++i)
      again |= replicas_[(first_in_turn_ + i) % replicas_.size()]->submit_pending(append ? 1 : 0);
    worked |= again;
    if (append) --rounds;
    again &= append;
  }
  if (!replicas_.empty()) first_in_turn_ = (first_in_turn_ + 1) % replicas_.size();
  return worked;
}

/// Entries of appends that each group may make in this turn.
std::size_t Shard::appends_allowed() {
  if (draining_) return 0;
  const SteadyTime now = seams_.clock.steady();
  const std::size_t entries = pace_.entries(journal_->append_room(), journal_->options().capacity_bytes, now);
  if (entries == AppendPace::kAll) return entries;
  const bool waiting = std::ranges::any_of(replicas_, [](const auto& replica) { return replica->queued_bytes() > 0; });
  if (!waiting) return entries;
  if (entries > 0) pace_.appended(now);
  if (const auto again = pace_.again_at(); again && pace_timer_ == 0)
    pace_timer_ = seams_.clock.call_at(*again, [this] {
      pace_timer_ = 0;
      seams_.wake();
    });
  return entries;
}

void Shard::journal_durable(std::uint64_t sequence) {
  durable_ = sequence;
  durable_at_ = seams_.clock.steady();
  arm_idle_mark();
  seams_.wake();
}

/// One timer at a time, however much becomes durable meanwhile.
void Shard::arm_idle_mark() {
  if (std::exchange(idle_mark_armed_, true)) return;
  seams_.clock.call_at(durable_at_ + kIdleMarkAfter, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired() || dead_) return;
    idle_mark_armed_ = false;
    if (!journal_->clean()) return;  // what is under way arms it again
    if (seams_.clock.steady() < durable_at_ + kIdleMarkAfter) return arm_idle_mark();
    journal_->mark_idle();
    seams_.wake();
  });
}

void Shard::journal_failed(const Error& error) { fatal(error); }

bool Shard::tick_due() {
  bool worked = false;
  const auto now = std::chrono::duration_cast<Millis>(seams_.clock.steady());
  for (auto& replica : replicas_) {
    if (replica->stopped() || replica->next_timeout() > now) continue;
    replica->tick();
    worked = true;
  }
  return worked;
}

void Shard::arm_tick_timer() {
  SteadyTime next = SteadyTime::max();
  for (const auto& replica : replicas_)
    if (!replica->stopped()) next = std::min<SteadyTime>(next, replica->next_timeout());
  if (next == SteadyTime::max() || (tick_timer_ != 0 && next >= tick_at_)) return;
  if (tick_timer_ != 0) seams_.clock.cancel(tick_timer_);
  tick_at_ = next;
  tick_timer_ = seams_.clock.call_at(next, [this] {
    tick_timer_ = 0;
    seams_.wake();
  });
}

// ---- Behind the path: spill and checkpoints ----

void Shard::relieve_pressure() {
  std::size_t unspilled = 0;
  bool recovering = false;
  bool starved =
      false;  // requests wait for the journal: logs' memory keeps its flush buffers, or its capacity is in use
  for (const auto& replica : replicas_) {
    unspilled += replica->unspilled_bytes();
    starved |= replica->take_starved();
    recovering |= replica->recovering();
  }
  // A start goes on with little memory: all of it is new to the process, and dear.
  if (unspilled > (recovering ? options_.spill_bytes / 2 : options_.spill_bytes) || starved)
    for (auto& replica : replicas_)
      if (replica->unspilled_bytes() > 0) replica->spill();
  if (starved && storage::log_stats(*context_.files).tail_bytes > 0) {
    storage::drop_tails(*context_.files);
    seams_.wake();
  }

  const SteadyTime now = seams_.clock.steady();
  if (starved && seams_.starved && now - starved_told_ >= kPressureEvery) {
    starved_told_ = now;
    seams_.starved();
  }
  if (now - space_checked_ >= kPressureEvery) {  // a fast producer fills in a second what is to be kept free
    space_checked_ = now;
    if (journal_->write_refused()) space_.write_refused();
    space_.check(unspilled);
    journal_->retry_refused();  // at most as often as this, and at least with each housekeeping
  }
  // While the journal is nearly full one checkpoint follows the other: when appends wait, nothing else may bring a
  // turn.
  const bool nearly_full = journal_->append_room() * 4 <= journal_->options().capacity_bytes;
  if (checkpointer_ || now < pressure_checked_ || (!nearly_full && now - pressure_checked_ < kPressureEvery)) return;
  pressure_checked_ = now;
  const auto usage = journal_->usage();
  if (usage.used_bytes * 2 >= usage.capacity_bytes)
    for (GroupId group : usage.oldest_pinned_by)
      if (checkpoint(group)) return;
  for (auto& replica : replicas_)
    if (replica->entries_since_checkpoint() >= options_.checkpoint_entries && checkpoint(replica->group())) return;
}

bool Shard::checkpoint(GroupId group) {
  Replica* const replica = this->replica(group);
  if (checkpointer_ || dead_ || replica == nullptr || replica->stopped() || replica->entries_since_checkpoint() == 0)
    return false;
  checkpointer_ = std::make_unique<Checkpointer>(*replica, context_, options_.checkpoint_logs_at_once,
                                                 [this](Result<void> result) { checkpoint_done(std::move(result)); });
  seams_.wake();
  return true;
}

void Shard::checkpoint_done(Result<void> result) {
  finished_checkpointer_ = std::move(checkpointer_);
  if (result) ++context_.counters.checkpoints;
  if (!result && result.error().code == Errc::no_space) {
    ++context_.counters.checkpoints_without_space;
    space_.write_refused();
    log_error("group {} could not be checkpointed, the disk is full: {}", finished_checkpointer_->group().value,
              result.error().message);
    // Not again at once: housekeeping tries when there is room.
    pressure_checked_ = seams_.clock.steady() + kHousekeepingEvery;
  } else if (!result) {
    fatal(result.error());
  }
  seams_.wake();
}

// ---- Housekeeping, once a second ----

void Shard::arm_housekeeping() {
  seams_.clock.call_after(kHousekeepingEvery, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired() || dead_) return;
    housekeep();
    arm_housekeeping();
  });
}

void Shard::housekeep() {
  const SteadyTime now = seams_.clock.steady();
  bool all_quiet = true;
  for (std::size_t i = 0; i < replicas_.size(); ++i) {
    Replica& replica = *replicas_[i];
    if (quiet_[i].applied != replica.applied_index()) quiet_[i] = {replica.applied_index(), now};
    all_quiet &= now - quiet_[i].since >= options_.idle_checkpoint && replica.entries_since_checkpoint() == 0;
  }
  // What memory topics take is in no log of Raft.
  all_quiet &= std::exchange(appends_seen_, context_.counters.appended_batches) == context_.counters.appended_batches;
  quiet_due_ = true;
  if (all_quiet && !checkpointer_ && !std::exchange(memory_freed_, true)) free_memory();
  if (memory_freed_) {  // what was still in use then
    journal_->trim_memory();
    storage::let_go(*context_.files);
    context_.memory->trim();
  }
  memory_freed_ &= all_quiet;
  check_journal_write(now);
  const bool clocks_agree = this->clocks_agree();
  if (clocks_agree)
    for (auto& replica : replicas_) replica->expire_memory();
  if (now >= retention_due_) {
    retention_due_ = now + options_.retention_check;
    if (clocks_agree)
      for (auto& replica : replicas_) {
        replica->enforce_retention();
        replica->expire_producers(options_.producer_expiry_ms);
      }
  }
  seams_.wake();
}

/// Starts a checkpoint of a group that has been quiet for long and has something new; false: there is none.
bool Shard::checkpoint_quiet() {
  const SteadyTime now = seams_.clock.steady();
  for (std::size_t i = 0; i < replicas_.size(); ++i)
    if (now - quiet_[i].since >= options_.idle_checkpoint && quiet_[i].applied == replicas_[i]->applied_index() &&
        checkpoint(replicas_[i]->group()))
      return true;
  return false;
}

/// A disk that does not answer is as good as gone: nothing is acknowledged meanwhile, and nobody else can take over
/// while this process lives. Counted is the time in which the loop was there to look: a process that was stopped is not
/// ended.
void Shard::check_journal_write(SteadyTime now) {
  const std::uint64_t oldest = journal_->oldest_write();
  const Nanos passed = std::min<Nanos>(now - std::exchange(write_checked_, now), 2 * kHousekeepingEvery);
  slow_write_for_ = oldest != 0 && oldest == slow_write_ ? slow_write_for_ + passed : Nanos(0);
  slow_write_ = oldest;
  if (slow_write_for_ < kLongestJournalWrite) return;
  fatal({Errc::io_error,
         fmt::format("{}: a write has not ended for {} s: the disk does not answer", journal_->options().directory,
                     std::chrono::duration_cast<std::chrono::seconds>(slow_write_for_).count())});
}

/// An idle shard keeps nothing that it could read again: tails first, since they hold flush buffers.
void Shard::free_memory() {
  for (auto& replica : replicas_) replica->drop_tails();
  journal_->trim_memory();
  storage::let_go(*context_.files);
  context_.memory->trim();
  if (seams_.freed) seams_.freed();
}

bool Shard::clocks_agree() {
  const Nanos apart = Nanos(seams_.clock.wall()) - seams_.clock.steady() - wall_minus_steady_;
  if (apart < kClocksMayPart && apart > -kClocksMayPart) {
    clock_warned_ = false;
    return true;
  }
  if (!std::exchange(clock_warned_, true))
    log_warn(
        "the wall clock moved by {} s against the steady one: retention pauses until they agree again or a restart",
        std::chrono::duration_cast<std::chrono::seconds>(apart).count());
  return false;
}

// ---- Drain ----

void Shard::drain(UniqueFunction<void()> done) {
  draining_ = true;
  drained_ = std::move(done);
  seams_.wake();
}

void Shard::continue_drain() {
  if (checkpointer_ || !drained_) return;
  // What the disk has no room for was acknowledged to nobody: it is given up.
  if (!journal_->clean() && !journal_->write_refused()) return;
  for (auto& replica : replicas_)
    if (replica->entries_since_checkpoint() > 0 && !space_.full() && checkpoint(replica->group())) return;
  for (auto& replica : replicas_)
    if (replica->spilling()) return;
  for (auto& replica : replicas_) replica->stop_requests({Errc::not_leader, "the node shuts down"});
  dead_ = true;
  std::exchange(drained_, nullptr)();
}

}  // namespace sluice::broker
