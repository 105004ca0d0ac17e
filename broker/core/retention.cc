// What retention cuts; declared in partition_state.h.
#include <cstdint>

#include "broker/core/partition_state.h"

namespace sluice::broker {
namespace {

/// Whether the newest record is older than retention.ms; never where its time is not known.
bool too_old(const TopicSettings& settings, const RetentionSegment& segment, std::int64_t group_time_ms) {
  if (settings.retention_ms < 0 || segment.max_timestamp_ms < 0 || group_time_ms < segment.max_timestamp_ms)
    return false;
  return group_time_ms - segment.max_timestamp_ms > settings.retention_ms;
}

}  // namespace

std::optional<Offset> retention_cut(const TopicSettings& settings, std::span<const RetentionSegment> oldest_first,
                                    std::int64_t group_time_ms) {
  std::uint64_t total = 0;
  for (const RetentionSegment& segment : oldest_first) total += segment.size_bytes;
  std::optional<Offset> cut;
  for (std::size_t i = 0; i < oldest_first.size(); ++i) {
    const RetentionSegment& segment = oldest_first[i];
    const bool active = i + 1 == oldest_first.size();
    const bool too_many = !active && settings.retention_bytes >= 0 &&
                          total - segment.size_bytes >= static_cast<std::uint64_t>(settings.retention_bytes);
    const bool expired = segment.size_bytes > 0 && too_old(settings, segment, group_time_ms);
    if (!too_many && !expired) break;
    total -= segment.size_bytes;
    cut = segment.next;
  }
  return cut;
}

}  // namespace sluice::broker
