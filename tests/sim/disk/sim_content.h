// What a simulated file holds: what every process sees, what is on stable storage, and the changes in between, in
// order. SimStore owns one for each file.
//
// The model is a page cache over a device whose sectors are atomic. A sector on stable storage always holds some
// version that the page cache once had, so of the unsynced changes to one sector a prefix survives a crash; different
// sectors are independent of each other. Of a truncation all or nothing survives.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/random.h"

namespace sluice::sim {

/// Sparse bytes in blocks of 4 KiB that copies share until one of them is written. Unwritten blocks read as zeros.
class SparseBytes {
 public:
  static constexpr std::size_t kBlock = 4096;

  std::uint64_t size() const { return size_; }
  void resize(std::uint64_t size);
  /// Returns the number of bytes read; fewer than asked at the end.
  std::size_t read(std::uint64_t offset, MutableByteSpan into) const;
  void write(std::uint64_t offset, ByteSpan from);
  /// Zeroes what lies in [from, to) and within the size.
  void zero(std::uint64_t from, std::uint64_t to);
  std::uint64_t allocated_bytes() const { return blocks_.size() * kBlock; }
  /// Blocks that a write of [offset, offset + size) would have to allocate.
  std::uint64_t missing_blocks(std::uint64_t offset, std::uint64_t size) const;

 private:
  using Block = std::array<std::byte, kBlock>;
  Block& writable(std::uint64_t index);

  std::map<std::uint64_t, std::shared_ptr<const Block>> blocks_;
  std::uint64_t size_ = 0;
};

class SimContent {
 public:
  const SparseBytes& view() const { return view_; }
  const SparseBytes& durable() const { return durable_; }
  bool has_unsynced() const { return !unsynced_.empty(); }

  void write(std::uint64_t offset, ByteSpan from);
  /// Written and on stable storage at once, with the size needed to read it.
  void write_durable(std::uint64_t offset, ByteSpan from);
  void truncate(std::uint64_t size);

  /// A sync that starts now covers the changes made so far: pass the mark to its end.
  std::uint64_t mark() const { return next_sequence_; }
  void sync(std::uint64_t mark);
  /// A sync that fails: as in Linux, what it covered may be lost and no later sync will write it.
  void fail_sync(std::uint64_t mark);

  /// Power fails: of the unsynced changes a random part survives, and all see it.
  void crash(Random& random);

  void flip_bit(std::uint64_t offset, unsigned bit);
  /// Sets bytes wherever they are kept, durable and not, without extending anything.
  void overwrite(std::uint64_t offset, ByteSpan bytes);

 private:
  struct Change {
    std::uint64_t sequence = 0;
    bool is_truncate = false;
    bool abandoned = false;    ///< a sync of it failed
    std::uint64_t offset = 0;  ///< of a truncation: the new size
    std::vector<std::byte> bytes;
  };
  /// Takes [from, to) out of the first `count` unsynced changes: newer bytes there are durable.
  void supersede(std::size_t count, std::uint64_t from, std::uint64_t to);
  void drop_empty();

  SparseBytes view_;
  SparseBytes durable_;
  std::vector<Change> unsynced_;
  std::uint64_t next_sequence_ = 1;
};

}  // namespace sluice::sim
