// CRC-32C against RFC 3720's vectors, and its three ways of computing against a bit-by-bit one.
#include "protocol/base/crc32c.h"

#include <gtest/gtest.h>

#include <vector>

#include "protocol/base/random.h"

namespace sluice {
namespace {

std::uint32_t bit_by_bit(ByteSpan bytes) {
  std::uint32_t crc = ~0U;
  for (std::byte byte : bytes) {
    crc ^= static_cast<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
  }
  return ~crc;
}

TEST(Crc32c, IsThatOfTheStandard) {
  EXPECT_EQ(crc32c({}), 0U);
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283U);
  EXPECT_EQ(crc32c(std::vector<std::byte>(32, std::byte{0})), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::vector<std::byte>(32, std::byte{0xff})), 0x62a8ab43U);
  std::vector<std::byte> ascending;
  for (int i = 0; i < 32; ++i) ascending.push_back(static_cast<std::byte>(i));
  EXPECT_EQ(crc32c(ascending), 0x46dd794eU);
}

TEST(Crc32c, IsTheSameForEverySizeAndAlignment) {
  SeededRandom random(1);
  std::vector<std::byte> bytes(700);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next());
  for (std::size_t size = 0; size < 600; ++size) {
    const ByteSpan part = ByteSpan(bytes).subspan(size % 17, size);
    ASSERT_EQ(crc32c(part), bit_by_bit(part)) << size;
  }
}

TEST(Crc32c, ContinuesOverPieces) {
  SeededRandom random(2);
  std::vector<std::byte> bytes(5000);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next());
  const std::uint32_t whole = crc32c(bytes);
  for (std::size_t cut : {0, 1, 7, 127, 128, 129, 4096, 4999, 5000}) {
    EXPECT_EQ(crc32c(ByteSpan(bytes).subspan(cut), crc32c(ByteSpan(bytes).first(cut))), whole) << cut;
  }
}

}  // namespace
}  // namespace sluice
