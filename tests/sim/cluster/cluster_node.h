// One of the nodes: a disk that outlives its lives, and in each of them a real Shard, with journal, Raft groups,
// partitions and checkpoints, in virtual time. Its links to the other nodes are ClusterWorld's.
//
// A life ends with SimStore::crash() or kill(), then its destruction: in that order, so that nothing it had under way
// happens any more. Owner: ClusterWorld. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/shard/shard.h"
#include "tests/sim/clock/sim_clock.h"
#include "tests/sim/cluster/cluster_history.h"
#include "tests/sim/disk/sim_disk.h"

namespace sluice::broker::sim {

using sluice::sim::OwnerId;
using sluice::sim::SimClock;
using sluice::sim::SimDisk;
using sluice::sim::SimScheduler;
using sluice::sim::SimStore;

inline constexpr std::size_t kNodes = 3;
inline constexpr GroupId kGroups[] = {GroupId(1), GroupId(2)};
inline constexpr std::int32_t kPartitionsAGroup = 2;
PartitionId partition_of(GroupId group, std::int32_t nth);

class ClusterWorld;

class ClusterNode final : public ApplyObserver {
 public:
  ClusterNode(ClusterWorld& world, NodeId id, std::uint64_t seed);
  ~ClusterNode() override;

  NodeId id() const { return id_; }
  bool up() const { return life_ != nullptr; }
  /// Counts lives, so that what a former one promised to do is told apart.
  std::uint64_t life_number() const { return life_number_; }
  void boot();
  void die(bool power_lost);
  /// Nothing runs for so long, as when the process is stopped.
  void pause(Nanos time);
  void receive(GroupId group, RaftMessage message);
  void slow_journal(Nanos more) { store_.stall("journal", more); }
  /// Reads on in what is applied, and has it checked.
  void read_on();
  bool has_read_all() const;

  Shard& shard() { return *life_->shard; }
  Replica& replica(GroupId group) { return *life_->shard->replica(group); }
  bool leads(GroupId group) { return up() && replica(group).ready(); }
  const SimStore& store() const { return store_; }
  /// How far it has ever applied a group: its disk has all of that.
  LogIndex ever_applied(GroupId group) const { return ever_applied_[group.value]; }
  std::string describe();

  void partition_moved(const PartitionId&, bool) override {}
  void table_row_changed(const std::string&, const std::string&, const std::optional<std::string>&,
                         std::uint64_t) override {}
  void leadership_changed(GroupId group, const GroupLeadership& leadership) override;

 private:
  struct Reader {
    GroupId group;
    PartitionId partition;
    Offset at{0};
    bool under_way = false;
  };
  struct Life {
    Life(ClusterNode& node, SimScheduler& scheduler, std::uint64_t seed);
    ~Life();
    SimScheduler& scheduler;
    const OwnerId owner;
    SimClock clock;
    SeededRandom random, disk_random;
    SimDisk disk;
    std::unique_ptr<Shard> shard;
    bool turn_due = false;
    SteadyTime paused_until{0};
    std::vector<Reader> readers;
  };
  ShardOptions options() const;
  void wake();

  ClusterWorld& world_;
  const NodeId id_;
  SimStore store_;
  std::uint64_t life_number_ = 0;
  LogIndex ever_applied_[8];  ///< by group
  std::unique_ptr<Life> life_;
};

}  // namespace sluice::broker::sim
