// The memory of a shard's memory topics: chunks of powers of two from a bounded pool. A chunk comes back when its log
// and the last slice of it let go, on whatever thread that is, and is used again as it is: memory is touched for the
// first time once. When the bound is reached the oldest chunk of all logs goes first, whosever it is.
//
// Invariants: what logs hold stays within the bound, less what slow readers still hold of chunks that logs let go of,
// but half of it at least; all memory together within twice the bound, then appends are refused until readers let go.
// Thread safety: one shard's thread, but for the death of slices. Owner: the shard; logs and slices share it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>

#include "storage/log/memory_chunk.h"

namespace sluice::storage {

class MemoryPool : public std::enable_shared_from_this<MemoryPool> {
 public:
  static constexpr std::size_t kLeastChunk = 4U << 10;
  static constexpr std::size_t kMostPooled = 1U << 20;  ///< one batch larger than this gets a chunk of its own size

  explicit MemoryPool(std::size_t bound_bytes) : bound_bytes_(bound_bytes) {}
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  /// A chunk of at least `least` bytes, the youngest of all. Others, `holder` too, may be asked to let their oldest go
  /// before. nullptr: readers hold more than may be.
  std::shared_ptr<MemoryChunk> take(std::size_t least, ChunkHolder& holder);
  /// Its log lets go of `chunk`.
  void retire(MemoryChunk& chunk);

  /// Frees what is kept for reuse: for an idle shard.
  void trim();
  std::size_t bound_bytes() const { return bound_bytes_; }
  /// Held by logs, by readers, and kept for reuse.
  std::size_t allocated_bytes() const { return allocated_.load(std::memory_order_relaxed); }
  std::size_t held_by_logs() const { return live_; }
  /// Whether readers hold so much that small reads should rather copy than keep a chunk.
  bool readers_hold_much() const { return held_by_readers() > bound_bytes_ / 4; }

 private:
  static constexpr std::size_t kClasses = 9;  // 4 KiB to 1 MiB
  static std::size_t class_of(std::size_t size);

  std::size_t held_by_readers() const { return allocated_bytes() - live_ - free_bytes_; }
  MemoryChunk* pooled(std::size_t size);
  void free_largest();
  void give_back(MemoryChunk* chunk);
  void collect();
  void destroy(MemoryChunk* chunk);

  const std::size_t bound_bytes_;
  std::atomic<std::size_t> allocated_{0};
  std::atomic<MemoryChunk*> returned_{nullptr};  ///< pushed by any thread, taken whole by the owner
  std::array<MemoryChunk*, kClasses> free_{};
  std::size_t free_bytes_ = 0;
  std::size_t live_ = 0;          ///< of chunks that logs hold
  std::list<MemoryChunk*> ages_;  ///< these, oldest first
};

}  // namespace sluice::storage
