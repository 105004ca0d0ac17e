// Kafka's rules for the sequences of idempotent producers. See producer_state.h.
#include "broker/core/producer_state.h"

#include <algorithm>

#include "protocol/base/check.h"

namespace sluice::broker {

ProducerState::Verdict ProducerState::match(const BatchHeader& header) const {
  if (header.producer_epoch < epoch_) return {Match::old_epoch, {}};
  if (header.producer_epoch > epoch_) return {header.base_sequence == 0 ? Match::next : Match::out_of_order, {}};
  const std::int32_t last = header.last_sequence();
  for (const Batch& batch : batches()) {
    if (batch.first_sequence == header.base_sequence && batch.last_sequence == last) {
      return {Match::remembered, batch.base_offset};
    }
  }
  if (header.base_sequence == expected_sequence()) return {Match::next, {}};
  // Success is told for a forgotten batch only if all of it is known to have been appended: a producer whose first
  // batch came at sequence 5 (its state had expired) must not have its sequence 4 taken for a duplicate.
  const std::uint32_t first_back = sequence_distance(header.base_sequence, batches_[0].first_sequence);
  const std::uint32_t last_back = sequence_distance(last, batches_[0].first_sequence);
  const bool forgotten = first_back <= forgotten_ && last_back >= 1 && last_back <= first_back;
  return {forgotten ? Match::forgotten : Match::out_of_order, {}};
}

void ProducerState::note(const BatchHeader& header, Offset base_offset, std::int64_t group_time_ms) {
  if (header.producer_epoch != epoch_) {
    epoch_ = header.producer_epoch;
    count_ = 0;
    forgotten_ = 0;
  }
  if (count_ == kRemembered) {
    const std::uint64_t forgotten = std::uint64_t{forgotten_} + batches_[0].records();
    forgotten_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(forgotten, kMaxForgotten));
    std::move(batches_.begin() + 1, batches_.end(), batches_.begin());
    --count_;
  }
  batches_[count_++] = {header.base_sequence, header.last_sequence(), base_offset};
  last_write_ms_ = group_time_ms;
}

std::int32_t ProducerState::expected_sequence() const {
  CHECK(count_ > 0);
  return sequence_plus(batches_[count_ - 1U].last_sequence, 1);
}

ProducerState ProducerState::restore(std::int16_t epoch, std::int64_t last_write_ms, std::uint32_t forgotten,
                                     std::span<const Batch> batches) {
  CHECK(!batches.empty() && batches.size() <= kRemembered && forgotten <= kMaxForgotten);
  ProducerState state;
  state.epoch_ = epoch;
  state.last_write_ms_ = last_write_ms;
  state.forgotten_ = forgotten;
  state.count_ = static_cast<std::uint8_t>(batches.size());
  std::copy(batches.begin(), batches.end(), state.batches_.begin());
  return state;
}

}  // namespace sluice::broker
