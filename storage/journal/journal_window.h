// Reads a file from front to back in large pieces, blocking: for replay. Owner: JournalReplay.
#pragma once

#include <cstdint>

#include "protocol/base/bytes.h"
#include "protocol/base/error.h"
#include "storage/io/disk.h"

namespace sluice::storage {

class FileWindow {
 public:
  /// `size` of the file; nothing is allocated beyond it, whatever is asked.
  FileWindow(Disk& disk, File& file, std::uint64_t size, std::uint64_t piece_bytes = 1U << 20)
      : disk_(disk), file_(file), size_(size), piece_bytes_(piece_bytes) {}
  /// Up to `length` bytes at `offset` (a multiple of 4 KiB), fewer only at the end of the file. Valid until the next
  /// call.
  Result<ByteSpan> at(std::uint64_t offset, std::uint64_t length);

 private:
  Disk& disk_;
  File& file_;
  std::uint64_t size_;
  std::uint64_t piece_bytes_;
  AlignedBuffer buffer_;
  std::uint64_t start_ = 0;
  std::uint64_t held_ = 0;
};

}  // namespace sluice::storage
