#include "broker/shard/capture.h"

#include <utility>

namespace sluice::broker {

Capture::Capture(std::uint64_t number, CheckpointHeader header, Partitions& partitions,
                 std::vector<PartitionId> deleting)
    : number_(number), header_(std::move(header)), partitions_(partitions), deleting_(std::move(deleting)) {
  ids_.reserve(partitions.size());
  for (const auto& [id, partition] : partitions) ids_.push_back(id);
}

Capture::Taken Capture::take(Partition& partition) {
  partition.captured = number_;
  if (partition.memory) {
    const Offset reserved = partition.state.reserved_end();
    return {partition.state.id(), partition.state.encode(), storage::LogState{reserved, reserved, {}}};
  }
  partition.log->mark();
  if (partition.log->has_garbage()) with_garbage_.push_back(partition.state.id());
  return {partition.state.id(), partition.state.encode(), std::nullopt};
}

void Capture::take_early(Partition& partition) {
  early_.push_back(take(partition));
  early_bytes_ += early_.back().state.size();
}

void Capture::before_delete(Partition& partition) {
  if (std::exchange(partition.captured, number_) != number_) deleting_.push_back(partition.state.id());
}

void Capture::before_write(const WriteTableCommand& write) {
  for (auto& table : tables_)
    if (table->name() == write.table) table->before(write);
}

std::size_t Capture::early_bytes() const {
  std::size_t bytes = early_bytes_;
  for (const auto& table : tables_) bytes += table->kept_bytes();
  return bytes;
}

std::optional<Capture::Taken> Capture::next() {
  if (!early_.empty()) {
    Taken taken = std::move(early_.front());
    early_.pop_front();
    early_bytes_ -= taken.state.size();
    return taken;
  }
  while (next_ < ids_.size()) {
    const auto found = partitions_.find(ids_[next_++]);
    if (found == partitions_.end() || found->second->captured == number_) continue;
    return take(*found.value());
  }
  return std::nullopt;
}

}  // namespace sluice::broker
