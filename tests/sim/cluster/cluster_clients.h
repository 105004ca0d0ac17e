// Idempotent producers that have several batches under way, do not hear all answers, and send again, in order, to
// whatever node they believe to lead: what was acknowledged, and what stands, is History's to judge. Some start shortly
// before the sequences wrap. Owner: ClusterWorld. One thread.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/cluster/cluster_history.h"
#include "tests/sim/cluster/cluster_node.h"

namespace sluice::broker::sim {

class ClusterWorld;

class ClusterClients {
 public:
  explicit ClusterClients(ClusterWorld& world);

  void begin();
  /// Connections to it break: what was under way there is of unknown outcome.
  void node_down(NodeId node);
  /// Nothing new; what is unacknowledged is still sent.
  void wind_down() { winding_down_ = true; }
  bool settled() const;
  std::string waits_for() const;
  std::uint64_t retries() const { return retries_; }

 private:
  struct Pending {
    BatchNumber number = 0;
    SharedBytes bytes;

    bool under_way = false;
    bool acknowledged = false;
  };
  struct Producer {
    GroupId group;
    PartitionId partition;
    ProducerId id;
    std::int32_t next_sequence = 0;
    std::deque<Pending> window;
    NodeId target{1};
    /// The broker takes any first sequence of a producer it does not know (Kafka's rule), so until it does there is one
    /// batch under way: were the first of two refused, the second would be taken before it.
    bool known = false;
    bool resend = false;
    std::uint64_t round = 0;  ///< of attempts; answers of former ones count only if they are good news
    SteadyTime give_up{0};
  };

  void step_later(Producer& producer);
  void step(Producer& producer);
  void make_batch(Producer& producer);
  void send(Producer& producer, Pending& pending);
  void answered(Producer& producer, BatchNumber number, std::uint64_t round, const Result<AppendResult>& result);
  void try_elsewhere(Producer& producer);
  void make_partitions_later();

  ClusterWorld& world_;
  std::deque<Producer> producers_;
  std::uint64_t retries_ = 0;
  bool winding_down_ = false;
};

}  // namespace sluice::broker::sim
