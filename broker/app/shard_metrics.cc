// ShardUnit, what it tells for metrics: shards are asked by messages, and what they answer is put together here.
#include <algorithm>
#include <memory>
#include <utility>

#include "broker/app/shard_unit.h"

namespace sluice::broker {

ShardSnapshot ShardUnit::snapshot() {
  ShardSnapshot now;
  now.id = shard_.id();
  if (loop_stats_) now.loop = loop_stats_();
  now.shard = shard_.report();
  now.services = services_.stats();
  now.kafka = kafka_.stats();
  now.native = native_.stats();
  now.connections = kafka_.session_count();
  now.native_connections = native_.session_count();
  now.request_bytes = kafka_.memory().held().request_bytes;
  now.reply_bytes = kafka_.memory().held().reply_bytes;
  now.fetch_sessions = kafka_.fetch_sessions().session_count();
  return now;
}

void ShardUnit::collect(UniqueFunction<void(NodeSnapshot)> done) {
  struct Call {
    NodeSnapshot node;
    std::uint32_t waiting = 0;
    UniqueFunction<void(NodeSnapshot)> done;
  };
  auto call = std::make_shared<Call>();
  call->waiting = identity_.shards;
  call->done = std::move(done);
  call->node.shards.resize(identity_.shards);
  const ClusterView& view = services_.cluster();
  call->node.partitions = view.partition_count();
  call->node.topics = static_cast<std::size_t>(
      std::ranges::count_if(view.topics(), [](const auto& topic) { return !topic.second.internal; }));
  call->node.producers = producers_->used();
  call->node.max_producers = producers_->max();
  if (auto space = shard_.disk_space()) call->node.disk = *space;
  for (std::uint32_t shard = 0; shard < identity_.shards; ++shard)
    services_.post(ShardId(shard), [call, asker = shard_.id(), unit = units_[shard]](ShardServices& there) {
      // A snapshot is tens of KiB: it is carried by pointer.
      there.post(asker, [call, told = std::make_unique<ShardSnapshot>(unit->snapshot())](ShardServices&) {
        call->node.shards[told->id.value] = std::move(*told);
        if (--call->waiting == 0) call->done(std::move(call->node));
      });
    });
}

std::optional<double> ShardUnit::partition_value(GroupId group, const PartitionId& id, PartitionFigure figure) {
  Replica* const replica = shard_.replica(group);
  const Partition* const partition = replica == nullptr ? nullptr : replica->find(id);
  if (partition == nullptr) return std::nullopt;
  switch (figure) {
    case PartitionFigure::log_end_offset: return static_cast<double>(partition->state.end_offset().value);
    case PartitionFigure::log_start_offset: return static_cast<double>(partition->state.start_offset().value);
    case PartitionFigure::size_bytes: return static_cast<double>(partition->size_bytes());
  }
  return std::nullopt;
}

void ShardUnit::partition_values(const PartitionCursor& from, std::size_t most, PartitionFigure figure,
                                 UniqueFunction<void(PartitionPage)> done) {
  struct Asked {
    std::size_t nth = 0;  ///< of the page
    GroupId group;
    PartitionId id;
    std::optional<double> value;
  };
  struct Call {
    std::vector<PartitionValue> values;
    std::vector<bool> known;
    PartitionCursor next;
    std::uint32_t waiting = 0;
    UniqueFunction<void(PartitionPage)> done;
  };
  auto call = std::make_shared<Call>();
  call->done = std::move(done);
  std::vector<std::vector<Asked>> by_shard(identity_.shards);
  const auto& topics = services_.cluster().topics();
  auto topic = topics.lower_bound(from.topic);
  std::size_t index = topic != topics.end() && topic->first == from.topic ? from.partition : 0;
  for (; topic != topics.end(); ++topic, index = 0) {
    const TopicInfo& info = topic->second;
    if (info.phase != TopicPhase::live) continue;
    for (; index < info.partitions.size() && call->values.size() < most; ++index) {
      const PartitionIndex partition(static_cast<std::int32_t>(index));
      const GroupId group = info.partitions[index].group;
      by_shard[group.value % identity_.shards].push_back({call->values.size(), group, {info.id, partition}, {}});
      call->values.push_back({info.name, partition.value, 0});
    }
    if (index == info.partitions.size()) continue;
    call->next = {info.name, index};
    break;
  }
  call->known.resize(call->values.size());
  call->waiting = identity_.shards;
  for (std::uint32_t shard = 0; shard < identity_.shards; ++shard)
    services_.post(ShardId(shard), [call, items = std::move(by_shard[shard]), asker = shard_.id(), unit = units_[shard],
                                    figure](ShardServices& there) mutable {
      for (Asked& item : items) item.value = unit->partition_value(item.group, item.id, figure);
      there.post(asker, [call, items = std::move(items)](ShardServices&) {
        for (const Asked& item : items) {
          call->known[item.nth] = item.value.has_value();
          call->values[item.nth].value = item.value.value_or(0);
        }
        if (--call->waiting > 0) return;
        PartitionPage page;
        page.next = std::move(call->next);
        for (std::size_t nth = 0; nth < call->values.size(); ++nth)
          if (call->known[nth]) page.values.push_back(std::move(call->values[nth]));
        call->done(std::move(page));
      });
    });
}

}  // namespace sluice::broker
