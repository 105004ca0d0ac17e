#include "tests/sim/raft/sim_cluster.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace sluice::broker::sim {
namespace {

constexpr Micros kStorm = 20'000'000, kCalm = 20'000'000;

RaftConfiguration::iterator find(RaftConfiguration& configuration, NodeId id) {
  return std::ranges::find(configuration, id, &RaftServer::id);
}

}  // namespace

Weather Weather::of(Random& random) {
  Weather weather;
  weather.lost_per_mille = random.one_in(2) ? static_cast<unsigned>(random.below(150)) : 0;
  weather.doubled_per_mille = random.one_in(2) ? static_cast<unsigned>(random.below(100)) : 0;
  weather.straggling_per_mille = random.one_in(2) ? static_cast<unsigned>(random.below(50)) : 0;
  weather.network_delay = 100 + random.below(random.one_in(4) ? 60'000 : 5'000);
  weather.disk_delay = 100 + random.below(random.one_in(4) ? 60'000 : 5'000);
  weather.crashes = !random.one_in(5);
  weather.partitions = !random.one_in(5);
  weather.checkpoints = !random.one_in(4);
  weather.transfers = !random.one_in(2);
  weather.membership = !random.one_in(2);
  return weather;
}

SimCluster::SimCluster(std::uint64_t seed, Sabotage sabotage)
    : seed_(seed), sabotage_(sabotage), random_(seed), weather_(Weather::of(random_)) {
  RaftConfiguration first;
  for (int id = 1; id <= kVoters; ++id) first.push_back({NodeId(id), fmt::format("node{}", id), ServerRole::voter});
  for (int id = 1; id <= kNodes; ++id) {
    nodes_.push_back(std::make_unique<SimNode>(*this, NodeId(id)));
    if (id <= kVoters) nodes_.back()->format(first);
  }
}

std::string SimCluster::run() {
  const auto stop = [this] { return checker_.failed(); };
  for (auto& node : nodes_) node->boot();
  schedule_client();
  schedule_nemesis();
  queue_.run_until(kStorm, stop);
  heal();
  const Micros end = queue_.now() + kCalm;
  while (!checker_.failed() && queue_.now() < end) {
    queue_.run_until(queue_.now() + 200'000, stop);
    if (!checker_.failed() && recovered()) return {};
  }
  if (!checker_.failed()) checker_.violated("the group does not come right although all nodes and links are up");
  return checker_.violation();
}

std::string SimCluster::summary() const {
  std::string text = fmt::format("seed {}: {} acknowledged, {} entries, {} terms, {} messages, {} crashes, {} changes",
                                 seed_, checker_.acknowledgements(), checker_.last_committed().value, checker_.terms(),
                                 messages_, crashes_, changes_);
  for (const auto& node : nodes_) {
    if (!node->up()) {
      text += fmt::format("\n  node {} is down", node->id().value);
      continue;
    }
    static constexpr const char* kRoles[] = {"follower", "candidate", "leader"};
    const RaftGroup& group = node->group();
    text +=
        fmt::format("\n  node {} {} in term {} (leader {}): entries {}..{}, commit {}, applied {}, configuration {}:",
                    node->id().value, kRoles[static_cast<int>(group.role())], group.term().value, group.leader().value,
                    group.first_index().value, group.last_index().value, group.commit_index().value,
                    node->state().index.value, group.configuration_index().value);
    for (const RaftServer& server : group.configuration())
      text += fmt::format(" {}{}", server.id.value, server.role == ServerRole::voter ? "" : "s");
    text += node->uncommitted_change();
  }
  return text;
}

void SimCluster::transmit(RaftMessage message) {
  ++messages_;
  const NodeId from = message.from, to = message.to;
  if (to.value < 1 || to.value > kNodes) return checker_.violated("a message to nobody");
  if (!linked(from, to) || random_.below(1000) < (calm_ ? 0 : weather_.lost_per_mille)) return;
  const int copies = random_.below(1000) < (calm_ ? 0 : weather_.doubled_per_mille) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    Micros delay = 50 + random_.below(weather_.network_delay);
    // Some come when nobody expects them any more.
    if (random_.below(1000) < (calm_ ? 0 : weather_.straggling_per_mille)) delay += random_.below(3'000'000);
    queue_.after(delay, [this, message, from, to] {
      if (linked(from, to) && node(to).up()) node(to).receive(message);
    });
  }
}

void SimCluster::tempt(NodeId id) {
  if (calm_ || !weather_.crashes || !random_.one_in(8)) return;
  queue_.after(random_.below(weather_.disk_delay + 2'000), [this, id] {
    if (calm_ || !node(id).up()) return;
    node(id).crash();
    ++crashes_;
    queue_.after(random_.below(100'000), [this, id] {
      if (!checker_.failed() && !node(id).up()) node(id).boot();
    });
  });
}

