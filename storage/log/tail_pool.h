// The bound on what a shard's logs keep in memory for tail readers once it is spilled. Each log has its own bound as
// well (LogOptions::tail_bytes); when all of them together keep more than this one allows, those that kept something
// longest ago let go of theirs.
//
// Invariants: total_bytes() is the sum of what was noted; a log that keeps nothing is not in the list. A log notes
// again whenever what it keeps changes. Thread safety: one shard's thread. Owner: FilePool, which the shard's logs
// share.
#pragma once

#include <cstddef>
#include <list>
#include <unordered_map>

namespace sluice::storage {

/// Who keeps a tail.
class TailHolder {
 public:
  /// Lets go of what is spilled; notes that before it returns.
  virtual void let_tail_go() = 0;

 protected:
  ~TailHolder() = default;
};

class TailPool {
 public:
  explicit TailPool(std::size_t bound_bytes) : bound_bytes_(bound_bytes) {}

  /// `holder` keeps `bytes` now. May make others let go, or itself.
  void note(TailHolder& holder, std::size_t bytes);
  void let_all_go();
  std::size_t total_bytes() const { return total_bytes_; }

 private:
  struct Kept {
    TailHolder* holder;
    std::size_t bytes;
  };

  const std::size_t bound_bytes_;
  void let_oldest_go();

  std::size_t total_bytes_ = 0;
  std::list<Kept> kept_;  ///< noted longest ago first
  std::unordered_map<TailHolder*, std::list<Kept>::iterator> place_;
};

}  // namespace sluice::storage
