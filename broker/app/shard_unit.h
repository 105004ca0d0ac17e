// Everything of one shard, wired from its seams: Shard, services, Kafka listener. The process runs one on each thread
// (Node); the simulator runs several of them, of several lives of a node, in virtual time.
// Thread safety: the shard's thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "broker/app/data_directory.h"
#include "broker/app/metrics_snapshot.h"
#include "broker/app/settings.h"
#include "broker/listener/kafka_server.h"
#include "broker/listener/native_server.h"
#include "broker/service/shard_services.h"
#include "broker/shard/shard.h"

namespace sluice::broker {

struct UnitSeams {
  storage::Disk& disk;
  Clock& clock;
  Random& random;
  std::shared_ptr<ProducerBudget> producers;
  UniqueFunction<void()> wake;
  UniqueFunction<void(const Error&)> fatal;
  UniqueFunction<void()> freed = {};
  UniqueFunction<LoopStats()> loop_stats = {};        ///< of the shard's loop, if there is one to tell of
  std::shared_ptr<ConnectionLimit> connections = {};  ///< of the node; these two: none is this shard's own
  std::shared_ptr<UnspilledTotal> unspilled = {};
};

class ShardUnit {
 public:
  ShardUnit(const Settings& settings, const NodeIdentity& identity, ShardId id, UnitSeams seams);

  /// All shards of the node, and this shard's mailbox to each of them. Before recover().
  void connect(const std::vector<ShardUnit*>& all, std::vector<Mailbox*> mailboxes);
  /// For a new data directory; see Shard::format().
  Result<void> format() { return shard_.format(); }
  Result<void> recover();
  bool turn() { return shard_.turn(); }
  bool ready() const { return shard_.ready(); }
  /// Tells the cluster where this node is reached, and in a new cluster that `_cluster` can be read as a topic. On the
  /// controller's shard; `done` when that is committed.
  void announce_node(const NodeInfo& self, UniqueFunction<void(Result<void>)> done);
  /// Calls `done` when every shard has taken what this one has told it until now: rows of the cluster, and who leads.
  void when_all_were_told(UniqueFunction<void()> done);
  /// Finishes requests, then checkpoints. Two steps, so that all shards end their requests before any stops applying.
  void drain_requests(UniqueFunction<void()> done);
  void drain_storage(UniqueFunction<void()> done) { shard_.drain(std::move(done)); }

  /// How all shards stand. Asks them by messages; `done` is called once all have answered, never inside this call.
  void collect(UniqueFunction<void(NodeSnapshot)> done);
  /// One figure of up to `most` partitions of live topics, those of all shards, from `from` on.
  void partition_values(const PartitionCursor& from, std::size_t most, PartitionFigure figure,
                        UniqueFunction<void(PartitionPage)> done);

  KafkaServer& kafka() { return kafka_; }
  NativeServer& native() { return native_; }
  ShardServices& services() { return services_; }
  Shard& shard() { return shard_; }

 private:
  void tell_starved();
  ShardSnapshot snapshot();
  std::optional<double> partition_value(GroupId group, const PartitionId& id, PartitionFigure figure);

  const NodeIdentity identity_;
  const std::shared_ptr<ProducerBudget> producers_;
  UniqueFunction<LoopStats()> loop_stats_;
  std::vector<ShardUnit*> units_;  ///< by shard; others are touched only inside messages to them
  ShardServices services_;
  Shard shard_;
  KafkaServer kafka_;
  NativeServer native_;
};

}  // namespace sluice::broker
