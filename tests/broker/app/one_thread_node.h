// One life of a node on a disk whose power may be lost: the units of all its shards on one real loop in one thread, over real
// disk engines. What is left out of broker/app's Node are its threads and its sockets.
//
// It ends with PowerLossMedium::lose_power(), then its destruction: in that order, so that nothing it had under way happens any
// more. Owner: a test. Thread safety: one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/app/shard_unit.h"
#include "broker/net/event_loop.h"
#include "broker/shard/thread_mailbox.h"
#include "tests/sim/disk/power_loss_disk.h"

namespace sluice::broker {

/// "uring" or "threads". Errors: unsupported, where the system refuses the engine.
Result<std::unique_ptr<storage::Disk>> make_engine(std::string_view name);

class OneThreadNode {
 public:
  OneThreadNode(sim::PowerLossMedium& medium, std::string_view engine, Settings settings, std::uint64_t seed);
  ~OneThreadNode();

  /// Of a directory without an identity: how far to go with making it.
  enum class Format : std::uint8_t { identity, shards, whole };
  /// What the process does before its loops run, blocking: makes a new directory (`until` says how much of it; less than all of
  /// it only to lose power there) and recovers.
  Result<void> start(std::uint32_t shards_of_new, Format until = Format::whole);
  /// One turn of every shard; when there was nothing to do, sleeps until the disk has done something.
  void turn();
  /// Turns until `ready`, at most a great many times; false when that was not enough, or the node gave up.
  template <class Ready>
  bool turn_until(Ready ready) {
    for (std::uint64_t turns = 0; turns < kMostTurns && !fatal_; ++turns) {
      if (ready()) return true;
      turn();
    }
    return false;
  }
  bool ready() const;
  /// Requests first, then storage, as the process does when it is asked to stop.
  void drain();
  bool drained() const { return shards_drained_ == shards_.size(); }
  /// Why the process would have exited.
  const std::optional<Error>& fatal() const { return fatal_; }

  std::uint32_t shard_count() const { return static_cast<std::uint32_t>(shards_.size()); }
  ShardServices& api(std::uint32_t shard) { return shards_[shard]->unit->services(); }
  ShardUnit& unit(std::uint32_t shard) { return *shards_[shard]->unit; }
  Shard& shard(std::uint32_t nth) { return shards_[nth]->unit->shard(); }
  Replica& replica(GroupId group) { return *shard(group.value % shard_count()).replica(group); }
  WallTime wall() const { return loop_.wall(); }

 private:
  static constexpr std::uint64_t kMostTurns = 50'000'000;
  struct ShardParts {
    explicit ShardParts(std::uint64_t seed) : random(seed) {}
    SeededRandom random;
    std::unique_ptr<sim::PowerLossDisk> disk;
    std::vector<std::unique_ptr<ThreadMailbox>> outgoing;  ///< by receiver
    std::vector<ThreadMailbox*> incoming;                  ///< by sender
    std::unique_ptr<ShardUnit> unit;
  };
  std::unique_ptr<sim::PowerLossDisk> new_disk();
  void make_shards();

  sim::PowerLossMedium& medium_;
  const std::string engine_;
  const Settings settings_;
  SeededRandom random_;
  EventLoop loop_{{.spin = Nanos(0)}};
  NodeIdentity identity_;
  std::vector<std::unique_ptr<ShardParts>> shards_;
  std::optional<Error> fatal_;
  std::size_t requests_drained_ = 0, shards_drained_ = 0;
};

}  // namespace sluice::broker
