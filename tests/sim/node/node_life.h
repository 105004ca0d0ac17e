// One life of a simulated node: the units of all its shards, each with a disk of its own onto one shared store, in virtual
// time. What the process does with threads and sockets is left out; everything below is the real thing.
//
// A life ends with SimStore::crash() or kill(), then its destruction: in that order, so that nothing it had under way happens
// any more. Owner: NodeWorld, which outlives it with scheduler and store. Thread safety: one thread.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "broker/app/shard_unit.h"
#include "tests/sim/clock/sim_clock.h"
#include "tests/sim/disk/sim_disk.h"

namespace sluice::broker::sim {

using sluice::sim::OwnerId;
using sluice::sim::SimClock;
using sluice::sim::SimDisk;
using sluice::sim::SimScheduler;
using sluice::sim::SimStore;

/// One shard's way to one other: seeded delays, in the order of posting.
class SimMailbox final : public Mailbox {
 public:
  SimMailbox(SimScheduler& scheduler, OwnerId owner, Random& random, Nanos most)
      : scheduler_(scheduler), owner_(owner), random_(random), most_(most) {}
  void post(Message message) override {
    const Nanos delay(1 + static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most_.count()))));
    last_ = std::max(last_ + Nanos(1), scheduler_.now() + delay);
    scheduler_.schedule_at(last_, owner_, std::move(message));
  }

 private:
  SimScheduler& scheduler_;
  const OwnerId owner_;
  Random& random_;
  const Nanos most_;
  SteadyTime last_{0};
};

class NodeLife {
 public:
  NodeLife(SimScheduler& scheduler, SimStore& store, const Settings& settings, const NodeIdentity& identity,
           std::uint64_t seed);
  ~NodeLife();

  /// What the process does at its start, blocking; `format`: the directory is new.
  Result<void> start(bool format);
  /// Every group leads, as the process waits for before it listens.
  bool ready() const;
  /// Why the process would have exited; it may still run a little, as threads do.
  const std::optional<Error>& fatal() const { return fatal_; }
  /// Requests first, then storage, as the process does when it is asked to stop.
  void drain();
  bool drained() const { return shards_drained_ == shards_.size(); }

  std::uint32_t shard_count() const { return static_cast<std::uint32_t>(shards_.size()); }
  ShardServices& api(std::uint32_t shard) { return shards_[shard]->unit->services(); }
  Shard& shard(std::uint32_t nth) { return shards_[nth]->unit->shard(); }
  /// The replica of a group, on its own shard.
  Replica& replica(GroupId group) { return *shard(group.value % shard_count()).replica(group); }

 private:
  struct ShardThread {
    ShardThread(SimScheduler& scheduler, OwnerId owner, SimStore& store, std::uint64_t seed)
        : clock(scheduler, owner, {.steady_start = Nanos(std::chrono::seconds(100))}),
          random(seed),
          disk_random(seed + 1),
          disk(store, clock, disk_random) {}
    SimClock clock;
    SeededRandom random, disk_random;
    SimDisk disk;
    std::vector<std::unique_ptr<SimMailbox>> outgoing;
    std::unique_ptr<ShardUnit> unit;
    bool turn_due = false;
  };
  void wake(ShardThread& shard);

  SimScheduler& scheduler_;
  const OwnerId owner_;
  SeededRandom random_;
  std::vector<std::unique_ptr<ShardThread>> shards_;
  std::optional<Error> fatal_;
  std::size_t requests_drained_ = 0, shards_drained_ = 0;
};

}  // namespace sluice::broker::sim
