// Native connections: the handshake, answers in any order, bounds, what is refused and how, deadlines, drain.
#include "broker/listener/native_session.h"

#include "tests/broker/listener/native_harness.h"
#include "tests/protocol/base/hex.h"

namespace sluice::broker {
namespace {

using native::ErrorCode;
using native::FrameKind;
using std::chrono::minutes;
using std::chrono::seconds;
namespace pb = native::pb;

NativeSettings small_bounds() {
  NativeSettings settings;
  settings.max_frame_bytes = 1 << 20;
  settings.max_connections = 4;
  settings.max_requests_in_flight = 4;
  settings.most_publish_window_bytes = 64 << 10;
  settings.least_publish_window_bytes = 16 << 10;
  settings.publish_memory = 128 << 10;
  settings.max_output_bytes = 128 << 10;
  return settings;
}

class NativeSessionTest : public NativeTest {
 protected:
  NativeSessionTest() : NativeTest(small_bounds()) { broker_.add_topic("orders", 2); }

  static pb::Publish publish_of(const SharedBytes& batch, pb::Acks acks = pb::ACKS_ALL) {
    pb::Publish message;
    message.set_acks(acks);
    pb::PublishPart& part = *message.add_parts();
    part.set_topic("orders");
    part.set_batch_bytes(static_cast<std::uint32_t>(batch.size()));
    return message;
  }
  void publish(NativeClient& client, std::uint32_t id, pb::Acks acks = pb::ACKS_ALL) {
    client.send(FrameKind::publish, id, publish_of(batch_, acks), batch_);
  }
  void answer_publish(std::int64_t offset) {
    FakeBroker::answer(broker_.produces,
                       {{.error = std::nullopt, .base_offset = Offset(offset), .log_start_offset = Offset(0)}});
  }
  const SharedBytes batch_ = SharedBytes::take(batch_of("hello"));
};

// ---- Handshake ----

TEST_F(NativeSessionTest, WelcomeTellsWhatTheNodeIsAndTakes) {
  auto client = connect();
  client->send(FrameKind::hello, 7, NativeClient::hello());
  const auto welcome = client->take<pb::Welcome>(FrameKind::welcome, 7);
  EXPECT_EQ(welcome.version(), 1U);
  EXPECT_EQ(welcome.cluster_id(), "fake-cluster");
  EXPECT_EQ(welcome.node_id(), 1);
  ASSERT_EQ(welcome.nodes_size(), 1);
  EXPECT_EQ(welcome.nodes(0).host(), "native.broker-1.test");
  EXPECT_EQ(welcome.nodes(0).port(), 10092U);
  EXPECT_EQ(welcome.max_frame_bytes(), 1U << 20);
  EXPECT_EQ(welcome.max_header_bytes(), 256U << 10);
  EXPECT_EQ(welcome.max_requests_in_flight(), 4U);
  EXPECT_EQ(welcome.publish_window_bytes(), 64U << 10);
  EXPECT_EQ(welcome.idle_timeout_ms(), 120'000U);
  EXPECT_EQ(only_session().client_name(), "test");
}

TEST_F(NativeSessionTest, NothingIsTakenBeforeHello) {
  auto client = connect();
  client->send(FrameKind::ping, 3, pb::Ping());
  client->send(FrameKind::hello, 4, NativeClient::hello());
  const auto error = client->take_error(3);
  EXPECT_EQ(error.code(), 106U);
  EXPECT_EQ(error.message(), "HELLO comes first, not PING");
  EXPECT_EQ(client->untaken(), "") << "what stands behind it is not taken";
  scheduler_.run_for(seconds(10));
  EXPECT_TRUE(client->ended());
  EXPECT_EQ(server_->session_count(), 0U);
  EXPECT_EQ(server_->stats().connections_failed, 1U);
}

TEST_F(NativeSessionTest, VersionsThatAreNotSpokenAreRefused) {
  auto client = connect();
  pb::Hello hello = NativeClient::hello();
  hello.set_min_version(2);
  hello.set_max_version(3);
  client->send(FrameKind::hello, 1, hello);
  EXPECT_EQ(client->take_error(1).message(), "versions 2 to 3 are asked for, and this node speaks 1");
  auto newer = connect();
  hello.set_min_version(1);
  newer->send(FrameKind::hello, 1, hello);
  EXPECT_EQ(newer->take<pb::Welcome>(FrameKind::welcome, 1).version(), 1U) << "1 is among them";
}

TEST_F(NativeSessionTest, AHelloOutOfBoundsIsRefused) {
  pb::Hello hello = NativeClient::hello();
  hello.set_client_name(std::string(256, 'n'));
  auto client = connect();
  client->send(FrameKind::hello, 1, hello);
  EXPECT_EQ(client->take_error(1).code(), 103U);
  hello.set_client_name("n");
  hello.set_max_frame_bytes(1000);
  auto tiny = connect();
  tiny->send(FrameKind::hello, 1, hello);
  EXPECT_EQ(tiny->take_error(1).message(), "max_frame_bytes is 1000, and less than 65536 is too little");
}

TEST_F(NativeSessionTest, HelloAgainIsAViolation) {
  auto client = greeted();
  client->send(FrameKind::hello, 2, NativeClient::hello());
  EXPECT_EQ(client->take_error(0).code(), 106U);
}

TEST_F(NativeSessionTest, WhoSpeaksAnotherProtocolIsToldByTheLogAtOnce) {
  auto client = connect();
  client->send_bytes(from_hex("16030102000100"));  // the start of TLS: 33 MB, read as a size
  settle();
  EXPECT_TRUE(client->ended());
  ASSERT_EQ(logged_warnings().size(), 1U);
  EXPECT_NE(logged_warnings()[0].find("TLS"), std::string::npos);
}

// ---- Questions and answers ----

TEST_F(NativeSessionTest, AnswersComeAsTheyAreReady) {
  auto client = greeted();
  publish(*client, 1);
  publish(*client, 2);
  client->send(FrameKind::ping, 3, pb::Ping(), SharedBytes::copy_of(as_bytes("payload")));
  const native::Frame pong = client->take_frame();
  EXPECT_EQ(pong.kind, FrameKind::pong) << "it waits for nothing";
  EXPECT_EQ(as_text(pong.payload), "payload");
  ASSERT_EQ(broker_.produces.size(), 2U) << "both are under way";
  auto first = std::move(broker_.produces[0]);
  broker_.produces.pop_front();
  answer_publish(20);
  EXPECT_EQ(client->take<pb::Published>(FrameKind::published, 2).parts(0).base_offset(), 20);
  first.done({{.error = std::nullopt, .base_offset = Offset(10), .log_start_offset = Offset(0)}});
  EXPECT_EQ(client->take<pb::Published>(FrameKind::published, 1).parts(0).base_offset(), 10);
  EXPECT_EQ(only_session().questions_under_way(), 0U);
}

TEST_F(NativeSessionTest, ABoundedNumberIsUnderWayAndTheRestIsReadLater) {
  auto client = greeted();
  for (std::uint32_t i = 1; i <= 10; ++i) publish(*client, i);
  settle();
  EXPECT_EQ(broker_.produces.size(), 4U);
  EXPECT_EQ(only_session().questions_under_way(), 4U);
  EXPECT_FALSE(only_session().reading());
  for (int i = 0; i < 10; ++i) {
    ASSERT_FALSE(broker_.produces.empty()) << i;
    answer_publish(i);
    settle();
  }
  for (std::uint32_t i = 1; i <= 10; ++i) client->take<pb::Published>(FrameKind::published, i);
  EXPECT_TRUE(only_session().reading());
  const auto place = native::find_kind(FrameKind::publish) - native::kKinds.data();
  EXPECT_EQ(server_->stats().received[static_cast<std::size_t>(place)], 10U);
}

TEST_F(NativeSessionTest, BytesUnderWayAreBoundedButOneLargeFrameGoesThrough) {
  auto client = greeted();
  const SharedBytes large = SharedBytes::take(batch_of(std::string(200'000, 'x')));
  client->send(FrameKind::publish, 1, publish_of(large), large);
  publish(*client, 2);
  settle();
  ASSERT_EQ(broker_.produces.size(), 1U);
  EXPECT_EQ(broker_.produces[0].request.parts[0].batch.size(), large.size());
  answer_publish(0);
  settle();
  EXPECT_EQ(broker_.produces.size(), 1U) << "now the second";
}

TEST_F(NativeSessionTest, AClientThatDoesNotReadIsNotReadFrom) {
  auto client = greeted();
  client->stop_reading();
  for (int i = 0; i < 40'000; ++i)
    client->send(FrameKind::ping, 3, pb::Ping(), SharedBytes::copy_of(as_bytes(std::string(64, 'p'))));
  settle();
  EXPECT_FALSE(only_session().reading());
  EXPECT_LE(only_session().output_bytes(), (128U << 10) + 100);
  client->go_on_reading();
  scheduler_.run_for(seconds(60));
  for (int i = 0; i < 40'000; ++i) ASSERT_EQ(client->take_frame().kind, FrameKind::pong);
}

TEST_F(NativeSessionTest, AConnectionThatEndsLeavesItsQuestionsAlone) {
  auto client = greeted();
  publish(*client, 1);
  settle();
  client->close();
  settle();
  EXPECT_EQ(server_->session_count(), 0U);
  EXPECT_GT(memory_->held().request_bytes, 0U) << "the batch is still there";
  answer_publish(0);
  settle();
  EXPECT_EQ(memory_->held().request_bytes, 0U);
}

// ---- What is refused ----

TEST_F(NativeSessionTest, KindsThatAreNotKnownAreAnsweredAndTheConnectionStays) {
  auto client = greeted();
  client->send(FrameKind{4711}, 5, pb::Ping());
  const auto error = client->take_error(5);
  EXPECT_EQ(error.code(), 102U);
  EXPECT_EQ(error.message(), "UNKNOWN (4711) is not offered by this node");
  client->send(FrameKind::ping, 6, pb::Ping());
  client->take<pb::Pong>(FrameKind::pong, 6);
}

TEST_F(NativeSessionTest, AHeaderThatIsNotItsMessageFailsItsQuestionAlone) {
  auto client = greeted();
  client->send_bytes(
      from_hex("0d000000"
               "01000000"
               "1000"
               "0000"
               "09000000"
               "ff"));
  const auto error = client->take_error(9);
  EXPECT_EQ(error.code(), 100U);
  client->send(FrameKind::ping, 6, pb::Ping());
  client->take<pb::Pong>(FrameKind::pong, 6);
}

TEST_F(NativeSessionTest, WhatOnlyTheNodeSaysEndsTheConnection) {
  auto client = greeted();
  client->send(FrameKind::deliver, 5, pb::Deliver());
  const auto error = client->take_error(0);
  EXPECT_EQ(error.code(), 106U);
  EXPECT_EQ(error.message(), "DELIVER is not for a client to send now");
  client->send(FrameKind::ping, 6, pb::Ping());
  scheduler_.run_for(seconds(10));
  EXPECT_TRUE(client->ended());
  EXPECT_EQ(client->untaken(), "");
}

TEST_F(NativeSessionTest, ZeroIsNoIdOfAQuestion) {
  auto client = greeted();
  client->send(FrameKind::layout, 0, pb::Layout());
  EXPECT_EQ(client->take_error(0).message(), "LAYOUT needs an id other than 0");
}

TEST_F(NativeSessionTest, FramesThatAreTooLargeEndTheConnection) {
  auto client = greeted();
  client->send_bytes(from_hex("00001100"));  // a claim of 1.1 MB
  scheduler_.run_for(seconds(10));
  EXPECT_TRUE(client->ended());
  EXPECT_EQ(logged_warnings().size(), 1U);
  auto header = greeted();
  pb::Layout layout;
  for (int i = 0; i < 20'000; ++i) layout.add_names("a.topic.of.some.name");
  header->send(FrameKind::layout, 5, layout);
  EXPECT_EQ(header->take_error(0).code(), 104U);
}

// ---- Time ----

TEST_F(NativeSessionTest, IdleConnectionsAreClosedUnlessTheyPing) {
  auto idle = greeted();
  auto alive = greeted();
  for (int i = 0; i < 10; ++i) {
    scheduler_.run_for(seconds(30));
    alive->send(FrameKind::ping, 1, pb::Ping());
  }
  EXPECT_TRUE(idle->ended());
  EXPECT_FALSE(alive->ended());
}

TEST_F(NativeSessionTest, AHalfSentFrameIsNotWaitedForForever) {
  auto client = greeted();
  client->send_bytes(
      from_hex("ff000000"
               "0100"));
  scheduler_.run_for(seconds(70));
  EXPECT_TRUE(client->ended());
  ASSERT_EQ(logged_warnings().size(), 1U);
  EXPECT_NE(logged_warnings()[0].find("a frame is incomplete"), std::string::npos);
}

TEST_F(NativeSessionTest, ADrainSaysGoAwayAnswersAndCloses) {
  auto client = greeted();
  publish(*client, 1);
  settle();
  bool drained = false;
  server_->drain(seconds(5), [&] { drained = true; });
  EXPECT_EQ(client->take<pb::GoAway>(FrameKind::go_away, 0).why(), "the node is shutting down");
  publish(*client, 2);
  settle();
  EXPECT_EQ(broker_.produces.size(), 1U) << "nothing new is started";
  EXPECT_FALSE(drained);
  answer_publish(5);
  client->take<pb::Published>(FrameKind::published, 1);
  settle();
  EXPECT_TRUE(drained);
  EXPECT_TRUE(client->ended());
}

// ---- Flow ----

TEST_F(NativeSessionTest, PublishWindowsFollowTheNumberOfConnections) {
  auto first = greeted();
  auto second = greeted();
  EXPECT_EQ(first->untaken(), "") << "128 KiB are enough for two windows of 64";
  auto third = connect();
  third->send(FrameKind::hello, 1, NativeClient::hello());
  EXPECT_EQ(third->take<pb::Welcome>(FrameKind::welcome, 1).publish_window_bytes(), 32U << 10);
  EXPECT_EQ(first->take<pb::Flow>(FrameKind::flow, 0).publish_window_bytes(), 32U << 10);
  third->close();
  settle();
  EXPECT_EQ(first->take<pb::Flow>(FrameKind::flow, 0).publish_window_bytes(), 64U << 10);
}

}  // namespace
}  // namespace sluice::broker
