// The loaded indexes of a shard's segments, least recently used ones beyond a bound dropped: an index is read again, or
// rebuilt, when it is needed. Whoever uses one meanwhile keeps it alive.
// Thread safety: one shard's thread. Owner: FilePool.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>

#include "storage/log/offset_index.h"

namespace sluice::storage {

class IndexCache {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{8} << 20;

  /// A number for a segment, never given before.
  std::uint64_t new_id() { return ++last_id_; }

  std::shared_ptr<SegmentIndex> find(std::uint64_t id);
  /// Without counting as a use.
  std::shared_ptr<SegmentIndex> peek(std::uint64_t id) const;
  void put(std::uint64_t id, std::shared_ptr<SegmentIndex> index);
  /// It has grown.
  void grown(std::uint64_t id);
  void erase(std::uint64_t id);
  void clear();

  std::size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    std::uint64_t id = 0;
    std::shared_ptr<SegmentIndex> index;
    std::size_t bytes = 0;
  };
  void shrink();

  std::list<Entry> entries_;  ///< most recently used first
  std::unordered_map<std::uint64_t, std::list<Entry>::iterator> by_id_;
  std::size_t bytes_ = 0;
  std::uint64_t last_id_ = 0;
};

}  // namespace sluice::storage
