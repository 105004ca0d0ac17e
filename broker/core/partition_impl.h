// What is inside a PartitionState. Internal to broker/core: partition_state.cc has the rules, partition_codec.cc the
// stored form.
// Invariants: start <= end <= speculative_end; `pending` holds exactly the producers with batches submitted and not yet
// applied; the budget counts each applied producer once, and each pending one that is `counted`.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "broker/core/epoch_history.h"
#include "broker/core/partition_state.h"
#include "broker/core/producer_state.h"

namespace sluice::broker {

struct PartitionState::Impl {
  /// A producer ahead of what is applied.
  struct Pending {
    ProducerState state;        ///< applied and submitted batches
    std::uint32_t batches = 0;  ///< submitted and not applied
    bool counted = false;       ///< it was unknown when it was submitted, and holds a place of the budget
  };
  using ProducerMap = std::unordered_map<ProducerId, ProducerState>;
  using PendingMap = std::unordered_map<ProducerId, Pending>;

  Impl(PartitionId partition, LeaderEpoch base, TopicSettings topic_settings,
       std::shared_ptr<ProducerBudget> producer_budget);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  /// What is known of a producer, speculation first; nullptr: nothing.
  const ProducerState* latest(ProducerId producer) const;
  const ProducerState* applied(ProducerId producer) const;
  void discard();
  void apply_producer(const BatchHeader& header, std::int64_t group_time_ms);
  /// There must be producers.
  void find_oldest_producer();
  bool in_memory() const { return settings.storage == TopicStorage::memory; }
  /// Forgets everything; empty at `at`.
  void restart(Offset at);

  PartitionId id;
  LeaderEpoch epoch_base;
  TopicSettings settings;
  std::shared_ptr<ProducerBudget> budget;
  Offset start, end, speculative_end;
  Offset reserved_end;  ///< of a memory topic
  EpochHistory epochs;
  std::int64_t oldest_producer_ms = 0;     ///< a lower bound; meaningless without producers
  std::unique_ptr<ProducerMap> producers;  ///< applied; nullptr until there is one
  std::unique_ptr<PendingMap> pending;     ///< nullptr until there is one
};

}  // namespace sluice::broker
