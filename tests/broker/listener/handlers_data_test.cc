// Produce, Fetch, ListOffsets and InitProducerId: what the service is asked, and what clients of each version are told.
#include <gtest/gtest.h>

#include "tests/broker/listener/harness.h"

namespace sluice::broker {
namespace {

using kafka::ErrorCode;

class DataHandlers : public ListenerTest {
 protected:
  DataHandlers() { client_ = connect(); }

  static kafka::ProduceRequest produce_of(ByteSpan records) {
    kafka::ProduceRequest request;
    request.acks = -1;
    request.timeout_ms = 1500;
    request.topic_data.push_back({"orders", {{PartitionIndex(3), records}}});
    return request;
  }
  /// What one partition of a Produce is told without the service being asked.
  kafka::ProducePartitionResponse refused(std::int16_t version, const kafka::ProduceRequest& request) {
    auto response = client_->ask<kafka::ProduceResponse>(version, request);
    EXPECT_TRUE(broker_.produces.empty()) << "the service was asked";
    if (response.responses.size() != 1 || response.responses[0].partition_responses.size() != 1) {
      ADD_FAILURE() << "one partition was asked for";
      return {};
    }
    EXPECT_EQ(response.responses[0].partition_responses[0].index, request.topic_data[0].partition_data[0].index);
    return std::move(response.responses[0].partition_responses[0]);
  }
  static kafka::FetchRequest fetch_of(std::string_view topic, TopicId id = {}, std::int32_t partition = 0) {
    kafka::FetchRequest request;
    request.max_wait_ms = 700;
    request.min_bytes = 10;
    kafka::FetchPartition part;
    part.partition = PartitionIndex(partition);
    part.fetch_offset = Offset(42);
    part.partition_max_bytes = 1 << 20;
    request.topics.push_back({topic, id, {part}});
    return request;
  }
  /// The whole reply to a fetch of one partition, which the service answers with `result`.
  kafka::FetchResponse fetched(std::int16_t version, const kafka::FetchRequest& request, FetchPartResult result) {
    client_->send(77, version, request);
    settle();
    if (broker_.fetches.empty()) {
      ADD_FAILURE() << "the service was not asked";
      return {};
    }
    last_fetch_ = std::move(broker_.fetches.front().request);
    std::vector<FetchPartResult> results;
    results.push_back(std::move(result));
    FakeBroker::answer(broker_.fetches, std::move(results));
    return client_->take<kafka::FetchResponse>(77, version);
  }
  static std::string records_of(const kafka::FetchPartitionResponse& entry) {
    std::string all;
    for (const SharedBytes& piece : entry.records->pieces) all += as_text(piece);
    return all;
  }

