// How the node's one memory budget is divided. Every part has a bound of its own, so that none can starve another; they
// add up to the budget. What is fixed and small (code, tables, one KiB or so for each partition, connection and
// producer) comes on top. Pure.
//
//   a shard's share = budget / shards, at least 16 MiB
//     1/2  flush buffers of the journal: what is not yet spilled lives in them, and tails (1/8 at most): spilled
//     batches that
//          readers at the tail may still want
//     3/16 requests: receive buffers, and frames until they are answered; of it up to 1/8 is kept for one request that
//          may go over what the others have
//     1/8  memory topics: past it the oldest records of all of them go
//     1/8  replies that clients have not taken
//     1/16 what reading and spilling segments takes
#pragma once

#include <cstdint>

namespace sluice::broker {

struct MemoryPlan {
  std::uint64_t flush_buffer_bytes = 0;
  std::uint64_t spill_bytes = 0;          ///< unspilled data that starts a spill
  std::uint64_t max_unspilled_bytes = 0;  ///< of one group: applying waits beyond it
  std::uint64_t tail_bytes = 0;
  std::uint64_t memory_topic_bytes = 0;
  std::uint64_t request_bytes = 0;      ///< but for the one
  std::uint64_t max_request_bytes = 0;  ///< what was asked for, or as much of it as the share has room for
  std::uint64_t reply_bytes = 0;
};

/// A quarter of the machine's memory (or of what the control group allows), at most 1 GiB.
std::uint64_t default_memory_budget();

/// One shard's bounds.
MemoryPlan plan_memory(std::uint64_t budget_bytes, std::uint32_t shards, std::uint64_t max_request_bytes);

}  // namespace sluice::broker
