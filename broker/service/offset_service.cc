#include "broker/service/offset_service.h"

#include "broker/service/partition_call.h"

namespace sluice::broker {
namespace {
constexpr Millis kEpochEndLimit{10'000};  // the request carries none of its own
}

void OffsetService::list(std::vector<ListOffsetsPart> parts, Millis limit,
                         UniqueFunction<void(std::vector<ListOffsetsResult>)> done) {
  ask_leaders<ListOffsetsPart, ListOffsetsResult>(context_, std::move(parts), limit, list_local, std::move(done));
}

void OffsetService::epoch_ends(std::vector<EpochEndPart> parts,
                               UniqueFunction<void(std::vector<EpochEndResult>)> done) {
  ask_leaders<EpochEndPart, EpochEndResult>(context_, std::move(parts), kEpochEndLimit, epoch_end_local,
                                            std::move(done));
}

void OffsetService::epoch_end_local(ShardServices& owner, const PartitionRoute& to, const EpochEndPart& part,
                                    UniqueFunction<void(EpochEndResult)> done) {
  EpochEndResult result;
  auto local = local_partition(owner.shard(), to.group, to.id);
  if (local)
    if (auto epoch = check_leader_epoch(part.current_leader_epoch, local->epoch); !epoch) local = fail(epoch.error());
  if (!local) {
    result.error = local.error();
  } else if (const auto end = local->partition->state.epoch_end(part.asked, local->epoch)) {
    result.epoch = end->epoch;
    result.end_offset = end->end_offset;
  }
  done(std::move(result));
}

void OffsetService::list_local(ShardServices& owner, const PartitionRoute& to, const ListOffsetsPart& part,
                               UniqueFunction<void(ListOffsetsResult)> done) {
  ListOffsetsResult result;
  auto local = local_partition(owner.shard(), to.group, to.id);
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
  owner.offset_service().look_up(
      [result, &owner, to, part, end, done = std::move(done)](UniqueFunction<void()> ended) mutable {
        auto found = [result, &owner, to, done = std::move(done),
                      ended = std::move(ended)](Result<std::optional<storage::TimeMatch>> match) mutable {
          const auto now = local_partition(owner.shard(), to.group, to.id);  // it may be gone by now
          if (!match) {
            result.error = match.error();
          } else if (*match) {
            result.offset = (*match)->offset;
            result.timestamp_ms = (*match)->timestamp_ms;
            if (now) result.leader_epoch = now->partition->state.epoch_at(result.offset).value_or(LeaderEpoch(-1));
          }
          done(std::move(result));
          ended();
        };
        const auto there = local_partition(owner.shard(), to.group, to.id);
        if (!there) return found(fail(there.error()));
        if (part.query == OffsetQuery::at_time)
          there->partition->find_time(part.timestamp_ms, end, std::move(found));
        else
          there->partition->find_max_time(end, std::move(found));
      });
}

void OffsetService::look_up(Lookup lookup) {
  lookups_.push_back(std::move(lookup));
  next_lookup();
}

void OffsetService::next_lookup() {
  if (lookups_.empty() || std::exchange(looking_up_, true)) return;
  Lookup lookup = std::move(lookups_.front());
  lookups_.pop_front();
  lookup([this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    context_.clock.call_after(Nanos(0), [this, alive] {
      if (alive.expired()) return;
      looking_up_ = false;
      next_lookup();
    });
  });
}

}  // namespace sluice::broker
