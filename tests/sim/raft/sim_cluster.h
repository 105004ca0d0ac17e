// A group of up to five nodes on a network that loses, doubles, delays and reorders, with a nemesis that cuts links,
// crashes nodes, hands over leadership, takes checkpoints and changes the membership. All follows from a seed.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "protocol/base/random.h"
#include "tests/sim/raft/checker.h"
#include "tests/sim/raft/event_queue.h"
#include "tests/sim/raft/sim_node.h"

namespace sluice::broker::sim {

/// How hard a run is; `of()` draws it from the seed.
struct Weather {
  unsigned lost_per_mille = 0, doubled_per_mille = 0, straggling_per_mille = 0;
  Micros network_delay = 500, disk_delay = 500;
  bool crashes = true, partitions = true, checkpoints = true, transfers = true, membership = false;
  static Weather of(Random& random);
};

class SimCluster {
 public:
  SimCluster(std::uint64_t seed, Sabotage sabotage);

  /// The storm, and the calm in which all must come right. Returns what was violated; empty: nothing.
  std::string run();
  /// What happened, and where every node stands.
  std::string summary() const;

  EventQueue& queue() { return queue_; }
  Random& random() { return random_; }
  Checker& checker() { return checker_; }
  const Weather& weather() const { return weather_; }
  Sabotage sabotage() const { return sabotage_; }
  void transmit(RaftMessage message);
  /// `id` has just promised something: now and then it is made to crash over it, and comes back soon.
  void tempt(NodeId id);
  SimNode& node(NodeId id) { return *nodes_[static_cast<std::size_t>(id.value - 1)]; }
  /// Nodes that are up and that `id` reaches.
  std::vector<SimNode*> reachable(NodeId id);

 private:
  static constexpr int kNodes = 5, kVoters = 3;
  bool linked(NodeId a, NodeId b) const {
    return !cut_[static_cast<std::size_t>(a.value - 1)][static_cast<std::size_t>(b.value - 1)];
  }
  void schedule_client();
  void schedule_nemesis();
  void trouble();
  void cut_links();
  void change_membership(SimNode& leader);
  SimNode* any_leader();
  void heal();
  bool recovered();

  const std::uint64_t seed_;
  const Sabotage sabotage_;
  SeededRandom random_;
  Weather weather_;
  EventQueue queue_;
  Checker checker_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::array<std::array<bool, kNodes>, kNodes> cut_{};
  bool calm_ = false;
  std::uint64_t next_value_ = 1;
  std::uint64_t messages_ = 0, crashes_ = 0, changes_ = 0;
};

}  // namespace sluice::broker::sim
