// CRC-32C: ISA-L's folding code for long input, the CPU's crc32 instruction (or a table where there is none) for
// input too short to repay the call. All three continue one another's state, which is the CRC's complement.
#include "protocol/base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <cstddef>

#if defined(__SSE4_2__) && defined(__x86_64__)
#include <nmmintrin.h>
#else
#include <array>
#endif

namespace sluice {
namespace {

constexpr std::size_t kFoldFrom = 128;                     // below it the instruction is faster (measured)
constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;  // ISA-L counts in int

#if defined(__SSE4_2__) && defined(__x86_64__)

std::uint32_t short_crc(const std::byte* at, std::size_t size, std::uint32_t state) {
  std::uint64_t wide = state;
  for (; size >= 8; at += 8, size -= 8) wide = _mm_crc32_u64(wide, load_le<std::uint64_t>(at));
  auto narrow = static_cast<std::uint32_t>(wide);
  if (size >= 4) {
    narrow = _mm_crc32_u32(narrow, load_le<std::uint32_t>(at));
    at += 4;
    size -= 4;
  }
  for (; size > 0; ++at, --size) narrow = _mm_crc32_u8(narrow, static_cast<std::uint8_t>(*at));
  return narrow;
}

#else

constexpr std::array<std::uint32_t, 256> kTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
    table[byte] = crc;
  }
  return table;
}();

std::uint32_t short_crc(const std::byte* at, std::size_t size, std::uint32_t state) {
  for (; size > 0; ++at, --size) state = (state >> 8) ^ kTable[(state ^ static_cast<std::uint32_t>(*at)) & 0xff];
  return state;
}

#endif

}  // namespace

std::uint32_t crc32c(ByteSpan bytes, std::uint32_t seed) {
  std::uint32_t state = ~seed;
  while (bytes.size() >= kFoldFrom) {
    const std::size_t size = std::min(bytes.size(), kMostAtOnce);
    // ISA-L only reads the buffer; its C signature lacks the const.
    auto* data = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(bytes.data()));
    state = crc32_iscsi(data, static_cast<int>(size), state);
    bytes = bytes.subspan(size);
  }
  return ~short_crc(bytes.data(), bytes.size(), state);
}

}  // namespace sluice
