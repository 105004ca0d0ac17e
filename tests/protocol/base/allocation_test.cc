// The promise that a good batch is parsed, checked and stamped without an allocation: this file counts the test
// binary's calls of operator new, on the thread that asks.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <string>

#include "protocol/base/record_batch.h"

namespace {
thread_local std::size_t allocations = 0;

void* counted_allocation(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  std::abort();
}
}  // namespace

void* operator new(std::size_t size) { return counted_allocation(size); }
void* operator new[](std::size_t size) { return counted_allocation(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace sluice {
namespace {

TEST(Allocation, NoneForAGoodBatch) {
  BatchBuilder builder({.producer_id = ProducerId(1), .producer_epoch = 0, .base_sequence = 0});
  for (int i = 0; i < 200; ++i) builder.add(1000 + i, as_bytes("key"), as_bytes(std::string(100, 'v')));
  std::vector<std::byte> batch = builder.build();

  const std::size_t before = allocations;
  EXPECT_GT(before, 0U);
  const auto parsed = parse_batch_header(batch);
  const auto checked = validate_batch(batch, {.now_ms = 5000});
  stamp_batch(batch, Offset(7), LeaderEpoch(1));
  stamp_append_time(batch, 5000);
  const std::size_t after = allocations;

  EXPECT_TRUE(parsed.has_value());
  EXPECT_TRUE(checked.has_value());
  EXPECT_EQ(after, before);
}

}  // namespace
}  // namespace sluice
