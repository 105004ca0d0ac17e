#include "storage/log/index_format.h"

#include "protocol/base/check.h"
#include "protocol/base/crc32c.h"

namespace sluice::storage {
namespace {

constexpr std::uint32_t kMagic = 0x58494c53;  // "SLIX"
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kChecked = 8;  // the first byte under the CRC

bool entries_hold(const IndexBlock& block) {
  if (block.from >= block.to || block.next < block.base) return false;
  const IndexEntry* last = nullptr;
  for (const IndexEntry& entry : block.entries) {
    if (entry.position < block.from || entry.position >= block.to) return false;
    if (entry.offset <= block.base || entry.offset >= block.next || entry.max_before_ms > block.max_ms) return false;
    if (last != nullptr && (entry.position <= last->position || entry.offset <= last->offset ||
                            entry.max_before_ms < last->max_before_ms)) {
      return false;
    }
    last = &entry;
  }
  return true;
}

}  // namespace

void encode_index_block(const IndexBlock& block, ByteWriter& out) {
  CHECK(block.entries.size() <= kIndexBlockEntries);
  const std::size_t start = out.size();
  out.le(kMagic);
  out.le(std::uint32_t{0});
  out.le(kVersion);
  out.le(static_cast<std::uint16_t>(block.entries.size()));
  out.le(std::uint32_t{0});
  out.le(block.base.value);
  out.le(block.from);
  out.le(block.to);
  out.le(block.next.value);
  out.le(block.max_ms);
  for (const IndexEntry& entry : block.entries) {
    out.le(entry.offset.value);
    out.le(entry.position);
    out.le(entry.max_before_ms);
  }
  store_le(out.at(start + 4), crc32c(out.span().subspan(start + kChecked)));
}

std::size_t index_block_size(ByteSpan bytes) {
  ByteReader in(bytes);
  const auto magic = in.le<std::uint32_t>();
  in.skip(4);
  const auto version = in.le<std::uint16_t>();
  const auto count = in.le<std::uint16_t>();
  if (in.failed() || magic != kMagic || version != kVersion || count > kIndexBlockEntries) return 0;
  return kIndexBlockHeader + count * kIndexEntrySize;
}

Result<IndexBlock> decode_index_block(ByteSpan bytes) {
  const std::size_t size = index_block_size(bytes);
  if (size == 0 || size > bytes.size()) return fail(Errc::malformed, "not an index block, or cut short");
  bytes = bytes.first(size);
  if (load_le<std::uint32_t>(bytes.data() + 4) != crc32c(bytes.subspan(kChecked))) {
    return fail(Errc::corrupt, "the CRC of an index block does not hold");
  }
  ByteReader in(bytes.subspan(16));
  IndexBlock block;
  block.base = Offset(in.le<std::int64_t>());
  block.from = in.le<std::uint64_t>();
  block.to = in.le<std::uint64_t>();
  block.next = Offset(in.le<std::int64_t>());
  block.max_ms = in.le<std::int64_t>();
  block.entries.resize((size - kIndexBlockHeader) / kIndexEntrySize);
  for (IndexEntry& entry : block.entries) {
    entry.offset = Offset(in.le<std::int64_t>());
    entry.position = in.le<std::uint64_t>();
    entry.max_before_ms = in.le<std::int64_t>();
  }
  if (!entries_hold(block)) return fail(Errc::malformed, "the entries of an index block contradict each other");
  return block;
}

}  // namespace sluice::storage
