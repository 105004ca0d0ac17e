#include "storage/log/memory_pool.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "protocol/base/check.h"

namespace sluice::storage {
namespace {

std::size_t chunk_size(std::size_t least) {
  if (least <= MemoryPool::kMostPooled) return std::bit_ceil(std::max(least, MemoryPool::kLeastChunk));
  constexpr std::size_t kUnit = MemoryChunk::kEntryBytes;
  return (least + kUnit - 1) / kUnit * kUnit;
}

}  // namespace

MemoryPool::~MemoryPool() {
  CHECK(ages_.empty(), "logs end before their memory");
  trim();
}

std::size_t MemoryPool::class_of(std::size_t size) {
  return static_cast<std::size_t>(std::countr_zero(size) - std::countr_zero(kLeastChunk));
}

std::shared_ptr<MemoryChunk> MemoryPool::take(std::size_t least, ChunkHolder& holder) {
  const std::size_t size = chunk_size(least);
  collect();
  const std::size_t bound = std::max(bound_bytes_ / 2, bound_bytes_ - std::min(bound_bytes_, held_by_readers()));
  while (!ages_.empty() && live_ + size > bound) ages_.front()->holder->let_oldest_go();
  collect();
  MemoryChunk* chunk = pooled(size);
  if (chunk == nullptr) {
    while (free_bytes_ > 0 && allocated_bytes() + size > bound_bytes_) free_largest();
    // One chunk always may be: a batch larger than the bound passes.
    if (allocated_bytes() > 0 && allocated_bytes() + size > 2 * bound_bytes_) return nullptr;
    chunk = new MemoryChunk(size);
    allocated_.fetch_add(size, std::memory_order_relaxed);
  }
  chunk->holder = &holder;
  chunk->age = ages_.insert(ages_.end(), chunk);
  live_ += size;
  return {chunk, [pool = shared_from_this()](MemoryChunk* dead) { pool->give_back(dead); }};
}

void MemoryPool::retire(MemoryChunk& chunk) {
  ages_.erase(chunk.age);
  live_ -= chunk.size();
}

MemoryChunk* MemoryPool::pooled(std::size_t size) {
  if (size > kMostPooled) return nullptr;
  MemoryChunk*& first = free_[class_of(size)];
  if (first == nullptr) return nullptr;
  free_bytes_ -= size;
  return std::exchange(first, first->next_free);
}

void MemoryPool::free_largest() {
  for (std::size_t i = kClasses; i-- > 0;) {
    if (free_[i] == nullptr) continue;
    MemoryChunk* const chunk = std::exchange(free_[i], free_[i]->next_free);
    free_bytes_ -= chunk->size();
    return destroy(chunk);
  }
}

void MemoryPool::trim() {
  collect();
  while (free_bytes_ > 0) free_largest();
}

void MemoryPool::give_back(MemoryChunk* chunk) {
  if (chunk->size() > kMostPooled) return destroy(chunk);
  chunk->next_free = returned_.load(std::memory_order_relaxed);
  while (
      !returned_.compare_exchange_weak(chunk->next_free, chunk, std::memory_order_release, std::memory_order_relaxed)) {
  }
}

void MemoryPool::collect() {
  if (returned_.load(std::memory_order_relaxed) == nullptr) return;
  MemoryChunk* chunk = returned_.exchange(nullptr, std::memory_order_acquire);
  while (chunk != nullptr) {
    MemoryChunk* const next = chunk->next_free;
    MemoryChunk*& first = free_[class_of(chunk->size())];
    chunk->next_free = first;
    first = chunk;
    free_bytes_ += chunk->size();
    chunk = next;
  }
}

void MemoryPool::destroy(MemoryChunk* chunk) {
  allocated_.fetch_sub(chunk->size(), std::memory_order_relaxed);
  delete chunk;
}

}  // namespace sluice::storage
