// The memory that flushes are built in: aligned buffers from a bounded, recycled pool. Several flushes are carved out
// of one buffer, one behind the other, so that small flushes whose slices live on in tail caches cost little; a buffer
// returns to the pool when the last slice of it dies, on whatever thread that happens.
//
// Invariants: at most `pool_bytes` are alive, but one buffer always may be; a region handed out is never handed out
// again while its buffer lives. Thread safety: one shard's thread, but for the death of slices. Owner: JournalWriter.
#pragma once

#include <cstdint>
#include <memory>

#include "protocol/base/bytes.h"
#include "protocol/base/error.h"

namespace sluice::storage {

class FlushPool;

class FlushBuffers {
 public:
  /// A buffer holds one flush of `flush_bytes`, or several.
  FlushBuffers(std::uint32_t flush_bytes, std::uint64_t pool_bytes);
  ~FlushBuffers();

  struct Region {
    std::shared_ptr<const void> owner;  ///< keeps the buffer alive
    std::byte* data = nullptr;
    std::size_t size = 0;    ///< a multiple of 4 KiB, at least what was asked
    std::size_t charge = 0;  ///< of the whole buffer
  };
  /// A region of at least `least` bytes and preferably `wanted`. The former one must have been ended by use(). Errors:
  /// busy.
  Result<Region> acquire(std::size_t least, std::size_t wanted);
  /// Ends the region handed out last: `bytes` of it are taken, the next one may begin behind them.
  void use(std::size_t bytes);
  /// Ends it, and leaves the rest of its buffer alone: somebody may still write there.
  void abandon();

  /// Frees what is pooled and not in use.
  void trim();
  std::uint64_t allocated_bytes() const;

 private:
  std::uint32_t buffer_bytes_;
  std::shared_ptr<FlushPool> pool_;
  Region carving_;  ///< the rest of the buffer being carved
};

}  // namespace sluice::storage
