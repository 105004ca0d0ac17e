// Sessions and their server: order of replies, bounds, malformed input, deadlines, drain.
#include "broker/listener/kafka_session.h"

#include <gtest/gtest.h>

#include "tests/broker/listener/harness.h"

namespace sluice::broker {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

kafka::ProduceRequest produce_of(ByteSpan batch, std::int16_t acks = -1) {
  kafka::ProduceRequest request;
  request.acks = acks;
  request.timeout_ms = 1000;
  request.topic_data.push_back({"orders", {{PartitionIndex(0), batch}}});
  return request;
}
kafka::FetchRequest fetch_of(std::string_view topic) {
  kafka::FetchRequest request;
  request.max_wait_ms = 500;
  kafka::FetchPartition partition;
  partition.partition_max_bytes = 1 << 20;
  request.topics.push_back({topic, {}, {partition}});
  return request;
}
std::vector<ProducePartResult> produced_at(std::int64_t offset) {
  return {{.error = std::nullopt, .base_offset = Offset(offset), .log_start_offset = Offset(0)}};
}

KafkaSettings small_bounds() {
  return {.max_request_bytes = 1 << 20,
          .max_connections = 4,
          .max_requests_in_progress = 4,
          .max_bytes_in_progress = 64 << 10,
          .max_output_bytes = 128 << 10};
}

class KafkaSessionTest : public ListenerTest {
 protected:
  KafkaSessionTest() : ListenerTest(small_bounds()) {}
  const std::vector<std::byte> batch_ = batch_of("hello");
};

TEST_F(KafkaSessionTest, RepliesComeInTheOrderOfRequests) {
  auto client = connect();
  client->send(1, 9, produce_of(batch_));
  client->send(2, 9, produce_of(batch_));
  client->send(3, 3, kafka::ApiVersionsRequest{});
  settle();
  ASSERT_EQ(broker_.produces.size(), 2U) << "both are in progress at once";
  EXPECT_TRUE(client->replies().empty()) << "the third is ready and waits";
  auto first = std::move(broker_.produces[0]);
  broker_.produces.pop_front();
  FakeBroker::answer(broker_.produces, produced_at(20));
  settle();
  EXPECT_TRUE(client->replies().empty());
  first.done(produced_at(10));
  settle();
  EXPECT_EQ(client->replies(), (std::vector<std::int32_t>{1, 2, 3}));
  EXPECT_EQ(client->take<kafka::ProduceResponse>(1, 9).responses[0].partition_responses[0].base_offset, Offset(10));
  EXPECT_EQ(client->take<kafka::ProduceResponse>(2, 9).responses[0].partition_responses[0].base_offset, Offset(20));
}

TEST_F(KafkaSessionTest, ABoundedNumberIsInProgressAndTheRestIsReadLater) {
  auto client = connect();
  for (int i = 0; i < 10; ++i) client->send(i, 9, produce_of(batch_));
  settle();
  EXPECT_EQ(broker_.produces.size(), 4U);
  EXPECT_EQ(only_session().requests_in_progress(), 4U);
  EXPECT_FALSE(only_session().reading());
  for (int i = 0; i < 10; ++i) {
    ASSERT_FALSE(broker_.produces.empty()) << i;
    FakeBroker::answer(broker_.produces, produced_at(i));
    settle();
  }
  EXPECT_EQ(client->replies().size(), 10U);
  EXPECT_TRUE(only_session().reading());
}

TEST_F(KafkaSessionTest, BytesInProgressAreBoundedButOneLargeRequestGoesThrough) {
  auto client = connect();
  const auto large = batch_of(std::string(200'000, 'x'));
  client->send(1, 9, produce_of(large));
  client->send(2, 9, produce_of(batch_));
  settle();
  EXPECT_EQ(broker_.produces.size(), 1U);
  EXPECT_EQ(broker_.produces[0].request.parts[0].batch.size(), large.size());
  FakeBroker::answer(broker_.produces, produced_at(0));
  settle();
  EXPECT_EQ(broker_.produces.size(), 1U) << "now the second";
}

TEST_F(KafkaSessionTest, OneFetchAtATime) {
  auto client = connect();
  client->send(1, 4, fetch_of("a"));
  client->send(2, 4, fetch_of("b"));
  settle();
  ASSERT_EQ(broker_.fetches.size(), 1U);
  FakeBroker::answer(broker_.fetches, std::vector<FetchPartResult>(1));
  settle();
  ASSERT_EQ(broker_.fetches.size(), 1U);
  EXPECT_EQ(broker_.fetches[0].request.parts[0].topic.name, "b");
}

TEST_F(KafkaSessionTest, AClientThatDoesNotReadIsNotReadFrom) {
  auto client = connect();
  client->stop_reading();
  const SharedBytes stored = SharedBytes::take(batch_of(std::string(300'000, 'x')));
  for (int i = 0; i < 100; ++i) client->send(i, 4, fetch_of("a"));
  settle();
  int answered = 0;
  while (!broker_.fetches.empty()) {
    std::vector<FetchPartResult> results(1);
    results[0].batches = {stored};
    FakeBroker::answer(broker_.fetches, std::move(results));
    ++answered;
    settle();
  }
  EXPECT_LT(answered, 5);
  EXPECT_FALSE(only_session().reading());
  EXPECT_LT(only_session().output_bytes(), 3 * stored.size());
  client->go_on_reading();
  settle();
  for (; !broker_.fetches.empty(); ++answered) {
    FakeBroker::answer(broker_.fetches, std::vector<FetchPartResult>(1));
    settle();
  }
  EXPECT_EQ(answered, 100);
  EXPECT_EQ(client->replies().size(), 100U);
}

TEST_F(KafkaSessionTest, AcksZeroIsSilent) {
  auto client = connect();
  client->send(1, 9, produce_of(batch_, 0));
  client->send(2, 3, kafka::ApiVersionsRequest{});
  settle();
  ASSERT_EQ(broker_.produces.size(), 1U);
  EXPECT_EQ(broker_.produces[0].request.acks, Acks::none);
  FakeBroker::answer(broker_.produces, produced_at(0));
  settle();
  EXPECT_EQ(client->replies(), std::vector<std::int32_t>{2});
}

TEST_F(KafkaSessionTest, AnErrorWithAcksZeroClosesWithoutAWarning) {
  auto client = connect();
  client->send(1, 9, produce_of(batch_, 0));
  settle();
  std::vector<ProducePartResult> refused(1);
  refused[0].error = Error{Errc::not_leader, "not here"};
  FakeBroker::answer(broker_.produces, std::move(refused));
  settle();
  EXPECT_TRUE(client->ended());
  EXPECT_TRUE(client->replies().empty());
  EXPECT_TRUE(logged_warnings().empty());
}

TEST_F(KafkaSessionTest, AReplyForAConnectionThatHasGoneGoesNowhere) {
  auto client = connect();
  client->send(1, 9, produce_of(batch_));
  settle();
  client->close();
  settle();
  EXPECT_EQ(server_->session_count(), 0U);
  FakeBroker::answer(broker_.produces, produced_at(0));
  settle();
}

TEST_F(KafkaSessionTest, AReplyAfterTheServerHasGoneGoesNowhere) {
  auto client = connect();
  client->send(1, 9, produce_of(batch_));
  client->send(2, 4, fetch_of("a"));
  settle();
  server_.reset();
  FakeBroker::answer(broker_.produces, produced_at(0));
  FakeBroker::answer(broker_.fetches, std::vector<FetchPartResult>(1));
  settle();
  EXPECT_TRUE(client->ended());
}

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int v : values) bytes.push_back(static_cast<std::byte>(v));
  return bytes;
}

struct Malformed {
  const char* what;
  std::vector<std::byte> bytes;
  const char* said;
};

TEST_F(KafkaSessionTest, MalformedInputClosesItsConnectionAloneWithOneWarning) {
  const std::vector<Malformed> inputs = {
      {"a negative length", bytes_of({0xff, 0xff, 0xff, 0xff}), "unknown API"},
      {"gigabytes", bytes_of({0x7f, 0, 0, 0}), "2130706432 bytes"},
      {"a frame without a header", bytes_of({0, 0, 0, 1, 0}), "header"},
      {"an unknown API", bytes_of({0, 0, 0, 10, 0x30, 0x39, 0, 1, 0, 0, 0, 7, 0xff, 0xff}), "api 12345 v1"},
      {"an unknown version", bytes_of({0, 0, 0, 11, 0, 3, 0, 99, 0, 0, 0, 7, 0xff, 0xff, 0}), "Metadata v99: this API"},
      {"a header cut short", bytes_of({0, 0, 0, 10, 0, 3, 0, 9, 0, 0, 0, 7, 0xff, 0xff}),
       "Metadata v9: request header"},
      {"a body cut short", bytes_of({0, 0, 0, 13, 0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0, 0, 0}), "Metadata v1"},
      {"an array of a billion", bytes_of({0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0x3f, 0xff, 0xff, 0xff}),
       "Metadata v1"},
      {"HTTP",
       [] {
         const ByteSpan text = as_bytes("GET / HTTP/1.1\r\n\r\n");
         return std::vector<std::byte>(text.begin(), text.end());
       }(),
       "HTTP"},
  };
  auto healthy = connect();
  for (const Malformed& input : inputs) {
    SCOPED_TRACE(input.what);
    logged_warnings().clear();
    auto client = connect();
    client->send(1, 0, kafka::ApiVersionsRequest{});
    settle();
    client->send_bytes(input.bytes);
    settle();
    EXPECT_TRUE(client->ended());
    EXPECT_EQ(client->replies(), std::vector<std::int32_t>{1});
    ASSERT_EQ(logged_warnings().size(), 1U);
    EXPECT_NE(logged_warnings()[0].find(input.said), std::string::npos) << logged_warnings()[0];
    EXPECT_NE(logged_warnings()[0].find("sim-1002:"), std::string::npos) << "the peer is named";
  }
  EXPECT_EQ(server_->session_count(), 1U);
  EXPECT_FALSE(healthy->ask<kafka::ApiVersionsResponse>(3, kafka::ApiVersionsRequest{}).api_keys.empty());
}

struct CrowdTest : ListenerTest {
  CrowdTest() : ListenerTest(KafkaSettings{}) {}
};

TEST_F(CrowdTest, AFloodOfMistakesIsNotAFloodOfLines) {
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 300; ++i) clients.push_back(connect());
  for (const auto& client : clients) client->send_bytes(bytes_of({0xff, 0xff, 0xff, 0xff}));
  settle();
  EXPECT_EQ(server_->stats().connections_failed, 300U);
  const std::size_t lines = logged_warnings().size();
  EXPECT_GE(lines, 200U);
  EXPECT_LT(lines, 220U);
  settle();
  const auto late = connect();
  late->send_bytes(bytes_of({0xff, 0xff, 0xff, 0xff}));
  settle();
  ASSERT_EQ(logged_warnings().size(), lines + 1);
  EXPECT_NE(logged_warnings().back().find("(and 100 more that are not logged)"), std::string::npos)
      << logged_warnings().back();
}

TEST_F(KafkaSessionTest, NothingFollowsAMalformedFrame) {
  auto client = connect();
  client->send_bytes(bytes_of({0, 0, 0, 10, 0, 3, 0, 99, 0, 0, 0, 7, 0xff, 0xff}));
  client->send(2, 9, produce_of(batch_));
  settle();
  EXPECT_TRUE(broker_.produces.empty());
  EXPECT_EQ(logged_warnings().size(), 1U);
}

TEST_F(KafkaSessionTest, AClaimAllocatesNothing) {
  auto client = connect();
  client->send_bytes(bytes_of({0, 0x0f, 0xff, 0xff, 0, 3}));  // a megabyte, of which two bytes come
  settle();
  EXPECT_FALSE(client->ended());
  EXPECT_LE(only_session().receive_capacity(), 16U << 10);
}

TEST_F(KafkaSessionTest, AFrameThatNeverEndsIsGivenUp) {
  auto client = connect();
  client->send_bytes(bytes_of({0, 0, 0, 100, 0, 3}));
  scheduler_.run_for(seconds(50));
  EXPECT_FALSE(client->ended());
  client->send_bytes(bytes_of({0}));  // a trickle changes nothing
  scheduler_.run_for(seconds(30));
  EXPECT_TRUE(client->ended());
  ASSERT_EQ(logged_warnings().size(), 1U);
  EXPECT_NE(logged_warnings()[0].find("incomplete"), std::string::npos);
}

TEST_F(KafkaSessionTest, TheFrameTimeDoesNotRunWhileWeDoNotRead) {
  auto client = connect();
  for (int i = 0; i < 5; ++i) client->send(i, 9, produce_of(batch_));
  client->send_bytes(bytes_of({0, 0, 0, 100, 0, 3}));
  scheduler_.run_for(minutes(5));
  EXPECT_FALSE(client->ended());
  EXPECT_EQ(broker_.produces.size(), 4U);
}

TEST_F(KafkaSessionTest, AnIdleConnectionIsClosedAndABusyOneIsNot) {
  auto idle = connect();
  auto waiting = connect();
  waiting->send(1, 4, fetch_of("a"));
  auto talking = connect();
  for (int i = 0; i < 3; ++i) {
    scheduler_.run_for(minutes(4));
    talking->ask<kafka::ApiVersionsResponse>(0, kafka::ApiVersionsRequest{});
  }
  EXPECT_TRUE(idle->ended());
  EXPECT_FALSE(waiting->ended());
  EXPECT_FALSE(talking->ended());
  EXPECT_TRUE(logged_warnings().empty());
}

TEST_F(KafkaSessionTest, AReplyThatIsNeverTakenEndsTheConnection) {
  auto client = connect();
  client->stop_reading();
  const SharedBytes stored = SharedBytes::take(batch_of(std::string(900'000, 'x')));
  client->send(1, 4, fetch_of("a"));
  settle();
  std::vector<FetchPartResult> results(1);
  results[0].batches = {stored};
  FakeBroker::answer(broker_.fetches, std::move(results));
  scheduler_.run_for(minutes(9));
  EXPECT_EQ(server_->session_count(), 1U);
  scheduler_.run_for(minutes(2));
  EXPECT_EQ(server_->session_count(), 0U);
}

TEST_F(KafkaSessionTest, WithoutConnectionsNoTimerRuns) {
  settle();
  EXPECT_EQ(scheduler_.pending(), 0U);
  auto client = connect();
  EXPECT_EQ(scheduler_.pending(), 1U);
  client->close();
  scheduler_.run_for(seconds(10));
  EXPECT_EQ(scheduler_.pending(), 0U);
}

TEST_F(KafkaSessionTest, BeyondTheConnectionLimitOthersAreToldAtOnce) {
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(connect());
  settle();
  EXPECT_EQ(server_->session_count(), 4U);
  for (std::size_t i = 0; i < clients.size(); ++i) EXPECT_EQ(clients[i]->ended(), i >= 4) << i;
  EXPECT_EQ(server_->stats().connections_refused, 16U);
  EXPECT_LE(logged_warnings().size(), 3U) << "few lines, however many they are";
  clients[0]->close();
  settle();
  auto later = connect();
  later->send(1, 0, kafka::ApiVersionsRequest{});
  settle();
  EXPECT_EQ(later->replies().size(), 1U);
}

TEST_F(KafkaSessionTest, TheLimitIsOfAllServersTogether) {
  auto limit = std::make_shared<ConnectionLimit>(1);
  EXPECT_TRUE(limit->enter());
  EXPECT_FALSE(limit->enter());
  EXPECT_EQ(limit->used(), 1U);
  limit->leave();
  EXPECT_TRUE(limit->enter());
}

TEST_F(KafkaSessionTest, DrainAnswersWhatIsUnderWayAndThenCloses) {
  auto idle = connect();
  auto busy = connect();
  busy->send(1, 9, produce_of(batch_));
  settle();
  bool drained = false;
  server_->drain(seconds(30), [&] { drained = true; });
  EXPECT_FALSE(drained);
  settle();
  EXPECT_TRUE(idle->ended());
  EXPECT_FALSE(busy->ended());
  EXPECT_FALSE(drained);
  busy->send(2, 9, produce_of(batch_));
  settle();
  EXPECT_EQ(broker_.produces.size(), 1U) << "nothing new is started";
  FakeBroker::answer(broker_.produces, produced_at(0));
  settle();
  EXPECT_EQ(busy->replies(), std::vector<std::int32_t>{1});
  EXPECT_TRUE(busy->ended());
  EXPECT_TRUE(drained);
  bool refused = false;
  network_.connect(kClientOwner, "broker-1.test", port_, [&](Result<std::unique_ptr<Stream>> s) { refused = !s; });
  settle();
  EXPECT_TRUE(refused);
}

TEST_F(KafkaSessionTest, DrainHasALimit) {
  auto busy = connect();
  busy->send(1, 9, produce_of(batch_));
  settle();
  bool drained = false;
  server_->drain(seconds(30), [&] { drained = true; });
  scheduler_.run_for(seconds(29));
  EXPECT_FALSE(drained);
  scheduler_.run_for(seconds(2));
  EXPECT_TRUE(drained);
  EXPECT_TRUE(busy->ended());
}

TEST_F(KafkaSessionTest, DrainOfNobodyIsDoneAtOnceButNotInsideTheCall) {
  bool drained = false;
  server_->drain(seconds(30), [&] { drained = true; });
  EXPECT_FALSE(drained);
  settle();
  EXPECT_TRUE(drained);
}

TEST_F(KafkaSessionTest, ConnectionsThatBreakAtAnyMomentLeaveNothingBehind) {
  SeededRandom random(5);
  for (int round = 0; round < 200; ++round) {
    auto client = connect();
    for (int i = 0; i < 5; ++i) client->send(i, 9, produce_of(batch_));
    for (std::uint64_t n = random.below(40); n > 0; --n) scheduler_.run_next();
    network_.cut_one();
    for (std::uint64_t n = random.below(3); n > 0 && !broker_.produces.empty(); --n) {
      FakeBroker::answer(broker_.produces, produced_at(0));
    }
    settle();
    while (!broker_.produces.empty()) FakeBroker::answer(broker_.produces, produced_at(0));
    settle();
    ASSERT_EQ(server_->session_count(), 0U);
  }
  EXPECT_TRUE(logged_warnings().empty()) << logged_warnings()[0];
}

}  // namespace
}  // namespace sluice::broker
