// Slices, readers and writers: what is written is read back, and what is cut short fails without reading past it.
#include "protocol/base/bytes.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "tests/protocol/base/hex.h"

namespace sluice {
namespace {

TEST(Bytes, NumbersHaveTheirByteOrder) {
  ByteWriter out;
  out.be(std::int16_t{-2});
  out.be(std::uint32_t{0x01020304});
  out.le(std::uint32_t{0x01020304});
  out.be(std::int64_t{-3});
  out.le(std::uint8_t{9});
  EXPECT_EQ(out.take(), from_hex("fffe"
                                 "01020304"
                                 "04030201"
                                 "fffffffffffffffd"
                                 "09"));
}

TEST(Bytes, VarintsAreLeb128) {
  ByteWriter out;
  out.varint32(0);
  out.varint32(127);
  out.varint32(128);
  out.varint32(0xffffffff);
  out.varint64(0xffffffffffffffff);
  out.zigzag32(-1);
  out.zigzag32(1);
  out.zigzag32(std::numeric_limits<std::int32_t>::min());
  out.zigzag64(std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(out.take(), from_hex("00"
                                 "7f"
                                 "8001"
                                 "ffffffff0f"
                                 "ffffffffffffffffff01"
                                 "01"
                                 "02"
                                 "ffffffff0f"
                                 "ffffffffffffffffff01"));
}

TEST(Bytes, VarintsThatAreTooLongOrTooLargeFail) {
  for (const char* digits : {"8080808080", "ffffffff1f", "80808080808000", "80"}) {
    const auto bytes = from_hex(digits);
    ByteReader in(bytes);
    EXPECT_EQ(in.varint32(), 0U) << digits;
    EXPECT_TRUE(in.failed()) << digits;
  }
  for (const char* digits : {"ffffffffffffffffff02", "8080808080808080808000", "ffffffffffffffffff"}) {
    const auto bytes = from_hex(digits);
    ByteReader in(bytes);
    EXPECT_EQ(in.varint64(), 0U) << digits;
    EXPECT_TRUE(in.failed()) << digits;
  }
}

TEST(Bytes, AReaderThatFailedStaysFailedAndYieldsZeros) {
  const auto bytes = from_hex("010203");
  ByteReader in(bytes);
  EXPECT_EQ(in.be<std::uint16_t>(), 0x0102);
  EXPECT_EQ(in.remaining(), 1U);
  EXPECT_EQ(in.be<std::uint16_t>(), 0);
  EXPECT_TRUE(in.failed());
  EXPECT_EQ(in.remaining(), 0U);
  EXPECT_EQ(in.be<std::uint8_t>(), 0);
  EXPECT_TRUE(in.take(1).empty());
  EXPECT_TRUE(in.take(0).empty());
}

TEST(Bytes, TakingMoreThanThereIsFails) {
  const auto bytes = from_hex("0102");
  ByteReader in(bytes);
  EXPECT_EQ(in.take(2).size(), 2U);
  EXPECT_EQ(in.take(0).size(), 0U);
  EXPECT_FALSE(in.failed());
  in.skip(std::numeric_limits<std::size_t>::max());
  EXPECT_TRUE(in.failed());
}

RC_GTEST_PROP(BytesProperty, WhatIsWrittenIsRead, (std::uint32_t a, std::uint64_t b, std::int32_t c, std::int64_t d)) {
  ByteWriter out;
  out.varint32(a);
  out.varint64(b);
  out.zigzag32(c);
  out.zigzag64(d);
  out.be(a);
  out.le(d);
  const auto bytes = out.take();
  ByteReader in(bytes);
  RC_ASSERT(in.varint32() == a);
  RC_ASSERT(in.varint64() == b);
  RC_ASSERT(in.zigzag32() == c);
  RC_ASSERT(in.zigzag64() == d);
  RC_ASSERT(in.be<std::uint32_t>() == a);
  RC_ASSERT(in.le<std::int64_t>() == d);
  RC_ASSERT(in.remaining() == 0U && !in.failed());

  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    ByteReader part(ByteSpan(bytes).first(cut));
    part.varint32();
    part.varint64();
    part.zigzag32();
    part.zigzag64();
    part.be<std::uint32_t>();
    part.le<std::int64_t>();
    RC_ASSERT(part.failed());
  }
}

TEST(Bytes, AReusedWriterStartsEmpty) {
  ByteWriter out(from_hex("010203"));
  EXPECT_EQ(out.size(), 0U);
  out.raw(as_bytes("ab"));
  out.be(std::uint16_t{0});
  store_be(out.at(2), std::uint16_t{0x6364});
  EXPECT_EQ(as_text(out.span()), "abcd");
}

TEST(SharedBytes, ASliceKeepsTheWholeBufferAlive) {
  SharedBytes slice;
  {
    const SharedBytes whole = SharedBytes::copy_of(as_bytes("hello, world"));
    slice = whole.slice(7, 5);
  }
  EXPECT_EQ(as_text(slice), "world");
  EXPECT_EQ(slice.charge(), 12U);
  EXPECT_EQ(slice.owner().use_count(), 1);
  EXPECT_TRUE(slice.slice(5, 0).empty());
}

TEST(SharedBytes, TakenBytesAreNotCopiedAndChargedInFull) {
  std::vector<std::byte> bytes;
  bytes.reserve(1000);
  bytes.assign(3, std::byte{'x'});
  const std::byte* const at = bytes.data();
  const SharedBytes taken = SharedBytes::take(std::move(bytes));
  EXPECT_EQ(taken.data(), at);
  EXPECT_EQ(as_text(taken), "xxx");
  EXPECT_EQ(taken.charge(), 1000U);
}

TEST(SharedBytes, APartIsSharedByTheViewOfIt) {
  const SharedBytes frame = SharedBytes::copy_of(as_bytes("header records"));
  const SharedBytes part = share_part(frame, frame.span().subspan(7));
  EXPECT_EQ(as_text(part), "records");
  EXPECT_EQ(part.owner(), frame.owner());
  EXPECT_TRUE(share_part(frame, {}).empty());
}

TEST(SharedBytesDeathTest, ASliceOutsideIsOurBug) {
  const SharedBytes whole = SharedBytes::copy_of(as_bytes("abc"));
  EXPECT_DEATH(whole.slice(1, 3), "CHECK");
  EXPECT_DEATH(whole.slice(4, 0), "CHECK");
}

}  // namespace
}  // namespace sluice
