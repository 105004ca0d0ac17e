// What the services of one shard share: the way to the other shards, the shard's picture of the cluster, the options.
// Owner: ShardServices.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/core/cluster_view.h"
#include "broker/service/broker_api.h"
#include "broker/service/service_stats.h"
#include "broker/shard/mailbox.h"
#include "broker/shard/shard.h"

namespace sluice::broker {

class ShardServices;

struct ServiceOptions {
  NodeId node{1};
  std::string cluster_id;
  bool auto_create_topics = true;
  std::int32_t default_partitions = 1;
  std::int32_t max_partitions = 20'000;  ///< of all topics of the node
  std::vector<GroupId> groups;           ///< of the whole node, for leaderships at start
  std::string data_directory;
  std::vector<NodeSetting> node_settings;  ///< for descriptions
};

/// Where a partition lives.
struct PartitionRoute {
  PartitionId id;
  GroupId group;
  ShardId shard;
  bool internal = false;             ///< the topic is the broker's own
  const TopicInfo* topic = nullptr;  ///< valid until the next turn
};

struct ServiceContext {
  ServiceOptions options;
  ShardId id;
  unsigned shard_count = 1;
  Clock& clock;
  Random& random;
  ClusterView view;
  Shard* shard = nullptr;
  std::vector<ShardServices*> peers;  ///< by shard id; touched only inside messages to that shard
  std::vector<Mailbox*> mailboxes;    ///< from here to each shard, itself included
  bool draining = false;
  ServiceStats stats = {};

  /// Runs `work` on the services of shard `to`, on its thread, never inside this call.
  void post(ShardId to, UniqueFunction<void(ShardServices&)> work) {
    ShardServices* const peer = peers[to.value];
    mailboxes[to.value]->post([peer, work = std::move(work)]() mutable { work(*peer); });
  }
  /// Runs `work` on this shard in a later step.
  void defer(UniqueFunction<void()> work) { mailboxes[id.value]->post(std::move(work)); }

  /// Groups are pinned to shards for the life of the data directory.
  ShardId shard_of(GroupId group) const { return ShardId(group.value % shard_count); }

  /// Errors: unknown_topic, unknown_topic_id, not_ready (being created), shutting_down.
  Result<PartitionRoute> route(const TopicRef& topic, PartitionIndex partition) const;
};

/// Compares the epoch a client believes in with the leader's. Errors: fenced_leader_epoch, unknown_leader_epoch.
Result<void> check_leader_epoch(std::optional<LeaderEpoch> believed, LeaderEpoch current);

/// The replica and partition of a route on its own shard. Errors: not_leader, not_ready, unknown_topic, io_error.
struct LocalPartition {
  Replica* replica = nullptr;
  Partition* partition = nullptr;
  LeaderEpoch epoch;
};
Result<LocalPartition> local_partition(Shard& shard, GroupId group, const PartitionId& id);

}  // namespace sluice::broker
