#include "storage/log/index_cache.h"

#include <utility>

namespace sluice::storage {

std::shared_ptr<SegmentIndex> IndexCache::find(std::uint64_t id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->index;
}

std::shared_ptr<SegmentIndex> IndexCache::peek(std::uint64_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second->index;
}

void IndexCache::put(std::uint64_t id, std::shared_ptr<SegmentIndex> index) {
  erase(id);
  const std::size_t bytes = index->memory_bytes();
  entries_.push_front({id, std::move(index), bytes});
  by_id_.emplace(id, entries_.begin());
  bytes_ += bytes;
  shrink();
}

void IndexCache::grown(std::uint64_t id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  Entry& entry = *found->second;
  bytes_ -= entry.bytes;
  entry.bytes = entry.index->memory_bytes();
  bytes_ += entry.bytes;
  shrink();
}

void IndexCache::erase(std::uint64_t id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  bytes_ -= found->second->bytes;
  entries_.erase(found->second);
  by_id_.erase(found);
}

void IndexCache::clear() {
  entries_.clear();
  by_id_ = {};
  bytes_ = 0;
}

void IndexCache::shrink() {
  while (bytes_ > kMaxBytes && entries_.size() > 1) erase(entries_.back().id);
}

}  // namespace sluice::storage
