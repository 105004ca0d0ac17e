// The state of one partition that all its replicas agree on, and the leader's speculation ahead of it. Pure.
//
// Two layers:
//  - applied: start and end offset, producers, leader epochs; changed by apply_*() only, the same on every replica;
//  - speculative: what the leader has submitted and not yet seen applied: its own end offset and producer states. Never
//  shown
//    to a reader; discard_speculation() on losing leadership, so that it is empty when a leader begins behind its
//    barrier.
// Invariants: applied end <= speculative end; apply_append() is told exactly the batches that were submitted, in order.
//
// A partition of a memory topic is shared by its replicas only as far as reserved_end() goes: the offsets below it may
// have been issued. Start, end, producers and epoch are of the one life that a leader begins with begin_life() and ends
// with end_life(); between lives it is empty at reserved_end(), and so is what a checkpoint says.
// Owner: Replica (broker/shard). Kafka's rules for idempotent producers; sequences wrap from INT32_MAX to 0.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "broker/core/producer_budget.h"
#include "broker/core/topic_settings.h"
#include "protocol/base/error.h"
#include "protocol/base/ids.h"
#include "protocol/base/record_batch.h"

namespace sluice::broker {

/// How many offsets of a memory topic are reserved at a time; the first block with its creation.
inline constexpr std::int64_t kOffsetBlock = std::int64_t{1} << 24;

class PartitionState {
 public:
  PartitionState(PartitionId id, LeaderEpoch epoch_base, TopicSettings settings,
                 std::shared_ptr<ProducerBudget> producers);
  ~PartitionState();
  PartitionState(PartitionState&&) noexcept;
  PartitionState& operator=(PartitionState&&) noexcept;

  const PartitionId& id() const;
  const TopicSettings& settings() const;
  LeaderEpoch epoch_base() const;
  /// epoch_base + term. Errors: internal, when it would not fit an int32.
  Result<LeaderEpoch> leader_epoch(Term term) const;

  // ---- Leader: speculation ----

  enum class Outcome : std::uint8_t {
    append,             ///< take it: call submitted() with the batch at `offset`
    duplicate,          ///< applied before at `offset`: acknowledge with that
    duplicate_pending,  ///< submitted before at `offset` and not applied yet: share that one's outcome
    refused,            ///< see `error`
  };
  struct Verdict {
    Outcome outcome = Outcome::refused;
    Offset offset;
    Error error;  ///< out_of_order_sequence, invalid_producer_epoch, duplicate_sequence, busy (producer cap), too_large
  };
  /// Looks only. `header` has passed validate_batch().
  Verdict check(const BatchHeader& header) const;
  /// The batch is in the log's tail now, at next_offset().
  void submitted(const BatchHeader& header);
  Offset next_offset() const;  ///< the speculative end
  void discard_speculation();

  // ---- Every replica: apply ----

  /// Takes a committed batch; its base offset must be end_offset(), and its leader epoch (stamped by its leader)
  /// neither below epoch_base() nor below an earlier batch's. Errors: internal when that does not hold: the group
  /// stops.
  Result<void> apply_append(const BatchHeader& header, std::int64_t group_time_ms);
  /// Returns whether the start moved. A start beyond the end is cut to the end.
  bool apply_advance_start(Offset start);
  /// But for `storage`, which stays.
  void apply_settings(TopicSettings settings);
  void apply_expire_producers(std::int64_t idle_since_ms);

  // ---- Memory topics ----

  bool in_memory() const;
  /// Offsets from here on were never issued; 0 for a topic on disk.
  Offset reserved_end() const;
  /// Every replica: offsets below `upto` may be issued from now on by the leader whose entry said so.
  void apply_reserve_offsets(Offset upto);
  /// Leader: begins empty, above all offsets that were issued; at 0 with `made_now`: by this very leader, so that
  /// nobody issued any. Batches then come by apply_append() without submitted(), below reserved_end().
  void begin_life(bool made_now);
  void end_life();

  Offset start_offset() const;
  Offset end_offset() const;
  std::size_t producer_count() const;
  /// A lower bound for the group time at which the longest idle producer last wrote; nullopt: none.
  std::optional<std::int64_t> oldest_producer_ms() const;

  /// OffsetForLeaderEpoch: the largest known epoch <= `asked` and where it ends. nullopt: undefined or future.
  /// `current` is the leader's epoch now.
  struct EpochEnd {
    LeaderEpoch epoch;
    Offset end_offset;
  };
  std::optional<EpochEnd> epoch_end(LeaderEpoch asked, LeaderEpoch current) const;

  /// The leader epoch of the record at `offset`, which lies within the log; nullopt: not known (any more).
  std::optional<LeaderEpoch> epoch_at(Offset offset) const;

  // ---- Checkpoint ----
  /// Everything applied, as Protobuf (partition_state.proto); start-up hands it back.
  std::string encode() const;
  /// Errors: malformed, unsupported (version).
  static Result<PartitionState> decode(std::string_view bytes, std::shared_ptr<ProducerBudget> producers);

 private:
  struct Impl;
  explicit PartitionState(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// What retention would cut: the new start offset, or nullopt when nothing is to go. Looks at sealed segments only; the
/// active one is cut (by rolling first) when it is older than retention as a whole.
struct RetentionSegment {
  Offset next;  ///< the offset behind it
  std::uint64_t size_bytes = 0;
  std::int64_t max_timestamp_ms = -1;
};
std::optional<Offset> retention_cut(const TopicSettings& settings, std::span<const RetentionSegment> oldest_first,
                                    std::int64_t group_time_ms);

}  // namespace sluice::broker
