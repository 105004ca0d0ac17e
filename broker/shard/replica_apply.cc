// Replica, every replica's side: committed entries become state, and what is behind: spill, retention, checkpoints.
#include <fmt/core.h>

#include <algorithm>

#include "broker/core/table_feed.h"
#include "broker/shard/replica.h"
#include "protocol/base/log.h"

namespace sluice::broker {
namespace {

constexpr int kLogsSpilledAtOnce = 8;
constexpr std::size_t kLogsUnlinkedAtOnce = 16;
constexpr std::size_t kMostReadAhead = 4U << 20;
/// What changed while a checkpoint was taken and waits for its turn; applying waits for the checkpoint beyond it.
constexpr std::size_t kMostCapturedEarly = 4U << 20;
constexpr Nanos kPauseWhenDiskIsFull = std::chrono::seconds(1);

}  // namespace

void Replica::committed(LogIndex upto) {
  commit_ = std::max(commit_, upto);
  context_.wake();
}

bool Replica::apply_committed() {
  if (raft_.failed()) stop({Errc::internal, "its Raft core met what can't be"}, false);
  const LogIndex before = applied_;
  if (recovering()) read_ahead();
  while (!stopped_ && applied_ < commit_) {
    if (unspilled_bytes_ > context_.max_unspilled_bytes) {
      spill();  // its completion brings the next turn
      break;
    }
    if (capture_ && capture_->early_bytes() > kMostCapturedEarly) break;  // so does the checkpoint's
    CHECK(!entries_.empty(), "a committed entry is in the log");
    if (!entries_.front().payload) break;  // that it was read brings the next turn
    const StoredEntry stored = std::move(entries_.front());
    entries_.pop_front();
    read_bytes_ -= stored.read_bytes;
    applied_ = applied_.next();
    applied_term_ = stored.term;
    if (stored.type != EntryType::command) continue;
    if (auto applied = apply_entry(applied_, *stored.payload); !applied)
      stop({applied.error().code, fmt::format("entry {}: {}", applied_.value, applied.error().message)}, true);
  }
  if (applied_ == before) return false;
  if (recovering()) read_ahead();
  if (!stopped_) raft_.applied(applied_, now());
  announce();
  return true;
}

std::pair<std::uint64_t, std::uint64_t> Replica::next_place() const {
  const auto position = context_.journal.position(group_, applied_.next());
  return position ? std::pair(position->file, position->offset) : std::pair(std::uint64_t{0}, std::uint64_t{0});
}

/// Asks for what committed entries miss, in their order, so that the disk is busy while others are applied.
void Replica::read_ahead() {
  read_to_ = std::max(read_to_, applied_);
  while (!stopped_ && read_to_ < std::min(commit_, recovered_to_) && read_bytes_ < kMostReadAhead) {
    const LogIndex index = read_to_.next();
    StoredEntry& stored = entries_[index.value - applied_.value - 1];
    read_to_ = index;
    if (stored.payload) continue;
    const auto position = context_.journal.position(group_, index);
    if (!position) return stop(position.error(), true);
    stored.read_bytes = position->payload_bytes;
    read_bytes_ += stored.read_bytes;
    context_.journal.read(*position, [this, alive = std::weak_ptr(alive_), index](Result<SharedBytes> payload) {
      if (!alive.expired()) read_back(index, std::move(payload));
    });
    if (read_to_ < index) return;  // there was no memory for it
  }
}

void Replica::read_back(LogIndex index, Result<SharedBytes> payload) {
  StoredEntry& stored = entries_[index.value - applied_.value - 1];  // nobody else gives it what it lacks
  if (payload) {
    stored.payload = std::move(*payload);
  } else if (payload.error().code == Errc::busy) {
    // Said at once. The shard's spill, which begins now, brings the next turn, or a read of another group.
    read_bytes_ -= stored.read_bytes;
    read_to_ = LogIndex(index.value - 1);
    starved_ = true;
    return;
  } else {
    return stop(
        {payload.error().code, fmt::format("entry {} can't be read back: {}", index.value, payload.error().message)},
        true);
  }
  context_.wake();
}

Result<void> Replica::apply_entry(LogIndex index, const SharedBytes& payload) {
  auto reader = EntryReader::open(payload);
  if (!reader) return fail(reader.error());
  group_time_ms_ = std::max(group_time_ms_, reader->group_time_ms());
  std::optional<PendingEntry> pending;
  if (!pending_.empty() && pending_.front().index == index) {
    pending = std::move(pending_.front());
    pending_.pop_front();
  }
  std::size_t nth = 0;
  while (!reader->done()) {
    auto command = reader->next();
    if (!command) return fail(command.error());
    if (const auto* append = std::get_if<AppendCommand>(&*command)) {
      PendingAppend* waiting = pending && nth < pending->appends.size() ? &pending->appends[nth] : nullptr;
      ++nth;
      if (auto applied = apply_append(*append, payload, group_time_ms_, waiting); !applied) return applied;
    } else {
      auto result = apply_command(std::get<Command>(*command), group_time_ms_);
      if (pending && pending->command_done) std::exchange(pending->command_done, nullptr)(std::move(result));
    }
  }
  return {};
}

Result<void> Replica::apply_append(const AppendCommand& append, const SharedBytes& payload, std::int64_t group_time,
                                   PendingAppend* pending) {
  Partition* partition = find(append.partition);
  if (partition == nullptr) {
    // It was deleted by an entry before this one.
    if (pending) answer(*pending, fail(Errc::unknown_topic, "partition " + append.partition.text() + " was deleted"));
    return {};
  }
  auto header = parse_batch_header(append.batch);
  if (!header) return fail(header.error());
  before_change(*partition);
  if (auto applied = partition->state.apply_append(*header, group_time); !applied) return applied;
  partition->log->append(payload.slice(append.batch_offset, append.batch.size()), group_time);
  count_unspilled(*partition);
  context_.observer.partition_moved(append.partition, false);
  if (pending) {
    CHECK(pending->base_offset == header->base_offset, "an append is applied where it was submitted");
    answer(*pending, AppendResult{pending->base_offset, pending->append_time_ms, partition->state.start_offset()});
  }
  return {};
}

Result<std::uint64_t> Replica::apply_command(const Command& command, std::int64_t group_time) {
  if (const auto* create = std::get_if<CreatePartitionCommand>(&command)) return create_partition(*create);
  if (const auto* write = std::get_if<WriteTableCommand>(&command)) return apply_table_write(*write, group_time);
  if (const auto* remove = std::get_if<DeletePartitionCommand>(&command)) {
    delete_partition(remove->partition);
    return 0;
  }
  if (const auto* expire = std::get_if<ExpireProducersCommand>(&command)) {
    for (auto& [id, partition] : partitions_) {
      const auto oldest = partition->state.oldest_producer_ms();
      if (!oldest || *oldest >= expire->idle_since_ms) continue;
      before_change(*partition);
      partition->state.apply_expire_producers(expire->idle_since_ms);
    }
    return 0;
  }
  if (const auto* alter = std::get_if<AlterPartitionCommand>(&command)) {
    Partition* partition = find(alter->partition);
    if (partition == nullptr) return fail(Errc::unknown_topic, "there is no partition " + alter->partition.text());
    before_change(*partition);
    partition->state.apply_settings(alter->settings);
    if (partition->memory)
      partition->set_memory_bound();
    else
      partition->log->set_segment_limits(alter->settings.segment_bytes, alter->settings.segment_ms);
    return 0;
  }
  if (const auto* reserve = std::get_if<ReserveOffsetsCommand>(&command)) {
    Partition* partition = find(reserve->partition);
    if (partition == nullptr) return fail(Errc::unknown_topic, "there is no partition " + reserve->partition.text());
    before_change(*partition);
    partition->state.apply_reserve_offsets(reserve->upto);
    return 0;
  }
  const auto& advance = std::get<AdvanceStartCommand>(command);
  Partition* partition = find(advance.partition);
  if (partition == nullptr) return fail(Errc::unknown_topic, "there is no partition " + advance.partition.text());
  if (!partition->memory) before_change(*partition);
  if (!partition->memory && partition->state.apply_advance_start(advance.start)) {
    partition->log->advance_start(partition->state.start_offset());
    context_.observer.partition_moved(advance.partition, false);
  }
  return static_cast<std::uint64_t>(partition->state.start_offset().value);
}

Result<std::uint64_t> Replica::create_partition(const CreatePartitionCommand& create) {
  if (find(create.partition) != nullptr) return 0;
  if (deleting_.contains(create.partition))
    return fail(Errc::unknown_topic,
                "partition " + create.partition.text() + " is being deleted; ids are never reused");
  PartitionState state(create.partition, create.epoch_base, create.settings, context_.producers);
  if (state.in_memory()) {
    auto& made = partitions_[create.partition] = std::make_unique<Partition>(std::move(state), context_.memory);
    if (capture_) made->captured = capture_->number();
    if (ready()) begin_memory_life(*made, true);
    return 0;
  }
  auto log = make_log(create.partition, create.settings);
  log->create(Offset(0));
  auto partition = std::make_unique<Partition>(std::move(state), std::move(log));
  if (capture_) partition->captured = capture_->number();
  partitions_[create.partition] = std::move(partition);
  return 0;
}

void Replica::delete_partition(const PartitionId& id) {
  const auto it = partitions_.find(id);
  if (it == partitions_.end()) return;
  Partition& partition = *it.value();
  if (capture_) capture_->before_delete(partition);
  if (partition.memory) {
    end_memory_life(partition, {Errc::unknown_topic, "partition " + id.text() + " was deleted"});
  } else {
    unspilled_bytes_ -= partition.unspilled_seen;
    partition.log->drop_tail();
    deleting_[id] = std::move(partition.log);
  }
  partitions_.erase(it);
  context_.observer.partition_moved(id, true);
}

Result<std::uint64_t> Replica::apply_table_write(const WriteTableCommand& write, std::int64_t group_time) {
  const auto it = tables_.find(write.table);
  if (it == tables_.end())
    return fail(Errc::not_found, fmt::format("group {} has no table {}", group_.value, write.table));
  if (capture_) capture_->before_write(write);
  auto revision = it->second.apply(write);
  if (!revision) return revision;
  // A feed that can't be continued means that replicas would part: nothing of this group may be believed any more.
  if (auto fed = append_to_feed(write, *revision, group_time); !fed) {
    stop(fed.error(), true);
    return fail(fed.error());
  }
  for (const TableWrite& row : write.writes)
    context_.observer.table_row_changed(write.table, row.key, row.value, *revision);
  return revision;
}

Result<void> Replica::append_to_feed(const WriteTableCommand& write, std::uint64_t revision, std::int64_t group_time) {
  Partition* const feed = find(table_feed_partition(write.table));
  CHECK(feed != nullptr, "a table has its feed from the start");
  auto epoch = feed->state.leader_epoch(applied_term_);
  if (!epoch) return fail(epoch.error());
  SharedBytes batch = encode_table_feed(write, revision, feed->state.end_offset(), *epoch, group_time);
  auto header = parse_batch_header(batch);
  CHECK(header, "what was just built has a header");
  before_change(*feed);
  if (auto applied = feed->state.apply_append(*header, group_time); !applied) return applied;
  feed->log->append(std::move(batch), group_time);
  count_unspilled(*feed);
  context_.observer.partition_moved(feed->state.id(), false);
  return {};
}

// ---- Spill ----

void Replica::count_unspilled(Partition& partition) {
  const std::size_t unspilled = partition.log->unspilled_bytes();
  unspilled_bytes_ += unspilled - partition.unspilled_seen;
  partition.unspilled_seen = unspilled;
  if (unspilled > 0 && !partition.dirty) {
    partition.dirty = true;
    dirty_.push_back(partition.state.id());
  }
}

void Replica::spill() {
  // Each once at most: a spill that fails inside the call puts its partition back.
  for (std::size_t left = dirty_.size(); left > 0 && spilling_ < kLogsSpilledAtOnce && !dirty_.empty(); --left) {
    if (stopped_ || context_.clock.steady() < spill_again_) return;
    const PartitionId id = dirty_.front();  // so that each has gathered as much as memory allows
    dirty_.pop_front();
    Partition* partition = find(id);
    if (partition == nullptr) continue;
    partition->dirty = false;
    ++spilling_;
    const auto done = [this, alive = std::weak_ptr(alive_), id](const Result<void>& result) {
      if (!alive.expired()) spill_done(id, result);
    };
    recovering() ? partition->log->spill_hurriedly(done) : partition->log->spill(done);
  }
}

void Replica::spill_done(const PartitionId& id, const Result<void>& result) {
  --spilling_;
  Partition* const partition = find(id);
  if (partition != nullptr) count_unspilled(*partition);
  if (!result && partition == nullptr && result.error().code == Errc::not_found) {
    // It was deleted meanwhile, and the checkpoint that says so has begun to remove its files.
  } else if (!result && result.error().code == Errc::no_space)
    spill_again_ = context_.clock.steady() + kPauseWhenDiskIsFull;
  else if (!result)
    return stop(result.error(), true);
  context_.wake();
}

void Replica::drop_tails() {
  for (auto& [id, partition] : partitions_)
    if (partition->log) partition->log->drop_tail();
}

// ---- Retention ----

void Replica::enforce_retention() {
  if (!ready()) return;
  const std::int64_t time = expiry_time();
  std::vector<RetentionSegment> segments;
  for (auto& [id, partition] : partitions_) {
    const TopicSettings& settings = partition->state.settings();
    if (partition->memory || (settings.retention_ms < 0 && settings.retention_bytes < 0)) continue;
    segments.clear();
    for (const auto& segment : partition->log->segments())
      segments.push_back({segment.next, segment.size_bytes, segment.max_timestamp_ms});
    const auto cut = retention_cut(settings, segments, time);
    if (!cut || *cut <= partition->state.start_offset()) continue;
    submit(AdvanceStartCommand{id, *cut}, [where = id, to = *cut](const Result<std::uint64_t>& done) {
      if (done) log_info("partition {}: retention moved its start to {}", where.text(), to.value);
    });
  }
}

void Replica::expire_producers(std::int64_t max_idle_ms) {
  if (!ready()) return;
  const std::int64_t idle_since = expiry_time() - max_idle_ms;
  for (const auto& [id, partition] : partitions_) {
    const auto oldest = partition->state.oldest_producer_ms();
    if (!oldest || *oldest >= idle_since) continue;
    submit(ExpireProducersCommand{idle_since}, [](const Result<std::uint64_t>&) {});
    return;
  }
}

// ---- Checkpoint ----

Capture& Replica::begin_capture() {
  CHECK(!capture_, "one checkpoint of a group at a time");
  CheckpointHeader header;
  header.group = group_;
  header.cluster_id = context_.cluster_id;
  header.snapshot.last_index = applied_;
  header.snapshot.last_term = applied_term_;
  header.snapshot.configuration = raft_.configuration();
  header.snapshot.configuration_index = raft_.configuration_index();
  header.group_time_ms = group_time_ms_;
  if (auto position = context_.journal.position(group_, applied_)) header.journal_position = *position;
  capture_ = std::make_unique<Capture>(++captures_, std::move(header), partitions_, deleting());
  for (const auto& [name, table] : tables_) capture_->add_table(table);
  return *capture_;
}

void Replica::end_capture(bool durable) {
  const std::unique_ptr<Capture> capture = std::move(capture_);
  if (!durable) return;
  checkpoint_index_ = capture->header().snapshot.last_index;
  raft_.snapshot_taken(checkpoint_index_, 0, now());
  context_.journal.release(group_, checkpoint_index_);
  for (const PartitionId& id : capture->with_garbage()) {
    Partition* const partition = find(id);
    if (partition == nullptr) continue;
    partition->log->remove_garbage([](const Result<void>& removed) {
      if (!removed) log_warn("a segment below its log's start was not removed: {}", removed.error().message);
    });
  }
  remove_deleted(capture->deleting());
}

void Replica::remove_deleted(const std::vector<PartitionId>& ids) {
  for (const PartitionId& id : ids)
    if (deleting_.contains(id) && !unlinking_.contains(id)) to_unlink_.insert(id);
  unlink_next();
}

void Replica::unlink_next() {
  if (std::exchange(in_unlink_loop_, true)) return;  // one that ended inside its call
  while (unlinking_.size() < kLogsUnlinkedAtOnce && !to_unlink_.empty()) {
    const PartitionId id = to_unlink_.extract(to_unlink_.begin()).value();
    const auto it = deleting_.find(id);
    if (it == deleting_.end()) continue;
    unlinking_.insert(id);
    it->second->remove_all([this, alive = std::weak_ptr(alive_), id](const Result<void>& removed) {
      if (alive.expired()) return;
      if (!removed) {
        log_warn("the files of deleted partition {} stay: {}", id.text(), removed.error().message);
        return unlinked(id);
      }
      // A checkpoint that does not name it any more may survive a power failure that brings the directory back: nobody
      // would remove it then.
      context_.disk.sync_dir(directory_, [this, alive, id](const Result<void>& synced) {
        if (alive.expired()) return;
        if (synced)
          deleting_.erase(id);
        else
          log_warn("{}: a removal is not durable: {}", directory_, synced.error().message);
        unlinked(id);
      });
    });
  }
  in_unlink_loop_ = false;
}

void Replica::unlinked(const PartitionId& id) {
  unlinking_.erase(id);
  unlink_next();
}

}  // namespace sluice::broker
