#include "tests/broker/app/acknowledged_log.h"

#include <fmt/core.h>

#include <algorithm>

namespace sluice::broker {
namespace {
constexpr std::size_t kLengthAt = 8, kEpochAt = 12, kMagicAt = 16;

bool same_but_for_stamps(ByteSpan a, ByteSpan b) {
  return a.size() == b.size() && std::ranges::equal(a.subspan(kLengthAt, kEpochAt - kLengthAt), b.subspan(kLengthAt, kEpochAt - kLengthAt)) &&
         std::ranges::equal(a.subspan(kMagicAt), b.subspan(kMagicAt));
}
}  // namespace

std::size_t AcknowledgedLog::add(Random& random, std::int32_t count, std::size_t value_bytes, std::int64_t timestamp_ms) {
  BatchBuilder builder({.producer_id = producer_.id,
                        .producer_epoch = producer_.epoch,
                        .base_sequence = static_cast<std::int32_t>(next_base_)});
  std::vector<std::byte> value(value_bytes);
  for (std::int32_t nth = 0; nth < count; ++nth) {
    for (std::size_t at = 0; at + 8 <= value.size(); at += 8) store_le(value.data() + at, random.next());
    builder.add(timestamp_ms, std::nullopt, value);
  }
  sent_.push_back({SharedBytes::take(builder.build()), next_base_, count});
  next_base_ += count;
  return sent_.size() - 1;
}

std::string AcknowledgedLog::acknowledged(std::size_t number, Offset base) {
  if (base.value != sent_[number].base)
    return fmt::format("batch {} was acknowledged at offset {}, it belongs to {}", number, base.value, sent_[number].base);
  certain_ = std::max(certain_, number + 1);
  return {};
}

std::string AcknowledgedLog::begin_reading(Offset start, bool may_be_cut) {
  if (start.value < start_) return fmt::format("the start offset went from {} back to {}", start_, start.value);
  if (start.value > 0 && !may_be_cut) return fmt::format("the log starts at {}, and nothing may be cut", start.value);
  const auto first = std::ranges::find(sent_, start.value, &Sent::base);
  if (first == sent_.end() && start.value != next_base_) return fmt::format("the log starts at {}, within a batch or beyond all", start.value);
  start_ = start.value;
  position_ = start;
  reading_ = static_cast<std::size_t>(first - sent_.begin());
  return {};
}

std::string AcknowledgedLog::read(ByteSpan batch) {
  const auto header = parse_batch_header(batch);
  if (!header) return fmt::format("at offset {}: {}", position_.value, header.error().message);
  if (reading_ == sent_.size()) return fmt::format("at offset {} there is a batch more than was sent", position_.value);
  const Sent& expected = sent_[reading_];
  if (header->base_offset.value != expected.base)
    return fmt::format("batch {} stands at offset {}, it belongs to {}", reading_, header->base_offset.value, expected.base);
  if (!same_but_for_stamps(batch, expected.bytes)) return fmt::format("batch {} at offset {} was changed", reading_, expected.base);
  ++reading_;
  position_ = Offset(expected.base + expected.count);
  return {};
}

std::string AcknowledgedLog::end_reading(Offset end) {
  if (position_ != end) return fmt::format("the log ends at {}, and {} was read", end.value, position_.value);
  if (reading_ < certain_)
    return fmt::format("{} batches are there, and {} were acknowledged or read before: the first lost one belongs to offset {}", reading_,
                       certain_, sent_[reading_].base);
  certain_ = reading_;
  return {};
}

}  // namespace sluice::broker
