// Walks the batch headers of a stretch of a segment, in order, and checks them: to rebuild an index, and to find a
// time. Reads small first and larger as it goes on; bodies of large batches are skipped.
//
// Invariant: `done` is called exactly once, from the disk's poll, or dropped with the disk. Owner: itself, while it is
// under way.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "protocol/base/error.h"
#include "protocol/base/record_batch.h"
#include "protocol/base/unique_function.h"
#include "storage/log/file_pool.h"
#include "storage/log/segment.h"

namespace sluice::storage {

class SegmentScan : public std::enable_shared_from_this<SegmentScan> {
 public:
  /// Called for each batch in order; false ends the walk.
  using Visit = UniqueFunction<bool(const BatchHeader& header, std::uint64_t position)>;
  using Done = UniqueFunction<void(Result<void>)>;

  /// Walks [start.position, end), both borders of batches (`end` may lie within the last one).
  /// Errors: corrupt, io_error.
  static void run(FilePool::Lease file, SegmentView segment, BatchCheck start, std::uint64_t end, Visit visit,
                  Done done);

  SegmentScan(FilePool::Lease file, SegmentView segment, BatchCheck start, std::uint64_t end, Visit visit, Done done);

 private:
  void read_next();
  void take(std::size_t count);
  void finish(Result<void> result);

  FilePool::Lease file_;
  SegmentView segment_;
  BatchCheck next_;
  std::uint64_t end_;
  Visit visit_;
  Done done_;
  std::size_t read_bytes_;
  std::vector<std::byte> buffer_;
};

}  // namespace sluice::storage
