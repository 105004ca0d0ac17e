// The two layers of a partition's state. Its stored form is in partition_codec.cc. See partition_state.h.
//
// Memory (promise P4): an idle partition holds this Impl and one epoch, about 250 bytes; producers and speculation are
// allocated when there are some.
#include "broker/core/partition_state.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "broker/core/partition_impl.h"
#include "protocol/base/check.h"

namespace sluice::broker {
namespace {

using Verdict = PartitionState::Verdict;
using Outcome = PartitionState::Outcome;

Verdict refused(Errc code, std::string message) { return {Outcome::refused, {}, Error{code, std::move(message)}}; }

std::string sequence_text(const PartitionId& partition, const BatchHeader& header) {
  return fmt::format("producer {} with epoch {} sent sequences {} to {} to {}", header.producer_id.value,
                     header.producer_epoch, header.base_sequence, header.last_sequence(), partition.text());
}

/// After erasing much: gives back the memory that a map keeps for what it once held.
template <class Map>
void shrink(std::unique_ptr<Map>& map) {
  constexpr std::size_t kKeptBuckets = 64;
  if (map->bucket_count() <= kKeptBuckets || map->size() * 8 > map->bucket_count()) return;
  if (map->empty()) {
    map.reset();
  } else {
    map->rehash(0);
  }
}

}  // namespace

// ---- Impl ----

PartitionState::Impl::Impl(PartitionId partition, LeaderEpoch base, TopicSettings topic_settings,
                           std::shared_ptr<ProducerBudget> producer_budget)
    : id(partition), epoch_base(base), settings(topic_settings), budget(std::move(producer_budget)) {
  CHECK(budget != nullptr);
  if (in_memory()) {
    reserved_end = Offset(kOffsetBlock);
    restart(reserved_end);
  }
}

PartitionState::Impl::~Impl() {
  discard();
  if (producers) budget->remove(producers->size());
}

const ProducerState* PartitionState::Impl::latest(ProducerId producer) const {
  if (pending) {
    const auto at = pending->find(producer);
    if (at != pending->end()) return &at->second.state;
  }
  return applied(producer);
}

const ProducerState* PartitionState::Impl::applied(ProducerId producer) const {
  if (!producers) return nullptr;
  const auto at = producers->find(producer);
  return at == producers->end() ? nullptr : &at->second;
}

void PartitionState::Impl::discard() {
  if (pending) {
    for (const auto& [producer, speculation] : *pending) budget->remove(speculation.counted ? 1 : 0);
    pending.reset();
  }
  speculative_end = end;
}

void PartitionState::Impl::apply_producer(const BatchHeader& header, std::int64_t group_time_ms) {
  bool counted = false;
  if (pending) {
    const auto at = pending->find(header.producer_id);
    if (at != pending->end()) {
      counted = std::exchange(at->second.counted, false);
      if (--at->second.batches == 0) {
        pending->erase(at);
        shrink(pending);
      }
    }
  }
  if (!producers) producers = std::make_unique<ProducerMap>();
  const auto [at, is_new] = producers->try_emplace(header.producer_id);
  if (is_new && !counted) budget->add(1);
  if (!is_new && counted) budget->remove(1);
  at->second.note(header, header.base_offset, group_time_ms);
  oldest_producer_ms = producers->size() == 1 ? group_time_ms : std::min(oldest_producer_ms, group_time_ms);
}

void PartitionState::Impl::restart(Offset at) {
  discard();
  if (producers) budget->remove(producers->size());
  producers.reset();
  epochs = {};
  start = end = speculative_end = at;
}

void PartitionState::Impl::find_oldest_producer() {
  oldest_producer_ms = std::numeric_limits<std::int64_t>::max();
  for (const auto& [producer, state] : *producers) {
    oldest_producer_ms = std::min(oldest_producer_ms, state.last_write_ms());
  }
}

// ---- PartitionState ----

PartitionState::PartitionState(PartitionId id, LeaderEpoch epoch_base, TopicSettings settings,
                               std::shared_ptr<ProducerBudget> producers)
    : impl_(std::make_unique<Impl>(id, epoch_base, settings, std::move(producers))) {}
PartitionState::PartitionState(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PartitionState::~PartitionState() = default;
PartitionState::PartitionState(PartitionState&&) noexcept = default;
PartitionState& PartitionState::operator=(PartitionState&&) noexcept = default;

const PartitionId& PartitionState::id() const { return impl_->id; }
const TopicSettings& PartitionState::settings() const { return impl_->settings; }
LeaderEpoch PartitionState::epoch_base() const { return impl_->epoch_base; }

Result<LeaderEpoch> PartitionState::leader_epoch(Term term) const {
  const std::int32_t base = impl_->epoch_base.value;
  const auto room = static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max() - base);
  if (term.value > room) {
    return fail(Errc::internal, fmt::format("{}: epoch base {} + term {} does not fit a leader epoch of 32 bits",
                                            impl_->id.text(), base, term.value));
  }
  return LeaderEpoch(base + static_cast<std::int32_t>(term.value));
}

Verdict PartitionState::check(const BatchHeader& header) const {
  if (header.idempotent()) {
    const ProducerState* known = impl_->latest(header.producer_id);
    if (!known && impl_->budget->full()) {
      return refused(Errc::busy,
                     fmt::format("{} producers are remembered on this node, which is its limit: producer {} "
                                 "must wait until idle ones expire",
                                 impl_->budget->max(), header.producer_id.value));
    }
    const ProducerState::Verdict match = known ? known->match(header) : ProducerState::Verdict{};
    switch (match.match) {
      case ProducerState::Match::next: break;
      case ProducerState::Match::remembered:
        return {
            match.base_offset < impl_->end ? Outcome::duplicate : Outcome::duplicate_pending, match.base_offset, {}};
      case ProducerState::Match::forgotten:
        return refused(Errc::duplicate_sequence, sequence_text(impl_->id, header) +
                                                     ", which were appended before, too long ago to tell their offset");
      case ProducerState::Match::out_of_order:
        return refused(Errc::out_of_order_sequence,
                       fmt::format("{}, and {} must come next", sequence_text(impl_->id, header),
                                   header.producer_epoch > known->epoch() ? 0 : known->expected_sequence()));
      case ProducerState::Match::old_epoch:
        return refused(Errc::invalid_producer_epoch,
                       fmt::format("{}, and its epoch is {} by now", sequence_text(impl_->id, header), known->epoch()));
    }
  }
  if (header.size_bytes > impl_->settings.max_message_bytes) {
    return refused(Errc::too_large,
                   fmt::format("a batch of {} bytes is larger than max.message.bytes of {}, which is {}",
                               header.size_bytes, impl_->id.text(), impl_->settings.max_message_bytes));
  }
  return {Outcome::append, impl_->speculative_end, {}};
}

void PartitionState::submitted(const BatchHeader& header) {
  CHECK(header.last_offset_delta >= 0);
  const Offset base = impl_->speculative_end;
  impl_->speculative_end = base.plus(std::int64_t{header.last_offset_delta} + 1);
  if (!header.idempotent()) return;
  if (!impl_->pending) impl_->pending = std::make_unique<Impl::PendingMap>();
  const auto [at, is_new] = impl_->pending->try_emplace(header.producer_id);
  Impl::Pending& pending = at->second;
  if (is_new) {
    if (const ProducerState* applied = impl_->applied(header.producer_id)) {
      pending.state = *applied;
    } else {
      pending.counted = true;
      impl_->budget->add(1);
    }
  }
  ++pending.batches;
  pending.state.note(header, base, pending.state.last_write_ms());
}

Offset PartitionState::next_offset() const { return impl_->speculative_end; }
void PartitionState::discard_speculation() { impl_->discard(); }

Result<void> PartitionState::apply_append(const BatchHeader& header, std::int64_t group_time_ms) {
  const auto broken = [&](std::string_view what) {
    return fail(
        Errc::internal,
        fmt::format("{}: a committed batch at offset {} with leader epoch {} and last offset delta {} {} (log end {})",
                    impl_->id.text(), header.base_offset.value, header.leader_epoch.value, header.last_offset_delta,
                    what, impl_->end.value));
  };
  constexpr std::int64_t kMostOffset = std::numeric_limits<std::int64_t>::max();
  if (header.base_offset != impl_->end) return broken("does not begin at the end of the log");
  if (header.last_offset_delta < 0 || header.base_offset.value >= kMostOffset - header.last_offset_delta) {
    return broken("has an impossible length");
  }
  if (impl_->in_memory() && header.next_offset() > impl_->reserved_end) return broken("takes offsets not reserved");
  if (header.leader_epoch < impl_->epoch_base) return broken("is older than the partition");
  if (!impl_->epochs.note(header.leader_epoch, header.base_offset)) return broken("is of an epoch before the last one");
  impl_->end = header.next_offset();
  impl_->speculative_end = std::max(impl_->speculative_end, impl_->end);
  if (header.idempotent()) impl_->apply_producer(header, group_time_ms);
  return {};
}

bool PartitionState::apply_advance_start(Offset start) {
  start = std::min(start, impl_->end);
  if (start <= impl_->start) return false;
  impl_->start = start;
  impl_->epochs.trim(start);
  return true;
}

void PartitionState::apply_settings(TopicSettings settings) {
  settings.storage = impl_->settings.storage;
  impl_->settings = settings;
}

void PartitionState::apply_expire_producers(std::int64_t idle_since_ms) {
  if (!impl_->producers || impl_->producers->empty() || impl_->oldest_producer_ms >= idle_since_ms) return;
  const std::size_t gone =
      std::erase_if(*impl_->producers, [&](const auto& entry) { return entry.second.last_write_ms() < idle_since_ms; });
  impl_->budget->remove(gone);
  if (impl_->producers->empty()) {
    impl_->producers.reset();
  } else {
    impl_->find_oldest_producer();
    shrink(impl_->producers);
  }
}

bool PartitionState::in_memory() const { return impl_->in_memory(); }
Offset PartitionState::reserved_end() const { return impl_->reserved_end; }

void PartitionState::apply_reserve_offsets(Offset upto) {
  if (impl_->in_memory()) impl_->reserved_end = std::max(impl_->reserved_end, upto);
}
void PartitionState::begin_life(bool made_now) {
  CHECK(impl_->in_memory());
  impl_->restart(made_now ? Offset(0) : impl_->reserved_end);
}
void PartitionState::end_life() { begin_life(false); }

Offset PartitionState::start_offset() const { return impl_->start; }
Offset PartitionState::end_offset() const { return impl_->end; }
std::size_t PartitionState::producer_count() const { return impl_->producers ? impl_->producers->size() : 0; }

std::optional<std::int64_t> PartitionState::oldest_producer_ms() const {
  if (producer_count() == 0) return std::nullopt;
  return impl_->oldest_producer_ms;
}

std::optional<PartitionState::EpochEnd> PartitionState::epoch_end(LeaderEpoch asked, LeaderEpoch current) const {
  const auto end = impl_->epochs.end_of(asked, current, impl_->end);
  if (!end) return std::nullopt;
  return EpochEnd{end->epoch, end->end_offset};
}
std::optional<LeaderEpoch> PartitionState::epoch_at(Offset offset) const { return impl_->epochs.at(offset); }

}  // namespace sluice::broker
