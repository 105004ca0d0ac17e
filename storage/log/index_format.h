// The format of BASE.index: blocks, one behind the other, each covering the stretch of the segment behind the one that
// the block before it covers, from position 0 on. Little endian.
//
//   0  magic            u32   "SLIX"
//   4  crc              u32   CRC-32C of byte 8 to the block's end
//   8  version          u16   1
//  10  entries          u16   at most kIndexBlockEntries; may be 0
//  12  zero             u32
//  16  segment base     i64   an index of another segment is not taken
//  24  from             u64   position in the segment
//  32  to               u64   position behind the last batch covered
//  40  next offset      i64   of the batch that starts at `to`
//  48  max timestamp    i64   of all batches below `to`; kNoTime if there is none
//  56  entries, each:
//        offset         i64   base offset of a batch
//        position       u64   where it starts
//        max timestamp  i64   of all batches below `position`
//
// The batch at position 0 has no entry: it is known. An index file is never synced. It ends at the first block that
// does not hold; what is missing is found again by walking the segment's headers.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/error.h"
#include "protocol/base/ids.h"

namespace sluice::storage {

inline constexpr std::int64_t kNoTime = std::numeric_limits<std::int64_t>::min();
inline constexpr std::size_t kIndexBlockHeader = 56;
inline constexpr std::size_t kIndexEntrySize = 24;
inline constexpr std::size_t kIndexBlockEntries = 128;
inline constexpr std::size_t kIndexBlockMax = kIndexBlockHeader + kIndexBlockEntries * kIndexEntrySize;

struct IndexEntry {
  Offset offset;
  std::uint64_t position = 0;
  std::int64_t max_before_ms = kNoTime;
  friend bool operator==(const IndexEntry&, const IndexEntry&) = default;
};

struct IndexBlock {
  Offset base;
  std::uint64_t from = 0, to = 0;
  Offset next;
  std::int64_t max_ms = kNoTime;
  std::vector<IndexEntry> entries;
  friend bool operator==(const IndexBlock&, const IndexBlock&) = default;
};

/// Appends the block's bytes to `out`.
void encode_index_block(const IndexBlock& block, ByteWriter& out);
/// Size in bytes of the block at the front of `bytes`, or of as much of it as is needed to tell. 0: not a block.
std::size_t index_block_size(ByteSpan bytes);
/// Decodes the block at the front of `bytes`, and checks that its entries ascend within what it covers.
/// Errors: malformed (cut short, or fields that contradict each other), corrupt (CRC).
Result<IndexBlock> decode_index_block(ByteSpan bytes);

}  // namespace sluice::storage
