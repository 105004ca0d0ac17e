#include "tests/sim/cluster/cluster_node.h"

#include <fmt/core.h>

#include <algorithm>

#include "protocol/base/log.h"
#include "tests/sim/cluster/cluster_world.h"

namespace sluice::broker::sim {
namespace {

constexpr std::uint64_t kTurnDelayNanos = 20'000;
constexpr Millis kNever = std::chrono::hours(10);

}  // namespace

PartitionId partition_of(GroupId group, std::int32_t nth) {
  PartitionId id;
  id.topic.bytes[0] = static_cast<std::uint8_t>(group.value);
  id.index = PartitionIndex(nth);
  return id;
}

ClusterNode::ClusterNode(ClusterWorld& world, NodeId id, std::uint64_t seed) : world_(world), id_(id), store_(seed) {
  store_.make_durable_dirs("data");
}
ClusterNode::~ClusterNode() {
  if (life_) die(false);
}

ClusterNode::Life::Life(ClusterNode& node, SimScheduler& sim_scheduler, std::uint64_t seed)
    : scheduler(sim_scheduler),
      owner(scheduler.new_owner()),
      clock(scheduler, owner, {.steady_start = Nanos(std::chrono::seconds(100))}),
      random(seed),
      disk_random(seed + 1),
      disk(node.store_, clock, disk_random) {
  for (const GroupId group : kGroups)
    for (std::int32_t nth = 0; nth < kPartitionsAGroup; ++nth) readers.push_back({group, partition_of(group, nth)});
}
ClusterNode::Life::~Life() { scheduler.cancel_owner(owner); }

ShardOptions ClusterNode::options() const {
  ShardOptions options;
  options.id = ShardId(0);
  options.node = id_;
  options.cluster_id = "simulated";
  options.data_directory = "data";
  options.groups.assign(std::begin(kGroups), std::end(kGroups));
  for (std::size_t nth = 1; nth <= kNodes; ++nth) {
    const NodeId member(static_cast<std::int32_t>(nth));
    options.members.push_back({member, fmt::format("node-{}", nth), ServerRole::voter});
  }
  // Files of a few flushes, so that they are recycled all the time; room for much more, so that checkpoints are taken
  // when the world says so.
  options.journal.directory = "data/shard-0/journal";
  options.journal.file_bytes = 8 * storage::kDiskBlock;
  options.journal.capacity_bytes = 64U << 20;
  options.journal.flush_bytes = 3 * storage::kDiskBlock;
  options.journal.max_entry_bytes = 16U << 10;
  options.journal.buffer_bytes = 4U << 20;
  options.spill_bytes = 8U << 10;
  options.checkpoint_entries = ~std::uint64_t{0};
  options.idle_checkpoint = kNever;
  options.min_free_bytes = 0;
  options.reserve_bytes = 0;
  options.raft = {.election_timeout_ms = 60,
                  .heartbeat_ms = 10,
                  .max_uncommitted_entries = 32,
                  .max_uncommitted_bytes = 64U << 10,
                  .install_snapshot_timeout_ms = 100};
  return options;
}

void ClusterNode::boot() {
  ++life_number_;
  life_ = std::make_unique<Life>(*this, world_.scheduler(), world_.random().next());
  ShardSeams seams{life_->disk,
                   life_->clock,
                   life_->random,
                   *this,
                   make_producer_budget(1000),
                   [this] { wake(); },
                   [this](const Error& error) {
                     world_.history().violate(fmt::format("node {} gave up: {}", id_.value, error.message));
                   }};
  seams.send = [this](GroupId group, RaftMessage message) { world_.transmit(group, std::move(message)); };
  life_->shard = std::make_unique<Shard>(options(), std::move(seams));
  auto started = life_->shard->format();
  if (started) started = life_->shard->recover();
  if (!started)
    return world_.history().violate(fmt::format("node {} does not start: {}", id_.value, started.error().message));
  for (const GroupId group : kGroups) world_.history().started(id_, group, replica(group).leadership().term);
  log_info("---- node {} has started life {}", id_.value, life_number_);
}

void ClusterNode::die(bool power_lost) {
  log_info("---- node {} {}", id_.value, power_lost ? "loses power" : "is killed");
  if (power_lost)
    store_.crash(world_.random());
  else
    store_.kill();
  life_.reset();
}

void ClusterNode::pause(Nanos time) { life_->paused_until = world_.scheduler().now() + time; }

void ClusterNode::receive(GroupId group, RaftMessage message) {
  if (!up()) return;
  if (world_.scheduler().now() < life_->paused_until) {  // it waits in a socket's buffer
    world_.scheduler().schedule_at(
        life_->paused_until, life_->owner,
        [this, group, message = std::move(message)]() mutable { receive(group, std::move(message)); });
    return;
  }
  life_->shard->receive(group, std::move(message));
}

void ClusterNode::wake() {
  if (std::exchange(life_->turn_due, true)) return;
  const Nanos delay(1 + static_cast<std::int64_t>(world_.random().below(kTurnDelayNanos)));
  const SteadyTime at = std::max(world_.scheduler().now() + delay, life_->paused_until);
  world_.scheduler().schedule_at(at, life_->owner, [this] {
    life_->turn_due = false;
    if (world_.scheduler().now() < life_->paused_until) return wake();
    if (life_->shard->turn()) wake();
    for (const GroupId group : kGroups) {
      LogIndex& ever = ever_applied_[group.value];
      ever = std::max(ever, replica(group).applied_index());
      if (replica(group).stopped())
        world_.history().violate(fmt::format("group {} of node {} stopped", group.value, id_.value));
    }
  });
}

void ClusterNode::leadership_changed(GroupId group, const GroupLeadership& leadership) {
  if (!leadership.ready) return;
  std::vector<std::pair<PartitionId, Offset>> ends;
  for (std::int32_t nth = 0; nth < kPartitionsAGroup; ++nth) {
    const PartitionId id = partition_of(group, nth);
    const Partition* const partition = replica(group).find(id);
    ends.emplace_back(id, partition == nullptr ? Offset(0) : partition->state.end_offset());
    if (partition != nullptr && partition->state.next_offset() != partition->state.end_offset())
      world_.history().violate(fmt::format("node {} begins to lead term {} of group {} with speculation about {}",
                                           id_.value, leadership.term.value, group.value, id.text()));
  }
  world_.history().leads(id_, group, leadership.term, ends);
}

void ClusterNode::read_on() {
  for (Reader& reader : life_->readers) {
    Partition* const partition = replica(reader.group).find(reader.partition);
    if (reader.under_way || partition == nullptr || reader.at >= partition->state.end_offset()) continue;
    reader.under_way = true;
    partition->log->read(reader.at, 32U << 10, partition->state.end_offset(),
                         [this, &reader](Result<storage::LogRead> read) {
                           reader.under_way = false;
                           if (!read)
                             return world_.history().violate(fmt::format("node {}: {} can't be read at {}: {}",
                                                                         id_.value, reader.partition.text(),
                                                                         reader.at.value, read.error().message));
                           for (const SharedBytes& batch : read->batches) {
                             world_.history().applied(id_, reader.partition, reader.at, batch);
                             if (!world_.history().violation().empty()) return;
                             reader.at = parse_batch_header(batch)->next_offset();
                           }
                         });
  }
}

bool ClusterNode::has_read_all() const {
  return std::ranges::all_of(life_->readers, [this](const Reader& reader) {
    const Partition* const partition = life_->shard->replica(reader.group)->find(reader.partition);
    return !reader.under_way && partition != nullptr && reader.at == partition->state.end_offset() &&
           reader.at >= world_.history().acknowledged_end(reader.partition);
  });
}

std::string ClusterNode::describe() {
  if (!up()) return fmt::format("node {} is down", id_.value);
  std::string text = fmt::format("node {}", id_.value);
  for (const GroupId group : kGroups) {
    const GroupLeadership is = replica(group).leadership();
    text += fmt::format("; group {}: term {}, leader {}{}, applied {}, checkpoint {}", group.value, is.term.value,
                        is.leader.value, is.ready ? " (ready)" : "", replica(group).applied_index().value,
                        replica(group).checkpoint_index().value);
  }
  return text;
}

}  // namespace sluice::broker::sim
