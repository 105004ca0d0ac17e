// One request's questions to the leaders of its partitions, and their answers put together again where the request came
// in. Included by services' sources alone.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "broker/service/gather.h"
#include "broker/service/shard_services.h"

namespace sluice::broker {

/// Calls `ask` for each part on the shard that its partition lives on. `Part` has `topic` and `partition`, `Answer` an
/// `error`. `done` gets the answers in the order of the parts, on this shard, never inside this call. What is missing
/// after `limit` is timed_out.
template <class Part, class Answer>
void ask_leaders(ServiceContext& context, std::vector<Part> parts, Millis limit,
                 void (*ask)(Shard&, const PartitionRoute&, const Part&, UniqueFunction<void(Answer)>),
                 UniqueFunction<void(std::vector<Answer>)> done) {
  if (parts.empty()) return context.defer([done = std::move(done)]() mutable { done({}); });
  const auto call = Gather<Answer>::begin(context.clock, parts.size(), limit, std::move(done));
  for (std::size_t nth = 0; nth < parts.size(); ++nth) {
    auto route = context.route(parts[nth].topic, parts[nth].partition);
    if (!route) {
      Answer answer;
      answer.error = route.error();
      context.defer([call, nth, answer = std::move(answer)]() mutable { call->take(nth, std::move(answer)); });
      continue;
    }
    const ShardId shard = route->shard;
    route->topic = nullptr;  // this shard's alone
    context.post(
        shard, [call, nth, ask, to = *route, part = std::move(parts[nth]), origin = context.id](ShardServices& owner) {
          ask(owner.shard(), to, part, [call, nth, origin, &owner](Answer answer) {
            owner.post(origin, [call, nth, answer = std::move(answer)](ShardServices&) mutable {
              call->take(nth, std::move(answer));
            });
          });
        });
  }
}

}  // namespace sluice::broker
