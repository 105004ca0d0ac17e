// Watches free disk space for a shard. While there is too little, produce is refused (the disk must have room for what
// is in memory and for checkpoints); deletes, start-offset advances and votes stay possible through a reserve file that
// is given up then and written again when there is room. Service resumes by itself. Owner: Shard. Thread safety: the
// shard's thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "protocol/base/clock.h"
#include "storage/io/disk.h"

namespace sluice::broker {

/// What all shards of a node have in memory only: their disk must have room for the sum. Thread safety: any thread.
class UnspilledTotal {
 public:
  void replace(std::uint64_t before, std::uint64_t now) { bytes_.fetch_add(now - before, std::memory_order_relaxed); }
  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> bytes_{0};
};

class SpaceGuard {
 public:
  /// `directory` is the shard's own, on the disk that is watched. `unspilled` is shared by the shards of the node.
  SpaceGuard(storage::Disk& disk, std::string directory, std::uint64_t min_free_bytes, std::uint64_t reserve_bytes,
             std::shared_ptr<UnspilledTotal> unspilled);
  ~SpaceGuard();
  SpaceGuard(const SpaceGuard&) = delete;
  SpaceGuard& operator=(const SpaceGuard&) = delete;

  /// Writes the reserve file if it is missing; blocking, at start-up. A disk without room for it starts as full.
  Result<void> start();
  /// Looks at the disk, which must have room for what the shards have in memory only and for the minimum beside it;
  /// `unspilled_bytes` is what this shard has.
  void check(std::uint64_t unspilled_bytes);
  /// A write was refused for lack of space: full until a check finds room.
  void write_refused();
  bool full() const { return full_; }

 private:
  std::string path() const { return directory_ + "/reserve"; }
  void give_up_reserve();
  void restore_reserve();
  void write_reserve(std::uint64_t at);

  storage::Disk& disk_;
  const std::string directory_;
  const std::uint64_t min_free_bytes_;
  const std::uint64_t reserve_bytes_;
  const std::shared_ptr<UnspilledTotal> unspilled_;
  std::uint64_t counted_bytes_ = 0;  ///< in it, of this shard
  bool full_ = false;
  bool have_reserve_ = false;
  bool busy_ = false;
  std::unique_ptr<storage::File> file_;
  std::vector<std::byte> zeros_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace sluice::broker
