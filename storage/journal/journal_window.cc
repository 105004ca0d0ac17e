#include "storage/journal/journal_window.h"

#include <algorithm>

#include "storage/journal/journal_format.h"

namespace sluice::storage {

Result<ByteSpan> FileWindow::at(std::uint64_t offset, std::uint64_t length) {
  if (offset >= size_) return ByteSpan();
  length = std::min(length, size_ - offset);
  if (offset < start_ || offset + length > start_ + held_) {
    const std::uint64_t wanted = journal_round_up(std::max(length, std::min(piece_bytes_, size_ - offset)), kDiskBlock);
    if (buffer_.size() < wanted) buffer_ = AlignedBuffer(static_cast<std::size_t>(wanted));
    auto got = read_blocking(disk_, file_, offset, {buffer_.data(), static_cast<std::size_t>(wanted)});
    if (!got) return fail(std::move(got.error()));
    start_ = offset;
    held_ = *got;
  }
  const std::uint64_t skip = offset - start_;
  return ByteSpan(buffer_.data() + skip, static_cast<std::size_t>(held_ > skip ? std::min(length, held_ - skip) : 0));
}

}  // namespace sluice::storage
