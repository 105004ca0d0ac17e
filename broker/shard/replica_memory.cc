// Replica, memory topics: batches that the leader takes by itself, past its barrier and without an entry in Raft. What
// Raft knows of them is which offsets may have been issued, a block of kOffsetBlock at a time: a leader issues only
// what an entry of its own term reserved (the first block comes with the creation), and begins its life above all that
// was reserved before, so that no offset is issued twice.
#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "broker/shard/replica.h"
#include "protocol/base/check.h"
#include "protocol/base/log.h"

namespace sluice::broker {
namespace {

/// No life begins so high that a batch could pass the end of int64.
constexpr std::int64_t kMostOffset = std::numeric_limits<std::int64_t>::max() / 2;

}  // namespace

// ---- Appends ----

void Replica::append_to_memory(Partition& partition, AppendRequest request) {
  if (ready() && partition.memory->waiting.empty() && take_to_memory(partition, request)) return;
  queued_bytes_ += request.batch.size();
  partition.memory->waiting.push_back(std::move(request));
}

/// Answers the request. False: offsets have to be reserved before.
bool Replica::take_to_memory(Partition& partition, AppendRequest& request) {
  PartitionState& state = partition.state;
  MemoryPartition& memory = *partition.memory;
  const auto answer = [&](Result<AppendResult> result) {
    request.done(std::move(result));
    return true;
  };
  auto verdict = state.check(request.header);
  if (verdict.outcome == PartitionState::Outcome::refused) return answer(fail(std::move(verdict.error)));
  if (verdict.outcome != PartitionState::Outcome::append) {
    CHECK(verdict.outcome == PartitionState::Outcome::duplicate, "nothing is taken in memory before it is applied");
    ++context_.counters.duplicate_batches;
    answer_duplicate(partition, std::move(request), verdict.offset);
    return true;
  }
  const auto epoch = state.leader_epoch(raft_.term());
  if (!epoch) return answer(fail(epoch.error()));
  const Offset base = state.next_offset();
  const Offset next = base.plus(std::int64_t{request.header.last_offset_delta} + 1);
  if (next.value > kMostOffset)
    return answer(fail(Errc::limit_reached, fmt::format("partition {} has no offsets left", state.id().text())));
  if (next > state.reserved_end()) {
    reserve_offsets(partition, next);
    return false;
  }
  const std::int64_t now_ms = next_group_time();
  const std::int64_t append_time_ms = state.settings().log_append_time ? now_ms : -1;
  auto copy = memory.log.append(request.batch, next, std::max(request.header.max_timestamp_ms, append_time_ms), now_ms);
  if (!copy) return answer(fail(copy.error()));
  stamp_batch(*copy, base, *epoch);
  if (append_time_ms >= 0) stamp_append_time(*copy, append_time_ms);
  request.header.base_offset = base;
  request.header.leader_epoch = *epoch;
  const auto applied = state.apply_append(request.header, now_ms);
  CHECK(applied, "what was checked can be applied");
  ++context_.counters.appended_batches;
  context_.counters.appended_records += static_cast<std::uint64_t>(request.header.record_count);
  context_.counters.appended_bytes += request.batch.size();
  if (!std::exchange(memory.ageing, true)) ageing_.push_back(state.id());
  context_.observer.partition_moved(state.id(), false);
  answer(AppendResult{base, append_time_ms, state.start_offset(), true});
  if (state.reserved_end().value - next.value < kOffsetBlock / 2) reserve_offsets(partition, next);
  return true;
}

void Replica::take_waiting(Partition& partition) {
  auto& waiting = partition.memory->waiting;
  while (!waiting.empty() && ready()) {
    const std::size_t bytes = waiting.front().batch.size();
    if (!take_to_memory(partition, waiting.front())) return;
    queued_bytes_ -= bytes;
    waiting.pop_front();
  }
}

void Replica::refuse_waiting(Partition& partition, const Error& why) {
  std::list<AppendRequest> refused = std::exchange(partition.memory->waiting, {});
  for (AppendRequest& request : refused) {
    queued_bytes_ -= request.batch.size();
    request.done(fail(why));
  }
}

// ---- Offsets ----

/// Up to the end of the block behind what is reserved, or behind `needed`.
void Replica::reserve_offsets(Partition& partition, Offset needed) {
  if (std::exchange(partition.memory->reserving, true)) return;
  const PartitionId id = partition.state.id();
  const std::int64_t from = std::max(partition.state.reserved_end(), needed).value;
  const Offset upto((from / kOffsetBlock + 1) * kOffsetBlock);
  submit(ReserveOffsetsCommand{id, upto},
         [this, alive = std::weak_ptr(alive_), id](const Result<std::uint64_t>& reserved) {
           Partition* const there = alive.expired() ? nullptr : find(id);
           if (there == nullptr || !there->memory) return;
           there->memory->reserving = false;
           if (reserved) return take_waiting(*there);
           refuse_waiting(*there, reserved.error());
         });
}

void Replica::delete_records(const PartitionId& id, Offset before, UniqueFunction<void(Result<Offset>)> done) {
  Partition* const partition = find(id);
  if (partition == nullptr || !partition->memory) {
    return submit(AdvanceStartCommand{id, before}, [done = std::move(done)](Result<std::uint64_t> start) mutable {
      if (!start) return done(fail(std::move(start.error())));
      done(Offset(static_cast<std::int64_t>(*start)));
    });
  }
  if (!ready()) return done(fail(Errc::not_leader, fmt::format("group {} is not led here", group_.value)));
  partition->memory->log.advance_start(before);
  if (partition->state.apply_advance_start(before)) context_.observer.partition_moved(id, false);
  done(partition->state.start_offset());
}

// ---- Lives ----

void Replica::begin_memory_life(Partition& partition, bool made_now) {
  partition.state.begin_life(made_now);
  partition.memory->log.restart(partition.state.end_offset());
  take_waiting(partition);
}

void Replica::begin_memory_lives() {
  for (auto& [id, partition] : partitions_)
    if (partition->memory) begin_memory_life(*partition, false);
}

void Replica::end_memory_life(Partition& partition, const Error& why) {
  partition.state.end_life();
  partition.memory->log.restart(partition.state.end_offset());
  partition.memory->reserving = false;
  refuse_waiting(partition, why);
}

void Replica::expire_memory() {
  const std::int64_t now_ms = next_group_time();
  std::erase_if(ageing_, [&](const PartitionId& id) {
    Partition* const partition = find(id);
    if (partition == nullptr || !partition->memory) return true;
    const std::int64_t keep_ms = partition->state.settings().retention_ms;
    if (keep_ms >= 0 && keep_ms < now_ms) partition->memory->log.expire(now_ms - keep_ms);
    partition->memory->ageing = partition->memory->log.size_bytes() > 0;
    return !partition->memory->ageing;
  });
}

}  // namespace sluice::broker
