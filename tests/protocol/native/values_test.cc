// Fields of messages as strong types, and what is refused in which words.
#include "protocol/native/values.h"

#include <gtest/gtest.h>

#include "protocol/base/record_batch.h"
#include "protocol/native/batches.h"
#include "protocol/native/headers.h"
#include "tests/protocol/native/flatten.h"

namespace sluice::native {
namespace {

const std::string kId = "0123456789abcdef";

template <class T>
std::string refusal(const Result<T>& result) {
  return result ? "(taken)" : result.error().message;
}

TEST(Topics, AreNamedOneWay) {
  EXPECT_EQ(to_topic("orders", "")->name, "orders");
  EXPECT_EQ(to_topic("", kId)->id.bytes[1], '1');
  EXPECT_EQ(topic_id_bytes(to_topic("", kId)->id), kId);
  EXPECT_EQ(topic_id_bytes(TopicId()), "");
  EXPECT_EQ(refusal(to_topic("", "")), "a topic is named neither by name nor by id");
  EXPECT_EQ(refusal(to_topic("orders", kId)), "a topic is named by name and by id: one of them is enough");
  EXPECT_EQ(refusal(to_topic("", "short")), "a topic id has 16 bytes, this one 5");
  EXPECT_EQ(refusal(to_topic("", std::string(16, '\0'))), "a topic id is all zero");
  for (const std::string& name : {std::string("a b"), std::string("."), std::string(".."), std::string(250, 'a')}) {
    EXPECT_NE(refusal(to_topic(name, "")).find("is none"), std::string::npos) << name;
  }
}

TEST(Numbers, AreNotNegative) {
  EXPECT_EQ(to_partition(0)->value, 0);
  EXPECT_EQ(refusal(to_partition(-1)), "a partition is -1, and they begin at 0");
  EXPECT_EQ(to_offset(7)->value, 7);
  EXPECT_EQ(refusal(to_offset(-5)), "an offset is -5, and they begin at 0");
  EXPECT_EQ(to_timeout(0, Millis(30), Millis(100)), Millis(30));
  EXPECT_EQ(to_timeout(50, Millis(30), Millis(100)), Millis(50));
  EXPECT_EQ(to_timeout(5000, Millis(30), Millis(100)), Millis(100));
}

TEST(Positions, SurviveBeingSent) {
  using At = Position::At;
  for (const Position& position : {Position{At::start, 0}, Position{At::end, 0}, Position{At::offset, 7},
                                   Position{At::time, 1'700'000'000'000}, Position{At::max_time, 0}}) {
    pb::Position sent;
    fill_position(sent, position);
    const Result<Position> read = to_position(sent);
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, position);
  }
  pb::Position sent;
  EXPECT_NE(refusal(to_position(sent)).find("a position is at 0"), std::string::npos);
  sent.set_at(static_cast<pb::Position::At>(99));
  EXPECT_NE(refusal(to_position(sent)).find("a position is at 99"), std::string::npos);
  sent.set_at(pb::Position::AT_OFFSET);
  sent.set_value(-1);
  EXPECT_EQ(refusal(to_position(sent)), "a position's offset is -1, and they begin at 0");
}

TEST(Subjects, AreNames) {
  EXPECT_TRUE(check_subject("pay.refund-2"));
  EXPECT_FALSE(check_subject(""));
  EXPECT_FALSE(check_subject("a b"));
  EXPECT_FALSE(check_subject(std::string(250, 'a')));
}

/// A frame of this header and so many bytes of payload, as a reader gives it.
Frame frame_of(FrameKind kind, const google::protobuf::MessageLite& header, std::size_t payload_bytes) {
  const SharedBytes payload = SharedBytes::copy_of(as_bytes(std::string(payload_bytes, 'p')));
  FrameReader frames;
  frames.feed(flatten(encode_frame(kind, 1, header, std::span(&payload, 1))));
  return *parse_frame(std::move(**frames.next()));
}
pb::Publish publish_of(std::initializer_list<std::uint32_t> sizes) {
  pb::Publish message;
  for (const std::uint32_t size : sizes) {
    pb::PublishPart* part = message.add_parts();
    part->set_topic("orders");
    part->set_batch_bytes(size);
  }
  return message;
}

TEST(Publish, PartsShareTheFramesBuffer) {
  const pb::Publish message = publish_of({61, 100});
  const Frame frame = frame_of(FrameKind::publish, message, 161);
  const auto parts = read_publish(frame, message);
  ASSERT_TRUE(parts);
  ASSERT_EQ(parts->size(), 2U);
  EXPECT_EQ((*parts)[0].topic.name, "orders");
  EXPECT_EQ((*parts)[0].batch.data(), frame.payload.data());
  EXPECT_EQ((*parts)[1].batch.data(), frame.payload.data() + 61);
  EXPECT_EQ((*parts)[1].batch.size(), 100U);
  EXPECT_EQ((*parts)[1].batch.owner(), frame.bytes.owner());
}

TEST(Publish, LengthsMustAddUpToThePayload) {
  const auto read = [](const pb::Publish& message, std::size_t payload_bytes) {
    return refusal(read_publish(frame_of(FrameKind::publish, message, payload_bytes), message));
  };
  EXPECT_EQ(read(publish_of({}), 0), "PUBLISH: it has no part");
  EXPECT_EQ(read(publish_of({60}), 60), "part 0 of PUBLISH: a batch of 60 bytes is shorter than a batch's header (61)");
  EXPECT_EQ(read(publish_of({61, 62}), 122),
            "part 1 of PUBLISH: 62 bytes of the payload are claimed, and 61 of 122 are left");
  EXPECT_EQ(read(publish_of({61, 61}), 123), "PUBLISH: its parts claim 122 bytes, and its payload has 123");
  EXPECT_EQ(read(publish_of({0xffffffff, 0xffffffff}), 100),
            "part 0 of PUBLISH: 4294967295 bytes of the payload are claimed, and 100 of 100 are left");
  pb::Publish negative = publish_of({61});
  negative.mutable_parts(0)->set_partition(-7);
  EXPECT_EQ(read(negative, 61), "part 0 of PUBLISH: a partition is -7, and they begin at 0");
  pb::Publish nameless = publish_of({61});
  nameless.mutable_parts(0)->clear_topic();
  EXPECT_EQ(read(nameless, 61), "part 0 of PUBLISH: a topic is named neither by name nor by id");
}

TEST(Deliver, PartsAreRead) {
  pb::Deliver message;
  pb::Deliver::Part* part = message.add_parts();
  part->set_handle(3);
  part->set_bytes(200);
  part->set_base_offset(40);
  part->set_generation(2);
  part->set_high_watermark(99);
  part->set_leader_epoch(5);
  const auto parts = read_deliver(frame_of(FrameKind::deliver, message, 200), message);
  ASSERT_TRUE(parts);
  EXPECT_EQ((*parts)[0].handle, 3U);
  EXPECT_EQ((*parts)[0].generation, 2U);
  EXPECT_EQ((*parts)[0].base_offset, Offset(40));
  EXPECT_EQ((*parts)[0].high_watermark, Offset(99));
  EXPECT_EQ((*parts)[0].leader_epoch, LeaderEpoch(5));
  EXPECT_EQ((*parts)[0].batches.size(), 200U);
  part->set_base_offset(-1);
  EXPECT_EQ(refusal(read_deliver(frame_of(FrameKind::deliver, message, 200), message)),
            "part 0 of DELIVER: an offset is -1, and they begin at 0");
}

}  // namespace
}  // namespace sluice::native
