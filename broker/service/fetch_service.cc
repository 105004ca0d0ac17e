#include "broker/service/fetch_service.h"

#include <algorithm>

#include "broker/service/shard_services.h"

namespace sluice::broker {

FetchService::~FetchService() {
  for (auto& [id, call] : calls_)
    if (call->timer != 0) context_.clock.cancel(call->timer);
}

void FetchService::fetch(FetchRequest request, UniqueFunction<void(std::vector<FetchPartResult>)> done) {
  const CallId id = next_call_++;
  auto call = std::make_shared<Call>();
  call->request = std::move(request);
  call->done = std::move(done);
  call->deadline = context_.clock.steady() + call->request.max_wait;
  call->watched_shards.resize(context_.shard_count);
  calls_[id] = call;
  begin_round(id);
}

void FetchService::begin_round(CallId id) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  Call& call = *found->second;
  call.moved = false;
  call.results.assign(call.request.parts.size(), {});
  call.round_bytes = call.request.max_bytes;
  if (call.request.budget) {
    const std::size_t allowed = call.request.budget->begin_read([this, id] { begin_round(id); });
    if (allowed == 0) return;
    call.round_bytes = std::min(call.round_bytes, allowed);
  }
  read_round(id);
}

void FetchService::read_round(CallId id) {
  Call& call = *calls_.find(id)->second;
  call.round_began = context_.clock.steady();
  std::vector<std::vector<Item>> by_shard(context_.shard_count);
  bool failed = false;
  for (std::size_t nth = 0; nth < call.request.parts.size(); ++nth) {
    const FetchPart& part = call.request.parts[nth];
    auto route = context_.route(part.topic, part.partition);
    if (route) {
      by_shard[route->shard.value].push_back({nth, route->group, route->id, part});
    } else {
      call.results[nth].error = route.error();
      failed = true;
    }
  }
  const bool watch = !failed && call.request.max_wait.count() > 0 && context_.clock.steady() < call.deadline;
  call.shards_reading = 0;
  for (const auto& items : by_shard) call.shards_reading += items.empty() ? 0 : 1;
  if (call.shards_reading == 0) {
    context_.defer([this, id] { round_done(id); });
    return;
  }
  for (std::uint32_t shard = 0; shard < by_shard.size(); ++shard) {
    if (by_shard[shard].empty()) continue;
    if (watch) call.watched_shards[shard] = true;
    context_.post(ShardId(shard), [items = std::move(by_shard[shard]), origin = context_.id, id,
                                   max_bytes = call.round_bytes, watch](ShardServices& owner) mutable {
      read_local(owner, origin, id, std::move(items), max_bytes, watch);
    });
  }
}

void FetchService::take_answers(CallId id, std::vector<Answer> answers) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  Call& call = *found->second;
  for (Answer& answer : answers) call.results[answer.nth] = std::move(answer.result);
  if (--call.shards_reading == 0) round_done(id);
}

void FetchService::round_done(CallId id) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  Call& call = *found->second;
  std::size_t bytes = 0;
  bool at_once = call.request.parts.empty();
  for (const FetchPartResult& result : call.results) {
    bytes += result.bytes;
    at_once |= result.error.has_value() || result.diverging.has_value();
  }
  if (call.request.budget) call.request.budget->end_read();
  const SteadyTime now = context_.clock.steady();
  context_.stats.fetch_ns.record(static_cast<std::uint64_t>((now - call.round_began).count()));
  // Half of what the round could bring is all there may be: batches are not cut.
  const std::size_t enough = std::min(call.request.min_bytes, std::max<std::size_t>(call.round_bytes / 2, 1));
  if (at_once || bytes >= enough || now >= call.deadline || context_.draining) return answer(id);
  for (FetchPartResult& result : call.results) {
    result.batches.clear();
    result.bytes = 0;
  }
  if (call.moved) return begin_round(id);
  if (call.timer == 0)
    call.timer = context_.clock.call_at(call.deadline, [this, id] {
      const auto waiting = calls_.find(id);
      if (waiting == calls_.end()) return;
      waiting->second->timer = 0;
      if (waiting->second->shards_reading == 0) begin_round(id);  // else: the round that is under way ends it
    });
}

void FetchService::woken(CallId id) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  if (found->second->shards_reading > 0)
    found.value()->moved = true;
  else
    begin_round(id);
}

void FetchService::answer(CallId id) {
  const auto found = calls_.find(id);
  const std::shared_ptr<Call> call = found->second;
  calls_.erase(found);
  if (call->timer != 0) context_.clock.cancel(call->timer);
  for (std::uint32_t shard = 0; shard < context_.shard_count; ++shard) {
    if (!call->watched_shards[shard]) continue;
    if (shard == context_.id.value)
      remove_watch(context_.id, id);
    else
      context_.post(ShardId(shard), [origin = context_.id, id](ShardServices& owner) {
        owner.fetch_service().remove_watch(origin, id);
      });
  }
  trim_to_budget(call->round_bytes, call->results);
  for (const FetchPartResult& result : call->results) context_.stats.fetched_bytes += result.bytes;
  call->done(std::move(call->results));
}

void FetchService::trim_to_budget(std::size_t max_bytes, std::vector<FetchPartResult>& results) {
  std::size_t used = 0;
  for (FetchPartResult& result : results) {
    std::size_t kept = 0, bytes = 0;
    for (; kept < result.batches.size(); ++kept) {
      const std::size_t size = result.batches[kept].size();
      if (used > 0 && used + size > max_bytes) break;
      used += size;
      bytes += size;
    }
    result.batches.resize(kept);
    result.bytes = bytes;
  }
}

