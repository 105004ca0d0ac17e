// Fetch: reads what is there, and waits for more without polling.
//
// A call makes rounds: each round asks every shard involved to read, within the budget; if the sum is below min_bytes
// the call waits until one of its partitions moves (the owning shard keeps a watch for it) or its time is over. Budgets
// apply in request order; the first non-empty part's first batch is always given. Bounds: a watch per waiting call and
// shard, removed when the call ends; what a round read is let go of when the call waits for more, and read again at its
// end. Owner: ShardServices.
#pragma once

#include <tsl/robin_map.h>

#include <memory>
#include <vector>

#include "broker/service/service_context.h"

namespace sluice::broker {

class FetchService {
 public:
  explicit FetchService(ServiceContext& context) : context_(context) {}
  ~FetchService();

  void fetch(FetchRequest request, UniqueFunction<void(std::vector<FetchPartResult>)> done);
  /// Answers every waiting call with what it has.
  void drain();

  /// The owner's side: a partition's data or start moved.
  void partition_moved(const PartitionId& partition);

 private:
  using CallId = std::uint64_t;
  struct Call {
    FetchRequest request;
    std::vector<FetchPartResult> results;
    UniqueFunction<void(std::vector<FetchPartResult>)> done;
    SteadyTime deadline{0}, round_began{0};
    Clock::TimerId timer = 0;
    std::size_t shards_reading = 0;
    std::size_t round_bytes = 0;  ///< what the round may bring
    bool moved = false;           ///< something moved while a round was under way
    std::vector<bool> watched_shards;
  };
  struct Item {
    std::size_t nth = 0;
    GroupId group;
    PartitionId id;
    FetchPart part;
  };
  struct Answer {
    std::size_t nth = 0;
    FetchPartResult result;
  };
  /// On the owning shard: whom to tell when one of some partitions moves. Told once.
  struct Watch {
    ShardId origin;
    CallId call = 0;
    std::vector<PartitionId> partitions;
  };
  struct WatchKey {
    ShardId origin;
    CallId call;
    friend bool operator==(const WatchKey&, const WatchKey&) = default;
  };
  struct WatchKeyHash {
    std::size_t operator()(const WatchKey& key) const noexcept {
      return std::hash<std::uint64_t>{}(key.call * 1024 + key.origin.value);
    }
  };

  void begin_round(CallId id);
  void read_round(CallId id);
  void round_done(CallId id);
  void answer(CallId id);
  void take_answers(CallId id, std::vector<Answer> answers);
  static void trim_to_budget(std::size_t max_bytes, std::vector<FetchPartResult>& results);
  void woken(CallId id);

  // The owner's side.
  static void read_local(ShardServices& owner, ShardId origin, CallId call, std::vector<Item> items,
                         std::size_t max_bytes, bool watch);
  void add_watch(ShardId origin, CallId call, const std::vector<Item>& items);
  void remove_watch(ShardId origin, CallId call);
  struct LocalRound;
  static void read_next(const std::shared_ptr<LocalRound>& round);

  ServiceContext& context_;
  CallId next_call_ = 1;
  tsl::robin_map<CallId, std::shared_ptr<Call>> calls_;
  tsl::robin_map<WatchKey, std::shared_ptr<Watch>, WatchKeyHash> watches_;
  tsl::robin_map<PartitionId, std::vector<std::shared_ptr<Watch>>> watched_;
};

}  // namespace sluice::broker
