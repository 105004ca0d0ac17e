// The prefix, byte by byte; frames out of a stream; gather lists that share what is long and copy what is short.
#include "protocol/native/frame.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "protocol/native/headers.h"
#include "tests/protocol/base/hex.h"
#include "tests/protocol/native/flatten.h"

namespace sluice::native {
namespace {

SharedBytes bytes_of(std::size_t size, char fill = 'x') {
  return SharedBytes::copy_of(as_bytes(std::string(size, fill)));
}
/// The one frame that `pieces` are.
Result<Frame> reread(const std::vector<SharedBytes>& pieces, std::size_t max_header_bytes = kDefaultMaxFrameBytes) {
  FrameReader frames;
  frames.feed(flatten(pieces));
  auto frame = frames.next();
  EXPECT_TRUE(frame && *frame);
  EXPECT_EQ(frames.pending(), 0U);
  return parse_frame(std::move(**frame), max_header_bytes);
}

TEST(Prefix, IsDrawnInTheHeader) {
  pb::Credit credit;
  credit.set_records(3);
  const auto bytes = flatten(encode_frame(FrameKind::credit, 0x01020304, credit));
  EXPECT_EQ(bytes, from_hex("0e000000"  // size: 12 of the prefix and 2
                            "02000000"  // header_bytes
                            "3300"      // kind 51
                            "0000"      // reserved
                            "04030201"  // id
                            "0803"));   // records = 3
}

TEST(FrameReader, GivesBackWhatWasWrittenHoweverTheStreamIsCut) {
  EXPECT_TRUE(rc::check([] {
    const auto sizes = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 3000));
    FrameWriter writer;
    std::uint32_t id = 0;
    for (const int size : sizes) {
      pb::Publish header;
      header.set_timeout_ms(id);
      const SharedBytes payload = bytes_of(static_cast<std::size_t>(size), static_cast<char>('a' + id % 26));
      writer.add(FrameKind::publish, id++, header, std::span(&payload, 1));
    }
    const std::size_t size_bytes = writer.size_bytes();
    const std::vector<std::byte> stream = flatten(writer.take());
    RC_ASSERT(stream.size() == size_bytes);
    RC_ASSERT(writer.empty());
    FrameReader frames;
    std::uint32_t seen = 0;
    const auto step = static_cast<std::size_t>(*rc::gen::inRange(1, 700));
    for (std::size_t at = 0; at < stream.size(); at += step) {
      frames.feed(ByteSpan(stream).subspan(at, std::min(step, stream.size() - at)));
      for (;;) {
        auto raw = frames.next();
        RC_ASSERT(static_cast<bool>(raw));
        if (!*raw) break;
        const Result<Frame> frame = parse_frame(std::move(**raw));
        RC_ASSERT(static_cast<bool>(frame));
        pb::Publish header;
        RC_ASSERT(static_cast<bool>(parse_header(*frame, header)));
        RC_ASSERT(frame->id == seen);
        RC_ASSERT(header.timeout_ms() == seen);
        RC_ASSERT(frame->payload.size() == static_cast<std::size_t>(sizes[seen]));
        ++seen;
      }
    }
    RC_ASSERT(seen == sizes.size());
  }));
}

TEST(FrameWriter, SharesLongPiecesAndCopiesShortOnes) {
  const SharedBytes small = bytes_of(FrameWriter::kMostCopied), large = bytes_of(FrameWriter::kMostCopied + 1);
  FrameWriter writer;
  const SharedBytes payload[] = {small, large, small};
  writer.add(FrameKind::publish, 1, pb::Publish(), payload);
  writer.add(FrameKind::ping, 2, pb::Ping(), as_bytes("back"));
  const std::vector<SharedBytes> pieces = writer.take();
  ASSERT_EQ(pieces.size(), 3U);
  EXPECT_EQ(pieces[0].size(), kPrefixBytes + small.size());
  EXPECT_EQ(pieces[1].data(), large.data()) << "not copied";
  EXPECT_EQ(pieces[2].size(), small.size() + kPrefixBytes + 4);
}

TEST(FrameWriter, ManySmallFramesAreFewPieces) {
  FrameWriter writer;
  pb::Response header;
  for (std::uint32_t i = 0; i < 1000; ++i) writer.add(FrameKind::response, i, header, as_bytes(std::string(128, 'r')));
  EXPECT_EQ(writer.size_bytes(), 1000 * (kPrefixBytes + 128));
  EXPECT_LE(writer.take().size(), 10U);
  for (std::uint32_t i = 0; i < 400; ++i) writer.add(FrameKind::response, i, header, as_bytes(std::string(128, 'r')));
  EXPECT_EQ(writer.take().size(), 1U) << "the first chunk is as large as what was written last time";
}

