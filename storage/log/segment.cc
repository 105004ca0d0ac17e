#include "storage/log/segment.h"

#include <fmt/core.h>

#include <charconv>
#include <limits>

namespace sluice::storage {
namespace {

constexpr std::size_t kDigits = 20;
constexpr std::string_view kSegmentEnding = ".log";
constexpr std::string_view kIndexEnding = ".index";

}  // namespace

std::string segment_path(std::string_view directory, Offset base) {
  return fmt::format("{}/{:020}{}", directory, base.value, kSegmentEnding);
}

std::string index_path(std::string_view directory, Offset base) {
  return fmt::format("{}/{:020}{}", directory, base.value, kIndexEnding);
}

LogFileName parse_log_file_name(std::string_view name) {
  if (name.size() <= kDigits) return {};
  std::int64_t base = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + kDigits, base);
  if (error != std::errc{} || end != name.data() + kDigits || base < 0) return {};
  const std::string_view ending = name.substr(kDigits);
  if (ending == kSegmentEnding) return {LogFileKind::segment, Offset(base)};
  if (ending == kIndexEnding) return {LogFileKind::index, Offset(base)};
  return {};
}

Result<BatchHeader> BatchCheck::check(const SegmentView& segment, ByteSpan bytes) const {
  const auto bad = [&](std::string_view what) {
    return fail(Errc::corrupt, fmt::format("segment {} at {}: {}", segment.path, position, what));
  };
  auto header = parse_batch_header(bytes);
  if (!header) return bad(header.error().message);
  if (header->base_offset != expected) {
    return bad(
        fmt::format("a batch with base offset {} stands where {} should", header->base_offset.value, expected.value));
  }
  if (epoch && header->leader_epoch < *epoch) {
    return bad(fmt::format("the leader epoch goes back from {} to {}", epoch->value, header->leader_epoch.value));
  }
  if (header->last_offset_delta < 0 ||
      header->base_offset.value >= std::numeric_limits<std::int64_t>::max() - header->last_offset_delta) {
    return bad(fmt::format("impossible last offset delta {}", header->last_offset_delta));
  }
  if (position >= segment.size_bytes || header->size_bytes > segment.size_bytes - position) {
    return bad(
        fmt::format("a batch of {} bytes reaches beyond the segment's {}", header->size_bytes, segment.size_bytes));
  }
  const bool last = position + header->size_bytes == segment.size_bytes;
  if (last ? header->next_offset() != segment.next : header->next_offset() >= segment.next) {
    return bad(fmt::format("a batch ends at offset {}, and its segment at {}", header->next_offset().value,
                           segment.next.value));
  }
  return header;
}

void BatchCheck::advance(const BatchHeader& header) {
  position += header.size_bytes;
  expected = header.next_offset();
  epoch = header.leader_epoch;
}

}  // namespace sluice::storage
