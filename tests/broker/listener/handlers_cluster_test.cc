// ApiVersions, Metadata, FindCoordinator, CreateTopics and DeleteTopics.
#include <gtest/gtest.h>

#include "tests/broker/listener/harness.h"

namespace sluice::broker {
namespace {

using kafka::ErrorCode;

class ClusterHandlers : public ListenerTest {
 protected:
  ClusterHandlers() { client_ = connect(); }

  static kafka::MetadataRequest about(std::initializer_list<std::string_view> names) {
    kafka::MetadataRequest request;
    request.topics.emplace();
    for (const std::string_view name : names) request.topics->push_back({{}, name});
    return request;
  }
  kafka::MetadataResponse metadata(std::int16_t version, const kafka::MetadataRequest& request) {
    return client_->ask<kafka::MetadataResponse>(version, request);
  }
  /// Asks for one topic that is missing; the service answers the creation with `error`.
  kafka::MetadataResponseTopic created(std::string_view name, std::optional<Error> error, bool appears) {
    client_->send(9, 9, about({name}));
    settle();
    if (broker_.creates.size() != 1) {
      ADD_FAILURE() << "no topic was created";
      return {};
    }
    if (appears) broker_.add_topic(std::string(name), 1);
    std::vector<CreateTopicResult> results(1);
    results[0].error = std::move(error);
    FakeBroker::answer(broker_.creates, std::move(results));
    return client_->take<kafka::MetadataResponse>(9, 9).topics.at(0);
  }

