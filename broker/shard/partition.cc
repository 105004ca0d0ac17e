#include "broker/shard/partition.h"

#include <limits>
#include <utility>

#include "protocol/base/check.h"

namespace sluice::broker {

Partition::Partition(PartitionState of, std::shared_ptr<storage::MemoryPool> pool) : state(std::move(of)) {
  CHECK(state.in_memory());
  memory =
      std::make_unique<MemoryPartition>(std::move(pool), [this](Offset start) { state.apply_advance_start(start); });
  set_memory_bound();
}

void Partition::set_memory_bound() {
  const std::int64_t bytes = state.settings().retention_bytes;
  memory->log.set_bound(bytes < 0 ? std::numeric_limits<std::uint64_t>::max() : static_cast<std::uint64_t>(bytes));
}

void Partition::read(Offset offset, std::size_t max_bytes, Offset limit,
                     UniqueFunction<void(Result<storage::LogRead>)> done) {
  if (memory) return done(memory->log.read(offset, max_bytes));
  log->read(offset, max_bytes, limit, std::move(done));
}

void Partition::find_time(std::int64_t timestamp_ms, Offset limit,
                          UniqueFunction<void(Result<std::optional<storage::TimeMatch>>)> done) {
  if (memory) return done(memory->log.find_time(timestamp_ms));
  log->find_time(timestamp_ms, limit, std::move(done));
}

void Partition::find_max_time(Offset limit, UniqueFunction<void(Result<std::optional<storage::TimeMatch>>)> done) {
  if (memory) return done(memory->log.find_max_time());
  log->find_max_time(limit, std::move(done));
}

}  // namespace sluice::broker
