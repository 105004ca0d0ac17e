// What the listener counts: requests by API, errors by what clients were told, bytes, connections and how they ended.
#include "broker/listener/kafka_stats.h"

#include <gtest/gtest.h>

#include "tests/broker/listener/harness.h"

namespace sluice::broker {
namespace {

class KafkaStatsTest : public ListenerTest {
 protected:
  const KafkaStats& stats() const { return server_->stats(); }
  std::uint64_t requests(kafka::ApiKey api) const {
    return stats().requests[static_cast<std::size_t>(kafka::find_api(api) - kafka::kApis.data())];
  }
  kafka::ProduceRequest produce_to(std::size_t partitions, std::int16_t acks = -1) const {
    kafka::ProduceRequest request;
    request.acks = acks;
    request.timeout_ms = 1000;
    request.topic_data.push_back({"orders", {}});
    for (std::size_t i = 0; i < partitions; ++i)
      request.topic_data[0].partition_data.push_back({PartitionIndex(static_cast<std::int32_t>(i)), batch_});
    return request;
  }
  const std::vector<std::byte> batch_ = batch_of("hello");
};

TEST_F(KafkaStatsTest, RequestsAreCountedByApi) {
  auto client = connect();
  EXPECT_EQ(stats().connections_opened, 1U);
  client->ask<kafka::ApiVersionsResponse>(3, kafka::ApiVersionsRequest{});
  client->ask<kafka::ApiVersionsResponse>(3, kafka::ApiVersionsRequest{});
  client->send(1, 9, produce_to(1));
  settle();
  EXPECT_EQ(requests(kafka::ApiKey::api_versions), 2U);
  EXPECT_EQ(requests(kafka::ApiKey::produce), 1U) << "when it starts, not when it is answered";
  EXPECT_EQ(requests(kafka::ApiKey::fetch), 0U);
  EXPECT_TRUE(stats().errors.empty());
}

TEST_F(KafkaStatsTest, ErrorsAreThoseThatStandInReplies) {
  auto client = connect();
  client->send(1, 9, produce_to(4));
  settle();
  std::vector<ProducePartResult> results(4);
  results[1].error = Error{Errc::no_space, "full"};
  results[2].error = Error{Errc::unknown_topic, "gone"};
  results[3].error = Error{Errc::no_space, "full"};
  FakeBroker::answer(broker_.produces, std::move(results));
  settle();
  const std::map<std::pair<kafka::ApiKey, kafka::ErrorCode>, std::uint64_t> expected{
      {{kafka::ApiKey::produce, kafka::ErrorCode::kafka_storage_error}, 2},
      {{kafka::ApiKey::produce, kafka::ErrorCode::unknown_topic_or_partition}, 1}};
  EXPECT_EQ(stats().errors, expected);
}

TEST_F(KafkaStatsTest, BytesAreCountedAsTheyComeAndGo) {
  auto client = connect();
  const auto request = kafka::encode_request(7, "test", 3, kafka::ApiVersionsRequest{});
  client->send(7, 3, kafka::ApiVersionsRequest{});
  settle();
  EXPECT_EQ(stats().received_bytes, request.size_bytes);
  EXPECT_GT(stats().sent_bytes, 50U);
}

TEST_F(KafkaStatsTest, ConnectionsThatFailAreNotThoseThatEnd) {
  connect()->close();
  settle();
  EXPECT_EQ(stats().connections_failed, 0U);
  auto malformed = connect();
  malformed->send_bytes(as_bytes("GET /metrics HTTP/1.1\r\n\r\n"));
  settle();
  EXPECT_TRUE(malformed->ended());
  EXPECT_EQ(stats().connections_failed, 1U);
  auto silent = connect();
  silent->send(1, 9, produce_to(1, 0));
  settle();
  std::vector<ProducePartResult> refused(1);
  refused[0].error = Error{Errc::not_leader, "elsewhere"};
  FakeBroker::answer(broker_.produces, std::move(refused));
  settle();
  EXPECT_TRUE(silent->ended()) << "acks=0 can be told of an error in no other way";
  EXPECT_EQ(stats().connections_failed, 2U);
  EXPECT_EQ(stats().connections_opened, 3U);
  EXPECT_EQ(server_->session_count(), 0U);
}

}  // namespace
}  // namespace sluice::broker
