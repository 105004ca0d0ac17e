#include "broker/service/offset_service.h"

#include "broker/service/shard_services.h"

namespace sluice::broker {

void OffsetService::list(std::vector<ListOffsetsPart> parts,
                         UniqueFunction<void(std::vector<ListOffsetsResult>)> done) {
  struct Call {
    std::vector<ListOffsetsResult> results;
    std::size_t waiting = 0;
    UniqueFunction<void(std::vector<ListOffsetsResult>)> done;
    void take(std::size_t nth, ListOffsetsResult result) {
      results[nth] = std::move(result);
      if (--waiting == 0) done(std::move(results));
    }
  };
  auto call = std::make_shared<Call>();
  call->results.resize(parts.size());
  call->waiting = parts.size();
  call->done = std::move(done);
  if (parts.empty()) context_.defer([call] { call->done({}); });
  for (std::size_t nth = 0; nth < parts.size(); ++nth) {
    auto route = context_.route(parts[nth].topic, parts[nth].partition);
    if (!route) {
      ListOffsetsResult result;
      result.error = route.error();
      context_.defer([call, nth, result = std::move(result)]() mutable { call->take(nth, std::move(result)); });
      continue;
    }
    context_.post(route->shard, [call, nth, group = route->group, id = route->id, part = std::move(parts[nth]),
                                 origin = context_.id](ShardServices& owner) {
      list_local(owner.shard(), group, id, part, [call, nth, origin, &owner](ListOffsetsResult result) {
        owner.post(origin, [call, nth, result = std::move(result)](ShardServices&) mutable {
          call->take(nth, std::move(result));
        });
      });
    });
  }
}

void OffsetService::list_local(Shard& shard, GroupId group, const PartitionId& id, const ListOffsetsPart& part,
                               UniqueFunction<void(ListOffsetsResult)> done) {
  ListOffsetsResult result;
  auto local = local_partition(shard, group, id);
  if (!local && local.error().code == Errc::not_ready) local.error().code = Errc::offset_not_available;
  if (local)
    if (auto epoch = check_leader_epoch(part.current_leader_epoch, local->epoch); !epoch) local = fail(epoch.error());
  if (!local) {
    result.error = local.error();
    return done(std::move(result));
  }
  const PartitionState& state = local->partition->state;
  const Offset end = state.end_offset();
  if (part.query == OffsetQuery::latest) {
    result.offset = end;
    result.leader_epoch = local->epoch;
    return done(std::move(result));
  }
  if (part.query == OffsetQuery::earliest) {
    result.offset = state.start_offset();
    result.leader_epoch = state.epoch_at(result.offset).value_or(LeaderEpoch(-1));
    return done(std::move(result));
  }
  auto found = [result, &shard, group, id,
                done = std::move(done)](Result<std::optional<storage::TimeMatch>> match) mutable {
    if (!match) {
      result.error = match.error();
    } else if (*match) {
      result.offset = (*match)->offset;
      result.timestamp_ms = (*match)->timestamp_ms;
      if (const auto now = local_partition(shard, group, id))  // it may be gone by now
        result.leader_epoch = now->partition->state.epoch_at(result.offset).value_or(LeaderEpoch(-1));
    }
    done(std::move(result));
  };
  if (part.query == OffsetQuery::at_time)
    local->partition->log->find_time(part.timestamp_ms, end, std::move(found));
  else
    local->partition->log->find_max_time(end, std::move(found));
}

}  // namespace sluice::broker
