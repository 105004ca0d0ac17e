#include "storage/journal/flush_buffers.h"

#include <algorithm>
#include <atomic>

#include "protocol/base/check.h"
#include "storage/io/disk.h"
#include "storage/journal/journal_format.h"

namespace sluice::storage {

/// Shared by all its buffers, so that it outlives them. Dead slices push their buffer onto `returned_` from any thread;
/// the owner alone takes, always the whole list.
class FlushPool : public std::enable_shared_from_this<FlushPool> {
 public:
  struct Buffer {
    AlignedBuffer memory;
    Buffer* next = nullptr;
  };

  FlushPool(std::size_t buffer_bytes, std::uint64_t bound) : buffer_bytes_(buffer_bytes), bound_(bound) {}
  ~FlushPool() {
    collect();
    trim();
  }

  /// nullptr when the bound is reached.
  std::shared_ptr<Buffer> take(std::size_t bytes) {
    collect();
    if (bytes <= buffer_bytes_ && free_ != nullptr) {
      Buffer* buffer = free_;
      free_ = buffer->next;
      return share(buffer);
    }
    const std::size_t size = std::max(bytes, buffer_bytes_);
    if (allocated_.load(std::memory_order_relaxed) + size > bound_) trim();
    const std::uint64_t allocated = allocated_.load(std::memory_order_relaxed);
    if (allocated != 0 && allocated + size > bound_) return nullptr;
    allocated_.fetch_add(size, std::memory_order_relaxed);
    return share(new Buffer{AlignedBuffer(size), nullptr});
  }

  void trim() {
    while (free_ != nullptr) {
      Buffer* buffer = free_;
      free_ = buffer->next;
      destroy(buffer);
    }
  }
  void collect() {
    Buffer* buffer = returned_.exchange(nullptr, std::memory_order_acquire);
    while (buffer != nullptr) {
      Buffer* next = buffer->next;
      buffer->next = free_;
      free_ = buffer;
      buffer = next;
    }
  }
  std::uint64_t allocated() const { return allocated_.load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<Buffer> share(Buffer* buffer) {
    return {buffer, [pool = shared_from_this()](Buffer* dead) { pool->give_back(dead); }};
  }
  void give_back(Buffer* buffer) {
    if (buffer->memory.size() != buffer_bytes_) {
      destroy(buffer);
      return;
    }
    buffer->next = returned_.load(std::memory_order_relaxed);
    while (
        !returned_.compare_exchange_weak(buffer->next, buffer, std::memory_order_release, std::memory_order_relaxed)) {
    }
  }
  void destroy(Buffer* buffer) {
    allocated_.fetch_sub(buffer->memory.size(), std::memory_order_relaxed);
    delete buffer;
  }

  const std::size_t buffer_bytes_;
  const std::uint64_t bound_;
  std::atomic<std::uint64_t> allocated_{0};
  std::atomic<Buffer*> returned_{nullptr};
  Buffer* free_ = nullptr;
};

namespace {

/// Of a huge page where the pool has room for some: a direct write from one takes half the CPU.
std::uint32_t buffer_size(std::uint32_t flush_bytes, std::uint64_t pool_bytes) {
  constexpr std::uint64_t kHugePage = 2U << 20, kLeastBuffers = 4;
  const std::uint64_t least = journal_round_up(flush_bytes, kJournalBlock);
  const bool huge = flush_bytes >= kHugePage / 2 && pool_bytes >= kLeastBuffers * kHugePage;
  return static_cast<std::uint32_t>(huge ? std::max(least, kHugePage) : least);
}

}  // namespace

FlushBuffers::FlushBuffers(std::uint32_t flush_bytes, std::uint64_t pool_bytes)
    : buffer_bytes_(buffer_size(flush_bytes, pool_bytes)),
      pool_(std::make_shared<FlushPool>(buffer_bytes_, pool_bytes)) {}
FlushBuffers::~FlushBuffers() = default;

Result<FlushBuffers::Region> FlushBuffers::acquire(std::size_t least, std::size_t wanted) {
  least = journal_round_up(least, kJournalBlock);
  // The rest of the buffer being carved will do unless it is so small that flushes would be chopped up.
  if (carving_.size >= std::max(least, std::min<std::size_t>(wanted, buffer_bytes_ / 4))) return carving_;
  auto buffer = pool_->take(least);
  if (buffer == nullptr) {
    if (carving_.size >= least) return carving_;
    return fail(Errc::busy, "all flush buffers of the journal are in use: wait until tails are spilled");
  }
  const AlignedBuffer& memory = buffer->memory;
  carving_ = Region{nullptr, memory.data(), memory.size(), memory.size()};
  carving_.owner = std::move(buffer);
  return carving_;
}

void FlushBuffers::use(std::size_t bytes) {
  CHECK(bytes <= carving_.size && bytes % kJournalBlock == 0);
  carving_.data += bytes;
  carving_.size -= bytes;
  if (carving_.size == 0) carving_ = {};
}

void FlushBuffers::abandon() { carving_ = {}; }

void FlushBuffers::trim() {
  if (carving_.size == buffer_bytes_) carving_ = {};
  pool_->collect();
  pool_->trim();
}

std::uint64_t FlushBuffers::allocated_bytes() const { return pool_->allocated(); }

}  // namespace sluice::storage