TEST(FrameWriter, AHeaderLargerThanAChunkIsWhole) {
  pb::Layout header;
  for (int i = 0; i < 10'000; ++i) header.add_names("a.topic.with.a.name");
  const Result<Frame> frame = reread(encode_frame(FrameKind::layout, 9, header));
  ASSERT_TRUE(frame);
  pb::Layout again;
  ASSERT_TRUE(parse_header(*frame, again));
  EXPECT_EQ(again.names_size(), 10'000);
}

TEST(FrameLength, IsCheckedAsSoonAsItIsThere) {
  const auto told = [](std::string_view hex, std::size_t max = 1000) {
    const auto field = from_hex(hex);
    return frame_length(field.data(), max);
  };
  EXPECT_EQ(*told("0c000000"), 12U);
  EXPECT_EQ(*told("e8030000"), 1000U);
  EXPECT_EQ(told("e9030000").error().code, Errc::too_large);
  EXPECT_EQ(told("e9030000").error().message, "a frame claims 1001 bytes and 1000 are allowed");
  EXPECT_EQ(told("0b000000").error().code, Errc::malformed);
  EXPECT_EQ(told("0b000000").error().message, "a frame claims 11 bytes, and its prefix alone has 12");
  EXPECT_EQ(told("00000000").error().code, Errc::malformed);
  EXPECT_EQ(told("ffffffff").error().code, Errc::too_large);
}

TEST(FrameLength, SaysSoWhenTheOtherSideSpeaksAnotherProtocol) {
  const auto told = [](ByteSpan field) { return frame_length(field.data(), 1 << 20).error().message; };
  EXPECT_NE(told(from_hex("16030102")).find("TLS"), std::string::npos);
  EXPECT_NE(told(as_bytes("GET ")).find("HTTP"), std::string::npos);
  EXPECT_NE(told(from_hex("0000002b")).find("Kafka"), std::string::npos);
}

TEST(ParseFrame, AHeaderMustLieWithinTheFrame) {
  const auto parse = [](std::string_view hex) { return parse_frame(SharedBytes::take(from_hex(hex)), 4); };
  EXPECT_TRUE(
      parse("04000000"
            "0600"
            "0000"
            "00000000"
            "00000000"));
  const auto outside = parse(
      "05000000"
      "0600"
      "0000"
      "00000000"
      "00000000");
  ASSERT_FALSE(outside);
  EXPECT_EQ(outside.error().message, "PING: its header claims 5 bytes, and 4 follow its prefix");
  const auto too_large = parse(
      "05000000"
      "0600"
      "0000"
      "00000000"
      "0000000000");
  ASSERT_FALSE(too_large);
  EXPECT_EQ(too_large.error().code, Errc::too_large);
  EXPECT_FALSE(
      parse("ffffffff"
            "0600"
            "0000"
            "00000000"
            "00"));
  EXPECT_FALSE(parse("0000"));
}

TEST(ParseFrame, TakesKindsThatItDoesNotKnowAndWhateverIsReserved) {
  const auto frame =
      parse_frame(SharedBytes::take(from_hex("01000000"
                                             "ffff"
                                             "0100"
                                             "07000000"
                                             "aabb")));
  ASSERT_TRUE(frame);
  EXPECT_EQ(find_kind(frame->kind), nullptr);
  EXPECT_EQ(kind_name(frame->kind), "UNKNOWN");
  EXPECT_EQ(frame->id, 7U);
  EXPECT_EQ(frame->header.size(), 1U);
  EXPECT_EQ(frame->payload.size(), 1U);
}

TEST(ParseHeader, WhatIsNotTheMessageIsRefused) {
  const auto parse = [](std::string_view hex) {
    pb::Error header;
    const auto frame = parse_frame(SharedBytes::take(from_hex(hex)));
    EXPECT_TRUE(frame);
    return parse_header(*frame, header);
  };
  EXPECT_TRUE(
      parse("02000000"
            "0300"
            "0000"
            "00000000"
            "0864"));
  EXPECT_FALSE(
      parse("01000000"
            "0300"
            "0000"
            "00000000"
            "08"))
      << "cut";
  EXPECT_FALSE(
      parse("03000000"
            "0300"
            "0000"
            "00000000"
            "1201ff"))
      << "a text that is not UTF-8";
  EXPECT_TRUE(
      parse("05000000"
            "0300"
            "0000"
            "00000000"
            "f807010864"))
      << "a field from the future";
  const auto payload = parse(
      "02000000"
      "0300"
      "0000"
      "00000000"
      "0864"
      "00");
  ASSERT_FALSE(payload);
  EXPECT_EQ(payload.error().message, "ERROR: 1 bytes stand behind its header, and this kind has no payload");
}

TEST(Kinds, TableAndNumbersAgree) {
  std::uint16_t last = 0;
  for (const KindInfo& info : kKinds) {
    EXPECT_GT(static_cast<std::uint16_t>(info.kind), last) << info.name;
    last = static_cast<std::uint16_t>(info.kind);
    EXPECT_EQ(find_kind(info.kind), &info);
    EXPECT_TRUE(visit_header(info.kind, [](const auto&) {})) << info.name;
  }
  for (std::uint32_t number = 0; number <= 0xffff; ++number) {
    const FrameKind kind{static_cast<std::uint16_t>(number)};
    EXPECT_EQ(find_kind(kind) != nullptr, visit_header(kind, [](const auto&) {})) << number;
  }
}

}  // namespace
}  // namespace sluice::native
