// The LZ4 frame reader. Invariant: no byte is written beyond the output's bound, and no block is decoded that does
// not lie within the input. Linked blocks find their dictionary where it was just written, before the output's end.
#include "protocol/base/lz4_frame.h"

#include <lz4.h>

#include <optional>

namespace sluice {
namespace {

constexpr std::uint32_t kFrameMagic = 0x184d2204;
constexpr std::uint32_t kSkippableMagic = 0x184d2a50;  // and the 15 above it
constexpr std::uint32_t kStoredBit = 0x80000000;
constexpr std::size_t kMostDictionary = std::size_t{64} << 10;
constexpr std::size_t kMostExpansion = 255;  // one byte of LZ4 stands for no more

struct FrameHeader {
  bool independent = false;
  bool block_checksums = false;
  bool content_checksum = false;
  std::optional<std::uint64_t> content_size;
  std::size_t block_max = 0;
};

tl::unexpected<Error> corrupt(const char* what) { return fail(Errc::corrupt, std::string("lz4 frame: ") + what); }

tl::unexpected<Error> beyond(const BoundedOutput& out) {
  return fail(Errc::too_large, "lz4: decompresses to more than " + std::to_string(out.max_bytes()) + " bytes");
}

Result<FrameHeader> read_frame_header(ByteReader& in) {
  const auto flags = in.le<std::uint8_t>();
  const auto sizes = in.le<std::uint8_t>();
  if (in.failed()) return corrupt("its header is cut short");
  if ((flags & 0xc0) != 0x40 || (flags & 0x02) != 0) return corrupt("unknown version or flags");
  if ((flags & 0x01) != 0) return fail(Errc::unsupported, "lz4 frame: needs a dictionary");
  const int block_size_id = (sizes >> 4) & 7;
  if ((sizes & 0x8f) != 0 || block_size_id < 4) return corrupt("unknown block size");
  FrameHeader header;
  header.independent = (flags & 0x20) != 0;
  header.block_checksums = (flags & 0x10) != 0;
  header.content_checksum = (flags & 0x04) != 0;
  header.block_max = std::size_t{1} << (8 + 2 * block_size_id);
  if ((flags & 0x08) != 0) header.content_size = in.le<std::uint64_t>();
  in.skip(1);  // the header's checksum
  if (in.failed()) return corrupt("its header is cut short");
  return header;
}

Result<void> read_stored_block(ByteSpan block, BoundedOutput& out) {
  out.make_room(block.size());
  if (out.room() < block.size()) return beyond(out);
  std::ranges::copy(block, out.end());
  out.advance(block.size());
  return {};
}

/// `frame_start` is where the frame's output begins: the dictionary of a linked block reaches back no further.
Result<void> read_packed_block(ByteSpan block, const FrameHeader& header, std::size_t frame_start, BoundedOutput& out) {
  const std::size_t most = std::min(header.block_max, block.size() * kMostExpansion);
  out.make_room(most);
  const auto* from = reinterpret_cast<const char*>(block.data());
  const int size = static_cast<int>(block.size());
  const std::size_t dictionary = header.independent ? 0 : std::min(out.used() - frame_start, kMostDictionary);
  auto* to = reinterpret_cast<char*>(out.end());
  const int capacity = static_cast<int>(std::min(out.room(), most));
  const int written =
      LZ4_decompress_safe_usingDict(from, to, size, capacity, to - dictionary, static_cast<int>(dictionary));
  if (written >= 0) {
    out.advance(static_cast<std::size_t>(written));
    return {};
  }
  if (out.room() < most) {  // the library does not say whether the block is bad or the room too small
    const int partly = LZ4_decompress_safe_partial_usingDict(from, to, size, capacity, capacity, to - dictionary,
                                                             static_cast<int>(dictionary));
    if (partly == capacity) return beyond(out);
  }
  return corrupt("a block does not decode");
}

Result<void> read_frame(ByteReader& in, BoundedOutput& out) {
  const Result<FrameHeader> header = read_frame_header(in);
  if (!header) return fail(header.error());
  if (header->content_size && *header->content_size > out.max_bytes() - out.used()) return beyond(out);
  const std::size_t frame_start = out.used();
  while (true) {
    const auto mark = in.le<std::uint32_t>();
    if (in.failed()) return corrupt("its end mark is missing");
    if (mark == 0) break;
    const std::size_t size = mark & ~kStoredBit;
    if (size == 0 || size > header->block_max) return corrupt("a block is larger than its header allows");
    const ByteSpan block = in.take(size);
    if (header->block_checksums) in.skip(4);
    if (in.failed()) return corrupt("a block is cut short");
    Result<void> ok =
        (mark & kStoredBit) != 0 ? read_stored_block(block, out) : read_packed_block(block, *header, frame_start, out);
    if (!ok) return ok;
  }
  if (header->content_checksum) in.skip(4);
  if (in.failed()) return corrupt("its checksum is missing");
  if (header->content_size && *header->content_size != out.used() - frame_start) {
    return corrupt("its content is not of the size that it says");
  }
  return {};
}

}  // namespace

Result<void> read_lz4_frames(ByteSpan compressed, BoundedOutput& out) {
  out.start(compressed.size(), 0);
  ByteReader in(compressed);
  while (in.remaining() > 0) {
    const auto magic = in.le<std::uint32_t>();
    if ((magic & ~0xfU) == kSkippableMagic) {
      in.skip(in.le<std::uint32_t>());
    } else if (magic == kFrameMagic) {
      if (auto ok = read_frame(in, out); !ok) return ok;
    } else {
      return corrupt("no magic number");
    }
  }
  if (in.failed()) return corrupt("cut short");
  return {};
}

}  // namespace sluice
