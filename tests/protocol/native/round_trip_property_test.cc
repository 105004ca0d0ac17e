// What is put into a PUBLISH or a DELIVER comes out of it: any parts, any sizes, however the frame lies in the stream.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "protocol/base/record_batch.h"
#include "protocol/native/batches.h"
#include "protocol/native/headers.h"
#include "tests/protocol/native/flatten.h"

namespace sluice::native {
namespace {

struct Part {
  bool by_name;
  std::uint32_t number;
  std::size_t size;
};
std::vector<Part> some_parts() {
  const auto part = rc::gen::apply(
      [](bool by_name, std::uint32_t number, std::size_t size) { return Part{by_name, number & 0x7fffffff, size}; },
      rc::gen::arbitrary<bool>(), rc::gen::arbitrary<std::uint32_t>(),
      rc::gen::inRange<std::size_t>(kBatchHeaderSize, 2000));
  return *rc::gen::nonEmpty(rc::gen::container<std::vector<Part>>(part));
}
SharedBytes bytes_of(const Part& part) {
  return SharedBytes::copy_of(as_bytes(std::string(part.size, static_cast<char>('a' + part.number % 26))));
}
std::string name_of(const Part& part) { return "topic." + std::to_string(part.number); }
TopicId id_of(const Part& part) {
  TopicId id;
  std::memcpy(id.bytes.data() + 4, &part.number, sizeof part.number);
  id.bytes[0] = 1;
  return id;
}

/// The frame as the other side gets it, in pieces of `step` bytes, behind another one.
Frame send(FrameKind kind, const google::protobuf::MessageLite& message, const std::vector<SharedBytes>& payload) {
  FrameWriter writer;
  writer.add(FrameKind::ping, 1, pb::Ping(), as_bytes("before"));
  writer.add(kind, 7, message, payload);
  const std::vector<std::byte> stream = flatten(writer.take());
  FrameReader frames;
  const std::size_t step = *rc::gen::inRange<std::size_t>(1, 3000);
  std::vector<SharedBytes> got;
  for (std::size_t at = 0; at < stream.size(); at += step) {
    frames.feed(ByteSpan(stream).subspan(at, std::min(step, stream.size() - at)));
    for (auto frame = frames.next(); frame && *frame; frame = frames.next()) got.push_back(std::move(**frame));
  }
  RC_ASSERT(got.size() == 2U);
  return *parse_frame(std::move(got[1]));
}

TEST(RoundTrip, Publish) {
  EXPECT_TRUE(rc::check([] {
    const std::vector<Part> parts = some_parts();
    pb::Publish sent;
    std::vector<SharedBytes> payload;
    for (const Part& part : parts) {
      pb::PublishPart& to = *sent.add_parts();
      if (part.by_name) to.set_topic(name_of(part));
      if (!part.by_name) to.set_topic_id(std::string(topic_id_bytes(id_of(part))));
      to.set_partition(static_cast<std::int32_t>(part.number));
      to.set_batch_bytes(static_cast<std::uint32_t>(part.size));
      payload.push_back(bytes_of(part));
    }
    const Frame frame = send(FrameKind::publish, sent, payload);
    pb::Publish message;
    RC_ASSERT(static_cast<bool>(parse_header(frame, message)));
    const auto read = read_publish(frame, message);
    RC_ASSERT(read && read->size() == parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i) {
      RC_ASSERT((*read)[i].topic.name == (parts[i].by_name ? name_of(parts[i]) : ""));
      RC_ASSERT((*read)[i].topic.id == (parts[i].by_name ? TopicId() : id_of(parts[i])));
      RC_ASSERT((*read)[i].partition.value == static_cast<std::int32_t>(parts[i].number));
      RC_ASSERT(as_text((*read)[i].batch) == as_text(payload[i]));
    }
  }));
}

TEST(RoundTrip, Deliver) {
  EXPECT_TRUE(rc::check([] {
    const std::vector<Part> parts = some_parts();
    pb::Deliver sent;
    std::vector<SharedBytes> payload;
    for (const Part& part : parts) {
      pb::Deliver::Part& to = *sent.add_parts();
      to.set_handle(part.number);
      to.set_generation(part.number / 2);
      to.set_bytes(static_cast<std::uint32_t>(part.size));
      to.set_base_offset(std::int64_t{part.number} << 20);
      to.set_high_watermark(std::int64_t{part.number} << 21);
      to.set_leader_epoch(part.by_name ? -1 : static_cast<std::int32_t>(part.number));
      payload.push_back(bytes_of(part));
    }
    const Frame frame = send(FrameKind::deliver, sent, payload);
    pb::Deliver message;
    RC_ASSERT(static_cast<bool>(parse_header(frame, message)));
    const auto read = read_deliver(frame, message);
    RC_ASSERT(read && read->size() == parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i) {
      RC_ASSERT((*read)[i].handle == parts[i].number);
      RC_ASSERT((*read)[i].generation == parts[i].number / 2);
      RC_ASSERT((*read)[i].base_offset.value == std::int64_t{parts[i].number} << 20);
      RC_ASSERT((*read)[i].high_watermark.value == std::int64_t{parts[i].number} << 21);
      RC_ASSERT((*read)[i].leader_epoch.value == (parts[i].by_name ? -1 : static_cast<std::int32_t>(parts[i].number)));
      RC_ASSERT(as_text((*read)[i].batches) == as_text(payload[i]));
    }
  }));
}

}  // namespace
}  // namespace sluice::native
