// A whole node with a client, for tests of the rules that clients meet. Small files and a real disk; it can be stopped
// and started again in its directory.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/app/node.h"
#include "protocol/base/record_batch.h"
#include "tests/broker/app/kafka_client.h"
#include "tests/broker/app/scratch.h"

namespace sluice::broker {

class RulesNode : public ::testing::Test {
 protected:
  /// Topics' settings by name.
  using Configs = std::vector<kafka::CreatableTopicConfig>;

  RulesNode() {
    settings_.data_dir = scratch_ / "data";
    settings_.kafka_listen = "127.0.0.1:0";
    settings_.native_listen = "127.0.0.1:0";
    settings_.shards = 2;
    settings_.io_engine = "threads";
    settings_.journal_file_bytes = 1 << 20;
    settings_.journal_capacity_bytes = 8 << 20;
    settings_.disk_min_free_bytes = 0;
    settings_.disk_reserve_bytes = 64 << 10;
  }

  /// For the first time, or again.
  void start() {
    if (node_) node_->stop();
    client_.reset();
    node_.emplace(settings_);
    const auto started = node_->start();
    ASSERT_TRUE(started) << started.error().message;
    client_.emplace(node_->kafka_address());
  }

  /// Makes a topic of one partition that keeps its records.
  void create(std::string_view topic, Configs configs = {}) {
    configs.push_back({"retention.ms", "-1"});
    kafka::CreateTopicsRequest request;
    request.topics.push_back({topic, 1, 1, {}, std::move(configs)});
    const auto reply = client_->ask<kafka::CreateTopicsResponse>(7, request);
    ASSERT_EQ(reply.message.topics.size(), 1U);
    ASSERT_EQ(reply.message.topics[0].error_code, kafka::ErrorCode::none)
        << reply.message.topics[0].error_message.value_or("");
  }

  static kafka::ProduceRequest produce_of(std::string_view topic, ByteSpan records, std::int16_t acks = -1) {
    kafka::ProduceRequest request;
    request.acks = acks;
    request.timeout_ms = 30'000;
    request.topic_data.push_back({topic, {{PartitionIndex(0), records}}});
    return request;
  }
  kafka::ProducePartitionResponse produce(std::string_view topic, ByteSpan records, std::int16_t acks = -1,
                                          std::int16_t version = 9) {
    auto reply = client_->ask<kafka::ProduceResponse>(version, produce_of(topic, records, acks));
    if (reply->responses.size() == 1 && reply->responses[0].partition_responses.size() == 1)
      return std::move(reply->responses[0].partition_responses[0]);
    ADD_FAILURE() << "a produce reply without its partition";
    return {};
  }

  /// All batches of partition 0, whole.
  std::vector<std::vector<std::byte>> batches(std::string_view topic) {
    std::vector<std::vector<std::byte>> all;
    for (Offset at(0);;) {
      kafka::FetchRequest request;
      kafka::FetchPartition part;
      part.fetch_offset = at;
      part.partition_max_bytes = 1 << 20;
      request.topics.push_back({topic, {}, {part}});
      const auto reply = client_->ask<kafka::FetchResponse>(12, request);
      if (reply.message.responses.size() != 1) return all;
      const auto& entry = reply.message.responses[0].partitions.at(0);
      EXPECT_EQ(entry.error_code, kafka::ErrorCode::none);
      const std::size_t before = all.size();
      for (const SharedBytes& piece : entry.records.value_or(kafka::Records{}).pieces) {
        for (ByteSpan rest = piece; !rest.empty();) {
          const auto header = parse_batch_header(rest);
          if (!header || header->size_bytes > rest.size()) break;
          const ByteSpan batch = rest.first(header->size_bytes);
          all.emplace_back(batch.begin(), batch.end());
          at = header->next_offset();
          rest = rest.subspan(header->size_bytes);
        }
      }
      if (all.size() == before) return all;
    }
  }

  Settings settings_;
  Scratch scratch_;
  std::optional<Node> node_;
  std::optional<KafkaClient> client_;
};

}  // namespace sluice::broker
