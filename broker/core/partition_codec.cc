// A PartitionState as it stands in checkpoints (partition_state.proto). Equal states give equal bytes. What is read is
// untrusted: every invariant is checked before it is believed.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <limits>

#include "broker/core/partition_impl.h"
#include "broker/core/partition_state.h"
#include "broker/core/partition_state.pb.h"
#include "broker/core/stored_values.h"

namespace sluice::broker {
namespace {

constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kMemoryVersion =
    2;  ///< of a memory topic: who reads version 1 alone must not take it for a log

tl::unexpected<Error> malformed(std::string what) { return fail(Errc::malformed, "stored partition: " + what); }

void store_producer(ProducerId id, const ProducerState& state, pb::Producer& into) {
  into.set_id(id.value);
  into.set_epoch(state.epoch());
  into.set_last_write_ms(state.last_write_ms());
  into.set_forgotten(state.forgotten());
  for (const ProducerState::Batch& batch : state.batches()) {
    pb::ProducerBatch& stored = *into.add_batches();
    stored.set_first_sequence(batch.first_sequence);
    stored.set_last_sequence(batch.last_sequence);
    stored.set_base_offset(batch.base_offset.value);
  }
}

Result<ProducerState> load_producer(const pb::Producer& from, Offset log_end) {
  const auto count = static_cast<std::size_t>(from.batches_size());
  if (from.epoch() < 0 || from.epoch() > std::numeric_limits<std::int16_t>::max() || count < 1 ||
      count > ProducerState::kRemembered || from.forgotten() > ProducerState::kMaxForgotten) {
    return malformed(fmt::format("producer {} has epoch {}, {} batches and {} forgotten sequences", from.id(),
                                 from.epoch(), count, from.forgotten()));
  }
  std::array<ProducerState::Batch, ProducerState::kRemembered> batches;
  std::int64_t least_offset = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const pb::ProducerBatch& stored = from.batches(static_cast<int>(i));
    batches[i] = {stored.first_sequence(), stored.last_sequence(), Offset(stored.base_offset())};
    if (stored.first_sequence() < 0 || stored.last_sequence() < 0 || stored.base_offset() < least_offset ||
        stored.base_offset() > log_end.value - batches[i].records()) {
      return malformed(
          fmt::format("producer {} has a batch of sequences {} to {} at offset {}, where the log ends at {}", from.id(),
                      stored.first_sequence(), stored.last_sequence(), stored.base_offset(), log_end.value));
    }
    least_offset = stored.base_offset() + batches[i].records();
  }
  return ProducerState::restore(static_cast<std::int16_t>(from.epoch()), from.last_write_ms(), from.forgotten(),
                                std::span(batches).first(count));
}

Result<EpochHistory> load_epochs(const pb::PartitionState& from) {
  std::vector<EpochStart> entries;
  if (static_cast<std::size_t>(from.epochs_size()) > EpochHistory::kMaxEpochs) {
    return malformed(fmt::format("{} leader epochs are more than {}", from.epochs_size(), EpochHistory::kMaxEpochs));
  }
  entries.reserve(static_cast<std::size_t>(from.epochs_size()));
  for (const pb::EpochStart& entry : from.epochs()) {
    entries.push_back({LeaderEpoch(entry.epoch()), Offset(entry.start())});
  }
  auto history = EpochHistory::restore(std::move(entries), Offset(from.start_offset()), Offset(from.end_offset()));
  if (!history) return malformed("its leader epochs do not ascend within the log");
  return *std::move(history);
}

}  // namespace

