// CreatePartitions, DeleteRecords, OffsetForLeaderEpoch, the three of settings, DescribeCluster and DescribeLogDirs.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "protocol/kafka/configs.h"
#include "protocol/kafka/create_partitions.h"
#include "protocol/kafka/delete_records.h"
#include "protocol/kafka/describe_cluster.h"
#include "protocol/kafka/describe_log_dirs.h"
#include "protocol/kafka/offset_for_leader_epoch.h"
#include "tests/broker/listener/harness.h"

namespace sluice::broker {
namespace {

using kafka::ConfigOperation;
using kafka::ConfigResource;
using kafka::ConfigSource;
using kafka::ErrorCode;

class AdminHandlers : public ListenerTest {
 protected:
  AdminHandlers() { client_ = connect(); }
  std::unique_ptr<TestClient> client_;
};

// ---- CreatePartitions ----

TEST_F(AdminHandlers, CreatePartitionsInEveryVersion) {
  for (std::int16_t version = 0; version <= 3; ++version) {
    SCOPED_TRACE(version);
    kafka::CreatePartitionsRequest request;
    request.topics = {{"orders", 6, std::nullopt}, {"bills", 2, {{{{NodeId(1)}}}}}};
    request.timeout_ms = 700;
    request.validate_only = true;
    client_->send(1, version, request);
    settle();
    ASSERT_EQ(broker_.growths.size(), 1U);
    const auto& asked = broker_.growths[0].request;
    ASSERT_EQ(asked.size(), 2U);
    EXPECT_EQ(asked[0].name, "orders");
    EXPECT_EQ(asked[0].count, 6);
    EXPECT_TRUE(asked[0].validate_only);
    EXPECT_FALSE(asked[0].assignments);
    EXPECT_EQ(asked[1].assignments, (std::vector<std::vector<std::int32_t>>{{1}}));
    EXPECT_EQ(broker_.last_timeout, Millis(700));
    FakeBroker::answer(broker_.growths,
                       std::vector<Result<void>>{{}, fail(Errc::invalid_partitions, "it has 2 already")});
    const auto response = client_->take<kafka::CreatePartitionsResponse>(1, version);
    ASSERT_EQ(response.results.size(), 2U);
    EXPECT_EQ(response.results[0].name, "orders");
    EXPECT_EQ(response.results[0].error_code, ErrorCode::none);
    EXPECT_FALSE(response.results[0].error_message);
    EXPECT_EQ(response.results[1].error_code, ErrorCode::invalid_partitions);
    EXPECT_EQ(response.results[1].error_message, "it has 2 already");
  }
}

TEST_F(AdminHandlers, CreatePartitionsRefusesShapesWithTheirOwnCodes) {
  kafka::CreatePartitionsRequest request;
  request.topics = {{"twice", 2, std::nullopt},
                    {"twice", 3, std::nullopt},
                    {"nobody", 2, {{{}}}},
                    {"same", 2, {{{{NodeId(1), NodeId(1)}}}}},
                    {"elsewhere", 2, {{{{NodeId(7)}}}}},
                    {"many", 1000, std::nullopt}};
  client_->send(1, 3, request);
  settle();
  ASSERT_EQ(broker_.growths.size(), 1U);
  ASSERT_EQ(broker_.growths[0].request.size(), 2U);
  FakeBroker::answer(broker_.growths,
                     std::vector<Result<void>>{fail(Errc::invalid_argument, ""), fail(Errc::limit_reached, "")});
  std::vector<ErrorCode> codes;
  for (const auto& entry : client_->take<kafka::CreatePartitionsResponse>(1, 3).results)
    codes.push_back(entry.error_code);
  EXPECT_EQ(codes, (std::vector<ErrorCode>{ErrorCode::invalid_request, ErrorCode::invalid_request,
                                           ErrorCode::invalid_replica_assignment, ErrorCode::invalid_replica_assignment,
                                           ErrorCode::invalid_replica_assignment, ErrorCode::invalid_partitions}));
}

// ---- DeleteRecords ----

TEST_F(AdminHandlers, DeleteRecordsInEveryVersion) {
  for (std::int16_t version = 0; version <= 2; ++version) {
    SCOPED_TRACE(version);
    kafka::DeleteRecordsRequest request;
    request.timeout_ms = 600;
    request.topics = {{"a", {{PartitionIndex(0), Offset(5)}, {PartitionIndex(3), Offset(-1)}}},
                      {"b", {{PartitionIndex(1), Offset(-2)}}}};
    client_->send(1, version, request);
    settle();
    ASSERT_EQ(broker_.record_deletions.size(), 1U);
    const auto& asked = broker_.record_deletions[0].request;
    ASSERT_EQ(asked.size(), 3U);
    EXPECT_EQ(asked[0].topic.name, "a");
    EXPECT_EQ(asked[0].partition, PartitionIndex(0));
    EXPECT_EQ(asked[0].before, Offset(5));
    EXPECT_EQ(asked[1].before, std::nullopt) << "-1 is the high watermark";
    EXPECT_EQ(asked[2].before, Offset(-2)) << "which the service refuses";
    EXPECT_EQ(broker_.last_timeout, Millis(600));
    std::vector<DeleteRecordsResult> results(3);
    results[0].log_start_offset = Offset(5);
    results[1].log_start_offset = Offset(77);
    results[2].error = Error{Errc::offset_out_of_range, ""};
    FakeBroker::answer(broker_.record_deletions, std::move(results));
    const auto response = client_->take<kafka::DeleteRecordsResponse>(1, version);
    ASSERT_EQ(response.topics.size(), 2U);
    ASSERT_EQ(response.topics[0].partitions.size(), 2U);
    EXPECT_EQ(response.topics[0].partitions[0].low_watermark, Offset(5));
    EXPECT_EQ(response.topics[0].partitions[1].partition_index, PartitionIndex(3));
    EXPECT_EQ(response.topics[0].partitions[1].low_watermark, Offset(77));
    EXPECT_EQ(response.topics[1].partitions.at(0).error_code, ErrorCode::offset_out_of_range);
    EXPECT_EQ(response.topics[1].partitions.at(0).low_watermark, Offset(-1));
  }
}

// ---- OffsetForLeaderEpoch ----

TEST_F(AdminHandlers, OffsetForLeaderEpochInEveryVersion) {
  for (std::int16_t version = 2; version <= 4; ++version) {
    SCOPED_TRACE(version);
    kafka::OffsetForLeaderEpochRequest request;
    request.topics = {{"a",
                       {{PartitionIndex(0), LeaderEpoch(7), LeaderEpoch(4)},
                        {PartitionIndex(1), LeaderEpoch(-1), LeaderEpoch(9)},
                        {PartitionIndex(2), LeaderEpoch(3), LeaderEpoch(3)},
                        {PartitionIndex(3), LeaderEpoch(9), LeaderEpoch(3)},
                        {PartitionIndex(4), LeaderEpoch(7), LeaderEpoch(7)}}}};
    client_->send(1, version, request);
    settle();
    ASSERT_EQ(broker_.epoch_questions.size(), 1U);
    const auto& asked = broker_.epoch_questions[0].request;
    ASSERT_EQ(asked.size(), 5U);
    EXPECT_EQ(asked[0].asked, LeaderEpoch(4));
    EXPECT_EQ(asked[0].current_leader_epoch, LeaderEpoch(7));
    EXPECT_FALSE(asked[1].current_leader_epoch);
    std::vector<EpochEndResult> results(5);
    results[0].epoch = LeaderEpoch(3);
    results[0].end_offset = Offset(120);
    results[2].error = Error{Errc::fenced_leader_epoch, ""};
    results[3].error = Error{Errc::unknown_leader_epoch, ""};
    results[4].error = Error{Errc::not_leader, ""};
    FakeBroker::answer(broker_.epoch_questions, std::move(results));
    const auto response = client_->take<kafka::OffsetForLeaderEpochResponse>(1, version);
    const auto& entries = response.topics.at(0).partitions;
    ASSERT_EQ(entries.size(), 5U);
    EXPECT_EQ(entries[0].error_code, ErrorCode::none);
    EXPECT_EQ(entries[0].leader_epoch, LeaderEpoch(3));
    EXPECT_EQ(entries[0].end_offset, Offset(120));
    EXPECT_EQ(entries[1].leader_epoch, LeaderEpoch(-1)) << "a future epoch";
    EXPECT_EQ(entries[1].end_offset, Offset(-1));
    EXPECT_EQ(entries[2].error_code, ErrorCode::fenced_leader_epoch);
    EXPECT_EQ(entries[3].error_code, ErrorCode::unknown_leader_epoch);
    EXPECT_EQ(entries[4].error_code, ErrorCode::not_leader_or_follower);
    EXPECT_EQ(entries[4].partition, PartitionIndex(4));
  }
}

// ---- Settings ----

TEST_F(AdminHandlers, DescribeConfigsOfATopicInEveryVersion) {
  TopicSettings settings;
  ASSERT_TRUE(set_topic_setting(settings, "retention.ms", "1000"));
  broker_.add_topic("orders", 1, 1, TopicPhase::live, settings);
  for (std::int16_t version = 0; version <= 4; ++version) {
    for (const bool with_all : {false, true}) {
      SCOPED_TRACE(version);
      const bool synonyms = with_all && version >= 1;
      kafka::DescribeConfigsRequest request;
      request.resources = {{ConfigResource::topic, "orders", std::nullopt},
                           {ConfigResource::topic, "nowhere", std::nullopt},
                           {ConfigResource::topic, "a b", std::nullopt},
                           {ConfigResource::group, "g", std::nullopt}};
      request.include_synonyms = with_all;
      request.include_documentation = with_all;
      const auto response = client_->ask<kafka::DescribeConfigsResponse>(version, request);
      ASSERT_EQ(response.results.size(), 4U);
      const auto& configs = response.results[0].configs;
      EXPECT_EQ(response.results[0].error_code, ErrorCode::none);
      EXPECT_EQ(response.results[0].resource_type, ConfigResource::topic);
      EXPECT_EQ(response.results[0].resource_name, "orders");
      ASSERT_EQ(configs.size(), describe_topic_settings({}).size());
      for (const auto& config : configs) {
        SCOPED_TRACE(config.name);
        const bool is_set = config.name == "retention.ms";
        EXPECT_FALSE(config.read_only);
        EXPECT_FALSE(config.is_sensitive);
        if (version == 0) {
          EXPECT_EQ(config.is_default, !is_set);
        } else {
          EXPECT_EQ(config.config_source, is_set ? ConfigSource::topic : ConfigSource::default_value);
        }
        if (is_set) {
          EXPECT_EQ(config.value, "1000");
        }
        if (is_set && version >= 3) {
          EXPECT_EQ(config.config_type, 5) << "a long";
        }
        EXPECT_EQ(config.documentation.has_value(), with_all && version >= 3);
        ASSERT_EQ(config.synonyms.size(), !synonyms ? 0U : is_set ? 2U : 1U);
        if (!synonyms) continue;
        if (is_set) {
          EXPECT_EQ(config.synonyms[0].source, ConfigSource::topic);
          EXPECT_EQ(config.synonyms[0].value, "1000");
          EXPECT_EQ(config.synonyms[1].value, "604800000");
        }
        EXPECT_EQ(config.synonyms.back().source, ConfigSource::default_value);
      }
      EXPECT_EQ(response.results[1].error_code, ErrorCode::unknown_topic_or_partition);
      EXPECT_EQ(response.results[2].error_code, ErrorCode::invalid_topic);
      EXPECT_EQ(response.results[3].error_code, ErrorCode::invalid_request);
    }
  }
}

TEST_F(AdminHandlers, DescribeConfigsTellsOnlyWhatIsAsked) {
  broker_.add_topic("orders", 1);
  kafka::DescribeConfigsRequest request;
  request.resources = {{ConfigResource::topic, "orders", {{"retention.ms", "nothing"}}}};
  auto response = client_->ask<kafka::DescribeConfigsResponse>(4, request);
  ASSERT_EQ(response.results.at(0).configs.size(), 1U);
  EXPECT_EQ(response.results[0].configs[0].name, "retention.ms");
  EXPECT_EQ(response.results[0].configs[0].value, "604800000");
  request.resources[0].configuration_keys.emplace();
  response = client_->ask<kafka::DescribeConfigsResponse>(4, request);
  EXPECT_EQ(response.results.at(0).configs.size(), describe_topic_settings({}).size()) << "no keys are all keys";
  // Replies are far larger than what asks for them.
  request.resources.assign(1000, request.resources[0]);
  response = client_->ask<kafka::DescribeConfigsResponse>(4, request);
  ASSERT_EQ(response.results.size(), 1000U);
  for (const auto& entry : response.results) {
    EXPECT_EQ(entry.error_code, ErrorCode::invalid_request);
    EXPECT_TRUE(entry.configs.empty());
  }
}

TEST_F(AdminHandlers, DescribeConfigsOfThisNode) {
  broker_.settings = {
      {"topics.auto_create", "false", "true", false, SettingType::boolean, "help", {}},
      {"auto.create.topics.enable", "false", "true", false, SettingType::boolean, "help", "topics.auto_create"}};
  kafka::DescribeConfigsRequest request;
  request.include_synonyms = true;
  request.resources = {{ConfigResource::broker, "1", std::nullopt},
                       {ConfigResource::broker, "", std::nullopt},
                       {ConfigResource::broker, "2", std::nullopt},
                       {ConfigResource::broker, "1x", std::nullopt}};
  const auto response = client_->ask<kafka::DescribeConfigsResponse>(4, request);
  ASSERT_EQ(response.results.size(), 4U);
  ASSERT_EQ(response.results[0].configs.size(), 2U);
  const auto& config = response.results[0].configs[1];
  EXPECT_EQ(config.name, "auto.create.topics.enable");
  EXPECT_EQ(config.value, "false");
  EXPECT_TRUE(config.read_only);
  EXPECT_EQ(config.config_source, ConfigSource::static_broker);
  EXPECT_EQ(config.config_type, 1);
  ASSERT_EQ(config.synonyms.size(), 2U);
  EXPECT_EQ(config.synonyms[0].name, "topics.auto_create");
  EXPECT_EQ(config.synonyms[1].value, "true");
  EXPECT_EQ(response.results[1].error_code, ErrorCode::none) << "what is set for all brokers while they run: nothing";
  EXPECT_TRUE(response.results[1].configs.empty());
  EXPECT_EQ(response.results[2].error_code, ErrorCode::invalid_request);
  EXPECT_EQ(response.results[3].error_code, ErrorCode::invalid_request);
}

TEST_F(AdminHandlers, AlterConfigsInEveryVersion) {
  for (std::int16_t version = 0; version <= 2; ++version) {
    SCOPED_TRACE(version);
    kafka::AlterConfigsRequest request;
    request.validate_only = version == 1;
    request.resources = {{ConfigResource::topic, "a", {{"retention.ms", "1"}, {"segment.bytes", std::nullopt}}},
                         {ConfigResource::broker, "1", {{"log.dirs", "/"}}},
                         {ConfigResource::topic, "twice", {{"retention.ms", "1"}, {"retention.ms", "2"}}},
                         {ConfigResource::topic, "same", {}},
                         {ConfigResource::topic, "same", {}},
                         {ConfigResource::broker_logger, "1", {}},
                         {ConfigResource::topic, "b", {{"nothing", "1"}}}};
    client_->send(1, version, request);
    settle();
    ASSERT_EQ(broker_.alterations.size(), 1U);
    const auto& asked = broker_.alterations[0].request;
    ASSERT_EQ(asked.size(), 2U);
    EXPECT_EQ(asked[0].name, "a");
    EXPECT_TRUE(asked[0].replace) << "what is not named goes back to its default";
    EXPECT_EQ(asked[0].validate_only, version == 1);
    ASSERT_EQ(asked[0].changes.size(), 2U);
    EXPECT_EQ(asked[0].changes[0].operation, TopicSettingChange::Operation::set);
    EXPECT_EQ(asked[0].changes[0].value, "1");
    EXPECT_FALSE(asked[0].changes[1].value);
    FakeBroker::answer(broker_.alterations,
                       std::vector<Result<void>>{{}, fail(Errc::config, "there is no topic setting 'nothing'")});
    const auto response = client_->take<kafka::AlterConfigsResponse>(1, version);
    std::vector<ErrorCode> codes;
    for (const auto& entry : response.responses) codes.push_back(entry.error_code);
    EXPECT_EQ(codes, (std::vector<ErrorCode>{ErrorCode::none, ErrorCode::invalid_config, ErrorCode::invalid_request,
                                             ErrorCode::invalid_request, ErrorCode::invalid_request,
                                             ErrorCode::invalid_request, ErrorCode::invalid_config}));
    EXPECT_EQ(response.responses[6].error_message, "there is no topic setting 'nothing'");
    EXPECT_EQ(response.responses[6].resource_name, "b");
    EXPECT_EQ(response.responses[1].resource_type, ConfigResource::broker);
  }
}

TEST_F(AdminHandlers, IncrementalAlterConfigsInEveryVersion) {
  using Operation = TopicSettingChange::Operation;
  for (std::int16_t version = 0; version <= 1; ++version) {
    SCOPED_TRACE(version);
    kafka::IncrementalAlterConfigsRequest request;
    request.resources = {{ConfigResource::topic,
                          "a",
                          {{"retention.ms", ConfigOperation::set, "1"},
                           {"segment.bytes", ConfigOperation::remove, std::nullopt},
                           {"cleanup.policy", ConfigOperation::append, "compact"},
                           {"compression.type", ConfigOperation::subtract, "x"}}},
                         {ConfigResource::topic, "b", {{"retention.ms", static_cast<ConfigOperation>(4), "1"}}}};
    client_->send(1, version, request);
    settle();
    ASSERT_EQ(broker_.alterations.size(), 1U);
    const auto& asked = broker_.alterations[0].request;
    ASSERT_EQ(asked.size(), 1U);
    EXPECT_FALSE(asked[0].replace);
    std::vector<Operation> operations;
    for (const TopicSettingChange& change : asked[0].changes) operations.push_back(change.operation);
    EXPECT_EQ(operations, (std::vector{Operation::set, Operation::remove, Operation::append, Operation::subtract}));
    FakeBroker::answer(broker_.alterations, std::vector<Result<void>>{fail(Errc::not_ready, "retry")});
    const auto response = client_->take<kafka::IncrementalAlterConfigsResponse>(1, version);
    ASSERT_EQ(response.responses.size(), 2U);
    EXPECT_EQ(response.responses[0].error_code, ErrorCode::not_controller) << "which clients retry";
    EXPECT_EQ(response.responses[1].error_code, ErrorCode::invalid_request);
  }
}

// ---- Nodes ----

TEST_F(AdminHandlers, DescribeClusterInEveryVersion) {
  broker_.add_node(2, "broker-2.test", 9093);
  for (std::int16_t version = 0; version <= 2; ++version) {
    for (const bool operations : {false, true}) {
      SCOPED_TRACE(version);
      kafka::DescribeClusterRequest request;
      request.include_cluster_authorized_operations = operations;
      const auto response = client_->ask<kafka::DescribeClusterResponse>(version, request);
      EXPECT_EQ(response.error_code, ErrorCode::none);
      EXPECT_EQ(response.cluster_id, "fake-cluster");
      EXPECT_EQ(response.controller_id, NodeId(1));
      ASSERT_EQ(response.brokers.size(), 2U);
      EXPECT_EQ(response.brokers[1].broker_id, NodeId(2));
      EXPECT_EQ(response.brokers[1].host, "broker-2.test");
      EXPECT_EQ(response.brokers[1].port, 9093);
      EXPECT_FALSE(response.brokers[1].is_fenced);
      EXPECT_EQ(response.cluster_authorized_operations != kafka::kOperationsNotAsked, operations);
    }
  }
  kafka::DescribeClusterRequest request;
  request.endpoint_type = 2;
  EXPECT_EQ(client_->ask<kafka::DescribeClusterResponse>(1, request).error_code, ErrorCode::mismatched_endpoint_type);
  request.endpoint_type = 3;
  EXPECT_EQ(client_->ask<kafka::DescribeClusterResponse>(2, request).error_code, ErrorCode::unsupported_endpoint_type);
}

TEST_F(AdminHandlers, DescribeLogDirsInEveryVersion) {
  const TopicInfo a = broker_.add_topic("a", 2);
  const TopicInfo b = broker_.add_topic("b", 1);
  for (std::int16_t version = 1; version <= 4; ++version) {
    for (const bool all : {true, false}) {
      SCOPED_TRACE(version);
      kafka::DescribeLogDirsRequest request;
      if (!all) request.topics = {{"a", {PartitionIndex(1), PartitionIndex(1), PartitionIndex(9)}}, {"nowhere", {}}};
      client_->send(1, version, request);
      settle();
      LogDirectory directory;
      directory.path = "/data";
      directory.total_bytes = 1000;
      directory.free_bytes = 300;
      directory.partitions = {{b.id, PartitionIndex(0), 7}, {a.id, PartitionIndex(1), 6}, {a.id, PartitionIndex(0), 5}};
      FakeBroker::answer(broker_.directory_questions, std::move(directory));
      const auto response = client_->take<kafka::DescribeLogDirsResponse>(1, version);
      ASSERT_EQ(response.results.size(), 1U);
      EXPECT_EQ(response.results[0].error_code, ErrorCode::none);
      EXPECT_EQ(response.results[0].log_dir, "/data");
      EXPECT_EQ(response.results[0].total_bytes, version >= 4 ? 1000 : -1);
      EXPECT_EQ(response.results[0].usable_bytes, version >= 4 ? 300 : -1);
      std::string text;
      for (const auto& topic : response.results[0].topics)
        for (const auto& partition : topic.partitions)
          text += fmt::format("{}-{}:{} ", topic.name, partition.partition_index.value, partition.partition_size);
      EXPECT_EQ(text, all ? "a-0:5 a-1:6 b-0:7 " : "a-1:6 ");
    }
  }
  client_->send(1, 4, kafka::DescribeLogDirsRequest{});
  settle();
  LogDirectory broken;
  broken.path = "/data";
  broken.error = Error{Errc::io_error, ""};
  FakeBroker::answer(broker_.directory_questions, std::move(broken));
  const auto response = client_->take<kafka::DescribeLogDirsResponse>(1, 4);
  EXPECT_EQ(response.results.at(0).error_code, ErrorCode::kafka_storage_error);
}

}  // namespace
}  // namespace sluice::broker
