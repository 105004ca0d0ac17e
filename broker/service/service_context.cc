#include "broker/service/service_context.h"

#include <fmt/core.h>

namespace sluice::broker {

Result<PartitionRoute> ServiceContext::route(const TopicRef& topic, PartitionIndex partition) const {
  if (draining) return fail(Errc::not_leader, "the node shuts down");
  const TopicInfo* const info = topic.name.empty() ? view.find(topic.id) : view.find(topic.name);
  if (info == nullptr || info->phase == TopicPhase::deleting) {
    if (topic.name.empty()) return fail(Errc::unknown_topic_id, "there is no topic with id " + topic.id.hex());
    return fail(Errc::unknown_topic, fmt::format("there is no topic '{}'", topic.name));
  }
  if (info->phase == TopicPhase::creating)
    return fail(Errc::not_ready, fmt::format("topic '{}' is being created; retry", info->name));
  if (partition.value < 0 || static_cast<std::size_t>(partition.value) >= info->partitions.size())
    return fail(Errc::unknown_topic, fmt::format("topic '{}' has partitions 0 to {}, not {}", info->name,
                                                 info->partitions.size() - 1, partition.value));
  const GroupId group = info->partitions[static_cast<std::size_t>(partition.value)].group;
  return PartitionRoute{{info->id, partition}, group, shard_of(group), info->internal, info};
}

Result<void> check_leader_epoch(std::optional<LeaderEpoch> believed, LeaderEpoch current) {
  if (!believed || *believed == current) return {};
  if (*believed < current)
    return fail(Errc::fenced_leader_epoch,
                fmt::format("leader epoch {} is over, it is {} now; refresh metadata", believed->value, current.value));
  return fail(Errc::unknown_leader_epoch,
              fmt::format("leader epoch {} is not known here, it is {}", believed->value, current.value));
}

Result<LocalPartition> local_partition(Shard& shard, GroupId group, const PartitionId& id) {
  Replica* const replica = shard.replica(group);
  if (replica == nullptr || replica->stopped())
    return fail(Errc::not_leader, fmt::format("group {} is not served here", group.value));
  if (!replica->ready()) return fail(Errc::not_ready, fmt::format("group {} is starting; retry", group.value));
  Partition* const partition = replica->find(id);
  if (partition == nullptr) return fail(Errc::unknown_topic, "there is no partition " + id.text());
  if (partition->failed)
    return fail(Errc::io_error, "partition " + id.text() + " stopped serving after a disk error; see the broker's log");
  auto epoch = partition->state.leader_epoch(replica->leadership().term);
  if (!epoch) return fail(epoch.error());
  return LocalPartition{replica, partition, *epoch};
}

}  // namespace sluice::broker
