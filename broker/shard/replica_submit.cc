// Replica, the leader's side: requests become entries in the journal's flush buffer.
#include <fmt/core.h>

#include <algorithm>

#include "broker/shard/replica.h"
#include "protocol/base/log.h"

namespace sluice::broker {

void Replica::append(AppendRequest request) {
  if (stopped_ || raft_.leader() != context_.self || raft_.role() != RaftRole::leader)
    return request.done(fail(Errc::not_leader, fmt::format("group {} is not led here", group_.value)));
  Partition* const partition = find(request.partition);
  if (partition != nullptr && partition->memory) return append_to_memory(*partition, std::move(request));
  if (partition != nullptr && partition->table_feed)
    return request.done(
        fail(Errc::invalid_topic, "a table's topic takes what is written to the table, and nothing else"));
  queued_bytes_ += request.batch.size();
  append_queue_.push_back(std::move(request));
  context_.wake();
}

void Replica::submit(Command command, UniqueFunction<void(Result<std::uint64_t>)> done) {
  if (stopped_ || raft_.role() != RaftRole::leader)
    return done(fail(Errc::not_leader, fmt::format("group {} is not led here", group_.value)));
  command_queue_.push_back({std::move(command), std::move(done)});
  context_.wake();
}

bool Replica::submit_pending(std::size_t append_entries) {
  if (stopped_) return false;
  bool worked = drain_to_journal();
  if (!raft_.ready() || !to_journal_.empty()) return worked;
  while (!command_queue_.empty() && submit_command()) worked = true;
  for (; append_entries > 0 && !append_queue_.empty() && submit_appends(); --append_entries) worked = true;
  return worked;
}

std::int64_t Replica::next_group_time() const {
  return std::max({context_.clock.wall().count(), group_time_ms_, submitted_time_ms_});
}

std::int64_t Replica::expiry_time() const { return std::min(next_group_time(), context_.clock.wall().count()); }

bool Replica::submit_command() {
  if (!to_journal_.empty()) return false;
  const std::int64_t group_time = next_group_time();
  const SharedBytes payload = SharedBytes::take(encode_entry(command_queue_.front().command, group_time));
  if (payload.size() > context_.journal.options().max_entry_bytes) {
    QueuedCommand refused = std::move(command_queue_.front());
    command_queue_.pop_front();
    refused.done(fail(Errc::too_large, fmt::format("a command of {} bytes does not fit an entry", payload.size())));
    return true;
  }
  if (!raft_.can_submit(payload.size())) return false;
  QueuedCommand queued = std::move(command_queue_.front());
  command_queue_.pop_front();
  auto index = raft_.submit(std::span(&payload, 1), now());
  if (!index) {
    queued.done(fail(index.error()));
    return true;
  }
  submitted_time_ms_ = group_time;
  pending_.push_back({*index, raft_.term(), {}, std::move(queued.done)});
  return true;
}

std::size_t Replica::next_entry_size() const {
  std::size_t size = kEntryHeaderSize;
  for (const AppendRequest& request : append_queue_) {
    const std::size_t more = append_command_size(request.batch.size());
    if (size > kEntryHeaderSize && size + more > context_.max_entry_bytes) break;
    size += more;
  }
  return size;
}

bool Replica::submit_appends() {
  const std::size_t size = next_entry_size();
  if (!to_journal_.empty() || !raft_.can_submit(size)) return false;
  auto reserved = context_.journal.reserve(size);
  if (!reserved) {
    if (reserved.error().code == Errc::no_space) {
      refuse_queued_appends(reserved.error());
      return true;
    }
    if (reserved.error().code == Errc::too_large) {
      AppendRequest request = std::move(append_queue_.front());
      append_queue_.pop_front();
      queued_bytes_ -= request.batch.size();
      request.done(fail(reserved.error()));
      return true;
    }
    starved_ = true;
    return false;  // busy: a completion of the journal, or of the spill that the shard starts now, brings the next turn
  }
  const std::int64_t group_time = next_group_time();
  EntryWriter writer(reserved->bytes);
  PendingEntry entry;
  pack(writer, entry, group_time);
  if (writer.count() == 0) return true;  // all were answered; the reservation is forgotten
  const std::size_t used = writer.finish(group_time);
  const SharedBytes payload = context_.journal.shrink(*reserved, used);
  auto index = raft_.submit(std::span(&payload, 1), now());
  if (!index) {
    // It was ready and had room a moment ago: what was speculated on cannot be taken back piece by piece.
    for (PendingAppend& append : entry.appends) answer(append, fail(Errc::leadership_lost, index.error().message));
    stop(index.error(), false);
    return true;
  }
  submitted_time_ms_ = group_time;
  entry.index = *index;
  entry.term = raft_.term();
  pending_.push_back(std::move(entry));
  return true;
}

void Replica::pack(EntryWriter& writer, PendingEntry& entry, std::int64_t group_time) {
  while (!append_queue_.empty() && append_command_size(append_queue_.front().batch.size()) <= writer.room()) {
    AppendRequest request = std::move(append_queue_.front());
    append_queue_.pop_front();
    queued_bytes_ -= request.batch.size();
    take(std::move(request), writer, entry, group_time);
  }
}

void Replica::take(AppendRequest request, EntryWriter& writer, PendingEntry& entry, std::int64_t group_time) {
  Partition* partition = find(request.partition);
  if (partition == nullptr)
    return request.done(fail(Errc::unknown_topic, "there is no partition " + request.partition.text()));
  if (partition->failed)
    return request.done(fail(Errc::io_error, "partition " + request.partition.text() + " stopped after a disk error"));
  PartitionState& state = partition->state;
  auto verdict = state.check(request.header);
  switch (verdict.outcome) {
    case PartitionState::Outcome::refused: return request.done(fail(verdict.error));
    case PartitionState::Outcome::duplicate:
      ++context_.counters.duplicate_batches;
      return answer_duplicate(*partition, std::move(request), verdict.offset);
    case PartitionState::Outcome::duplicate_pending:
      ++context_.counters.duplicate_batches;
      return join(std::move(request), verdict.offset, entry);
    case PartitionState::Outcome::append: break;
  }
  const auto epoch = state.leader_epoch(raft_.term());
  if (!epoch) return request.done(fail(epoch.error()));
  const Offset base = state.next_offset();
  const MutableByteSpan batch = writer.append(request.partition, request.batch);
  stamp_batch(batch, base, *epoch);
  std::int64_t append_time_ms = -1;
  if (state.settings().log_append_time) {
    append_time_ms = group_time;
    stamp_append_time(batch, group_time);
  }
  BatchHeader header = request.header;
  header.base_offset = base;
  header.leader_epoch = *epoch;
  state.submitted(header);
  ++context_.counters.appended_batches;
  context_.counters.appended_records += static_cast<std::uint64_t>(header.record_count);
  context_.counters.appended_bytes += request.batch.size();
  entry.appends.push_back(
      {request.partition, base, append_time_ms, request.reply_when_durable, std::move(request.done), {}});
}

void Replica::answer_duplicate(Partition& partition, AppendRequest request, Offset base) {
  const Offset start = partition.state.start_offset();
  AppendResult result{base, -1, start, partition.memory != nullptr};
  if (!partition.state.settings().log_append_time || base < start) return request.done(result);
  // The producer's state does not remember the time at which the broker took the batch; the batch does.
  partition.read(base, 1, partition.state.end_offset(),
                 [result, done = std::move(request.done)](const Result<storage::LogRead>& read) mutable {
                   if (read && !read->batches.empty()) {
                     const auto header = parse_batch_header(read->batches.front());
                     if (header && header->log_append_time()) result.append_time_ms = header->max_timestamp_ms;
                   }
                   done(result);
                 });
}

void Replica::join(AppendRequest request, Offset offset, PendingEntry& packing) {
  const auto join_in = [&](PendingEntry& entry) {
    for (PendingAppend& append : entry.appends) {
      if (append.base_offset != offset || append.partition != request.partition) continue;
      append.duplicates.push_back(std::move(request.done));
      return true;
    }
    return false;
  };
  if (join_in(packing)) return;
  for (auto entry = pending_.rbegin(); entry != pending_.rend(); ++entry)
    if (join_in(*entry)) return;
  CHECK(false, "a speculative batch belongs to no pending entry");
}

void Replica::answer(PendingAppend& append, const Result<AppendResult>& result) {
  if (append.done) std::exchange(append.done, nullptr)(result);
  for (auto& duplicate : append.duplicates) duplicate(result);
  append.duplicates.clear();
}

void Replica::refuse_queued_appends(const Error& why) {
  std::deque<AppendRequest> refused = std::move(append_queue_);
  append_queue_.clear();
  queued_bytes_ = 0;
  for (AppendRequest& request : refused) request.done(fail(why));
}

// ---- Journal ----

void Replica::persist_hard_state(const HardState& state) {
  to_journal_.push_back({true, {}, {}, state});
  drain_to_journal();
  context_.wake();
}

void Replica::persist_entries(LogIndex first, std::span<const Entry> entries) {
  CHECK(first > applied_ && first.value <= applied_.value + 1 + entries_.size(),
        "entries follow the log without a gap");
  entries_.resize(first.value - applied_.value - 1);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    entries_.push_back({entry.term, entry.type, entry.payload});
    to_journal_.push_back(
        {false, {group_, first.plus(i), entry.term, static_cast<std::uint8_t>(entry.type)}, entry.payload, {}});
  }
  drain_to_journal();
  context_.wake();
}

