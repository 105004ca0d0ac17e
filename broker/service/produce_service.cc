#include "broker/service/produce_service.h"

#include "broker/service/shard_services.h"

namespace sluice::broker {

Result<ProduceService::Item> ProduceService::prepare(const ProduceRequest& request, std::size_t nth,
                                                     ShardId& shard) const {
  const ProducePart& part = request.parts[nth];
  auto route = context_.route(part.topic, part.partition);
  if (!route) return fail(route.error());
  if (route->topic->internal) return fail(Errc::invalid_topic, "internal topics are written by the broker alone");
  const TopicSettings& settings = route->topic->settings;
  BatchLimits limits;
  limits.max_size_bytes = settings.max_message_bytes;
  limits.now_ms = settings.log_append_time ? 0 : context_.clock.wall().count();
  limits.max_ahead_ms = settings.timestamp_after_ms;
  limits.max_behind_ms = settings.timestamp_before_ms;
  auto header = validate_batch(part.batch, limits);
  if (!header) return fail(header.error());
  if (header->transactional()) return fail(Errc::invalid_record, "transactions are not offered");
  shard = route->shard;
  return Item{nth, route->group, {route->id, *header, part.batch, request.acks != Acks::all, {}}};
}

void ProduceService::produce(ProduceRequest request, UniqueFunction<void(std::vector<ProducePartResult>)> done) {
  auto call = std::make_shared<Call>();
  call->results.resize(request.parts.size());
  call->answered.resize(request.parts.size());
  call->waiting = request.parts.size();
  call->began = context_.clock.steady();
  call->deadline = call->began + request.timeout;
  call->done = std::move(done);

  std::vector<std::vector<Item>> by_shard(context_.shard_count);
  std::vector<Answer> refused;
  for (std::size_t nth = 0; nth < request.parts.size(); ++nth) {
    ShardId shard;
    auto item = prepare(request, nth, shard);
    if (item)
      by_shard[shard.value].push_back(std::move(*item));
    else
      refused.push_back({nth, fail(item.error())});
  }
  for (std::uint32_t shard = 0; shard < by_shard.size(); ++shard) {
    if (by_shard[shard].empty()) continue;
    call->under_way += by_shard[shard].size();
    context_.post(ShardId(shard),
                  [items = std::move(by_shard[shard]), call, origin = context_.id](ShardServices& owner) mutable {
                    append_local(owner, std::move(items), [call, origin, &owner](std::vector<Answer> answers) mutable {
                      owner.post(origin, [call, answers = std::move(answers)](ShardServices& asker) mutable {
                        call->under_way -= answers.size();
                        asker.produce_service().take_answers(call, std::move(answers));
                      });
                    });
                  });
  }
  if (!refused.empty() || request.parts.empty())
    context_.defer([this, call, refused = std::move(refused)]() mutable { take_answers(call, std::move(refused)); });
  if (request.acks == Acks::all) calls_.push_back(call);
}

void ProduceService::append_local(ShardServices& owner, std::vector<Item> items,
                                  UniqueFunction<void(std::vector<Answer>)> done) {
  struct Collector {
    std::vector<Answer> answers;
    std::size_t waiting = 0;
    UniqueFunction<void(std::vector<Answer>)> done;
    void take(std::size_t nth, Result<AppendResult> result) {
      answers.push_back({nth, std::move(result)});
      if (--waiting == 0) done(std::move(answers));
    }
  };
  auto collector = std::make_shared<Collector>();
  collector->waiting = items.size();
  collector->answers.reserve(items.size());
  collector->done = std::move(done);
  Shard& shard = owner.shard();
  const auto on_disk = [](Replica& replica, const PartitionId& id) {
    const Partition* const partition = replica.find(id);
    return partition == nullptr || partition->log;
  };
  for (Item& item : items) {
    Replica* const replica = shard.replica(item.group);
    if (replica == nullptr) {
      collector->take(item.nth, fail(Errc::not_leader, "the group is not served here"));
    } else if (shard.disk_full() && on_disk(*replica, item.append.partition)) {
      collector->take(item.nth,
                      fail(Errc::no_space, "the broker's disk is full; producing goes on once there is room"));
    } else {
      item.append.done = [collector, nth = item.nth](Result<AppendResult> result) {
        collector->take(nth, std::move(result));
      };
      replica->append(std::move(item.append));
    }
  }
}

void ProduceService::settle(Call& call, std::size_t nth, const Result<AppendResult>& result) {
  if (call.answered[nth]) return;
  call.answered[nth] = true;
  ProducePartResult& to = call.results[nth];
  if (result) {
    to.base_offset = result->base_offset;
    to.append_time_ms = result->append_time_ms;
    to.log_start_offset = result->log_start_offset;
    to.memory = result->memory;
  } else {
    to.error = result.error();
  }
  --call.waiting;
}

void ProduceService::take_answers(const std::shared_ptr<Call>& call, std::vector<Answer> answers) {
  for (Answer& answer : answers) settle(*call, answer.nth, answer.result);
  if (call->waiting == 0 && !call->told) tell(*call);
  if (call->told && call->under_way == 0) call->done = nullptr;
}

void ProduceService::tell(Call& call) {
  context_.stats.produce_ns.record(static_cast<std::uint64_t>((context_.clock.steady() - call.began).count()));
  call.told = true;
  call.done(std::move(call.results));
}

void ProduceService::sweep() {
  const SteadyTime now = context_.clock.steady();
  // Calls of one timeout stand in order of their deadline; a longer one at the front only delays those behind it to the
  // next sweep after it is answered.
  while (!calls_.empty()) {
    auto call = calls_.front().lock();
    if (call && !call->told && call->deadline > now) return;
    calls_.pop_front();
    if (!call || call->told) continue;
    for (std::size_t nth = 0; nth < call->results.size(); ++nth)
      settle(*call, nth, fail(Errc::timed_out, "the records were not known to be kept in time; retry"));
    tell(*call);
  }
}

}  // namespace sluice::broker
