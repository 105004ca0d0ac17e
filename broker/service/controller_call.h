// One request's questions to the controller's shard, and their answers put together again where the request came in.
// Included by services' sources alone.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "broker/service/shard_services.h"

namespace sluice::broker {

/// Calls `ask` for each request on the controller's services; `done` gets the outcomes in the order of the requests, on
/// this shard, never inside this call.
template <class Request, class Outcome>
void ask_controller(ServiceContext& context, std::vector<Request> requests,
                    void (*ask)(ShardServices&, Request, UniqueFunction<void(Outcome)>),
                    UniqueFunction<void(std::vector<Outcome>)> done) {
  struct Call {
    std::vector<Outcome> outcomes;
    std::size_t waiting = 0;
    UniqueFunction<void(std::vector<Outcome>)> done;
  };
  auto call = std::make_shared<Call>();
  call->outcomes.resize(requests.size());
  call->waiting = requests.size();
  call->done = std::move(done);
  if (requests.empty()) return context.defer([call] { call->done({}); });
  for (std::size_t nth = 0; nth < requests.size(); ++nth)
    context.post(context.shard_of(kControllerGroup), [request = std::move(requests[nth]), ask, call, nth,
                                                      origin = context.id](ShardServices& controller) mutable {
      ask(controller, std::move(request), [call, nth, origin, &controller](Outcome outcome) {
        controller.post(origin, [call, nth, outcome = std::move(outcome)](ShardServices&) mutable {
          call->outcomes[nth] = std::move(outcome);
          if (--call->waiting == 0) call->done(std::move(call->outcomes));
        });
      });
    });
}

}  // namespace sluice::broker
