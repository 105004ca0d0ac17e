#include "broker/app/memory_plan.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace sluice::broker {
namespace {

constexpr std::uint64_t kMiB = 1U << 20;
constexpr std::uint64_t kMostByDefault = 1024 * kMiB;
constexpr std::uint64_t kLeastShare = 16 * kMiB;

}  // namespace

std::uint64_t default_memory_budget() {
  auto memory = static_cast<std::uint64_t>(std::max(0L, ::sysconf(_SC_PHYS_PAGES))) *
                static_cast<std::uint64_t>(std::max(0L, ::sysconf(_SC_PAGESIZE)));
  // A container sees its own control group at the root; "max" is no number and leaves the machine's.
  std::uint64_t allowed = 0;
  if (std::ifstream limit("/sys/fs/cgroup/memory.max"); limit >> allowed) memory = std::min(memory, allowed);
  return std::min(memory / 4, kMostByDefault);
}

MemoryPlan plan_memory(std::uint64_t budget_bytes, std::uint32_t shards, std::uint64_t max_request_bytes) {
  const std::uint64_t share = std::max(budget_bytes / std::max(shards, 1U), kLeastShare);
  const std::uint64_t largest = std::min(max_request_bytes, share / 8);
  return {.flush_buffer_bytes = share / 2,
          .spill_bytes = share / 8,
          .max_unspilled_bytes = share / 4,
          .tail_bytes = share / 8,
          .memory_topic_bytes = share / 8,
          .request_bytes = share / 16 * 3 - largest,
          .max_request_bytes = largest,
          .reply_bytes = share / 8};
}

}  // namespace sluice::broker