  std::unique_ptr<TestClient> client_;
  FetchRequest last_fetch_;
  const std::vector<std::byte> batch_ = batch_of("hello");
};

TEST_F(DataHandlers, ProduceInEveryVersion) {
  for (std::int16_t version = 3; version <= 11; ++version) {
    SCOPED_TRACE(version);
    client_->send(5, version, produce_of(batch_));
    settle();
    ASSERT_EQ(broker_.produces.size(), 1U);
    const ProduceRequest& asked = broker_.produces[0].request;
    EXPECT_EQ(asked.acks, Acks::all);
    EXPECT_EQ(asked.timeout, Millis(1500));
    ASSERT_EQ(asked.parts.size(), 1U);
    EXPECT_EQ(asked.parts[0].topic.name, "orders");
    EXPECT_EQ(asked.parts[0].partition, PartitionIndex(3));
    EXPECT_EQ(as_text(asked.parts[0].batch), as_text(batch_));
    FakeBroker::answer(
        broker_.produces,
        {{.error = std::nullopt, .base_offset = Offset(9), .append_time_ms = 123, .log_start_offset = Offset(2)}});
    const auto response = client_->take<kafka::ProduceResponse>(5, version);
    ASSERT_EQ(response.responses.size(), 1U);
    EXPECT_EQ(response.responses[0].name, "orders");
    const auto& entry = response.responses[0].partition_responses.at(0);
    EXPECT_EQ(entry.index, PartitionIndex(3));
    EXPECT_EQ(entry.error_code, ErrorCode::none);
    EXPECT_EQ(entry.base_offset, Offset(9));
    EXPECT_EQ(entry.log_append_time_ms, 123);
    EXPECT_EQ(entry.log_start_offset, Offset(version >= 5 ? 2 : -1));
    EXPECT_TRUE(entry.record_errors.empty());
    EXPECT_FALSE(entry.error_message);
  }
}

TEST_F(DataHandlers, ProduceBeforeRecordBatchesIsUnsupported) {
  for (std::int16_t version = 0; version < 3; ++version) {
    EXPECT_EQ(refused(version, produce_of(batch_)).error_code, ErrorCode::unsupported_version);
  }
}

TEST_F(DataHandlers, ProduceRefusesWhatTheProtocolForbids) {
  auto transactional = produce_of(batch_);
  transactional.transactional_id = "tx";
  EXPECT_EQ(refused(8, transactional).error_code, ErrorCode::invalid_request);
  auto quorum = produce_of(batch_);
  quorum.acks = 2;
  EXPECT_EQ(refused(8, quorum).error_code, ErrorCode::invalid_required_acks);
  EXPECT_EQ(refused(8, produce_of({})).error_code, ErrorCode::invalid_record);
  auto null_records = produce_of(batch_);
  null_records.topic_data[0].partition_data[0].records.reset();
  EXPECT_EQ(refused(8, null_records).error_code, ErrorCode::invalid_record);
  std::vector<std::byte> two = batch_;
  two.insert(two.end(), batch_.begin(), batch_.end());
  const auto entry = refused(8, produce_of(two));
  EXPECT_EQ(entry.error_code, ErrorCode::invalid_record);
  EXPECT_NE(entry.error_message.value_or("").find("exactly one"), std::string::npos);
  EXPECT_EQ(refused(8, produce_of(ByteSpan(batch_).first(20))).error_code, ErrorCode::invalid_record);
  const auto zstd = batch_of("z", Codec::zstd);
  EXPECT_EQ(refused(6, produce_of(zstd)).error_code, ErrorCode::unsupported_compression_type);
  client_->send(1, 7, produce_of(zstd));
  settle();
  EXPECT_EQ(broker_.produces.size(), 1U);
}

TEST_F(DataHandlers, ProduceMixesRefusedAndAskedPartitionsInOrder) {
  kafka::ProduceRequest request;
  request.acks = 1;
  request.topic_data.push_back({"a", {{PartitionIndex(0), ByteSpan()}, {PartitionIndex(1), ByteSpan(batch_)}}});
  request.topic_data.push_back({"b", {{PartitionIndex(0), ByteSpan(batch_)}}});
  client_->send(1, 9, request);
  settle();
  ASSERT_EQ(broker_.produces.size(), 1U);
  EXPECT_EQ(broker_.produces[0].request.acks, Acks::leader);
  ASSERT_EQ(broker_.produces[0].request.parts.size(), 2U);
  std::vector<ProducePartResult> results(2);
  results[0].base_offset = Offset(7);
  results[1].error = Error{Errc::out_of_order_sequence, "expected 3, got 9"};
  FakeBroker::answer(broker_.produces, std::move(results));
  const auto response = client_->take<kafka::ProduceResponse>(1, 9);
  const auto& a = response.responses.at(0).partition_responses;
  EXPECT_EQ(a.at(0).error_code, ErrorCode::invalid_record);
  EXPECT_EQ(a.at(1).error_code, ErrorCode::none);
  EXPECT_EQ(a.at(1).base_offset, Offset(7));
  const auto& b = response.responses.at(1).partition_responses.at(0);
  EXPECT_EQ(b.error_code, ErrorCode::out_of_order_sequence_number);
  EXPECT_EQ(b.error_message, "expected 3, got 9");
}

TEST_F(DataHandlers, NotTheLeaderNamesTheLeader) {
  broker_.add_node(2, "broker-2.test", 9093);
  broker_.add_topic("orders", 4, 2);
  for (const std::int16_t version : {9, 10, 11}) {
    client_->send(1, version, produce_of(batch_));
    settle();
    std::vector<ProducePartResult> results(1);
    results[0].error = Error{Errc::not_leader, "led elsewhere"};
    FakeBroker::answer(broker_.produces, std::move(results));
    const auto response = client_->take<kafka::ProduceResponse>(1, version);
    const auto& entry = response.responses.at(0).partition_responses.at(0);
    EXPECT_EQ(entry.error_code, ErrorCode::not_leader_or_follower);
    EXPECT_EQ(entry.current_leader.leader_id, NodeId(version >= 10 ? 2 : -1));
    ASSERT_EQ(response.node_endpoints.size(), version >= 10 ? 1U : 0U);
    if (version >= 10) {
      EXPECT_EQ(entry.current_leader.leader_epoch, LeaderEpoch(5));
      EXPECT_EQ(response.node_endpoints[0].host, "broker-2.test");
      EXPECT_EQ(response.node_endpoints[0].port, 9093);
    }
  }
}

TEST_F(DataHandlers, FetchInEveryVersion) {
  const TopicInfo topic = broker_.add_topic("orders", 1);
  for (std::int16_t version = 4; version <= 16; ++version) {
    SCOPED_TRACE(version);
    const auto response = fetched(version, fetch_of("orders", topic.id),
                                  {.error = std::nullopt,
                                   .high_watermark = Offset(50),
                                   .last_stable_offset = Offset(50),
                                   .log_start_offset = Offset(1),
                                   .diverging = std::nullopt,
                                   .batches = {SharedBytes::copy_of(batch_), SharedBytes::copy_of(batch_)}});
    EXPECT_EQ(last_fetch_.max_wait, Millis(700));
    EXPECT_EQ(last_fetch_.min_bytes, 10U);
    EXPECT_EQ(last_fetch_.max_bytes, KafkaSettings{}.max_fetch_bytes);
    ASSERT_EQ(last_fetch_.parts.size(), 1U);
    EXPECT_EQ(last_fetch_.parts[0].topic.name, version < 13 ? "orders" : "");
    EXPECT_EQ(last_fetch_.parts[0].topic.id.is_zero(), version < 13);
    EXPECT_EQ(last_fetch_.parts[0].offset, Offset(42));
    EXPECT_FALSE(last_fetch_.parts[0].current_leader_epoch);
    EXPECT_EQ(response.session_id, 0);
    EXPECT_TRUE(response.node_endpoints.empty());
    ASSERT_EQ(response.responses.size(), 1U);
    EXPECT_EQ(response.responses[0].topic, version < 13 ? "orders" : "");
    if (version >= 13) {
      EXPECT_EQ(response.responses[0].topic_id, topic.id);
    }
    const auto& entry = response.responses[0].partitions.at(0);
    EXPECT_EQ(entry.error_code, ErrorCode::none);
    EXPECT_EQ(entry.high_watermark, Offset(50));
    EXPECT_EQ(entry.preferred_read_replica, NodeId(-1));
    EXPECT_FALSE(entry.aborted_transactions);
    EXPECT_EQ(records_of(entry), std::string(as_text(batch_)) + std::string(as_text(batch_)));
  }
}

TEST_F(DataHandlers, FetchCarriesEpochsAndIsolation) {
  auto request = fetch_of("orders");
  request.isolation_level = 1;
  request.topics[0].partitions[0].current_leader_epoch = LeaderEpoch(4);
  request.topics[0].partitions[0].last_fetched_epoch = LeaderEpoch(3);
  const auto response = fetched(
      12, request, {.error = std::nullopt, .diverging = DivergingEpoch{LeaderEpoch(2), Offset(30)}, .batches = {}});
  EXPECT_EQ(last_fetch_.isolation, Isolation::read_committed);
  EXPECT_EQ(last_fetch_.parts[0].current_leader_epoch, LeaderEpoch(4));
  EXPECT_EQ(last_fetch_.parts[0].last_fetched_epoch, LeaderEpoch(3));
  const auto& entry = response.responses.at(0).partitions.at(0);
  EXPECT_EQ(entry.diverging_epoch.epoch, LeaderEpoch(2));
  EXPECT_EQ(entry.diverging_epoch.end_offset, Offset(30));
  ASSERT_TRUE(entry.aborted_transactions) << "an empty list, not null, for read_committed";
  EXPECT_TRUE(entry.aborted_transactions->empty());
}

TEST_F(DataHandlers, FetchBoundsWhatTheClientChooses) {
  auto request = fetch_of("orders");
  request.max_wait_ms = std::numeric_limits<std::int32_t>::max();
  request.min_bytes = std::numeric_limits<std::int32_t>::max();
  request.topics[0].partitions[0].partition_max_bytes = -5;
  fetched(11, request, {});
  EXPECT_LE(last_fetch_.max_wait, Millis(300'000));
  EXPECT_LE(last_fetch_.min_bytes, last_fetch_.max_bytes);
  EXPECT_EQ(last_fetch_.parts[0].max_bytes, 0U);
  request.max_wait_ms = -1;
  request.min_bytes = -1;
  fetched(11, request, {});
  EXPECT_EQ(last_fetch_.max_wait, Millis(0));
  EXPECT_EQ(last_fetch_.min_bytes, 0U);
}

TEST_F(DataHandlers, FetchThroughASession) {
  const auto outcome = [](std::int64_t high_watermark) {
    FetchPartResult result;
    result.high_watermark = Offset(high_watermark);
    return result;
  };
  for (const std::int16_t version : {7, 12, 13, 16}) {
    SCOPED_TRACE(version);
    TopicId id;
    if (version >= 13) id.bytes[0] = 9;
    auto request = fetch_of("orders", id);
    request.session_epoch = 0;
    const auto opened = fetched(version, request, outcome(50));
    ASSERT_GT(opened.session_id, 0);
    ASSERT_EQ(opened.responses.size(), 1U);

    kafka::FetchRequest more;
    more.session_id = opened.session_id;
    more.session_epoch = 1;
    more.max_wait_ms = 10;
    const auto unchanged = fetched(version, more, outcome(50));
    EXPECT_EQ(unchanged.session_id, opened.session_id);
    EXPECT_EQ(unchanged.error_code, ErrorCode::none);
    EXPECT_TRUE(unchanged.responses.empty());
    ASSERT_EQ(last_fetch_.parts.size(), 1U);
    EXPECT_EQ(last_fetch_.parts[0].topic.name, version < 13 ? "orders" : "");
    EXPECT_EQ(last_fetch_.parts[0].topic.id, id);
    EXPECT_EQ(last_fetch_.parts[0].offset, Offset(42));

    more.session_epoch = 2;
    auto result = outcome(51);
    result.batches = {SharedBytes::copy_of(batch_)};
    const auto changed = fetched(version, more, std::move(result));
    ASSERT_EQ(changed.responses.size(), 1U);
    EXPECT_EQ(changed.responses[0].topic, version < 13 ? "orders" : "");
    EXPECT_EQ(changed.responses[0].topic_id, id);
    EXPECT_EQ(records_of(changed.responses[0].partitions.at(0)), as_text(batch_));

    // The same epoch again.
    const auto repeated = client_->ask<kafka::FetchResponse>(version, more);
    EXPECT_EQ(repeated.error_code, ErrorCode::invalid_fetch_session_epoch);
    EXPECT_TRUE(repeated.responses.empty());
    more.session_id = 0;
    EXPECT_EQ(client_->ask<kafka::FetchResponse>(version, more).error_code, ErrorCode::fetch_session_id_not_found);
    EXPECT_TRUE(broker_.fetches.empty());
  }
  auto request = fetch_of("orders");
  request.session_epoch = -1;
  EXPECT_EQ(fetched(11, request, outcome(1)).session_id, 0);
  EXPECT_EQ(fetched(6, fetch_of("orders"), outcome(1)).session_id, 0) << "older versions know no sessions";
}

TEST_F(DataHandlers, FetchSessionsOutliveTheirConnectionForAWhile) {
  auto request = fetch_of("orders");
  request.session_epoch = 0;
  kafka::FetchRequest more;
  more.session_id = fetched(11, request, {}).session_id;
  more.session_epoch = 1;
  client_->close();
  settle();
  client_ = connect();
  EXPECT_EQ(fetched(11, more, {}).session_id, more.session_id);
  client_->close();
  settle();
  EXPECT_EQ(server_->fetch_sessions().session_count(), 1U);
  scheduler_.run_for(std::chrono::minutes(3));
  EXPECT_EQ(server_->fetch_sessions().session_count(), 0U);
}

TEST_F(DataHandlers, FetchNamesATopicOnceForPartitionsThatFollowEachOther) {
  auto request = fetch_of("orders");
  request.topics.push_back(fetch_of("orders", {}, 1).topics[0]);
  request.topics.push_back(fetch_of("orders").topics[0]);
  client_->send(1, 11, request);
  settle();
  ASSERT_EQ(broker_.fetches.front().request.parts.size(), 2U) << "the first partition is named twice";
  FakeBroker::answer(broker_.fetches, std::vector<FetchPartResult>(2));
  const auto response = client_->take<kafka::FetchResponse>(1, 11);
  ASSERT_EQ(response.responses.size(), 1U);
  EXPECT_EQ(response.responses[0].partitions.size(), 2U);
}

TEST_F(DataHandlers, FetchListsEveryPartitionOnce) {
  kafka::FetchRequest request = fetch_of("a");
  request.topics[0].partitions.resize(3);
  for (int i = 0; i < 3; ++i) request.topics[0].partitions[static_cast<std::size_t>(i)].partition = PartitionIndex(i);
  request.topics.push_back({"b", {}, {kafka::FetchPartition{}}});
  client_->send(1, 11, request);
  settle();
  std::vector<FetchPartResult> results(4);
  results[1].error = Error{Errc::offset_out_of_range, ""};
  results[3].error = Error{Errc::unknown_topic, ""};
  FakeBroker::answer(broker_.fetches, std::move(results));
  const auto response = client_->take<kafka::FetchResponse>(1, 11);
  ASSERT_EQ(response.responses.size(), 2U);
  ASSERT_EQ(response.responses[0].partitions.size(), 3U);
  EXPECT_EQ(response.responses[0].partitions[1].error_code, ErrorCode::offset_out_of_range);
  EXPECT_EQ(response.responses[0].partitions[2].partition_index, PartitionIndex(2));
  EXPECT_EQ(response.responses[1].partitions.at(0).error_code, ErrorCode::unknown_topic_or_partition);
}

TEST_F(DataHandlers, FetchOfZstdByAnOldClient) {
  const auto zstd = batch_of("z", Codec::zstd);
  FetchPartResult result;
  result.batches = {SharedBytes::copy_of(zstd)};
  auto reply = fetched(4, fetch_of("a"), std::move(result));
  EXPECT_EQ(reply.responses.at(0).partitions.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(records_of(reply.responses[0].partitions[0]), as_text(zstd)) << "it may know more than its version says";
}

TEST_F(DataHandlers, FetchErrorsNameTheLeader) {
  broker_.add_node(2, "broker-2.test", 9093);
  const TopicInfo topic = broker_.add_topic("orders", 1, 2);
  for (const std::int16_t version : {11, 12, 16}) {
    FetchPartResult result;
    result.error = Error{Errc::not_leader, ""};
    const auto response = fetched(version, fetch_of("orders", topic.id), std::move(result));
    const auto& entry = response.responses.at(0).partitions.at(0);
    EXPECT_EQ(entry.error_code, ErrorCode::not_leader_or_follower);
    EXPECT_EQ(entry.current_leader.leader_id, NodeId(version >= 12 ? 2 : -1));
    EXPECT_EQ(response.node_endpoints.size(), version >= 16 ? 1U : 0U);
  }
}

TEST_F(DataHandlers, ListOffsetsInEveryVersion) {
  struct Case {
    std::int64_t timestamp;
    std::int16_t since;
    OffsetQuery query;
  };
  const std::vector<Case> cases = {{-1, 1, OffsetQuery::latest},        {-2, 1, OffsetQuery::earliest},
                                   {-3, 7, OffsetQuery::max_timestamp}, {-4, 8, OffsetQuery::earliest},
                                   {1234, 1, OffsetQuery::at_time},     {-5, 99, OffsetQuery::latest}};
  for (std::int16_t version = 1; version <= 8; ++version) {
    for (const Case& c : cases) {
      SCOPED_TRACE(fmt::format("v{} {}", version, c.timestamp));
      kafka::ListOffsetsRequest request;
      request.isolation_level = version >= 2 ? 1 : 0;
      request.topics.push_back({"orders", {{PartitionIndex(1), LeaderEpoch(6), c.timestamp}}});
      client_->send(1, version, request);
      settle();
      if (version < c.since) {
        EXPECT_TRUE(broker_.offsets.empty());
        const auto response = client_->take<kafka::ListOffsetsResponse>(1, version);
        EXPECT_EQ(response.topics.at(0).partitions.at(0).error_code, ErrorCode::unsupported_version);
        continue;
      }
      ASSERT_EQ(broker_.offsets.size(), 1U);
      const auto& asked = broker_.offsets[0].request;
      EXPECT_EQ(asked.isolation, version >= 2 ? Isolation::read_committed : Isolation::read_uncommitted);
      EXPECT_EQ(asked.parts.at(0).query, c.query);
      EXPECT_EQ(asked.parts[0].timestamp_ms, std::max<std::int64_t>(c.timestamp, 0));
      EXPECT_EQ(asked.parts[0].current_leader_epoch.has_value(), version >= 4);
      EXPECT_GT(broker_.last_timeout, Millis(0));
      FakeBroker::answer(
          broker_.offsets,
          {{.error = std::nullopt, .offset = Offset(8), .timestamp_ms = 99, .leader_epoch = LeaderEpoch(2)}});
      const auto response = client_->take<kafka::ListOffsetsResponse>(1, version);
      const auto& entry = response.topics.at(0).partitions.at(0);
      EXPECT_EQ(entry.partition_index, PartitionIndex(1));
      EXPECT_EQ(entry.offset, Offset(8));
      EXPECT_EQ(entry.timestamp, 99);
      EXPECT_EQ(entry.leader_epoch, LeaderEpoch(version >= 4 ? 2 : -1));
    }
  }
}

TEST_F(DataHandlers, ListOffsetsBeforeTheLeaderIsReady) {
  kafka::ListOffsetsRequest request;
  request.topics.push_back({"orders", {{PartitionIndex(0), LeaderEpoch(-1), -1}}});
  for (const std::int16_t version : {4, 5}) {
    client_->send(1, version, request);
    settle();
    std::vector<ListOffsetsResult> results(1);
    results[0].error = Error{Errc::offset_not_available, ""};
    FakeBroker::answer(broker_.offsets, std::move(results));
    const auto response = client_->take<kafka::ListOffsetsResponse>(1, version);
    EXPECT_EQ(response.topics.at(0).partitions.at(0).error_code,
              version >= 5 ? ErrorCode::offset_not_available : ErrorCode::leader_not_available);
  }
}

TEST_F(DataHandlers, AnIsolationLevelThatDoesNotExistClosesTheConnection) {
  auto request = fetch_of("orders");
  request.isolation_level = 2;
  client_->send(1, 11, request);
  settle();
  EXPECT_TRUE(client_->ended());
  ASSERT_EQ(logged_warnings().size(), 1U);
  EXPECT_NE(logged_warnings()[0].find("Fetch v11"), std::string::npos);
}

TEST_F(DataHandlers, InitProducerIdInEveryVersion) {
  for (std::int16_t version = 0; version <= 5; ++version) {
    SCOPED_TRACE(version);
    client_->send(1, version, kafka::InitProducerIdRequest{});
    settle();
    ASSERT_EQ(broker_.identities.size(), 1U);
    EXPECT_FALSE(broker_.identities[0].request);
    FakeBroker::answer(broker_.identities, Result<ProducerIdentity>(ProducerIdentity{ProducerId(4000), 0}));
    const auto response = client_->take<kafka::InitProducerIdResponse>(1, version);
    EXPECT_EQ(response.error_code, ErrorCode::none);
    EXPECT_EQ(response.producer_id, ProducerId(4000));
    EXPECT_EQ(response.producer_epoch, 0);
  }
}

TEST_F(DataHandlers, InitProducerIdWithAnIdentity) {
  kafka::InitProducerIdRequest request;
  request.producer_id = ProducerId(7);
  request.producer_epoch = 2;
  client_->send(1, 4, request);
  settle();
  ASSERT_EQ(broker_.identities.size(), 1U);
  EXPECT_EQ(broker_.identities[0].request->id, ProducerId(7));
  EXPECT_EQ(broker_.identities[0].request->epoch, 2);
  FakeBroker::answer(broker_.identities, Result<ProducerIdentity>(fail(Errc::invalid_producer_epoch, "fenced")));
  EXPECT_EQ(client_->take<kafka::InitProducerIdResponse>(1, 4).error_code, ErrorCode::producer_fenced);
  request.producer_epoch = -1;
  EXPECT_EQ(client_->ask<kafka::InitProducerIdResponse>(4, request).error_code, ErrorCode::invalid_request);
  kafka::InitProducerIdRequest transactional;
  transactional.transactional_id = "tx";
  EXPECT_EQ(client_->ask<kafka::InitProducerIdResponse>(4, transactional).error_code, ErrorCode::invalid_request);
  EXPECT_TRUE(broker_.identities.empty());
}

}  // namespace
}  // namespace sluice::broker
