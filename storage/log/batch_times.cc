#include "storage/log/batch_times.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "protocol/base/record_batch.h"

namespace sluice::storage {
namespace {

using Visit = UniqueFunction<bool(const RecordView&)>;

/// Visits the records of a batch from `start` on.
Result<void> visit_records(ByteSpan batch, Offset start, std::size_t max_decompressed_bytes, Visit visit) {
  std::vector<std::byte> scratch;
  auto decoded = for_each_record(batch, scratch, max_decompressed_bytes,
                                 [&](const RecordView& record) { return record.offset < start || visit(record); });
  if (decoded) return decoded;
  const auto header = parse_batch_header(batch);
  if (!header || !batch_crc_holds(batch)) {
    return fail(Errc::corrupt, fmt::format("a batch of {} bytes: {}", batch.size(), decoded.error().message));
  }
  RecordView whole;
  whole.offset = std::max(header->base_offset, start);
  whole.timestamp_ms = header->max_timestamp_ms;
  visit(whole);
  return {};
}

}  // namespace

Result<std::optional<TimeMatch>> first_from_time(ByteSpan batch, Offset start, std::int64_t timestamp_ms,
                                                 std::size_t max_decompressed_bytes) {
  std::optional<TimeMatch> match;
  auto visited = visit_records(batch, start, max_decompressed_bytes, [&](const RecordView& record) {
    if (record.timestamp_ms < timestamp_ms) return true;
    match = TimeMatch{record.offset, record.timestamp_ms};
    return false;
  });
  if (!visited) return fail(std::move(visited.error()));
  return match;
}

Result<std::optional<TimeMatch>> largest_time(ByteSpan batch, Offset start, std::size_t max_decompressed_bytes) {
  std::optional<TimeMatch> match;
  auto visited = visit_records(batch, start, max_decompressed_bytes, [&](const RecordView& record) {
    if (!match || record.timestamp_ms > match->timestamp_ms) match = TimeMatch{record.offset, record.timestamp_ms};
    return true;
  });
  if (!visited) return fail(std::move(visited.error()));
  return match;
}

}  // namespace sluice::storage
