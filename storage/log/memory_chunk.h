// A piece of memory that holds consecutive batches of one MemoryLog, with its own index, so that a batch costs no
// allocation and 16 bytes beside its own:
//
//   0            used                    size - 16 * count        size
//   | batch | batch | ... |   room   | ... | entry 1 | entry 0 |
//
// Invariants: batches lie one behind the other and their offsets are contiguous; used + 16 * count <= size; those
// below `first` are dropped. Bytes that were handed to a reader are never written again while somebody holds the
// chunk: a chunk that is used anew was let go of by all. Owner: MemoryPool makes them, a MemoryLog fills them; slices
// keep them alive, on any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <list>
#include <memory>

#include "protocol/base/bytes.h"
#include "protocol/base/ids.h"

namespace sluice::storage {

/// Whose chunk it is; asked to give up its oldest when memory is short.
class ChunkHolder {
 public:
  virtual void let_oldest_go() = 0;

 protected:
  ~ChunkHolder() = default;
};

class MemoryChunk {
 public:
  /// What a batch costs beside its own bytes.
  static constexpr std::size_t kEntryBytes = 16;

  /// `size` is a multiple of kEntryBytes.
  explicit MemoryChunk(std::size_t size) : memory_(std::make_unique_for_overwrite<std::byte[]>(size)), size_(size) {}

  std::size_t size() const { return size_; }
  std::uint32_t count() const { return count_; }
  std::uint32_t first() const { return first_; }
  bool empty() const { return first_ == count_; }
  Offset base() const { return base_; }  ///< of the first batch it ever held
  Offset next() const { return next_; }  ///< behind the last one
  std::int64_t max_ms() const { return max_ms_; }

  /// Empty again, for batches from `base` on.
  void begin(Offset base) {
    base_ = next_ = base;
    used_ = 0;
    count_ = first_ = 0;
    max_ms_ = -1;
  }
  bool fits(std::size_t batch_bytes, Offset base) const {
    return used_ + batch_bytes + (std::size_t{count_} + 1) * kEntryBytes <= size_ &&
           base.value - base_.value <= std::int64_t{UINT32_MAX};
  }
  /// Adds a copy of a batch that fits, with offsets from next() to below `next`. `counted_ms` is its age's time.
  MutableByteSpan add(ByteSpan batch, Offset next, std::int64_t max_ms, std::int64_t counted_ms) {
    Entry& entry = entries()[-1 - std::ptrdiff_t{count_}];
    entry = {static_cast<std::uint32_t>(used_), static_cast<std::uint32_t>(next_.value - base_.value), counted_ms};
    std::byte* const at = memory_.get() + used_;
    std::memcpy(at, batch.data(), batch.size());
    used_ += batch.size();
    ++count_;
    next_ = next;
    max_ms_ = std::max(max_ms_, max_ms);
    return {at, batch.size()};
  }
  void drop_first() { ++first_; }

  ByteSpan batch(std::uint32_t nth) const {
    const std::size_t from = entry(nth).position;
    return {memory_.get() + from, (nth + 1 < count_ ? entry(nth + 1).position : used_) - from};
  }
  Offset base_of(std::uint32_t nth) const { return base_.plus(entry(nth).delta); }
  Offset next_of(std::uint32_t nth) const { return nth + 1 < count_ ? base_of(nth + 1) : next_; }
  std::int64_t counted_ms(std::uint32_t nth) const { return entry(nth).counted_ms; }
  /// The batch that contains `offset`, which lies in [base_of(first()), next()).
  std::uint32_t find(Offset offset) const {
    std::uint32_t low = first_, high = count_;
    while (high - low > 1) {
      const std::uint32_t middle = low + (high - low) / 2;
      (base_of(middle) <= offset ? low : high) = middle;
    }
    return low;
  }

  // For MemoryPool.
  ChunkHolder* holder = nullptr;
  std::list<MemoryChunk*>::iterator age;
  MemoryChunk* next_free = nullptr;

 private:
  struct Entry {
    std::uint32_t position;  ///< of the batch, from the chunk's start
    std::uint32_t delta;     ///< of its base offset, from the chunk's base
    std::int64_t counted_ms;
  };
  static_assert(sizeof(Entry) == kEntryBytes);

  /// One behind entry 0. The array of bytes is aligned for them, and they begin at its very end.
  Entry* entries() const { return reinterpret_cast<Entry*>(memory_.get() + size_); }
  const Entry& entry(std::uint32_t nth) const { return entries()[-1 - std::ptrdiff_t{nth}]; }

  std::unique_ptr<std::byte[]> memory_;
  std::size_t size_;
  Offset base_, next_;
  std::size_t used_ = 0;
  std::uint32_t count_ = 0, first_ = 0;
  std::int64_t max_ms_ = -1;  ///< of what its batches say
};

}  // namespace sluice::storage