void FetchService::drain() {
  std::vector<CallId> waiting;
  for (const auto& [id, call] : calls_)
    if (call->shards_reading == 0) waiting.push_back(id);
  for (CallId id : waiting) answer(id);
}

// ---- The owner's side ----

/// One shard's part of a round: its items are read one behind the other, so that the budget is kept.
struct FetchService::LocalRound {
  ShardServices& owner;
  ShardId origin;
  CallId call;
  std::vector<Item> items;
  std::size_t budget;
  std::vector<Answer> answers;
  std::size_t next = 0;
  bool got_bytes = false;
  bool reading = false;   ///< inside read_next's loop
  bool answered = false;  ///< a read called back inside the loop
};

void FetchService::read_local(ShardServices& owner, ShardId origin, CallId call, std::vector<Item> items,
                              std::size_t max_bytes, bool watch) {
  if (watch) owner.fetch_service().add_watch(origin, call, items);
  auto round = std::make_shared<LocalRound>(LocalRound{owner, origin, call, std::move(items), max_bytes, {}});
  round->answers.reserve(round->items.size());
  read_next(round);
}

void FetchService::read_next(const std::shared_ptr<LocalRound>& round) {
  round->reading = true;
  while (round->next < round->items.size()) {
    const Item& item = round->items[round->next++];
    FetchPartResult result;
    auto local = local_partition(round->owner.shard(), item.group, item.id);
    if (local)
      if (auto epoch = check_leader_epoch(item.part.current_leader_epoch, local->epoch); !epoch)
        local = fail(epoch.error());
    if (!local) {
      result.error = local.error();
      round->answers.push_back({item.nth, std::move(result)});
      continue;
    }
    const PartitionState& state = local->partition->state;
    result.high_watermark = result.last_stable_offset = state.end_offset();
    result.log_start_offset = state.start_offset();
    if (item.part.last_fetched_epoch && item.part.offset >= state.start_offset()) {
      const auto end = state.epoch_end(*item.part.last_fetched_epoch, local->epoch);
      if (!end) {
        // It read from a leader that this one knows nothing of. 'Out of range' would make it lose its place.
        result.error =
            Error{Errc::unknown_leader_epoch, "records of a later leader epoch were read than this leader's"};
        round->answers.push_back({item.nth, std::move(result)});
        continue;
      }
      if (end->epoch < *item.part.last_fetched_epoch || end->end_offset < item.part.offset) {
        result.diverging = DivergingEpoch{end->epoch, end->end_offset};
        round->answers.push_back({item.nth, std::move(result)});
        continue;
      }
    }
    const std::size_t max_bytes = std::min(item.part.max_bytes, round->budget);
    if (item.part.offset == state.end_offset() || (max_bytes == 0 && round->got_bytes)) {
      round->answers.push_back({item.nth, std::move(result)});
      continue;
    }
    round->answered = false;
    local->replica->read(item.id, item.part.offset, max_bytes,
                         [round, nth = item.nth, result = std::move(result)](Result<ReadResult> read) mutable {
                           if (read) {
                             result.high_watermark = result.last_stable_offset = read->high_watermark;
                             result.log_start_offset = read->log_start_offset;
                             result.batches = std::move(read->batches);
                             result.bytes = read->bytes;
                             round->got_bytes |= read->bytes > 0;
                             round->budget -= std::min(round->budget, read->bytes);
                           } else {
                             result.error = read.error();
                           }
                           round->answers.push_back({nth, std::move(result)});
                           round->answered = true;
                           if (!round->reading) read_next(round);
                         });
    if (!round->answered) {
      round->reading = false;  // the callback goes on
      return;
    }
  }
  round->reading = false;
  round->owner.post(round->origin,
                    [call = round->call, answers = std::move(round->answers)](ShardServices& origin) mutable {
                      origin.fetch_service().take_answers(call, std::move(answers));
                    });
}

void FetchService::add_watch(ShardId origin, CallId call, const std::vector<Item>& items) {
  remove_watch(origin, call);
  auto watch = std::make_shared<Watch>();
  watch->origin = origin;
  watch->call = call;
  for (const Item& item : items) {
    watch->partitions.push_back(item.id);
    watched_[item.id].push_back(watch);
  }
  watches_[{origin, call}] = std::move(watch);
}

void FetchService::remove_watch(ShardId origin, CallId call) {
  const auto found = watches_.find({origin, call});
  if (found == watches_.end()) return;
  const std::shared_ptr<Watch> watch = found->second;
  watches_.erase(found);
  for (const PartitionId& partition : watch->partitions) {
    const auto at = watched_.find(partition);
    if (at == watched_.end()) continue;
    std::erase(at.value(), watch);
    if (at->second.empty()) watched_.erase(at);
  }
}

void FetchService::partition_moved(const PartitionId& partition) {
  const auto at = watched_.find(partition);
  if (at == watched_.end()) return;
  const std::vector<std::shared_ptr<Watch>> told = at->second;
  for (const auto& watch : told) {
    remove_watch(watch->origin, watch->call);
    context_.post(watch->origin, [call = watch->call](ShardServices& origin) { origin.fetch_service().woken(call); });
  }
}

}  // namespace sluice::broker
