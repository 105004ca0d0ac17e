#include "tests/broker/app/one_thread_node.h"

#include <algorithm>

#include "broker/app/data_directory.h"

namespace sluice::broker {
namespace {
constexpr std::size_t kMaxProducers = 10'000;
constexpr std::size_t kMessagesATurn = 1024;
}  // namespace

Result<std::unique_ptr<storage::Disk>> make_engine(std::string_view name) {
  if (name == "uring") return storage::make_uring_disk({});
  return storage::make_thread_disk({});
}

OneThreadNode::OneThreadNode(sim::PowerLossMedium& medium, std::string_view engine, Settings settings, std::uint64_t seed)
    : medium_(medium), engine_(engine), settings_(std::move(settings)), random_(seed) {}

OneThreadNode::~OneThreadNode() {
  loop_.set_turn_hook({});
  for (auto& shard : shards_) shard->unit.reset();
}

std::unique_ptr<sim::PowerLossDisk> OneThreadNode::new_disk() {
  return std::make_unique<sim::PowerLossDisk>(medium_, make_engine(engine_).value());
}

void OneThreadNode::make_shards() {
  for (std::uint32_t nth = 0; nth < identity_.shards; ++nth) shards_.push_back(std::make_unique<ShardParts>(random_.next()));
  for (auto& from : shards_)
    for (auto& to : shards_) {
      from->outgoing.push_back(std::make_unique<ThreadMailbox>([this] { loop_.wake(); }));
      to->incoming.push_back(from->outgoing.back().get());
    }
  auto producers = make_producer_budget(kMaxProducers);
  std::vector<ShardUnit*> units;
  for (std::uint32_t nth = 0; nth < identity_.shards; ++nth) {
    ShardParts& shard = *shards_[nth];
    shard.disk = new_disk();
    shard.unit = std::make_unique<ShardUnit>(settings_, identity_, ShardId(nth),
                                             UnitSeams{*shard.disk, loop_, shard.random, producers, [this] { loop_.wake(); },
                                                       [this](const Error& error) {
                                                         if (!fatal_) fatal_ = error;
                                                       }});
    units.push_back(shard.unit.get());
  }
  for (auto& shard : shards_) {
    std::vector<Mailbox*> mailboxes;
    for (auto& mailbox : shard->outgoing) mailboxes.push_back(mailbox.get());
    shard->unit->connect(units, std::move(mailboxes));
  }
}

Result<void> OneThreadNode::start(std::uint32_t shards_of_new, Format until) {
  const auto disk = new_disk();
  auto found = read_identity(*disk, settings_.data_dir);
  if (!found) return fail(found.error());
  identity_ = *found ? (*found)->identity : new_identity(random_, shards_of_new);
  if (!*found)
    if (auto written = write_unfinished_identity(*disk, settings_.data_dir, identity_); !written) return written;
  if (until == Format::identity) return {};
  make_shards();
  if (!*found || !(*found)->finished) {
    for (auto& shard : shards_)
      if (auto formatted = shard->unit->format(); !formatted) return formatted;
    if (until == Format::shards) return {};
    if (auto finished = finish_identity(*disk, settings_.data_dir); !finished) return finished;
  }
  for (auto& shard : shards_)
    if (auto recovered = shard->unit->recover(); !recovered) return recovered;
  loop_.set_turn_hook([this] {
    bool worked = false;
    for (auto& shard : shards_) {
      for (ThreadMailbox* mailbox : shard->incoming) worked |= mailbox->drain(kMessagesATurn) > 0;
      worked |= shard->unit->turn();
      for (auto& mailbox : shard->outgoing) worked |= mailbox->deliver();
    }
    return worked;
  });
  return {};
}

void OneThreadNode::turn() {
  if (loop_.poll() || fatal_) return;
  for (auto& shard : shards_) {
    if (shard->disk->in_flight() == 0) continue;
    shard->disk->wait();
    return;
  }
}

bool OneThreadNode::ready() const {
  return std::ranges::all_of(shards_, [](const auto& shard) { return shard->unit->ready(); });
}

void OneThreadNode::drain() {
  for (auto& shard : shards_)
    shard->unit->drain_requests([this] {
      if (++requests_drained_ < shards_.size()) return;
      for (auto& each : shards_) each->unit->drain_storage([this] { ++shards_drained_; });
    });
}

}  // namespace sluice::broker
