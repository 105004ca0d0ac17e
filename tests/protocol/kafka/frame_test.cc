// Kafka's length rule: what is refused, as soon as the length is there, and in which words.
#include "protocol/kafka/frame.h"

#include <gtest/gtest.h>

namespace sluice::kafka::test {
namespace {

std::vector<std::byte> framed(std::string_view payload) {
  ByteWriter out;
  out.be(static_cast<std::int32_t>(payload.size()));
  out.raw(as_bytes(payload));
  return out.take();
}

TEST(FrameReader, ChecksTheLengthAsSoonAsItIsThere) {
  FrameReader large(1000);
  const std::vector<std::byte> frame = framed(std::string(1001, 'x'));
  large.feed(ByteSpan(frame).first(4));
  const auto too_large = large.next();
  ASSERT_FALSE(too_large);
  EXPECT_EQ(too_large.error().code, Errc::too_large);
  EXPECT_EQ(too_large.error().message, "a request claims 1001 bytes and 1000 are allowed");

  FrameReader negative(1000);
  const std::byte bytes[] = {std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}};
  negative.feed(bytes);
  const auto below_zero = negative.next();
  ASSERT_FALSE(below_zero);
  EXPECT_EQ(below_zero.error().code, Errc::malformed);
  EXPECT_FALSE(negative.next()) << "the stream stays broken";
}

TEST(FrameReader, SaysSoWhenTheOtherSideSpeaksAnotherProtocol) {
  FrameReader tls(1 << 20);
  const std::byte hello[] = {std::byte{0x16}, std::byte{0x03}, std::byte{0x01}, std::byte{0x02}};
  tls.feed(hello);
  EXPECT_NE(tls.next().error().message.find("TLS"), std::string::npos);
  FrameReader http(1 << 20);
  http.feed(as_bytes("GET / HTTP/1.1"));
  EXPECT_NE(http.next().error().message.find("HTTP"), std::string::npos);
}

}  // namespace
}  // namespace sluice::kafka::test
