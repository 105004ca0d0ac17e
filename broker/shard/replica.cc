#include "broker/shard/replica.h"

#include <fmt/core.h>

#include <algorithm>

#include "broker/core/table_feed.h"
#include "protocol/base/log.h"

namespace sluice::broker {

Replica::Replica(GroupId group, std::string directory, ReplicaContext& context)
    : group_(group),
      directory_(std::move(directory)),
      context_(context),
      raft_(group, context.self, fmt::format("node-{}", context.self.value), context.raft_options, context.random,
            *this) {
  if (group_ == kControllerGroup) add_table(kClusterTable);
}

void Replica::add_table(std::string_view name) {
  tables_.emplace(std::string(name), TableState(std::string(name)));
  const PartitionId feed = table_feed_partition(name);
  auto log = make_log(feed, table_feed_settings());
  log->create(Offset(0));
  PartitionState state(feed, LeaderEpoch(0), table_feed_settings(), context_.producers);
  partitions_[feed] = std::make_unique<Partition>(std::move(state), std::move(log));
  partitions_[feed]->table_feed = true;
}

Replica::~Replica() = default;

// ---- Start-up ----

Result<void> Replica::load(const Checkpoint& checkpoint) {
  if (checkpoint.group != group_)
    return fail(Errc::corrupt, fmt::format("it is of group {}, not {}", checkpoint.group.value, group_.value));
  if (checkpoint.cluster_id != context_.cluster_id)
    return fail(Errc::corrupt, fmt::format("it is of cluster {}, not {}", checkpoint.cluster_id, context_.cluster_id));
  applied_ = commit_ = checkpoint_index_ = checkpoint.snapshot.last_index;
  applied_term_ = checkpoint.snapshot.last_term;
  group_time_ms_ = checkpoint.group_time_ms;
  recovery_.snapshot = checkpoint.snapshot;
  recovery_.first_index = checkpoint.snapshot.last_index.next();
  recovery_.hard_state = {Term(1), NodeId(0)};  // of the entry that format() stands for; nobody voted in it
  partitions_.reserve(checkpoint.partitions.size());
  for (const CheckpointedPartition& from : checkpoint.partitions) {
    auto state = PartitionState::decode(from.state, context_.producers);
    if (!state) return fail(fmt::format("partition {}", from.id.text()), state.error());
    if (state->id() != from.id || state->end_offset() != from.log.end_offset)
      return fail(Errc::corrupt, fmt::format("partition {}: its state and its log disagree", from.id.text()));
    if (state->in_memory()) {
      partitions_[from.id] = std::make_unique<Partition>(std::move(*state), context_.memory);
      continue;
    }
    auto log = make_log(from.id, state->settings());
    log->open(from.log);
    auto partition = std::make_unique<Partition>(std::move(*state), std::move(log));
    if (const Partition* made = find(from.id)) partition->table_feed = made->table_feed;
    partitions_[from.id] = std::move(partition);
  }
  for (const CheckpointedTable& from : checkpoint.tables) {
    auto table = TableState::decode(from.chunks);
    if (!table) return fail(fmt::format("table {}", from.name), table.error());
    tables_.insert_or_assign(from.name, std::move(*table));
  }
  for (const PartitionId& id : checkpoint.deleting) {
    auto log = make_log(id, TopicSettings{});
    log->create(Offset(0));
    deleting_[id] = std::move(log);
  }
  return {};
}

void Replica::recovered_entry(const storage::JournalEntry& entry, ByteSpan payload) {
  const std::uint64_t nth = entry.index > applied_ ? entry.index.value - applied_.value - 1 : 0;
  if (nth > entries_.size()) {
    if (!recovered_gap_) recovered_gap_ = entry.index;
    return;
  }
  // It replaced what stood at its place and behind it, some of that perhaps behind the checkpoint.
  recovered_gap_.reset();
  entries_.resize(nth);
  recovery_.entries.resize(nth);
  if (entry.index <= applied_) return;
  const auto type = static_cast<EntryType>(entry.type);
  StoredEntry stored{entry.term, type, std::nullopt};
  if (type != EntryType::command) stored.payload = SharedBytes::copy_of(payload);
  recovery_.entries.push_back({entry.term, type, type == EntryType::change ? *stored.payload : SharedBytes{}});
  entries_.push_back(std::move(stored));
}

Result<void> Replica::recovered() const {
  // Behind a gap may stand what a newer leader replaced, whose beginning is gone with its file; never what counts.
  if (!recovered_gap_) return {};
  return fail(Errc::corrupt,
              fmt::format("group {}: the journal goes on at index {}, but the checkpoint and the journal before it end "
                          "at {}: entries between them are missing",
                          group_.value, recovered_gap_->value, applied_.value + entries_.size()));
}

void Replica::recovered_vote(const storage::JournalVote& vote) {
  if (vote.term >= recovery_.hard_state.term) recovery_.hard_state = {vote.term, vote.vote};
}

HardState Replica::start_state() const { return RaftGroup::start_state(context_.self, recovery_); }

Result<void> Replica::start() {
  recovery_.hard_state = start_state();
  recovered_to_ = LogIndex(applied_.value + entries_.size());
  auto started = raft_.start(recovery_, now());
  recovery_ = {};
  if (!started) return fail(fmt::format("group {}", group_.value), started.error());
  announce();
  remove_deleted(deleting());
  return {};
}

// ---- Look-ups ----

Millis Replica::now() const { return std::chrono::duration_cast<Millis>(context_.clock.steady()); }
bool Replica::ready() const { return !stopped_ && raft_.ready(); }

GroupLeadership Replica::leadership() const { return {stopped_ ? NodeId{} : raft_.leader(), raft_.term(), ready()}; }

Partition* Replica::find(const PartitionId& partition) {
  const auto it = partitions_.find(partition);
  return it == partitions_.end() ? nullptr : it->second.get();
}

const TableState* Replica::table(std::string_view name) const {
  const auto it = tables_.find(name);
  return it == tables_.end() ? nullptr : &it->second;
}

std::vector<PartitionId> Replica::deleting() const {
  std::vector<PartitionId> ids;
  for (const auto& [id, log] : deleting_) ids.push_back(id);
  return ids;
}

void Replica::read(const PartitionId& id, Offset offset, std::size_t max_bytes,
                   UniqueFunction<void(Result<ReadResult>)> done) {
  if (!ready()) {
    const bool leads = !stopped_ && raft_.leader() == context_.self;
    return done(fail(leads ? Errc::not_ready : Errc::not_leader,
                     fmt::format("group {} is not led here, or not yet", group_.value)));
  }
  Partition* partition = find(id);
  if (partition == nullptr) return done(fail(Errc::unknown_topic, "there is no partition " + id.text()));
  if (partition->failed)
    return done(fail(Errc::io_error, "partition " + id.text() + " stopped serving after a disk error; see the log"));
  const Offset start = partition->state.start_offset(), end = partition->state.end_offset();
  if (offset < start || offset > end)
    return done(fail(Errc::offset_out_of_range,
                     fmt::format("offset {} is outside of [{}, {}]", offset.value, start.value, end.value)));
  if (offset == end) return done(ReadResult{end, start, {}, 0});
  partition->read(offset, max_bytes, end,
                  [this, alive = std::weak_ptr(alive_), id, start, end,
                   done = std::move(done)](Result<storage::LogRead> read) mutable {
                    if (alive.expired()) return;
                    if (read) return done(ReadResult{end, start, std::move(read->batches), read->bytes});
                    if (read.error().code == Errc::corrupt || read.error().code == Errc::io_error) {
                      log_error("partition {} stops serving: {}", id.text(), read.error().message);
                      if (Partition* failed = find(id)) failed->failed = true;
                    }
                    done(fail(read.error()));
                  });
}

// ---- Roles ----

void Replica::announce() {
  const GroupLeadership is = leadership();
  if (is.leader == announced_.leader && is.term == announced_.term && is.ready == announced_.ready) return;
  if (is.ready && (!announced_.ready || is.term != announced_.term)) begin_memory_lives();
  announced_ = is;
  context_.observer.leadership_changed(group_, is);
}

void Replica::role_changed(RaftRole role, Term, NodeId) {
  if (role != RaftRole::leader)
    leadership_lost({Errc::leadership_lost, "the leader changed before the record was known to be kept; retry"});
  context_.wake();
}

void Replica::leadership_lost(const Error& why) {
  const Error elsewhere{why.code == Errc::leadership_lost ? Errc::not_leader : why.code, why.message};
  for (auto& [id, partition] : partitions_) {
    if (partition->memory)
      end_memory_life(*partition, elsewhere);
    else
      partition->state.discard_speculation();
  }
  std::deque<PendingEntry> lost = std::move(pending_);
  pending_.clear();
  for (PendingEntry& entry : lost) {
    for (PendingAppend& append : entry.appends) answer(append, fail(why));
    if (entry.command_done) entry.command_done(fail(why));
  }
  refuse_queued_appends(elsewhere);
  std::deque<QueuedCommand> commands = std::move(command_queue_);
  command_queue_.clear();
  for (QueuedCommand& command : commands) command.done(fail(elsewhere));
}

void Replica::stop_requests(const Error& why) {
  stopped_ = true;
  leadership_lost(why);
}

void Replica::stop(const Error& why, bool fatal) {
  if (stopped_) return;
  log_error("group {} stops: {}", group_.value, why.message);
  stop_requests({Errc::not_leader, why.message});
  announce();
  context_.failed(group_, why, fatal);
}

void Replica::tick() {
  if (!stopped_ && now() >= raft_.next_timeout()) raft_.tick(now());
}

std::unique_ptr<storage::PartitionLog> Replica::make_log(const PartitionId& id, const TopicSettings& settings) const {
  storage::LogOptions options = context_.log_options;
  options.segment_bytes = settings.segment_bytes;
  options.segment_ms = settings.segment_ms;
  return std::make_unique<storage::PartitionLog>(context_.files, directory_ + "/" + id.text(), options);
}

}  // namespace sluice::broker
