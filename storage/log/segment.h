// One segment file: what a log remembers of it, its names, and the checks that every batch read from it has to pass.
// The batch CRC covers neither base offset nor leader epoch, so their order is checked whenever headers are read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/error.h"
#include "protocol/base/ids.h"
#include "protocol/base/record_batch.h"
#include "storage/log/index_format.h"

namespace sluice::storage {

struct Segment {
  Offset base;
  std::uint64_t size_bytes = 0;        ///< spilled; the file may be longer by a write that failed
  std::int64_t counted_ms = -1;        ///< largest time as retention counts it (SegmentState)
  std::int64_t opened_ms = -1;         ///< group time of its first batch; -1: not known
  std::optional<std::int64_t> max_ms;  ///< largest time of its batches as they say; unknown until an index is loaded
  std::uint64_t id = 0;                ///< in the IndexCache
  bool unsynced = false;
  bool index_distrusted = false;  ///< its index file led astray once: indexes are rebuilt from the segment
};

/// A segment as it was when an operation began; what grows or goes meanwhile does not concern that operation.
struct SegmentView {
  Offset base, next;
  std::uint64_t size_bytes = 0;
  std::uint64_t id = 0;
  std::string path;
};

std::string segment_path(std::string_view directory, Offset base);
std::string index_path(std::string_view directory, Offset base);

enum class LogFileKind { segment, index, other };
struct LogFileName {
  LogFileKind kind = LogFileKind::other;
  Offset base;
};
LogFileName parse_log_file_name(std::string_view name);

/// What must stand at a position of a segment.
struct BatchCheck {
  std::uint64_t position = 0;
  Offset expected;
  std::optional<LeaderEpoch> epoch;  ///< of the batch before; unknown at the start of a walk

  /// Checks the batch header at the front of `bytes`, and that the batch ends within the segment where it may.
  /// Errors: corrupt, naming file and position.
  Result<BatchHeader> check(const SegmentView& segment, ByteSpan bytes) const;
  /// Steps behind the batch.
  void advance(const BatchHeader& header);
};

}  // namespace sluice::storage
