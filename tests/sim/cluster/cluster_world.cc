#include "tests/sim/cluster/cluster_world.h"

#include <fmt/core.h>

#include <algorithm>

namespace sluice::broker::sim {
namespace {

using sluice::sim::TieBreak;

constexpr Nanos kStorm = std::chrono::milliseconds(2500);
constexpr Nanos kCalm = std::chrono::seconds(20);

}  // namespace

ClusterWorld::ClusterWorld(std::uint64_t seed)
    : seed_(seed), random_(seed * 7919 + 5), scheduler_(TieBreak::seeded, seed), clients_(*this) {
  for (std::size_t nth = 0; nth < kNodes; ++nth)
    nodes_[nth] = std::make_unique<ClusterNode>(*this, NodeId(static_cast<std::int32_t>(nth + 1)), seed * 31 + nth);
  if (random_.one_in(2)) lost_per_mille_ = static_cast<unsigned>(random_.below(100));
  if (random_.one_in(2)) doubled_per_mille_ = static_cast<unsigned>(random_.below(100));
  quiet_ = random_.one_in(3);
  constexpr std::uint64_t kDeaths[] = {0, 6, 1};
  deaths_one_in_ = kDeaths[random_.below(quiet_ ? 2 : 3)];
  delay_us_ = 100 + random_.below(random_.one_in(4) ? 15'000 : 1'500);
  if (random_.one_in(2)) {  // slow disks: more happens while something is under way
    for (auto& node : nodes_) node->slow_journal(between(1, 2'000));
  }
  trouble_every_us_ = 10'000 + random_.below(quiet_ ? 30'000 : 100'000);
}

Nanos ClusterWorld::between(std::uint64_t least_us, std::uint64_t most_us) {
  return std::chrono::microseconds(least_us + random_.below(most_us - least_us));
}

std::string ClusterWorld::summary() {
  std::string text = fmt::format(
      "seed {}: {} acknowledged, {} batches read, {} terms led, {} messages, {} power losses, {} kills, {} pauses, {} "
      "cuts, {} checkpoints, {} offered, {} journal files begun, {} retries, {} ms, hash {:016x}",
      seed_, history_.acknowledgements(), history_.batches_read(), history_.terms(), counts_.messages,
      counts_.power_losses, counts_.kills, counts_.pauses, counts_.cuts, counts_.checkpoints, counts_.snapshots,
      counts_.files_begun, clients_.retries(), std::chrono::duration_cast<Millis>(scheduler_.now()).count(),
      history_.hash());
  for (auto& node : nodes_) text += "\n  " + node->describe();
  return text;
}

std::string ClusterWorld::run() {
  for (auto& node : nodes_) boot(*node);
  clients_.begin();
  trouble_later();
  checkpoints_later();
  watch_journals_later();
  reads_later();
  const SteadyTime end = scheduler_.now() + kStorm;
  while (ok() && scheduler_.now() < end) scheduler_.run_for(std::chrono::milliseconds(1));
  heal();
  if (ok() && !run_until_right(kCalm))
    history_.violate("it does not come right although all nodes and links are up: " + clients_.waits_for());
  // What all have is still there when all lose power at once.
  for (auto& node : nodes_) {
    if (!ok()) break;
    node->die(true);
    ++counts_.power_losses;
  }
  for (auto& node : nodes_)
    if (ok()) boot(*node);
  if (ok() && !run_until_right(kCalm)) history_.violate("it does not come right after the last power failure");
  return history_.violation();
}

bool ClusterWorld::run_until_right(Nanos limit) {
  const SteadyTime end = scheduler_.now() + limit;
  while (ok() && scheduler_.now() < end) {
    scheduler_.run_for(std::chrono::milliseconds(5));
    if (ok() && come_right()) return true;
  }
  return !ok();
}

/// All is acknowledged, and all nodes have the same and have it checked.
bool ClusterWorld::come_right() {
  if (!clients_.settled()) return false;
  for (const GroupId group : kGroups) {
    const auto leader = std::ranges::find_if(nodes_, [&](auto& node) { return node->leads(group); });
    if (leader == nodes_.end()) return false;
    for (auto& node : nodes_)
      if (node->replica(group).applied_index() != (*leader)->replica(group).applied_index()) return false;
  }
  for (auto& node : nodes_) node->read_on();
  return std::ranges::all_of(nodes_, [](auto& node) { return node->has_read_all(); });
}

// ---- The network ----

void ClusterWorld::transmit(GroupId group, RaftMessage message) {
  ++counts_.messages;
  history_.sent(group, message);
  if (message.kind == RaftMessage::Kind::install_snapshot) {
    ++counts_.snapshots;  // it asks again with entries after a while
    return;
  }
  const NodeId from = message.from, to = message.to;
  if (!linked(from, to) || random_.below(1000) < (calm_ ? 0 : lost_per_mille_)) return;
  for (Entry& entry : message.entries) entry.payload = SharedBytes::copy_of(entry.payload);
  const int copies = random_.below(1000) < (calm_ ? 0 : doubled_per_mille_) ? 2 : 1;
  for (int i = 0; i < copies; ++i)
    scheduler_.schedule_after(between(20, 20 + delay_us_), 0, [this, group, message, from, to] {
      if (ok() && linked(from, to)) node(to).receive(group, message);
    });
  // Now and then a vote is given, and the power fails.
  if (message.kind == RaftMessage::Kind::vote_result && message.granted && !message.pre_vote && random_.one_in(20) &&
      death_strikes())
    scheduler_.schedule_after(between(1, 3'000), 0, [this, from] {
      if (!calm_ && node(from).up()) die(node(from), true, between(1'000, 100'000));
    });
}

void ClusterWorld::isolate(std::size_t which) {
  ++counts_.cuts;
  for (std::size_t i = 0; i < kNodes; ++i) cut_[which][i] = cut_[i][which] = i != which;
  if (random_.one_in(4)) {  // in one direction only
    for (std::size_t i = 0; i < kNodes; ++i) cut_[which][i] = false;
  }
}

// ---- Trouble ----

void ClusterWorld::boot(ClusterNode& node) {
  if (!node.up()) node.boot();
}

void ClusterWorld::die(ClusterNode& node, bool power_lost, Nanos down) {
  ++(power_lost ? counts_.power_losses : counts_.kills);
  clients_.node_down(node.id());
  node.die(power_lost);
  scheduler_.schedule_after(down, 0, [this, &node] {
    if (ok()) boot(node);
  });
}

void ClusterWorld::trouble_later() {
  scheduler_.schedule_after(between(1, 2 * trouble_every_us_), 0, [this] {
    if (calm_ || !ok()) return;
    trouble();
    trouble_later();
  });
}

void ClusterWorld::trouble() {
  ClusterNode& victim = any_node();
  ClusterNode* leader = nullptr;
  const GroupId group = kGroups[random_.below(std::size(kGroups))];
  for (auto& node : nodes_)
    if (node->leads(group)) leader = node.get();
  switch (random_.below(8)) {
    case 0:
    case 1:
      if (victim.up() && death_strikes()) die(victim, !random_.one_in(3), between(1'000, 200'000));
      break;
    case 2:
      if (leader != nullptr && death_strikes()) die(*leader, !random_.one_in(3), between(1'000, 200'000));
      break;
    case 3:
      if (leader != nullptr) leader->pause(between(20'000, 200'000)), ++counts_.pauses;
      break;
    case 4:
      if (leader != nullptr) isolate(static_cast<std::size_t>(leader->id().value - 1));
      break;
    case 5: isolate(random_.below(kNodes)); break;
    default:
      for (auto& row : cut_) row.fill(false);
  }
}

void ClusterWorld::checkpoints_later() {
  scheduler_.schedule_after(quiet_ ? between(100, 1'000) : between(500, 6'000), 0, [this] {
    if (!ok()) return;
    ClusterNode& node = any_node();
    const GroupId group = kGroups[random_.below(std::size(kGroups))];
    if (node.up()) {
      const LogIndex applied = node.replica(group).applied_index();
      const bool all_have =
          std::ranges::all_of(nodes_, [&](auto& other) { return other->ever_applied(group) >= applied; });
      if (all_have && node.shard().checkpoint(group)) ++counts_.checkpoints;
    }
    checkpoints_later();
  });
}

/// While a journal file is being prepared is a good moment for the power to fail.
void ClusterWorld::watch_journals_later() {
  scheduler_.schedule_after(std::chrono::microseconds(250), 0, [this] {
    if (calm_ || !ok()) return;
    for (std::size_t nth = 0; nth < kNodes; ++nth) {
      ClusterNode& node = *nodes_[nth];
      NewestFile newest{node.life_number(), {}};
      std::size_t files = 0;
      for (const std::string& path : node.store().files())
        if (path.ends_with(".wal")) newest.path = std::max(newest.path, path), ++files;
      const bool same_life = newest.life == newest_file_[nth].life;
      if (same_life && newest.path == newest_file_[nth].path) continue;
      newest_file_[nth] = newest;
      ++counts_.files_begun;
      // The fewer there are, the more likely one was just made from what is hardly released.
      if (!same_life || deaths_one_in_ == 0 || !random_.one_in(files <= 3 ? 3 : 60)) continue;
      scheduler_.schedule_after(between(1, 3'000), 0, [this, &node] {
        if (!calm_ && node.up()) die(node, true, between(1'000, 60'000));
      });
    }
    watch_journals_later();
  });
}

void ClusterWorld::reads_later() {
  scheduler_.schedule_after(between(500, 5'000), 0, [this] {
    if (!ok()) return;
    ClusterNode& node = any_node();
    if (node.up()) node.read_on();
    reads_later();
  });
}

void ClusterWorld::heal() {
  calm_ = true;
  clients_.wind_down();
  for (auto& row : cut_) row.fill(false);
  for (auto& node : nodes_)
    if (ok()) boot(*node);
}

}  // namespace sluice::broker::sim
