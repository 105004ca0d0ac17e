#include "tests/sim/cluster/cluster_clients.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "broker/core/producer_state.h"
#include "tests/sim/cluster/cluster_world.h"

namespace sluice::broker::sim {
namespace {

constexpr std::size_t kProducersAPartition = 2;
constexpr std::size_t kMostUnderWay = 5;
constexpr std::int32_t kBeforeTheWrap = 30;

}  // namespace

ClusterClients::ClusterClients(ClusterWorld& world) : world_(world) {
  std::int64_t id = 100;
  for (const GroupId group : kGroups)
    for (std::int32_t nth = 0; nth < kPartitionsAGroup; ++nth)
      for (std::size_t i = 0; i < kProducersAPartition; ++i) {
        Producer producer;
        producer.group = group;
        producer.partition = partition_of(group, nth);
        producer.id = ProducerId(id++);
        if (i == 1) producer.next_sequence = std::numeric_limits<std::int32_t>::max() - kBeforeTheWrap;
        producers_.push_back(std::move(producer));
      }
}

void ClusterClients::begin() {
  for (Producer& producer : producers_) step_later(producer);
  make_partitions_later();
}

/// Asks whoever leads to make what is missing, again and again: making it twice changes nothing.
void ClusterClients::make_partitions_later() {
  world_.scheduler().schedule_after(std::chrono::milliseconds(20), 0, [this] {
    bool missing = false;
    for (const GroupId group : kGroups)
      for (std::int32_t nth = 0; nth < kPartitionsAGroup; ++nth) {
        const PartitionId id = partition_of(group, nth);
        ClusterNode& node = world_.any_node();
        if (node.leads(group) && node.replica(group).find(id) == nullptr)
          node.replica(group).submit(CreatePartitionCommand{id, LeaderEpoch(0), {}},
                                     [](const Result<std::uint64_t>&) {});
        missing |= !node.up() || node.replica(group).find(id) == nullptr;
      }
    if (missing || !winding_down_) make_partitions_later();
  });
}

void ClusterClients::node_down(NodeId node) {
  for (Producer& producer : producers_)
    if (producer.target == node) try_elsewhere(producer);
}

void ClusterClients::try_elsewhere(Producer& producer) {
  producer.target = world_.any_node().id();
  producer.resend = true;
  ++producer.round;
  for (Pending& pending : producer.window) pending.under_way = false;
}

void ClusterClients::step_later(Producer& producer) {
  const auto delay = std::chrono::microseconds(300 + world_.random().below(world_.quiet() ? 200'000 : 8'000));
  world_.scheduler().schedule_after(delay, 0, [this, &producer] {
    if (!world_.history().violation().empty()) return;
    step(producer);
    step_later(producer);
  });
}

void ClusterClients::step(Producer& producer) {
  while (!producer.window.empty() && producer.window.front().acknowledged) producer.window.pop_front();
  const bool waits = std::ranges::any_of(producer.window, [](const Pending& pending) { return pending.under_way; });
  if (waits && world_.scheduler().now() > producer.give_up) try_elsewhere(producer);
  if (producer.resend) {
    producer.resend = false;
    ++retries_;
    for (Pending& pending : producer.window)
      if (!pending.acknowledged) send(producer, pending);
    return;
  }
  if (!producer.window.empty() && world_.random().one_in(20)) {
    // The same once more, while the first is still under way: the client did not see an answer in time.
    Pending& again = producer.window[world_.random().below(producer.window.size())];
    if (!again.acknowledged) send(producer, again);
  }
  const std::size_t burst = world_.random().below(4);
  for (std::size_t i = 0; i < burst && !winding_down_; ++i) {
    if (producer.window.size() >= (producer.known ? kMostUnderWay : 1)) break;
    make_batch(producer);
    send(producer, producer.window.back());
  }
}

void ClusterClients::make_batch(Producer& producer) {
  Pending pending;
  const std::int32_t count = 1 + static_cast<std::int32_t>(world_.random().below(3));
  pending.bytes = SharedBytes::take(world_.history().make_batch(
      producer.partition, {.producer_id = producer.id, .producer_epoch = 0, .base_sequence = producer.next_sequence},
      count, pending.number));
  producer.next_sequence = sequence_plus(producer.next_sequence, static_cast<std::uint32_t>(count));
  producer.window.push_back(std::move(pending));
}

void ClusterClients::send(Producer& producer, Pending& pending) {
  ClusterNode& node = world_.node(producer.target);
  pending.under_way = true;
  producer.give_up = world_.scheduler().now() + std::chrono::milliseconds(150);
  if (!node.up()) return;  // nobody answers
  const std::uint64_t round = producer.round;
  node.replica(producer.group)
      .append({producer.partition, *parse_batch_header(pending.bytes), pending.bytes, false,
               [this, &producer, number = pending.number, round](Result<AppendResult> result) {
                 // Told inside the node's turn; heard later, or never.
                 if (world_.random().one_in(30)) return;
                 world_.scheduler().schedule_after(std::chrono::microseconds(world_.random().below(1'000)), 0,
                                                   [this, &producer, number, round, result = std::move(result)] {
                                                     answered(producer, number, round, result);
                                                   });
               }});
}

void ClusterClients::answered(Producer& producer, BatchNumber number, std::uint64_t round,
                              const Result<AppendResult>& result) {
  if (result) {
    world_.history().acknowledged(number, result->base_offset);
    producer.known = true;
  }
  const auto pending = std::ranges::find(producer.window, number, &Pending::number);
  if (result) {
    if (pending != producer.window.end()) pending->acknowledged = true, pending->under_way = false;
    return;
  }
  if (round != producer.round || pending == producer.window.end()) return;
  world_.history().note(40, static_cast<std::uint64_t>(result.error().code));
  pending->under_way = false;
  // Sent to a new leader in order, nothing is out of order; but a batch may overtake the one before it that was
  // refused.
  const Errc code = result.error().code;
  const bool may_be = code == Errc::not_leader || code == Errc::not_ready || code == Errc::leadership_lost ||
                      code == Errc::unknown_topic || code == Errc::out_of_order_sequence || code == Errc::busy;
  if (!may_be)
    return world_.history().violate(
        fmt::format("batch {} is answered {}: {}", number, errc_name(code), result.error().message));
  try_elsewhere(producer);
}

bool ClusterClients::settled() const {
  return winding_down_ && std::ranges::all_of(producers_, [](const Producer& producer) {
           return std::ranges::all_of(producer.window, [](const Pending& pending) { return pending.acknowledged; });
         });
}

std::string ClusterClients::waits_for() const {
  std::string text;
  for (const Producer& producer : producers_)
    for (const Pending& pending : producer.window)
      if (!pending.acknowledged) text += fmt::format(" batch {} of {}", pending.number, producer.partition.text());
  return text.empty() ? "all is acknowledged" : "not acknowledged:" + text;
}

}  // namespace sluice::broker::sim