  std::unique_ptr<TestClient> client_;
};

TEST_F(ClusterHandlers, ApiVersionsInEveryVersion) {
  for (std::int16_t version = 0; version <= 4; ++version) {
    const auto response = client_->ask<kafka::ApiVersionsResponse>(version, kafka::ApiVersionsRequest{});
    EXPECT_EQ(response.error_code, ErrorCode::none);
    EXPECT_EQ(response.api_keys.size(), 17U);
    EXPECT_EQ(response.finalized_features_epoch, -1);
  }
}

TEST_F(ClusterHandlers, AnUnknownApiVersionsVersionIsAnsweredInV0) {
  // length, key 18, version 9, correlation 7, client id null, tags, and a body that nobody here knows
  const std::uint8_t frame[] = {0, 0, 0, 14, 0, 18, 0, 9, 0, 0, 0, 7, 0xff, 0xff, 0, 0xde, 0xad, 0xbe};
  client_->send_bytes(as_bytes({reinterpret_cast<const char*>(frame), sizeof frame}));
  const auto response = client_->take<kafka::ApiVersionsResponse>(7, 0);
  EXPECT_EQ(response.error_code, ErrorCode::unsupported_version);
  EXPECT_EQ(response.api_keys.size(), 17U);
}

TEST_F(ClusterHandlers, MetadataInEveryVersion) {
  broker_.add_node(2, "broker-2.test", 9093);
  const TopicInfo topic = broker_.add_topic("orders", 2);
  for (std::int16_t version = 0; version <= 12; ++version) {
    SCOPED_TRACE(version);
    const auto response = metadata(version, about({"orders"}));
    ASSERT_EQ(response.brokers.size(), 2U);
    EXPECT_EQ(response.brokers[0].node_id, NodeId(1));
    EXPECT_EQ(response.brokers[0].host, "broker-1.test");
    EXPECT_EQ(response.brokers[0].port, 9092);
    if (version >= 1) {
      EXPECT_EQ(response.controller_id, NodeId(1));
    }
    if (version >= 2) {
      EXPECT_EQ(response.cluster_id, "fake-cluster");
    }
    EXPECT_EQ(response.cluster_authorized_operations, kafka::kOperationsNotAsked);
    ASSERT_EQ(response.topics.size(), 1U);
    EXPECT_EQ(response.topics[0].error_code, ErrorCode::none);
    EXPECT_EQ(response.topics[0].name, "orders");
    if (version >= 10) {
      EXPECT_EQ(response.topics[0].topic_id, topic.id);
    }
    ASSERT_EQ(response.topics[0].partitions.size(), 2U);
    const auto& partition = response.topics[0].partitions[1];
    EXPECT_EQ(partition.error_code, ErrorCode::none);
    EXPECT_EQ(partition.partition_index, PartitionIndex(1));
    EXPECT_EQ(partition.leader_id, NodeId(1));
    EXPECT_EQ(partition.leader_epoch, LeaderEpoch(version >= 7 ? 5 : -1));
    EXPECT_EQ(partition.isr_nodes, std::vector<NodeId>{NodeId(1)});
  }
}

TEST_F(ClusterHandlers, AllTopicsAndNone) {
  broker_.add_topic("a", 1);
  broker_.add_topic("b", 1);
  broker_.add_topic("leaving", 1, 1, TopicPhase::deleting);
  kafka::MetadataRequest none;
  none.topics.emplace();
  kafka::MetadataRequest all;
  EXPECT_EQ(metadata(0, none).topics.size(), 2U) << "in v0 an empty list means all";
  EXPECT_TRUE(metadata(1, none).topics.empty());
  EXPECT_EQ(metadata(1, all).topics.size(), 2U);
  EXPECT_EQ(metadata(12, all).topics.size(), 2U);
  EXPECT_TRUE(broker_.creates.empty());
}

TEST_F(ClusterHandlers, APartitionWithoutAReadyLeader) {
  broker_.add_topic("leaderless", 1, 0);
  broker_.add_topic("creating", 1, 1, TopicPhase::creating);
  const auto response = metadata(9, about({"leaderless", "creating"}));
  const auto& partition = response.topics.at(0).partitions.at(0);
  EXPECT_EQ(partition.error_code, ErrorCode::leader_not_available);
  EXPECT_EQ(partition.leader_id, NodeId(-1));
  EXPECT_EQ(partition.leader_epoch, LeaderEpoch(-1));
  EXPECT_EQ(response.topics.at(1).error_code, ErrorCode::leader_not_available);
}

TEST_F(ClusterHandlers, ALeaderWhoseAddressIsUnknownIsNoLeaderYet) {
  broker_.add_topic("orders", 1, 9);
  EXPECT_EQ(metadata(9, about({"orders"})).topics.at(0).partitions.at(0).error_code, ErrorCode::leader_not_available);
}

TEST_F(ClusterHandlers, ByIdFromV12) {
  const TopicInfo topic = broker_.add_topic("orders", 1);
  kafka::MetadataRequest request;
  request.topics.emplace();
  request.topics->push_back({topic.id, std::nullopt});
  TopicId unknown{};
  unknown.bytes[0] = 1;
  request.topics->push_back({unknown, std::nullopt});
  const auto response = metadata(12, request);
  EXPECT_EQ(response.topics.at(0).name, "orders");
  EXPECT_EQ(response.topics.at(1).error_code, ErrorCode::unknown_topic_id);
  EXPECT_EQ(response.topics.at(1).topic_id, unknown);
  EXPECT_FALSE(response.topics.at(1).name);
  for (const std::int16_t version : {10, 11}) {
    EXPECT_EQ(metadata(version, request).topics.at(0).error_code, ErrorCode::invalid_request);
  }
  EXPECT_TRUE(broker_.creates.empty());
}

TEST_F(ClusterHandlers, RepeatsAreAnsweredOnce) {
  broker_.add_topic("orders", 100);
  kafka::MetadataRequest request;
  request.topics.emplace(10'000, kafka::MetadataRequestTopic{{}, "orders"});
  EXPECT_EQ(metadata(9, request).topics.size(), 1U);
}

TEST_F(ClusterHandlers, MissingTopicsAreCreatedWhenNamed) {
  client_->send(1, 9, about({"new-1", "there", "_internal", "bad/name", "new-2"}));
  broker_.add_topic("there", 1);
  settle();
  ASSERT_EQ(broker_.creates.size(), 1U);
  EXPECT_TRUE(client_->replies().empty());
  ASSERT_EQ(broker_.creates[0].request.size(), 2U);
  EXPECT_EQ(broker_.creates[0].request[0].name, "new-1");
  EXPECT_EQ(broker_.creates[0].request[0].partitions, -1);
  EXPECT_EQ(broker_.creates[0].request[1].name, "new-2");
  broker_.add_topic("new-1", 3);
  FakeBroker::answer(broker_.creates, std::vector<CreateTopicResult>(2));
  const auto response = client_->take<kafka::MetadataResponse>(1, 9);
  ASSERT_EQ(response.topics.size(), 5U);
  EXPECT_EQ(response.topics[0].error_code, ErrorCode::none);
  EXPECT_EQ(response.topics[0].partitions.size(), 3U);
  EXPECT_EQ(response.topics[1].error_code, ErrorCode::none);
  EXPECT_NE(response.topics[2].error_code, ErrorCode::none);
  EXPECT_EQ(response.topics[3].error_code, ErrorCode::invalid_topic);
  EXPECT_EQ(response.topics[4].error_code, ErrorCode::leader_not_available) << "created, not heard of here yet";
}

TEST_F(ClusterHandlers, WhatCreationSaysIsPassedOn) {
  EXPECT_EQ(created("a", std::nullopt, true).error_code, ErrorCode::none);
  EXPECT_EQ(created("b", Error{Errc::topic_exists, ""}, false).error_code, ErrorCode::leader_not_available);
  EXPECT_EQ(created("c", Error{Errc::timed_out, ""}, false).error_code, ErrorCode::leader_not_available);
  EXPECT_EQ(created("d", Error{Errc::limit_reached, ""}, false).error_code, ErrorCode::policy_violation);
  EXPECT_EQ(created("e", Error{Errc::busy, ""}, false).error_code, ErrorCode::leader_not_available);
}

TEST_F(ClusterHandlers, MetadataTellsWhatOneMayDoToWhoAsks) {
  broker_.add_topic("orders", 1);
  constexpr std::int32_t kRead = 1 << 3;
  for (std::int16_t version = 8; version <= 12; ++version) {
    for (const bool asked : {false, true}) {
      SCOPED_TRACE(version);
      kafka::MetadataRequest request = about({"orders", "no-such-topic"});
      request.allow_auto_topic_creation = false;
      request.include_topic_authorized_operations = asked;
      request.include_cluster_authorized_operations = asked;
      const auto response = metadata(version, request);
      EXPECT_EQ(response.topics.at(0).topic_authorized_operations != kafka::kOperationsNotAsked, asked);
      EXPECT_EQ((response.topics.at(0).topic_authorized_operations & kRead) != 0, asked);
      EXPECT_EQ(response.topics.at(1).topic_authorized_operations, kafka::kOperationsNotAsked);
      EXPECT_EQ(response.cluster_authorized_operations != kafka::kOperationsNotAsked, asked && version <= 10);
    }
  }
}

TEST_F(ClusterHandlers, NothingIsCreatedWhereThatIsNotAllowed) {
  kafka::MetadataRequest request = about({"nobody"});
  request.allow_auto_topic_creation = false;
  EXPECT_EQ(metadata(4, request).topics.at(0).error_code, ErrorCode::unknown_topic_or_partition);
  broker_.allow_auto_create = false;
  EXPECT_EQ(metadata(9, about({"nobody"})).topics.at(0).error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(metadata(9, about({""})).topics.at(0).error_code, ErrorCode::invalid_topic);
  EXPECT_TRUE(broker_.creates.empty());
}

TEST_F(ClusterHandlers, FindCoordinatorInEveryVersion) {
  for (std::int16_t version = 0; version <= 6; ++version) {
    kafka::FindCoordinatorRequest request;
    request.key = "group";
    request.coordinator_keys = {"g1", "g2"};
    const auto response = client_->ask<kafka::FindCoordinatorResponse>(version, request);
    if (version < 4) {
      EXPECT_EQ(response.error_code, ErrorCode::coordinator_not_available);
    } else {
      ASSERT_EQ(response.coordinators.size(), 2U);
      EXPECT_EQ(response.coordinators[1].key, "g2");
      EXPECT_EQ(response.coordinators[1].error_code, ErrorCode::coordinator_not_available);
    }
  }
}

TEST_F(ClusterHandlers, ATransactionIsRefusedForGood) {
  for (std::int16_t version = 1; version <= 6; ++version) {
    SCOPED_TRACE(version);
    kafka::FindCoordinatorRequest request;
    request.key = "t";
    request.coordinator_keys = {"t"};
    request.key_type = 1;
    auto response = client_->ask<kafka::FindCoordinatorResponse>(version, request);
    EXPECT_EQ(version < 4 ? response.error_code : response.coordinators.at(0).error_code,
              ErrorCode::transactional_id_authorization_failed);
    request.key_type = 2;
    response = client_->ask<kafka::FindCoordinatorResponse>(version, request);
    EXPECT_EQ(version < 4 ? response.error_code : response.coordinators.at(0).error_code, ErrorCode::invalid_request);
  }
}

TEST_F(ClusterHandlers, CreateTopicsInEveryVersion) {
  for (std::int16_t version = 2; version <= 7; ++version) {
    SCOPED_TRACE(version);
    kafka::CreateTopicsRequest request;
    request.timeout_ms = 900;
    request.validate_only = true;
    kafka::CreatableTopic topic;
    topic.name = "orders";
    topic.num_partitions = 4;
    topic.replication_factor = 1;
    topic.configs = {{"retention.ms", "1000"}, {"segment.bytes", std::nullopt}};
    request.topics.push_back(topic);
    client_->send(1, version, request);
    settle();
    ASSERT_EQ(broker_.creates.size(), 1U);
    const CreateTopicRequest& asked = broker_.creates[0].request.at(0);
    EXPECT_EQ(asked.name, "orders");
    EXPECT_EQ(asked.partitions, 4);
    EXPECT_EQ(asked.replication_factor, 1);
    EXPECT_TRUE(asked.validate_only);
    ASSERT_EQ(asked.settings.size(), 2U);
    EXPECT_EQ(asked.settings[0].second, "1000");
    EXPECT_FALSE(asked.settings[1].second);
    EXPECT_EQ(broker_.last_timeout, Millis(900));
    std::vector<CreateTopicResult> results(1);
    results[0].topic.id.bytes[3] = 7;
    results[0].partitions = 4;
    results[0].topic.replication_factor = 1;
    results[0].topic.settings.retention_ms = 1000;
    const TopicId id = results[0].topic.id;
    FakeBroker::answer(broker_.creates, std::move(results));
    const auto response = client_->take<kafka::CreateTopicsResponse>(1, version);
    const auto& entry = response.topics.at(0);
    EXPECT_EQ(entry.name, "orders");
    EXPECT_EQ(entry.error_code, ErrorCode::none);
    if (version >= 5) {
      EXPECT_EQ(entry.num_partitions, 4);
      bool seen = false;
      for (const auto& config : entry.configs.value()) {
        if (config.name != "retention.ms") continue;
        seen = true;
        EXPECT_EQ(config.value, "1000");
        EXPECT_EQ(config.config_source, 1);
      }
      EXPECT_TRUE(seen);
    }
    if (version >= 7) {
      EXPECT_EQ(entry.topic_id, id);
    }
  }
}

TEST_F(ClusterHandlers, ChangesThatNeedNotWaitAreWaitedForAllTheSame) {
  kafka::CreateTopicsRequest create;
  create.topics.emplace_back().name = "t";
  kafka::DeleteTopicsRequest remove;
  remove.topic_names = {"t"};
  for (const std::int32_t timeout_ms : {0, -1}) {
    create.timeout_ms = remove.timeout_ms = timeout_ms;
    client_->send(1, 4, create);
    settle();
    EXPECT_EQ(broker_.last_timeout, KafkaSettings{}.alter_timeout);
    client_->send(2, 4, remove);
    settle();
    EXPECT_EQ(broker_.last_timeout, KafkaSettings{}.alter_timeout);
  }
}

TEST_F(ClusterHandlers, CreateTopicsRefusesShapesWithTheirOwnCodes) {
  const auto topic = [](std::string_view name, std::int32_t partitions, std::int16_t factor,
                        std::vector<kafka::CreatableReplicaAssignment> assignments = {}) {
    return kafka::CreatableTopic{name, partitions, factor, std::move(assignments), {}};
  };
  kafka::CreateTopicsRequest request;
  request.topics = {
      topic("twice", 1, 1),
      topic("twice", 1, 1),
      topic("both", 2, -1, {{PartitionIndex(0), {NodeId(1)}}}),
      topic("gap", -1, -1, {{PartitionIndex(1), {NodeId(1)}}}),
      topic("again", -1, -1, {{PartitionIndex(0), {NodeId(1), NodeId(1)}}}),
      topic("good", -1, -1, {{PartitionIndex(1), {NodeId(1)}}, {PartitionIndex(0), {NodeId(1)}}}),
      topic("exists", -1, -1),
      topic("zero", 0, 1),
      topic("many", 1, 3),
      topic("elsewhere", -1, -1, {{PartitionIndex(0), {NodeId(9)}}}),
  };
  client_->send(1, 6, request);
  settle();
  ASSERT_EQ(broker_.creates.size(), 1U);
  ASSERT_EQ(broker_.creates[0].request.size(), 5U);
  EXPECT_EQ(broker_.creates[0].request[0].assignments.size(), 2U);
  std::vector<CreateTopicResult> results(5);
  results[1].error = Error{Errc::topic_exists, "topic 'exists' exists"};
  results[2].error = Error{Errc::invalid_partitions, ""};
  results[3].error = Error{Errc::invalid_replication, ""};
  results[4].error = Error{Errc::invalid_argument, ""};
  FakeBroker::answer(broker_.creates, std::move(results));
  const auto response = client_->take<kafka::CreateTopicsResponse>(1, 6);
  std::vector<ErrorCode> codes;
  for (const auto& entry : response.topics) codes.push_back(entry.error_code);
  EXPECT_EQ(codes,
            (std::vector<ErrorCode>{ErrorCode::invalid_request, ErrorCode::invalid_request, ErrorCode::invalid_request,
                                    ErrorCode::invalid_replica_assignment, ErrorCode::invalid_replica_assignment,
                                    ErrorCode::none, ErrorCode::topic_already_exists, ErrorCode::invalid_partitions,
                                    ErrorCode::invalid_replication_factor, ErrorCode::invalid_replica_assignment}));
  EXPECT_EQ(response.topics[6].error_message, "topic 'exists' exists");
}

TEST_F(ClusterHandlers, DeleteTopicsInEveryVersion) {
  TopicId id{};
  id.bytes[0] = 5;
  for (std::int16_t version = 1; version <= 6; ++version) {
    SCOPED_TRACE(version);
    kafka::DeleteTopicsRequest request;
    request.timeout_ms = 800;
    request.topic_names = {"a", "b"};
    request.topics = {{"a", {}}, {std::nullopt, id}, {"both", id}, {std::nullopt, {}}};
    client_->send(1, version, request);
    settle();
    ASSERT_EQ(broker_.deletes.size(), 1U);
    ASSERT_EQ(broker_.deletes[0].request.size(), 2U);
    EXPECT_EQ(broker_.deletes[0].request[0].name, "a");
    EXPECT_EQ(broker_.deletes[0].request[1].id.is_zero(), version < 6);
    std::vector<DeleteTopicResult> results(2);
    results[0].name = "a";
    results[0].id = id;
    results[1].error = Error{version < 6 ? Errc::unknown_topic : Errc::unknown_topic_id, "no such topic"};
    FakeBroker::answer(broker_.deletes, std::move(results));
    const auto response = client_->take<kafka::DeleteTopicsResponse>(1, version);
    ASSERT_EQ(response.responses.size(), version < 6 ? 2U : 4U);
    EXPECT_EQ(response.responses[0].name, "a");
    EXPECT_EQ(response.responses[0].error_code, ErrorCode::none);
    if (version < 6) {
      EXPECT_EQ(response.responses[1].name, "b");
      EXPECT_EQ(response.responses[1].error_code, ErrorCode::unknown_topic_or_partition);
    } else {
      EXPECT_FALSE(response.responses[1].name);
      EXPECT_EQ(response.responses[1].topic_id, id);
      EXPECT_EQ(response.responses[1].error_code, ErrorCode::unknown_topic_id);
      EXPECT_EQ(response.responses[2].error_code, ErrorCode::invalid_request);
      EXPECT_EQ(response.responses[3].error_code, ErrorCode::invalid_request);
    }
  }
}

}  // namespace
}  // namespace sluice::broker
