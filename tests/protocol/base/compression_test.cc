// The codecs: our own round trips, what other encoders wrote, and input that lies or is damaged.
#include "protocol/base/compression.h"

#include <gtest/gtest.h>
#include <snappy-c.h>
#include <zstd.h>

#include <string>

#include "protocol/base/random.h"
#include "tests/protocol/base/golden_batches.h"
#include "tests/protocol/base/hex.h"

namespace sluice {
namespace {

constexpr std::size_t kPlenty = std::size_t{64} << 20;
constexpr Codec kCodecs[] = {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd};

std::string plain_text(std::size_t size) {
  SeededRandom random(size);
  std::string text;
  while (text.size() < size) text += "word" + std::to_string(random.below(1000)) + (random.one_in(5) ? ".\n" : " ");
  text.resize(size);
  return text;
}

std::vector<std::byte> noise(std::size_t size) {
  SeededRandom random(size);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next());
  return bytes;
}

/// The text, or the error's name in brackets.
std::string unpacked(Codec codec, ByteSpan bytes, std::size_t max_bytes = kPlenty) {
  std::vector<std::byte> out;
  const auto result = decompress(codec, bytes, max_bytes, out);
  EXPECT_LE(out.capacity(), max_bytes);
  if (!result) return "[" + std::string(errc_name(result.error().code)) + "]";
  return std::string(as_text(out));
}

TEST(Compression, RoundTripsEverySize) {
  for (Codec codec : kCodecs) {
    for (std::size_t size : {0UL, 1UL, 100UL, 32768UL, 32769UL, 65536UL, 65537UL, 300'000UL, 5'000'000UL}) {
      const std::string text = plain_text(size);
      const auto packed = compress(codec, as_bytes(text));
      ASSERT_TRUE(packed.has_value());
      if (codec != Codec::none && size > 100) EXPECT_LT(packed->size(), size * 3 / 4);
      if (codec == Codec::none && size == 0) continue;
      ASSERT_EQ(unpacked(codec, *packed), text) << static_cast<int>(codec) << " " << size;
    }
  }
}

TEST(Compression, RoundTripsWhatCantBeCompressedAndWhatCompressesBest) {
  for (Codec codec : kCodecs) {
    for (const auto& bytes : {noise(200'000), std::vector<std::byte>(10'000'000, std::byte{'z'})}) {
      const auto packed = compress(codec, bytes);
      ASSERT_TRUE(packed.has_value());
      ASSERT_EQ(unpacked(codec, *packed), as_text(bytes)) << static_cast<int>(codec);
    }
  }
}

TEST(Compression, ABoundIsReachedButNotPassed) {
  for (Codec codec : kCodecs) {
    for (std::size_t size : {5000UL, 100'000UL, 2'000'000UL}) {
      const std::string text(size, 'q');
      const auto packed = compress(codec, as_bytes(text));
      ASSERT_TRUE(packed.has_value());
      EXPECT_EQ(unpacked(codec, *packed, size), text) << static_cast<int>(codec);
      EXPECT_EQ(unpacked(codec, *packed, size - 1), "[too_large]") << static_cast<int>(codec);
      EXPECT_EQ(unpacked(codec, *packed, 10), "[too_large]") << static_cast<int>(codec);
      EXPECT_EQ(unpacked(codec, *packed, 0), "[too_large]") << static_cast<int>(codec);
    }
  }
}

TEST(Compression, ReusesTheOutput) {
  const auto packed = compress(Codec::zstd, as_bytes("short"));
  std::vector<std::byte> out(100'000, std::byte{1});
  ASSERT_TRUE(decompress(Codec::zstd, *packed, kPlenty, out).has_value());
  EXPECT_EQ(as_text(out), "short");
  EXPECT_GE(out.capacity(), 100'000U);
}

TEST(Compression, DamageIsAnErrorAndNeverWorse) {
  const std::string text = plain_text(3000);
  SeededRandom random(11);
  for (Codec codec : {Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
    const auto packed = compress(codec, as_bytes(text));
    for (std::size_t cut = 0; cut < packed->size(); ++cut) {
      // A stream of joined parts is whole behind its header, too.
      if (codec == Codec::snappy && cut == 16) continue;
      ASSERT_EQ(unpacked(codec, ByteSpan(*packed).first(cut)), "[corrupt]") << static_cast<int>(codec) << " " << cut;
    }
    for (int round = 0; round < 2000; ++round) {
      std::vector<std::byte> damaged = *packed;
      for (std::uint64_t i = random.below(4); i < 4; ++i)
        damaged[random.below(damaged.size())] ^= std::byte(1 << random.below(8));
      unpacked(codec, damaged, 10'000);  // text or error, within the bound
    }
    unpacked(codec, noise(1000));
    auto longer = *packed;
    longer.push_back(std::byte{7});
    EXPECT_EQ(unpacked(codec, longer), "[corrupt]") << static_cast<int>(codec);
  }
}

TEST(Compression, AnUnknownCodecIsUnsupported) {
  EXPECT_EQ(unpacked(static_cast<Codec>(5), as_bytes("x")), "[unsupported]");
  EXPECT_EQ(compress(static_cast<Codec>(7), {}).error().code, Errc::unsupported);
}

TEST(Gzip, MembersAreJoined) { EXPECT_EQ(unpacked(Codec::gzip, from_hex(golden::kGzipTwoMembers)), "hello, world"); }

TEST(Gzip, AFalseSizeInTheTrailerIsCorrupt) {
  auto bytes = from_hex(golden::kGzipTwoMembers);
  for (std::size_t i = 1; i <= 4; ++i) bytes[bytes.size() - i] = std::byte{0xff};
  EXPECT_EQ(unpacked(Codec::gzip, bytes), "[corrupt]");
}

TEST(Snappy, ReadsRawAndXerial) {
  const std::string text = plain_text(100'000);
  std::size_t size = snappy_max_compressed_length(text.size());
  std::string raw(size, '\0');
  ASSERT_EQ(snappy_compress(text.data(), text.size(), raw.data(), &size), SNAPPY_OK);
  raw.resize(size);
  EXPECT_EQ(unpacked(Codec::snappy, as_bytes(raw)), text);

  const auto framed = compress(Codec::snappy, as_bytes(text));
  EXPECT_EQ(as_text(*framed).substr(0, 16), std::string_view("\x82SNAPPY\0\0\0\0\1\0\0\0\1", 16));
  auto twice = *framed;
  twice.insert(twice.end(), framed->begin(), framed->end());
  EXPECT_EQ(unpacked(Codec::snappy, twice), text + text);
}

TEST(Snappy, AnImpossibleClaimIsNotAllocated) {
  std::vector<std::byte> out;
  const auto lie = from_hex(
      "ffffffff0f"
      "00"
      "61");  // 4 GiB in seven bytes
  const auto result = decompress(Codec::snappy, lie, std::size_t{8} << 30, out);
  EXPECT_EQ(result.error().code, Errc::corrupt);
  EXPECT_LT(out.capacity(), 10'000U);
}

TEST(Lz4, FramesAreJoined) {
  const auto frames = from_hex(golden::kLz4TwoFrames);
  EXPECT_EQ(unpacked(Codec::lz4, frames), "hello, world");
  auto with_skippable = from_hex(
      "5a2a4d18"
      "03000000"
      "010203");
  with_skippable.insert(with_skippable.end(), frames.begin(), frames.end());
  EXPECT_EQ(unpacked(Codec::lz4, with_skippable), "hello, world");
  with_skippable[4] = std::byte{0xff};
  EXPECT_EQ(unpacked(Codec::lz4, with_skippable), "[corrupt]");
}

TEST(Lz4, ReadsLinkedBlocksWithChecksumsAndSize) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "line " + std::to_string(i % 10) + " of a text\n";
  auto frame = from_hex(golden::kLz4LinkedBlocks);
  EXPECT_EQ(unpacked(Codec::lz4, frame), text);
  EXPECT_EQ(unpacked(Codec::lz4, frame, text.size() - 1), "[too_large]");
  frame[6] = std::byte{0x09};  // another content size
  EXPECT_EQ(unpacked(Codec::lz4, frame), "[corrupt]");
}

TEST(Lz4, HeadersThatCantBe) {
  const std::string rest =
      "40"
      "00"
      "00000000";
  EXPECT_EQ(unpacked(Codec::lz4, from_hex("04224d1860" + rest)), "");
  EXPECT_EQ(unpacked(Codec::lz4, from_hex("04224d1862" + rest)), "[corrupt]");      // a reserved flag
  EXPECT_EQ(unpacked(Codec::lz4, from_hex("04224d18a0" + rest)), "[corrupt]");      // version 2
  EXPECT_EQ(unpacked(Codec::lz4, from_hex("04224d1861" + rest)), "[unsupported]");  // a dictionary
  EXPECT_EQ(unpacked(Codec::lz4, from_hex("04224d1860"
                                          "30"
                                          "00"
                                          "00000000")),
            "[corrupt]");
  EXPECT_EQ(unpacked(Codec::lz4, from_hex("04224d1860"
                                          "40"
                                          "00"
                                          "01000180"
                                          "00")),
            "[corrupt]");  // 64 KiB and one
}

TEST(Zstd, AFalseClaimIsNotAllocated) {
  // A frame whose header claims 1 GiB and that ends there.
  const auto lie = from_hex(
      "28b52ffd"
      "a0"
      "00000040"
      "010000");
  std::vector<std::byte> out;
  const auto result = decompress(Codec::zstd, lie, std::size_t{2} << 30, out);
  EXPECT_EQ(result.error().code, Errc::corrupt);
  EXPECT_LT(out.capacity(), 10'000U);
  EXPECT_EQ(unpacked(Codec::zstd, lie, 1'000'000), "[too_large]");
}

TEST(Zstd, ReadsAFrameOfUnknownSizeWithALargeWindow) {
  const std::string text = plain_text(2'000'000);
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 27);
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1);
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  ZSTD_outBuffer to{packed.data(), packed.size(), 0};
  ZSTD_inBuffer first{text.data(), 1000, 0};  // in two steps, so that its size is not known at the start
  ASSERT_FALSE(ZSTD_isError(ZSTD_compressStream2(context, &to, &first, ZSTD_e_continue)));
  ZSTD_inBuffer second{text.data() + 1000, text.size() - 1000, 0};
  ASSERT_EQ(ZSTD_compressStream2(context, &to, &second, ZSTD_e_end), 0U);
  ZSTD_freeCCtx(context);
  packed.resize(to.pos);
  EXPECT_EQ(ZSTD_getFrameContentSize(packed.data(), packed.size()), ZSTD_CONTENTSIZE_UNKNOWN);
  EXPECT_EQ(unpacked(Codec::zstd, as_bytes(packed)), text);
  EXPECT_EQ(unpacked(Codec::zstd, as_bytes(packed), text.size() - 1), "[too_large]");
}

}  // namespace
}  // namespace sluice
