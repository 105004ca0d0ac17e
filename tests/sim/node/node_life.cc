#include "tests/sim/node/node_life.h"

#include <algorithm>

namespace sluice::broker::sim {
namespace {

constexpr std::size_t kMaxProducers = 10'000;
constexpr std::uint64_t kTurnDelayNanos = 5'000;

}  // namespace

NodeLife::NodeLife(SimScheduler& scheduler, SimStore& store, const Settings& settings, const NodeIdentity& identity,
                   std::uint64_t seed)
    : scheduler_(scheduler), owner_(scheduler.new_owner()), random_(seed) {
  auto producers = make_producer_budget(kMaxProducers);
  const Nanos slowest_message(1'000 + static_cast<std::int64_t>(random_.below(200'000)));
  for (std::uint32_t nth = 0; nth < identity.shards; ++nth) {
    shards_.push_back(std::make_unique<ShardThread>(scheduler_, owner_, store, random_.next()));
    ShardThread& shard = *shards_.back();
    for (std::uint32_t to = 0; to < identity.shards; ++to)
      shard.outgoing.push_back(std::make_unique<SimMailbox>(scheduler_, owner_, random_, slowest_message));
    shard.unit = std::make_unique<ShardUnit>(settings, identity, ShardId(nth),
                                             UnitSeams{shard.disk, shard.clock, shard.random, producers,
                                                       [this, &shard] { wake(shard); },
                                                       [this](const Error& error) {
                                                         if (!fatal_) fatal_ = error;
                                                       }});
  }
  std::vector<ShardUnit*> units;
  for (auto& shard : shards_) units.push_back(shard->unit.get());
  for (auto& shard : shards_) {
    std::vector<Mailbox*> mailboxes;
    for (auto& mailbox : shard->outgoing) mailboxes.push_back(mailbox.get());
    shard->unit->connect(units, std::move(mailboxes));
  }
}

NodeLife::~NodeLife() { scheduler_.cancel_owner(owner_); }

Result<void> NodeLife::start(bool format) {
  if (format)
    for (auto& shard : shards_)
      if (auto formatted = shard->unit->format(); !formatted) return formatted;
  for (auto& shard : shards_)
    if (auto recovered = shard->unit->recover(); !recovered) return recovered;
  return {};
}

bool NodeLife::ready() const {
  return !fatal_ && std::ranges::all_of(shards_, [](const auto& shard) { return shard->unit->ready(); });
}

void NodeLife::drain() {
  for (auto& shard : shards_)
    shard->unit->drain_requests([this] {
      if (++requests_drained_ < shards_.size()) return;
      for (auto& each : shards_) each->unit->drain_storage([this] { ++shards_drained_; });
    });
}

void NodeLife::wake(ShardThread& shard) {
  if (std::exchange(shard.turn_due, true)) return;
  scheduler_.schedule_after(Nanos(1 + static_cast<std::int64_t>(random_.below(kTurnDelayNanos))), owner_, [this, &shard] {
    shard.turn_due = false;
    if (shard.unit->turn()) wake(shard);
  });
}

}  // namespace sluice::broker::sim
