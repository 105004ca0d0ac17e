// Three nodes whose groups have three voters, on a network that loses, doubles, delays and reorders, with clients that
// retry, and a nemesis that cuts links, stops processes and fails power. All follows from a seed.
//
// What no node does yet, sending a checkpoint to one that is behind, is kept from being needed: a node takes one only
// of what all three have applied.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "protocol/base/random.h"
#include "tests/sim/cluster/cluster_clients.h"
#include "tests/sim/cluster/cluster_history.h"
#include "tests/sim/cluster/cluster_node.h"

namespace sluice::broker::sim {

class ClusterWorld {
 public:
  explicit ClusterWorld(std::uint64_t seed);

  /// The storm, the calm in which all must come right, and a power failure of all. Returns what was violated; empty:
  /// nothing.
  std::string run();
  std::string summary();

  SimScheduler& scheduler() { return scheduler_; }
  Random& random() { return random_; }
  ClusterHistory& history() { return history_; }
  void transmit(GroupId group, RaftMessage message);
  ClusterNode& node(NodeId id) { return *nodes_[static_cast<std::size_t>(id.value - 1)]; }
  bool quiet() const { return quiet_; }
  ClusterNode& any_node() { return *nodes_[random_.below(kNodes)]; }

  struct Counts {
    std::uint64_t messages = 0, power_losses = 0, kills = 0, pauses = 0, cuts = 0, checkpoints = 0, snapshots = 0;
    std::uint64_t files_begun = 0;  ///< of journals
  };
  const Counts& counts() const { return counts_; }

 private:
  bool ok() const { return history_.violation().empty(); }
  bool linked(NodeId a, NodeId b) const {
    return !cut_[static_cast<std::size_t>(a.value - 1)][static_cast<std::size_t>(b.value - 1)];
  }
  Nanos between(std::uint64_t least_us, std::uint64_t most_us);
  void boot(ClusterNode& node);
  void die(ClusterNode& node, bool power_lost, Nanos down);
  /// Whether this is the moment: some runs have no deaths, so that nodes come to lead again in the same life.
  bool death_strikes() { return !calm_ && deaths_one_in_ != 0 && random_.one_in(deaths_one_in_); }
  void trouble_later();
  void trouble();
  void isolate(std::size_t which);
  void checkpoints_later();
  void watch_journals_later();
  void reads_later();
  void heal();
  bool come_right();
  bool run_until_right(Nanos limit);

  const std::uint64_t seed_;
  SeededRandom random_;
  SimScheduler scheduler_;
  ClusterHistory history_;
  std::array<std::unique_ptr<ClusterNode>, kNodes> nodes_;
  ClusterClients clients_;
  std::array<std::array<bool, kNodes>, kNodes> cut_{};
  struct NewestFile {
    std::uint64_t life = 0;
    std::string path;
  };
  std::array<NewestFile, kNodes> newest_file_;  ///< of each node's journal
  unsigned lost_per_mille_ = 0, doubled_per_mille_ = 0;
  /// Little is written, and it is soon covered by checkpoints: then journals have few files, and hold votes in the
  /// main.
  bool quiet_ = false;
  std::uint64_t deaths_one_in_ = 1;  ///< 0: never
  std::uint64_t delay_us_ = 500, trouble_every_us_ = 30'000;
  bool calm_ = false;
  Counts counts_;
};

}  // namespace sluice::broker::sim
