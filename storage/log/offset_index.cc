#include "storage/log/offset_index.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "protocol/base/check.h"

namespace sluice::storage {
namespace {

/// Encodes entries [first, last) in blocks that cover [from, after.covered_to), until `out` is full. Returns up to
/// where they cover.
template <class Iterator>
std::uint64_t encode_blocks(Offset base, std::uint64_t from, Iterator first, Iterator last, const IndexCursor& after,
                            std::size_t max_bytes, ByteWriter& out) {
  while (from < after.covered_to && out.size() < max_bytes) {
    IndexBlock block;
    block.base = base;
    block.from = from;
    block.to = after.covered_to;
    block.next = after.next;
    block.max_ms = after.max_ms;
    while (first != last && block.entries.size() < kIndexBlockEntries) block.entries.push_back(*first++);
    if (first != last) {  // ends where the next block's first entry stands
      block.to = first->position;
      block.next = first->offset;
      block.max_ms = first->max_before_ms;
    }
    encode_index_block(block, out);
    from = block.to;
  }
  return from;
}

}  // namespace

std::optional<IndexEntry> IndexCursor::step(const IndexedBatch& batch) {
  std::optional<IndexEntry> entry;
  if (covered_to - last_entry >= interval_bytes) {
    entry = IndexEntry{batch.base, covered_to, max_ms};
    last_entry = covered_to;
  }
  covered_to += batch.size_bytes;
  next = batch.next;
  max_ms = std::max(max_ms, batch.max_timestamp_ms);
  return entry;
}

SegmentIndex::SegmentIndex(Offset base, std::uint64_t interval_bytes) {
  cursor_.interval_bytes = std::max<std::uint64_t>(interval_bytes, 1);
  cursor_.next = base;
  entries_.push_back({base, 0, kNoTime});
}

void SegmentIndex::add(const IndexedBatch& batch) {
  if (const auto entry = cursor_.step(batch)) entries_.push_back(*entry);
}

bool SegmentIndex::add_block(const IndexBlock& block, std::uint64_t size, Offset end) {
  if (block.base != base() || block.from != cursor_.covered_to || block.to > size || block.next > end) return false;
  if (block.next <= cursor_.next || block.max_ms < cursor_.max_ms) return false;
  if (!block.entries.empty()) {
    const IndexEntry& first = block.entries.front();
    if (first.position <= entries_.back().position || first.offset <= entries_.back().offset) return false;
    if (first.max_before_ms < cursor_.max_ms) return false;
    entries_.insert(entries_.end(), block.entries.begin(), block.entries.end());
  }
  cursor_.covered_to = block.to;
  cursor_.next = block.next;
  cursor_.max_ms = block.max_ms;
  cursor_.last_entry = entries_.back().position;
  return true;
}

void SegmentIndex::add_entries(const std::vector<IndexEntry>& entries, const IndexCursor& after) {
  entries_.insert(entries_.end(), entries.begin(), entries.end());
  cursor_ = after;
}

std::size_t SegmentIndex::floor(Offset offset) const {
  const auto behind = std::upper_bound(entries_.begin(), entries_.end(), offset,
                                       [](Offset o, const IndexEntry& entry) { return o < entry.offset; });
  return behind == entries_.begin() ? 0 : static_cast<std::size_t>(behind - entries_.begin()) - 1;
}

std::size_t SegmentIndex::first_reaching(std::int64_t timestamp_ms, std::size_t from) const {
  if (from >= entries_.size()) return entries_.size();
  // Entry n+1 knows the largest time below it, so the first such entry that reaches the time ends the stretch.
  const auto end = std::partition_point(entries_.begin() + static_cast<std::ptrdiff_t>(from) + 1, entries_.end(),
                                        [&](const IndexEntry& entry) { return entry.max_before_ms < timestamp_ms; });
  if (end != entries_.end()) return static_cast<std::size_t>(end - entries_.begin()) - 1;
  return cursor_.max_ms >= timestamp_ms ? entries_.size() - 1 : entries_.size();
}

std::size_t SegmentIndex::memory_bytes() const { return sizeof *this + entries_.size() * sizeof(IndexEntry) + 512; }

std::uint64_t SegmentIndex::encode_from(std::uint64_t from, std::size_t max_bytes, ByteWriter& out) const {
  // Entry 0 is never written.
  const auto first = std::partition_point(entries_.begin() + 1, entries_.end(),
                                          [from](const IndexEntry& entry) { return entry.position < from; });
  return encode_blocks(base(), from, first, entries_.end(), cursor_, max_bytes, out);
}

IndexWriter::IndexWriter(Offset base, std::uint64_t interval_bytes) : base_(base) {
  cursor_.interval_bytes = std::max<std::uint64_t>(interval_bytes, 1);
  cursor_.next = base;
}

IndexWriter::IndexWriter(const SegmentIndex& index)
    : base_(index.base()), cursor_(index.cursor()), written_to_(cursor_.covered_to), file_bytes_(index.file_bytes) {}

void IndexWriter::add(const IndexedBatch& batch) {
  if (const auto entry = cursor_.step(batch)) pending_.push_back(*entry);
}

IndexWriter::Write IndexWriter::take() {
  ByteWriter out;
  encode_blocks(base_, written_to_, pending_.begin(), pending_.end(), cursor_, std::numeric_limits<std::size_t>::max(),
                out);
  pending_ = {};
  taken_ = true;
  written_to_ = cursor_.covered_to;
  Write write{file_bytes_, out.take()};
  file_bytes_ += write.bytes.size();
  return write;
}

}  // namespace sluice::storage
