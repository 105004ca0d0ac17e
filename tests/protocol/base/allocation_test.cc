// The promise that a good batch is parsed, checked and stamped without an allocation.
#include <gtest/gtest.h>

#include <string>

#include "protocol/base/record_batch.h"
#include "tests/protocol/base/counted_memory.h"

namespace sluice {
namespace {

TEST(Allocation, NoneForAGoodBatch) {
  BatchBuilder builder({.producer_id = ProducerId(1), .producer_epoch = 0, .base_sequence = 0});
  for (int i = 0; i < 200; ++i) builder.add(1000 + i, as_bytes("key"), as_bytes(std::string(100, 'v')));
  std::vector<std::byte> batch = builder.build();

  const std::size_t before = allocations();
  EXPECT_GT(before, 0U);
  const auto parsed = parse_batch_header(batch);
  const auto checked = validate_batch(batch, {.now_ms = 5000});
  stamp_batch(batch, Offset(7), LeaderEpoch(1));
  stamp_append_time(batch, 5000);
  const std::size_t after = allocations();

  EXPECT_TRUE(parsed.has_value());
  EXPECT_TRUE(checked.has_value());
  EXPECT_EQ(after, before);
}

}  // namespace
}  // namespace sluice