std::string PartitionState::encode() const {
  pb::PartitionState message;
  message.set_version(kVersion);
  message.set_topic_id(store_topic_id(impl_->id.topic));
  message.set_index(impl_->id.index.value);
  message.set_epoch_base(impl_->epoch_base.value);
  store_settings(impl_->settings, *message.mutable_settings());
  if (impl_->in_memory()) {  // what its life holds is nobody's but its leader's
    message.set_version(kMemoryVersion);
    message.set_start_offset(impl_->reserved_end.value);
    message.set_end_offset(impl_->reserved_end.value);
    return serialized(message);
  }
  message.set_start_offset(impl_->start.value);
  message.set_end_offset(impl_->end.value);
  for (const EpochStart& entry : impl_->epochs.entries()) {
    pb::EpochStart& stored = *message.add_epochs();
    stored.set_epoch(entry.epoch.value);
    stored.set_start(entry.start.value);
  }
  if (impl_->producers) {
    std::vector<ProducerId> ids;
    ids.reserve(impl_->producers->size());
    for (const auto& [id, state] : *impl_->producers) ids.push_back(id);
    std::sort(ids.begin(), ids.end());
    for (const ProducerId id : ids) store_producer(id, impl_->producers->at(id), *message.add_producers());
  }
  return serialized(message);
}

Result<PartitionState> PartitionState::decode(std::string_view bytes, std::shared_ptr<ProducerBudget> producers) {
  pb::PartitionState message;
  if (bytes.size() > std::numeric_limits<std::int32_t>::max() ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return malformed(fmt::format("its {} bytes are no such message", bytes.size()));
  }
  if (message.version() > kMemoryVersion) {
    return fail(Errc::unsupported, fmt::format("stored partition: version {} is newer than {}, which this build reads",
                                               message.version(), kMemoryVersion));
  }
  const Result<TopicId> topic = load_topic_id(message.topic_id());
  if (!topic) return malformed(topic.error().message);
  const Result<TopicSettings> settings = load_settings(message.settings());
  if (!settings) return malformed(settings.error().message);
  const bool in_memory = settings->storage == TopicStorage::memory;
  if (message.version() != (in_memory ? kMemoryVersion : kVersion) || message.index() < 0 || message.epoch_base() < 0 ||
      message.start_offset() < 0 || message.end_offset() < message.start_offset()) {
    return malformed(fmt::format("version {}, partition {}, epoch base {}, offsets {} to {}", message.version(),
                                 message.index(), message.epoch_base(), message.start_offset(), message.end_offset()));
  }
  if (in_memory && (message.start_offset() != message.end_offset() || message.end_offset() < 1 ||
                    message.epochs_size() > 0 || message.producers_size() > 0)) {
    return malformed(fmt::format("a memory topic's partition holds offsets {} to {}, {} leader epochs and {} producers",
                                 message.start_offset(), message.end_offset(), message.epochs_size(),
                                 message.producers_size()));
  }
  Result<EpochHistory> epochs = load_epochs(message);
  if (!epochs) return fail(std::move(epochs.error()));

  auto impl = std::make_unique<Impl>(PartitionId{*topic, PartitionIndex(message.index())},
                                     LeaderEpoch(message.epoch_base()), *settings, std::move(producers));
  impl->start = Offset(message.start_offset());
  impl->end = impl->speculative_end = Offset(message.end_offset());
  if (in_memory) impl->reserved_end = impl->end;
  impl->epochs = *std::move(epochs);
  if (!impl->epochs.entries().empty() && impl->epochs.entries().front().epoch < impl->epoch_base) {
    return malformed("its first leader epoch is below its epoch base");
  }
  std::int64_t least_id = 0;
  for (const pb::Producer& stored : message.producers()) {
    if (stored.id() < least_id || stored.id() == std::numeric_limits<std::int64_t>::max()) {
      return malformed(fmt::format("its producers do not ascend at {}", stored.id()));
    }
    least_id = stored.id() + 1;
    const Result<ProducerState> state = load_producer(stored, impl->end);
    if (!state) return fail(state.error());
    if (!impl->producers) impl->producers = std::make_unique<Impl::ProducerMap>();
    impl->producers->emplace(ProducerId(stored.id()), *state);
    impl->budget->add(1);
  }
  if (impl->producers) impl->find_oldest_producer();
  return PartitionState(std::move(impl));
}

}  // namespace sluice::broker
