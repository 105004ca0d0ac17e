// Requests that are well-formed and yet ask for too much: names that no topic can have, the same thing over and over,
// and other words for one thing. What they may cost, and what they are told.
#include <gtest/gtest.h>

#include "tests/broker/listener/harness.h"

namespace sluice::broker {
namespace {

using kafka::ErrorCode;

class RepeatsHandlers : public ListenerTest {
 protected:
  RepeatsHandlers() { client_ = connect(); }
  std::unique_ptr<TestClient> client_;
  const std::string long_name_ = std::string(30'000, 'n');
};

// A name stands once in a request, and would be copied for every partition that is asked for.
TEST_F(RepeatsHandlers, ALongNameIsNotCopiedForEveryPartition) {
  constexpr std::int32_t kPartitions = 5;
  const auto names = [](const auto& parts) {
    std::size_t bytes = 0;
    for (const auto& part : parts) bytes += part.topic.name.size();
    return bytes;
  };
  const std::size_t most = kPartitions * (kMaxTopicNameSize + 1);
  const auto batch = batch_of("x");

  kafka::ProduceRequest produce;
  produce.acks = -1;
  produce.topic_data = {{long_name_, {}}};
  kafka::FetchRequest fetch;
  fetch.topics = {{long_name_, {}, {}}};
  kafka::ListOffsetsRequest list;
  list.topics = {{long_name_, {}}};
  kafka::OffsetForLeaderEpochRequest epochs;
  epochs.topics = {{long_name_, {}}};
  kafka::DeleteRecordsRequest cut;
  cut.topics = {{long_name_, {}}};
  for (std::int32_t i = 0; i < kPartitions; ++i) {
    const PartitionIndex index(i);
    produce.topic_data[0].partition_data.push_back({index, batch});
    fetch.topics[0].partitions.emplace_back().partition = index;
    list.topics[0].partitions.push_back({index, LeaderEpoch(-1), -1});
    epochs.topics[0].partitions.push_back({index, LeaderEpoch(-1), LeaderEpoch(1)});
    cut.topics[0].partitions.push_back({index, Offset(1)});
  }
  client_->send(1, 9, produce);
  client_->send(2, 11, fetch);
  client_->send(3, 6, list);
  client_->send(4, 3, epochs);
  client_->send(5, 2, cut);
  settle();
  ASSERT_EQ(broker_.produces.size(), 1U);
  ASSERT_EQ(broker_.fetches.size(), 1U);
  EXPECT_LE(names(broker_.produces[0].request.parts), most);
  EXPECT_LE(names(broker_.fetches[0].request.parts), most);
  EXPECT_LE(names(broker_.offsets.at(0).request.parts), most);
  EXPECT_LE(names(broker_.epoch_questions.at(0).request), most);
  EXPECT_LE(names(broker_.record_deletions.at(0).request), most);
  // What is told goes by the name that was asked for.
  FakeBroker::answer(broker_.produces, std::vector<ProducePartResult>(kPartitions));
  FakeBroker::answer(broker_.fetches, std::vector<FetchPartResult>(kPartitions));
  FakeBroker::answer(broker_.offsets, std::vector<ListOffsetsResult>(kPartitions));
  FakeBroker::answer(broker_.epoch_questions, std::vector<EpochEndResult>(kPartitions));
  FakeBroker::answer(broker_.record_deletions, std::vector<DeleteRecordsResult>(kPartitions));
  EXPECT_EQ(client_->take<kafka::ProduceResponse>(1, 9).responses.at(0).name, long_name_);
  EXPECT_EQ(client_->take<kafka::FetchResponse>(2, 11).responses.at(0).topic, long_name_);
  EXPECT_EQ(client_->take<kafka::ListOffsetsResponse>(3, 6).topics.at(0).name, long_name_);
  EXPECT_EQ(client_->take<kafka::OffsetForLeaderEpochResponse>(4, 3).topics.at(0).topic, long_name_);
  EXPECT_EQ(client_->take<kafka::DeleteRecordsResponse>(5, 2).topics.at(0).name, long_name_);
}

// Each would be a search through the log of its own.
TEST_F(RepeatsHandlers, ListOffsetsOfOnePartitionTwice) {
  kafka::ListOffsetsRequest request;
  request.topics = {{"a",
                     {{PartitionIndex(0), LeaderEpoch(-1), 5},
                      {PartitionIndex(1), LeaderEpoch(-1), -1},
                      {PartitionIndex(0), LeaderEpoch(-1), -1}}},
                    {"b", {{PartitionIndex(0), LeaderEpoch(-1), -1}}},
                    {"a", {{PartitionIndex(2), LeaderEpoch(-1), -1}, {PartitionIndex(1), LeaderEpoch(-1), -2}}}};
  for (const std::int16_t version : {1, 8}) {
    client_->send(1, version, request);
    settle();
    ASSERT_EQ(broker_.offsets.size(), 1U);
    ASSERT_EQ(broker_.offsets[0].request.parts.size(), 2U);
    FakeBroker::answer(broker_.offsets, std::vector<ListOffsetsResult>(2));
    std::vector<ErrorCode> codes;
    for (const auto& topic : client_->take<kafka::ListOffsetsResponse>(1, version).topics)
      for (const auto& entry : topic.partitions) codes.push_back(entry.error_code);
    EXPECT_EQ(codes, (std::vector<ErrorCode>{ErrorCode::invalid_request, ErrorCode::invalid_request,
                                             ErrorCode::invalid_request, ErrorCode::none, ErrorCode::none,
                                             ErrorCode::invalid_request}));
  }
}

TEST_F(RepeatsHandlers, DeleteTopicsOfOneTopicTwice) {
  const TopicInfo orders = broker_.add_topic("orders", 1);
  TopicId other{}, lone{};
  other.bytes[0] = 5;
  lone.bytes[0] = 6;
  kafka::DeleteTopicsRequest request;
  request.topics = {{"a", {}},
                    {"a", {}},
                    {"b", {}},
                    {std::nullopt, other},
                    {std::nullopt, other},
                    {std::nullopt, lone},
                    {"orders", {}},
                    {std::nullopt, orders.id}};
  request.topic_names = {"a", "b", "a"};
  client_->send(1, 6, request);
  client_->send(2, 5, request);
  settle();
  ASSERT_EQ(broker_.deletes.size(), 2U);
  ASSERT_EQ(broker_.deletes[0].request.size(), 2U);
  EXPECT_EQ(broker_.deletes[0].request[0].name, "b");
  EXPECT_EQ(broker_.deletes[0].request[1].id, lone);
  ASSERT_EQ(broker_.deletes[1].request.size(), 1U);
  EXPECT_EQ(broker_.deletes[1].request[0].name, "b");
  FakeBroker::answer(broker_.deletes, std::vector<DeleteTopicResult>(2));
  FakeBroker::answer(broker_.deletes, std::vector<DeleteTopicResult>(1));
  const auto codes = [](const kafka::DeleteTopicsResponse& response) {
    std::string text;
    for (const auto& entry : response.responses) text += std::string(error_name(entry.error_code)) + " ";
    return text;
  };
  EXPECT_EQ(
      codes(client_->take<kafka::DeleteTopicsResponse>(1, 6)),
      "invalid_request invalid_request none invalid_request invalid_request none invalid_request invalid_request ");
  EXPECT_EQ(codes(client_->take<kafka::DeleteTopicsResponse>(2, 5)), "invalid_request none invalid_request ");
}

// All settings for each of them would be a reply a thousand times as large as the request.
TEST_F(RepeatsHandlers, ABrokerIsDescribedByItsNumberAlone) {
  broker_.settings = {{"a", "b", "b", true, SettingType::text, "help", {}}};
  kafka::DescribeConfigsRequest request;
  for (const std::string_view name : {"1", "01", "001", "+1", " 1", "1 "})
    request.resources.push_back({kafka::ConfigResource::broker, name, std::nullopt});
  const auto response = client_->ask<kafka::DescribeConfigsResponse>(4, request);
  ASSERT_EQ(response.results.size(), request.resources.size());
  EXPECT_EQ(response.results[0].error_code, ErrorCode::none);
  for (std::size_t i = 1; i < response.results.size(); ++i) {
    EXPECT_EQ(response.results[i].error_code, ErrorCode::invalid_request) << request.resources[i].resource_name;
    EXPECT_TRUE(response.results[i].configs.empty());
  }
}

}  // namespace
}  // namespace sluice::broker