std::vector<SimNode*> SimCluster::reachable(NodeId id) {
  std::vector<SimNode*> found;
  for (auto& node : nodes_) {
    if (node->up() && linked(id, node->id())) found.push_back(node.get());
  }
  return found;
}

SimNode* SimCluster::any_leader() {
  std::vector<SimNode*> leaders;
  for (auto& node : nodes_) {
    if (node->up() && node->group().role() == RaftRole::leader) leaders.push_back(node.get());
  }
  return leaders.empty() ? nullptr : leaders[random_.below(leaders.size())];
}

void SimCluster::schedule_client() {
  queue_.after(1000 + random_.below(30'000), [this] {
    for (auto& node : nodes_) {  // every one that believes that it leads
      if (!node->up() || node->group().role() != RaftRole::leader) continue;
      for (std::uint64_t i = random_.below(4); i > 0; --i) node->submit(next_value_++);
    }
    schedule_client();
  });
}

void SimCluster::schedule_nemesis() {
  queue_.after(random_.below(300'000), [this] {
    if (calm_) return;
    trouble();
    schedule_nemesis();
  });
}

void SimCluster::trouble() {
  SimNode& victim = *nodes_[random_.below(nodes_.size())];
  SimNode* leader = any_leader();
  switch (random_.below(8)) {
    case 0:
      if (!weather_.crashes) break;
      if (victim.up()) {
        victim.crash();
        ++crashes_;
      }
      break;
    case 1:
      if (weather_.crashes && leader != nullptr && random_.one_in(2)) {
        leader->crash();
        ++crashes_;
      }
      break;
    case 2:
    case 3:
      for (auto& node : nodes_) {
        if (!node->up() && random_.one_in(2)) node->boot();
      }
      break;
    case 4:
      if (weather_.partitions) cut_links();
      break;
    case 5:
      if (weather_.checkpoints && victim.up()) victim.take_checkpoint();
      break;
    case 6:
      if (weather_.transfers && leader != nullptr) leader->transfer(random_.one_in(2) ? NodeId(0) : victim.id());
      break;
    default:
      if (weather_.membership && leader != nullptr) change_membership(*leader);
      break;
  }
}

void SimCluster::cut_links() {
  for (auto& row : cut_) row.fill(false);
  const std::size_t a = random_.below(kNodes), b = random_.below(kNodes);
  switch (random_.below(4)) {
    case 0: break;
    case 1:  // one alone
      for (std::size_t i = 0; i < kNodes; ++i) cut_[a][i] = cut_[i][a] = i != a;
      break;
    case 2:  // one direction of one link
      cut_[a][b] = a != b;
      break;
    default: {  // two halves
      const std::uint64_t side = random_.below(1U << kNodes);
      for (std::size_t i = 0; i < kNodes; ++i) {
        for (std::size_t j = 0; j < kNodes; ++j) cut_[i][j] = ((side >> i) & 1) != ((side >> j) & 1);
      }
    }
  }
}

void SimCluster::change_membership(SimNode& leader) {
  RaftConfiguration next = leader.group().configuration();
  const auto voters = std::ranges::count(next, ServerRole::voter, &RaftServer::role);
  const NodeId id = nodes_[random_.below(nodes_.size())]->id();
  const auto at = find(next, id);
  if (at == next.end()) {
    next.push_back({id, fmt::format("node{}", id.value), ServerRole::standby});
  } else if (at->role != ServerRole::voter) {
    at->role = ServerRole::voter;
  } else if (voters > 1) {
    if (random_.one_in(2)) {
      next.erase(at);
    } else {
      at->role = ServerRole::standby;
    }
  }
  ++changes_;
  leader.change(next);
}

void SimCluster::heal() {
  calm_ = true;
  for (auto& row : cut_) row.fill(false);
  if (checker_.failed()) return;
  for (auto& node : nodes_) {
    if (!node->up()) node->boot();
  }
}

bool SimCluster::recovered() {
  for (auto& node : nodes_) {
    RaftGroup& leader = node->group();
    // Right when this leader has committed something of the calm, and all its members have applied as much.
    if (!leader.ready() || leader.commit_index() < checker_.last_committed()) continue;
    const LogIndex reached(leader.commit_index().value > 64 ? leader.commit_index().value - 64 : 1);
    return std::ranges::all_of(leader.configuration(), [&](const RaftServer& server) {
      return this->node(server.id).state().index >= reached;
    });
  }
  return false;
}

}  // namespace sluice::broker::sim