bool Replica::drain_to_journal() {
  bool worked = false;
  while (!to_journal_.empty()) {
    const ToJournal& next = to_journal_.front();
    if (next.is_vote) {
      auto sequence = context_.journal.append_vote({group_, next.vote.term, next.vote.vote});
      if (!sequence) return worked;
      in_journal_.push_back({*sequence, true, {}, {}, next.vote});
    } else {
      auto appended = context_.journal.append_entry(next.entry, next.payload);
      if (!appended) return worked;
      in_journal_.push_back({appended->sequence, false, next.entry.index, next.entry.term, {}});
      // From now on the flush buffer's slice is the entry, also for the tail cache.
      if (next.entry.index > applied_) {
        const std::uint64_t nth = next.entry.index.value - applied_.value - 1;
        if (nth < entries_.size() && entries_[nth].term == next.entry.term) entries_[nth].payload = appended->payload;
      }
    }
    to_journal_.pop_front();
    worked = true;
  }
  return worked;
}

void Replica::journal_durable(std::uint64_t sequence) {
  std::optional<InJournal> last;
  while (!in_journal_.empty() && in_journal_.front().sequence <= sequence) {
    const InJournal record = in_journal_.front();
    in_journal_.pop_front();
    if (record.is_vote)
      raft_.hard_state_persisted(record.vote, now());
    else
      last = record;
  }
  if (!last) return;
  if (raft_.role() == RaftRole::leader) answer_durable(last->index);
  raft_.entries_persisted(last->index, last->term, now());
}

void Replica::answer_durable(LogIndex upto) {
  for (PendingEntry& entry : pending_) {
    if (entry.index > upto) return;
    for (PendingAppend& append : entry.appends) {
      if (!append.reply_when_durable || !append.done) continue;
      const Partition* partition = find(append.partition);
      const Offset start = partition ? partition->state.start_offset() : Offset(0);
      std::exchange(append.done, nullptr)(AppendResult{append.base_offset, append.append_time_ms, start});
    }
  }
}

}  // namespace sluice::broker
