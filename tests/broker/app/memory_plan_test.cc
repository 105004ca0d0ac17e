#include "broker/app/memory_plan.h"

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

constexpr std::uint64_t kMiB = 1U << 20;

TEST(MemoryPlan, PartsAddUpToTheShare) {
  for (const std::uint64_t budget : {64 * kMiB, 300 * kMiB, 1024 * kMiB})
    for (const std::uint32_t shards : {1U, 2U, 3U}) {
      const MemoryPlan plan = plan_memory(budget, shards, 64 * kMiB);
      EXPECT_LE(plan.flush_buffer_bytes + plan.memory_topic_bytes + plan.request_bytes + plan.max_request_bytes +
                    plan.reply_bytes,
                budget / shards);
      EXPECT_LT(plan.spill_bytes, plan.max_unspilled_bytes) << "the spill begins before anybody waits for it";
      EXPECT_LE(plan.max_unspilled_bytes, plan.flush_buffer_bytes / 2)
          << "what is unspilled pins more than its own size";
    }
}

TEST(MemoryPlan, AShardIsNeverStarved) {
  EXPECT_EQ(plan_memory(1, 64, kMiB).flush_buffer_bytes, 8 * kMiB);
  EXPECT_EQ(plan_memory(0, 0, kMiB).flush_buffer_bytes, 8 * kMiB);
}

TEST(MemoryPlan, ARequestHasRoomInTheShare) {
  EXPECT_EQ(plan_memory(1024 * kMiB, 2, 64 * kMiB).max_request_bytes, 64 * kMiB);
  EXPECT_EQ(plan_memory(1024 * kMiB, 8, 64 * kMiB).max_request_bytes, 16 * kMiB);
  EXPECT_EQ(plan_memory(1024 * kMiB, 8, 10 * kMiB).max_request_bytes, 10 * kMiB);
  EXPECT_EQ(plan_memory(1, 4, 64 * kMiB).max_request_bytes, 2 * kMiB) << "more than the largest batch of a usual topic";
}

TEST(MemoryPlan, TheDefaultIsBounded) {
  EXPECT_GT(default_memory_budget(), 0U);
  EXPECT_LE(default_memory_budget(), 1024 * kMiB);
}

}  // namespace
}  // namespace sluice::broker
