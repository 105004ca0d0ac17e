// Produce: validate each batch at the origin, append it on its group's shard, put the answers together.
// Owner: ShardServices.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "broker/service/service_context.h"

namespace sluice::broker {

class ProduceService {
 public:
  explicit ProduceService(ServiceContext& context) : context_(context) {}

  void produce(ProduceRequest request, UniqueFunction<void(std::vector<ProducePartResult>)> done);
  /// Answers requests whose time is over with timed_out: their outcome is unknown. About once a second.
  void sweep();

 private:
  struct Call {
    std::vector<ProducePartResult> results;
    std::size_t waiting = 0;    ///< parts that have no result
    std::size_t under_way = 0;  ///< parts whose batches their shards still hold
    SteadyTime began{0}, deadline{0};
    /// Kept until nothing is under way, also when it was called at the deadline: what it holds is what the request
    /// takes in memory, and has to be counted for as long as the batches stand in a queue.
    UniqueFunction<void(std::vector<ProducePartResult>)> done;
    bool told = false;  ///< `done` was called
    std::vector<bool> answered;
  };
  struct Item {
    std::size_t nth = 0;  ///< of the request's parts
    GroupId group;
    AppendRequest append;
  };
  struct Answer {
    std::size_t nth = 0;
    Result<AppendResult> result;
  };

  Result<Item> prepare(const ProduceRequest& request, std::size_t nth, ShardId& shard) const;
  static void append_local(ShardServices& owner, std::vector<Item> items,
                           UniqueFunction<void(std::vector<Answer>)> done);
  void take_answers(const std::shared_ptr<Call>& call, std::vector<Answer> answers);
  void tell(Call& call);
  static void settle(Call& call, std::size_t nth, const Result<AppendResult>& result);

  ServiceContext& context_;
  std::deque<std::weak_ptr<Call>> calls_;
};

}  // namespace sluice::broker
