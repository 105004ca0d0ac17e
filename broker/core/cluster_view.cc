// Keeping the picture of the cluster, and choosing groups for new partitions. The rows' values are in cluster_rows.cc.
#include "broker/core/cluster_view.h"

#include <fmt/core.h>

#include <charconv>
#include <limits>
#include <queue>
#include <utility>

#include "protocol/base/check.h"

namespace sluice::broker {
namespace {

constexpr std::string_view kTopicPrefix = "topic/";
constexpr std::string_view kNodePrefix = "node/";

/// The id in `node/ID`, written as node_row_key() writes it.
std::optional<NodeId> node_of_key(std::string_view key) {
  const std::string_view digits = key.substr(kNodePrefix.size());
  std::int32_t id = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  if (error != std::errc{} || id < 1 || node_row_key(NodeId(id)) != key) return std::nullopt;
  return NodeId(id);
}

}  // namespace

Result<void> ClusterView::apply_row(std::string_view key, std::optional<std::string_view> value,
                                    std::uint64_t revision) {
  if (key.starts_with(kTopicPrefix)) return apply_topic(key.substr(kTopicPrefix.size()), value, revision);
  if (key.starts_with(kNodePrefix)) return apply_node(key, value);
  if (key == kEpochFloorKey) {
    std::int64_t floor = 0;
    if (value) {
      const Result<std::int64_t> number = decode_number_row(*value);
      if (!number) return fail(fmt::format("row {}", key), number.error());
      if (*number > std::numeric_limits<std::int32_t>::max()) {
        return fail(Errc::malformed, fmt::format("row {}: {} does not fit a leader epoch", key, *number));
      }
      floor = *number;
    }
    epoch_floor_ = floor;
    epoch_floor_revision_ = value ? revision : 0;
  }
  return {};
}

Result<void> ClusterView::apply_topic(std::string_view name, std::optional<std::string_view> value,
                                      std::uint64_t revision) {
  if (!value) {
    forget_topic(name);
    return {};
  }
  Result<TopicInfo> topic = decode_topic_row(name, *value);
  if (!topic) return fail(std::move(topic.error()));
  topic->revision = revision;
  const auto other = names_by_id_.find(topic->id);
  if (other != names_by_id_.end() && other->second != name) {
    return fail(Errc::malformed,
                fmt::format("the row of topic {} has the id {} of topic {}", name, topic->id.hex(), other->second));
  }
  forget_topic(name);
  count_partitions(*topic, true);
  names_by_id_.emplace(topic->id, name);
  topics_.emplace(name, *std::move(topic));
  return {};
}

void ClusterView::forget_topic(std::string_view name) {
  const auto at = topics_.find(name);
  if (at == topics_.end()) return;
  count_partitions(at->second, false);
  names_by_id_.erase(at->second.id);
  topics_.erase(at);
}

void ClusterView::count_partitions(const TopicInfo& topic, bool more) {
  for (const std::vector<PartitionPlacement>* placements : {&topic.partitions, &topic.growing}) {
    for (const PartitionPlacement& placement : *placements) {
      const auto at = partitions_by_group_.try_emplace(placement.group).first;
      CHECK(more || at->second > 0);
      at->second += more ? 1U : static_cast<std::size_t>(-1);
      if (at->second == 0) partitions_by_group_.erase(at);
    }
    if (!topic.internal) partition_count_ += more ? placements->size() : 0 - placements->size();
  }
}

Result<void> ClusterView::apply_node(std::string_view key, std::optional<std::string_view> value) {
  const std::optional<NodeId> id = node_of_key(key);
  if (!id) return fail(Errc::malformed, fmt::format("row {} names no node", key.substr(0, 100)));
  if (!value) {
    nodes_.erase(*id);
    return {};
  }
  Result<NodeInfo> node = decode_node_row(*value);
  if (!node) return fail(fmt::format("row {}", key), std::move(node.error()));
  if (node->id != *id) return fail(Errc::malformed, fmt::format("row {} holds node {}", key, node->id.value));
  nodes_.insert_or_assign(*id, *std::move(node));
  return {};
}

void ClusterView::set_leadership(GroupId group, GroupLeadership leadership) { groups_[group] = leadership; }

const TopicInfo* ClusterView::find(std::string_view name) const {
  const auto at = topics_.find(name);
  return at == topics_.end() ? nullptr : &at->second;
}

const TopicInfo* ClusterView::find(const TopicId& id) const {
  const auto at = names_by_id_.find(id);
  return at == names_by_id_.end() ? nullptr : find(at->second);
}

GroupLeadership ClusterView::leadership(GroupId group) const {
  const auto at = groups_.find(group);
  return at == groups_.end() ? GroupLeadership{} : at->second;
}

std::size_t ClusterView::partitions_in(GroupId group) const {
  const auto at = partitions_by_group_.find(group);
  return at == partitions_by_group_.end() ? 0 : at->second;
}

std::vector<GroupId> place_partitions(const ClusterView& view, std::size_t count) {
  using Load = std::pair<std::size_t, GroupId>;  // partitions, group
  std::vector<Load> loads;
  loads.reserve(view.groups().size());
  for (const auto& [group, leadership] : view.groups()) {
    if (group != kControllerGroup) loads.emplace_back(view.partitions_in(group), group);
  }
  std::vector<GroupId> chosen;
  if (loads.empty()) return chosen;
  std::priority_queue<Load, std::vector<Load>, std::greater<>> lightest(std::greater<>{}, std::move(loads));
  chosen.reserve(count);
  while (chosen.size() < count) {
    const auto [partitions, group] = lightest.top();
    lightest.pop();
    chosen.push_back(group);
    lightest.emplace(partitions + 1, group);
  }
  return chosen;
}

}  // namespace sluice::broker
