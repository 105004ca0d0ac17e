// One request's questions to the controller's shard, and their answers put together again where the request came in.
// Included by services' sources alone.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "broker/service/gather.h"
#include "broker/service/shard_services.h"

namespace sluice::broker {

/// Calls `ask` for each request on the controller's services; `done` gets the outcomes in the order of the requests, on
/// this shard, never inside this call. What is missing after `limit` is timed_out.
template <class Request, class Outcome>
void ask_controller(ServiceContext& context, std::vector<Request> requests, Millis limit,
                    void (*ask)(ShardServices&, Request, UniqueFunction<void(Outcome)>),
                    UniqueFunction<void(std::vector<Outcome>)> done) {
  if (requests.empty()) return context.defer([done = std::move(done)]() mutable { done({}); });
  const auto call = Gather<Outcome>::begin(context.clock, requests.size(), limit, std::move(done));
  for (std::size_t nth = 0; nth < requests.size(); ++nth)
    context.post(context.shard_of(kControllerGroup), [request = std::move(requests[nth]), ask, call, nth,
                                                      origin = context.id](ShardServices& controller) mutable {
      ask(controller, std::move(request), [call, nth, origin, &controller](Outcome outcome) {
        controller.post(origin, [call, nth, outcome = std::move(outcome)](ShardServices&) mutable {
          call->take(nth, std::move(outcome));
        });
      });
    });
}

}  // namespace sluice::broker
