// Frames come out of a stream however it is cut, as slices, with memory that follows the bytes received.
#include "protocol/base/frame_reader.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace sluice {
namespace {

Result<std::size_t> rule(const std::byte* field, std::size_t max_frame_bytes) {
  const auto size = load_be<std::uint32_t>(field);
  if (size > max_frame_bytes) return fail(Errc::too_large, "too large");
  return size;
}

std::vector<std::byte> framed(std::string_view payload) {
  ByteWriter out;
  out.be(static_cast<std::int32_t>(payload.size()));
  out.raw(as_bytes(payload));
  return out.take();
}

/// All frames that are whole now.
std::vector<std::string> drain(FrameReader& frames) {
  std::vector<std::string> out;
  for (;;) {
    auto frame = frames.next();
    EXPECT_TRUE(frame);
    if (!frame || !*frame) return out;
    out.emplace_back(as_text(**frame));
  }
}

TEST(FrameReader, YieldsFramesHoweverTheStreamIsCut) {
  EXPECT_TRUE(rc::check([] {
    const auto payloads =
        *rc::gen::container<std::vector<std::string>>(rc::gen::mapcat(rc::gen::inRange(0, 60'000), [](int n) {
          return rc::gen::just(std::string(static_cast<std::size_t>(n), 'p'));
        }));
    std::vector<std::byte> stream;
    for (const std::string& payload : payloads) {
      const auto bytes = framed(payload);
      stream.insert(stream.end(), bytes.begin(), bytes.end());
    }
    FrameReader frames(rule, 1 << 20);
    std::vector<std::string> got;
    ByteSpan left = stream;
    while (!left.empty()) {
      const MutableByteSpan space = frames.prepare();
      RC_ASSERT(!space.empty());
      const auto most = static_cast<int>(std::min({left.size(), space.size(), std::size_t{50'000}}));
      const auto n = static_cast<std::size_t>(*rc::gen::inRange(1, most + 1));
      std::copy_n(left.begin(), n, space.begin());
      frames.commit(n);
      left = left.subspan(n);
      for (std::string& frame : drain(frames)) got.push_back(std::move(frame));
    }
    RC_ASSERT(got == payloads);
    RC_ASSERT(frames.pending() == 0U);
  }));
}

TEST(FrameReader, FramesAreSlicesOfOneBufferAndStayAsTheyWere) {
  FrameReader frames(rule, 1 << 20);
  frames.feed(framed("one"));
  frames.feed(framed("two"));
  const auto one = frames.next(), two = frames.next();
  ASSERT_TRUE(one && *one && two && *two);
  EXPECT_EQ((*one)->owner(), (*two)->owner());
  EXPECT_EQ((*two)->data() - (*one)->data(), 7);
  EXPECT_EQ((*one)->charge(), frames.capacity());
  for (int i = 0; i < 100; ++i) {
    frames.feed(framed(std::string(5000, 'x')));
    drain(frames);
  }
  EXPECT_EQ(as_text(**one), "one");
  EXPECT_EQ(as_text(**two), "two");
}

TEST(FrameReader, MemoryFollowsWhatArrivedAndNotWhatIsClaimed) {
  FrameReader frames(rule, 100 << 20);
  const std::string payload(1 << 20, 'x');
  const std::vector<std::byte> frame = framed(payload);
  ByteSpan left = frame;
  std::size_t received = 0;
  while (!left.empty()) {
    const MutableByteSpan space = frames.prepare();
    EXPECT_LE(frames.capacity(), std::max(FrameReader::kMostFirstCapacity, 2 * received + FrameReader::kLeastSpace));
    const std::size_t n = std::min({space.size(), left.size(), std::size_t{1000}});
    std::copy_n(left.begin(), n, space.begin());
    frames.commit(n);
    received += n;
    left = left.subspan(n);
  }
  EXPECT_EQ(drain(frames), std::vector{payload});
}

TEST(FrameReader, AConnectionThatSendsLargeFramesGetsALargeBufferAtOnceButHoldsASmallOneBetweenThem) {
  FrameReader frames(rule, 100 << 20);
  const std::vector<std::byte> frame = framed(std::string(800'000, 'x'));
  frames.feed(frame);
  EXPECT_EQ(drain(frames).size(), 1U);
  frames.prepare();
  EXPECT_LE(frames.capacity(), FrameReader::kLeastCapacity);
  frames.feed(ByteSpan(frame).first(16 << 10));
  frames.prepare();
  EXPECT_EQ(frames.capacity(), frame.size());
}

/// Receives the stream as a socket gives it that holds `available` bytes each time; returns how often it took.
int receive(FrameReader& frames, ByteSpan stream, std::size_t available, std::size_t& most_capacity) {
  int calls = 0;
  while (!stream.empty()) {
    std::size_t in_socket = std::min(available, stream.size());
    while (in_socket > 0) {
      const MutableByteSpan space = frames.prepare();
      most_capacity = std::max(most_capacity, frames.capacity());
      const std::size_t n = std::min(space.size(), in_socket);
      std::copy_n(stream.begin(), n, space.begin());
      frames.commit(n);
      ++calls;
      stream = stream.subspan(n);
      in_socket -= n;
      drain(frames);
    }
  }
  return calls;
}

TEST(FrameReader, ASenderThatFillsEveryBufferIsReceivedInBulk) {
  std::vector<std::byte> stream;
  const std::vector<std::byte> frame = framed(std::string(60'000, 'x'));
  for (int i = 0; i < 100; ++i) stream.insert(stream.end(), frame.begin(), frame.end());
  FrameReader frugal(rule, 1 << 20), bulk(rule, 1 << 20);
  bulk.allow_bulk(true);
  std::size_t most_frugal = 0, most_bulk = 0;
  EXPECT_GE(receive(frugal, stream, stream.size(), most_frugal), 200);
  EXPECT_LE(most_frugal, frame.size());
  EXPECT_LE(receive(bulk, stream, stream.size(), most_bulk), 30);
  EXPECT_EQ(most_bulk, FrameReader::kMostBulkCapacity);
}

TEST(FrameReader, BulkEndsWithTheStream) {
  const std::vector<std::byte> frame = framed(std::string(60'000, 'x'));
  std::vector<std::byte> stream;
  for (int i = 0; i < 100; ++i) stream.insert(stream.end(), frame.begin(), frame.end());
  FrameReader frames(rule, 1 << 20);
  frames.allow_bulk(true);
  std::size_t most = 0;
  receive(frames, stream, stream.size(), most);
  ASSERT_EQ(frames.pending(), 0U);
  frames.prepare();
  EXPECT_LE(frames.capacity(), FrameReader::kMostFirstCapacity) << "nobody knows when the next frame comes";
  most = 0;
  receive(frames, stream, frame.size(), most);
  EXPECT_LE(most, frame.size() + (4 << 10)) << "who waits for replies has no use for more than a frame";
}

TEST(FrameReader, HoldsLittleForAFrameThatMayNeverComeWhereMemoryIsTight) {
  const std::vector<std::byte> frame = framed(std::string(15'000, 'x'));
  FrameReader frames(rule, 1 << 20);
  for (int i = 0; i < 20; ++i) {
    frames.feed(frame);
    drain(frames);
  }
  const std::vector<std::byte> small = framed(std::string(2000, 'x'));
  for (const bool tight : {false, true}) {
    frames.hold_least(tight);
    frames.feed(small);
    drain(frames);
    while (frames.next_buffer() == 0) {  // as the buffer is used up
      frames.feed(small);
      drain(frames);
    }
    frames.prepare();
    EXPECT_EQ(frames.capacity() > FrameReader::kLeastCapacity + FrameReader::kLeastSpace, !tight) << frames.capacity();
    frames.feed(small);
    EXPECT_EQ(drain(frames).size(), 1U);
  }
}

TEST(FrameReader, LetsGoOfAnEmptyBuffer) {
  FrameReader frames(rule, 1000);
  EXPECT_EQ(frames.capacity(), 0U) << "a new connection holds nothing";
  frames.feed(framed("whole"));
  frames.release_if_empty();
  EXPECT_GT(frames.capacity(), 0U) << "bytes are pending";
  EXPECT_EQ(drain(frames), std::vector<std::string>{"whole"});
  frames.release_if_empty();
  EXPECT_EQ(frames.capacity(), 0U);
  frames.feed(framed("again"));
  EXPECT_EQ(drain(frames), std::vector<std::string>{"again"});
}

TEST(FrameReader, ARefusedLengthBreaksTheStreamForGood) {
  FrameReader frames(rule, 1000);
  frames.feed(ByteSpan(framed(std::string(1001, 'x'))).first(4));
  EXPECT_EQ(frames.next().error().code, Errc::too_large) << "as soon as it is there";
  frames.feed(framed("whole"));
  EXPECT_FALSE(frames.next());
}

}  // namespace
}  // namespace sluice
