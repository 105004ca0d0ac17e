// The rules of OffsetForLeaderEpoch. See epoch_history.h.
#include "broker/core/epoch_history.h"

#include <algorithm>

namespace sluice::broker {
namespace {

/// The first entry whose epoch is above `epoch`.
auto first_above(const std::vector<EpochStart>& entries, LeaderEpoch epoch) {
  return std::upper_bound(entries.begin(), entries.end(), epoch,
                          [](LeaderEpoch asked, const EpochStart& entry) { return asked < entry.epoch; });
}

}  // namespace

bool EpochHistory::note(LeaderEpoch epoch, Offset base_offset) {
  if (!entries_.empty()) {
    if (epoch < entries_.back().epoch) return false;
    if (epoch == entries_.back().epoch) return true;
    // Everything of the last epoch was trimmed away: it holds no record, so nobody needs its end.
    if (entries_.back().start == base_offset) entries_.pop_back();
  }
  if (entries_.size() == kMaxEpochs) entries_.erase(entries_.begin());
  if (entries_.size() == entries_.capacity()) entries_.reserve(entries_.size() + 1 + entries_.size() / 2);
  entries_.push_back({epoch, base_offset});
  return true;
}

void EpochHistory::trim(Offset start) {
  std::size_t keep = 0;
  while (keep + 1 < entries_.size() && entries_[keep + 1].start <= start) ++keep;
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(keep));
  if (!entries_.empty() && entries_.front().start < start) entries_.front().start = start;
}

std::optional<EpochHistory::End> EpochHistory::end_of(LeaderEpoch asked, LeaderEpoch current, Offset log_end) const {
  if (asked.value < 0 || asked > current) return std::nullopt;
  if (asked == current) return End{current, log_end};
  const auto next = first_above(entries_, asked);
  const Offset end = next == entries_.end() ? log_end : next->start;
  if (next == entries_.begin()) return End{asked, end};
  return End{std::prev(next)->epoch, end};
}

std::optional<LeaderEpoch> EpochHistory::at(Offset offset) const {
  const auto behind = std::upper_bound(entries_.begin(), entries_.end(), offset,
                                       [](Offset asked, const EpochStart& entry) { return asked < entry.start; });
  if (behind == entries_.begin()) return std::nullopt;
  return std::prev(behind)->epoch;
}

std::optional<EpochHistory> EpochHistory::restore(std::vector<EpochStart> entries, Offset start, Offset end) {
  if (entries.size() > kMaxEpochs) return std::nullopt;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const EpochStart& entry = entries[i];
    if (entry.epoch.value < 0 || entry.start < start || entry.start > end) return std::nullopt;
    if (i > 0 && (entry.epoch <= entries[i - 1].epoch || entry.start <= entries[i - 1].start)) return std::nullopt;
  }
  EpochHistory history;
  history.entries_ = std::move(entries);
  return history;
}

}  // namespace sluice::broker
