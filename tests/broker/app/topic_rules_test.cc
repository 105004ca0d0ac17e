// What may be asked for of topics, and with which codes it is refused, by a whole node; and what overlapping requests
// for one topic come to.
#include <fmt/core.h>

#include <filesystem>

#include "tests/broker/app/one_thread_node.h"
#include "tests/broker/app/rules_node.h"

namespace sluice::broker {
namespace {

using kafka::ErrorCode;

class TopicRules : public RulesNode {
 protected:
  void SetUp() override {
    settings_.topics_default_partitions = 3;
    start();
  }

  kafka::CreatedTopic created(kafka::CreatableTopic topic, bool validate_only = false, std::int16_t version = 7) {
    kafka::CreateTopicsRequest request;
    request.topics.push_back(std::move(topic));
    request.validate_only = validate_only;
    auto reply = client_->ask<kafka::CreateTopicsResponse>(version, request);
    if (reply->topics.size() == 1) return std::move(reply->topics[0]);
    ADD_FAILURE() << "not one topic";
    return {};
  }
  std::string code(kafka::CreatableTopic topic, bool validate_only = false) {
    return std::string(error_name(created(std::move(topic), validate_only).error_code));
  }
  bool exists(std::string_view topic) {
    kafka::MetadataRequest request;
    request.topics = {{{}, topic}};
    request.allow_auto_topic_creation = false;
    return client_->ask<kafka::MetadataResponse>(9, request)->topics.at(0).error_code == ErrorCode::none;
  }
};

TEST_F(TopicRules, DefaultsAreFilledInAndTold) {
  const auto made = created({"plain", -1, -1, {}, {{"segment.ms", "60000"}}});
  EXPECT_EQ(made.error_code, ErrorCode::none);
  EXPECT_FALSE(made.topic_id.is_zero());
  EXPECT_EQ(made.num_partitions, 3);
  EXPECT_EQ(made.replication_factor, 1);
  std::map<std::string, std::pair<std::string, int>> configs;
  for (const auto& config : made.configs.value())
    configs[config.name] = {config.value.value_or(""), config.config_source};
  EXPECT_EQ(configs.size(), describe_topic_settings({}).size());
  EXPECT_EQ(configs["segment.ms"], (std::pair<std::string, int>{"60000", 1}));
  EXPECT_EQ(configs["segment.bytes"], (std::pair<std::string, int>{"1073741824", 5}));
}

TEST_F(TopicRules, WhatIsRefusedAndHow) {
  EXPECT_EQ(code({"there", 1, 1, {}, {}}), "none");
  EXPECT_EQ(code({"there", 1, 1, {}, {}}), "topic_already_exists");
  EXPECT_EQ(code({"_cluster", 1, 1, {}, {}}), "invalid_topic");
  EXPECT_EQ(code({"_mine", 1, 1, {}, {}}), "invalid_topic");
  for (const std::string_view name : {"", ".", "..", "a/b", "a b", "\xc3\xa4"})
    EXPECT_EQ(code({name, 1, 1, {}, {}}), "invalid_topic") << name;
  EXPECT_EQ(code({std::string(249, 'x'), 1, 1, {}, {}}, true), "none");
  EXPECT_EQ(code({std::string(250, 'x'), 1, 1, {}, {}}, true), "invalid_topic");
  for (const std::int32_t count : {0, -2, 40'001}) EXPECT_EQ(code({"t", count, 1, {}, {}}), "invalid_partitions");
  for (const std::int16_t factor : {0, -2, 2}) EXPECT_EQ(code({"t", 1, factor, {}, {}}), "invalid_replication_factor");
  EXPECT_EQ(code({"t", 30'000, 1, {}, {}}), "policy_violation") << "more than the node may have";
  EXPECT_EQ(code({"t", 30'000, 1, {}, {}}, true), "policy_violation");
  EXPECT_EQ(code({"t", -1, -1, {{PartitionIndex(0), {NodeId(7)}}}, {}}), "invalid_replica_assignment");
  EXPECT_EQ(code({"t", -1, -1, {{PartitionIndex(0), {NodeId(1), NodeId(2)}}}, {}}), "invalid_replica_assignment");
  EXPECT_EQ(code({"t", 1, 1, {}, {{"cleanup.policy", "compact"}}}), "invalid_config");
  EXPECT_EQ(code({"t", 1, 1, {}, {{"retention.minutes", "1"}}}), "invalid_config");
  EXPECT_FALSE(exists("t"));
}

TEST_F(TopicRules, OnlyValidatedMeansNothingIsMade) {
  const auto checked = created({"t", 20'000, 1, {}, {{"retention.ms", "5"}}}, true);
  EXPECT_EQ(checked.error_code, ErrorCode::none);
  EXPECT_EQ(checked.num_partitions, 20'000);
  EXPECT_EQ(checked.configs->size(), describe_topic_settings({}).size());
  EXPECT_EQ(created({"assigned", -1, -1, {{PartitionIndex(0), {NodeId(1)}}}, {}}, true).num_partitions, 1);
  EXPECT_FALSE(exists("t"));
}

/// Requests that overlap: all are asked before the node takes a turn.
class OverlappingTopics : public ::testing::Test {
 protected:
  OverlappingTopics() {
    Settings settings;
    settings.data_dir = scratch_ / "data";
    std::filesystem::create_directory(settings.data_dir);
    medium_.emplace(scratch_.path(), 1);
    settings.journal_file_bytes = 1 << 20;
    settings.journal_capacity_bytes = 8 << 20;
    settings.disk_reserve_bytes = 0;
    settings.io_engine = "threads";
    node_.emplace(*medium_, "threads", settings, 2);
    CHECK(node_->start(2).has_value());
    CHECK(node_->turn_until([&] { return node_->ready(); }));
  }
  ~OverlappingTopics() override {
    SeededRandom random(3);
    EXPECT_TRUE(medium_->lose_power(random));
  }

  static std::string text_of(const std::optional<Error>& error) {
    return error ? std::string(errc_name(error->code)) : "ok";
  }
  void create(CreateTopicRequest topic) {
    ++asked_;
    node_->api(asked_ % 2).create_topics({std::move(topic)}, Millis(30'000), [this](auto results) {
      told_ += "create " + text_of(results[0].error) + "; ";
      last_created_ = results[0];
      --asked_;
    });
  }
  void remove(TopicRef topic) {
    ++asked_;
    node_->api(1).delete_topics({std::move(topic)}, Millis(30'000), [this](auto results) {
      told_ += "delete " + text_of(results[0].error) + "; ";
      --asked_;
    });
  }
  void grow(const std::string& topic, std::int32_t count, bool validate_only = false) {
    ++asked_;
    node_->api(1).grow_topics({{topic, count, std::nullopt, validate_only}}, Millis(30'000), [this](auto results) {
      told_ += "grow " + (results[0] ? "ok" : std::string(errc_name(results[0].error().code))) + "; ";
      --asked_;
    });
  }
  std::string told() {
    EXPECT_TRUE(node_->turn_until([&] { return asked_ == 0; }));
    return std::exchange(told_, {});
  }
  static CreateTopicRequest topic(const std::string& name, std::int32_t partitions = 1) {
    CreateTopicRequest request;
    request.name = name;
    request.partitions = partitions;
    return request;
  }

  Scratch scratch_;
  std::optional<sim::PowerLossMedium> medium_;
  std::optional<OneThreadNode> node_;
  std::size_t asked_ = 0;
  std::string told_;
  CreateTopicResult last_created_;
};

TEST_F(OverlappingTopics, ADeletionWaitsForWhatIsUnderWay) {
  create(topic("t", 4));
  EXPECT_EQ(told(), "create ok; ");
  const TopicId id = last_created_.topic.id;
  grow("t", 8);
  remove({"t", {}});
  EXPECT_EQ(told(), "grow ok; delete ok; ");
  create(topic("t"));
  EXPECT_EQ(told(), "create ok; ");
  EXPECT_NE(last_created_.topic.id, id);
  remove({{}, last_created_.topic.id});
  remove({"t", {}});
  EXPECT_EQ(told(), "delete ok; delete unknown_topic; ") << "the second finds that it is gone";
}

// A request may name a hundred thousand of them, each with as many partitions as the node may have.
TEST_F(OverlappingTopics, OnlyValidatedCostsNothingForEachPartition) {
  CreateTopicRequest request = topic("large", 20'000);
  request.validate_only = true;
  create(request);
  EXPECT_EQ(told(), "create ok; ");
  EXPECT_EQ(last_created_.partitions, 20'000);
  EXPECT_TRUE(last_created_.topic.partitions.empty());
  create(topic("small"));
  EXPECT_EQ(told(), "create ok; ");
  EXPECT_EQ(last_created_.partitions, 1);
  grow("small", 20'000, true);
  grow("small", 20'001, true);
  EXPECT_EQ(told(), "grow ok; grow limit_reached; ");
}

}  // namespace
}  // namespace sluice::broker
