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
/// after `limit` is timed_out. One message goes to each shard and one comes back, however many parts there are.
template <class Part, class Answer>
void ask_leaders(ServiceContext& context, std::vector<Part> parts, Millis limit,
                 void (*ask)(ShardServices&, const PartitionRoute&, const Part&, UniqueFunction<void(Answer)>),
                 UniqueFunction<void(std::vector<Answer>)> done) {
  struct Question {
    std::size_t nth;
    PartitionRoute to;
    Part part;
  };
  using Answers = std::vector<std::pair<std::size_t, Answer>>;
  struct Collector {
    Answers answers;
    std::size_t waiting;
    UniqueFunction<void(Answers)> all;
  };
  if (parts.empty()) return context.defer([done = std::move(done)]() mutable { done({}); });
  const auto call = Gather<Answer>::begin(context.clock, parts.size(), limit, std::move(done));
  std::vector<std::vector<Question>> by_shard(context.shard_count);
  Answers refused;
  for (std::size_t nth = 0; nth < parts.size(); ++nth) {
    auto route = context.route(parts[nth].topic, parts[nth].partition);
    if (!route) {
      refused.emplace_back(nth, Answer{}).second.error = route.error();
      continue;
    }
    route->topic = nullptr;  // this shard's alone
    by_shard[route->shard.value].push_back({nth, *route, std::move(parts[nth])});
  }
  const auto take = [call](Answers answers) {
    for (auto& [nth, answer] : answers) call->take(nth, std::move(answer));
  };
  if (!refused.empty()) context.defer([take, refused = std::move(refused)]() mutable { take(std::move(refused)); });
  for (std::uint32_t shard = 0; shard < by_shard.size(); ++shard) {
    if (by_shard[shard].empty()) continue;
    context.post(ShardId(shard), [questions = std::move(by_shard[shard]), ask, take,
                                  origin = context.id](ShardServices& owner) {
      auto collector = std::make_shared<Collector>();
      collector->waiting = questions.size();
      collector->answers.reserve(questions.size());
      collector->all = [take, origin, &owner](Answers answers) {
        owner.post(origin, [take, answers = std::move(answers)](ShardServices&) mutable { take(std::move(answers)); });
      };
      for (const Question& question : questions)
        ask(owner, question.to, question.part, [collector, nth = question.nth](Answer answer) {
          collector->answers.emplace_back(nth, std::move(answer));
          if (--collector->waiting == 0) collector->all(std::move(collector->answers));
        });
    });
  }
}

}  // namespace sluice::broker
