// What Produce takes, refuses and answers, by a whole node: the codes, the times of LogAppendTime, repeats within one
// request and of one producer.
#include <fmt/core.h>

#include <chrono>

#include "protocol/base/crc32c.h"
#include "tests/broker/app/rules_node.h"

namespace sluice::broker {
namespace {

using kafka::ErrorCode;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

class ProduceRules : public RulesNode {
 protected:
  void SetUp() override { start(); }

  static std::vector<std::byte> batch(std::int64_t time_ms, BatchBuilder::Options options = {}, int records = 1) {
    BatchBuilder builder(options);
    for (int i = 0; i < records; ++i) builder.add(time_ms + i, std::nullopt, as_bytes("value"));
    return builder.build();
  }
  static std::vector<std::byte> batch_now(BatchBuilder::Options options = {}) { return batch(now_ms(), options); }
  /// The bytes with `change` made to them, and a CRC that holds again.
  template <class Change>
  static std::vector<std::byte> changed(std::vector<std::byte> bytes, const Change& change) {
    change(bytes.data());
    store_be(bytes.data() + 17, crc32c(ByteSpan(bytes).subspan(21)));
    return bytes;
  }
  std::string code(std::string_view topic, ByteSpan records, std::int16_t acks = -1, std::int16_t version = 9) {
    return std::string(error_name(produce(topic, records, acks, version).error_code));
  }
  /// Sets one setting of a topic.
  void set(std::string_view topic, std::string_view name, std::string_view value) {
    kafka::IncrementalAlterConfigsRequest request;
    request.resources = {{kafka::ConfigResource::topic, topic, {{name, kafka::ConfigOperation::set, value}}}};
    const auto reply = client_->ask<kafka::IncrementalAlterConfigsResponse>(1, request);
    ASSERT_EQ(reply.message.responses.at(0).error_code, ErrorCode::none)
        << reply.message.responses[0].error_message.value_or("");
  }
};

TEST_F(ProduceRules, WhatIsRefusedAndHow) {
  create("log", {{"max.message.bytes", "200"}});
  const auto good = batch_now();
  EXPECT_EQ(code("log", good), "none");
  for (const std::int16_t acks : {2, -2, 3, 32767, -32768}) EXPECT_EQ(code("log", good, acks), "invalid_required_acks");
  EXPECT_EQ(code("missing", good), "unknown_topic_or_partition");
  EXPECT_EQ(code("_cluster", good), "invalid_topic");
  for (const std::int16_t version : {0, 1, 2}) EXPECT_EQ(code("log", good, -1, version), "unsupported_version");

  EXPECT_EQ(code("log", batch(now_ms(), {}, 100)), "message_too_large");
  EXPECT_EQ(code("log", {}), "invalid_record");
  auto two = good;
  two.insert(two.end(), good.begin(), good.end());
  EXPECT_EQ(code("log", two), "invalid_record");
  auto rotten = good;
  rotten.back() ^= std::byte{1};
  EXPECT_EQ(code("log", rotten), "corrupt_message");
  const auto with_attributes = [&](std::int16_t bits) {
    return changed(good, [&](std::byte* at) { store_be(at + 21, bits); });
  };
  EXPECT_EQ(code("log", with_attributes(5)), "unsupported_compression_type");
  EXPECT_EQ(code("log", with_attributes(0x20)), "invalid_record") << "a control batch";
  EXPECT_EQ(code("log", with_attributes(0x08)), "invalid_timestamp") << "only the broker says log append time";
  EXPECT_EQ(code("log", changed(good, [](std::byte* at) { store_be(at + 23, std::int32_t{1}); })), "invalid_record");
  EXPECT_EQ(code("log", changed(good, [](std::byte* at) { store_be(at + 16, std::int8_t{1}); })), "invalid_record");
  const auto zstd = batch_now({.codec = Codec::zstd});
  EXPECT_EQ(code("log", zstd, -1, 6), "unsupported_compression_type");
  EXPECT_EQ(code("log", zstd, -1, 7), "none");
  EXPECT_EQ(batches("log").size(), 2U) << "nothing that was refused is kept";
}

TEST_F(ProduceRules, OnePartitionTwiceInOneRequest) {
  create("log");
  const auto first = batch(1000), second = batch(2000);
  auto request = produce_of("log", first);
  request.topic_data[0].partition_data.push_back({PartitionIndex(0), second});
  request.topic_data.push_back({"log", {{PartitionIndex(0), first}}});
  const auto reply = client_->ask<kafka::ProduceResponse>(9, request);
  ASSERT_EQ(reply.message.responses.size(), 2U);
  EXPECT_EQ(reply.message.responses[0].partition_responses.at(0).base_offset, Offset(0));
  EXPECT_EQ(reply.message.responses[0].partition_responses.at(1).base_offset, Offset(1));
  EXPECT_EQ(reply.message.responses[1].partition_responses.at(0).base_offset, Offset(2));
  EXPECT_EQ(batches("log").size(), 3U);
}

// The name stands once in the request.
TEST_F(ProduceRules, ALongNameIsNotToldForEveryPartition) {
  const std::string name(30'000, 'n');
  const auto good = batch_now();
  auto request = produce_of(name, good);
  request.topic_data[0].partition_data.assign(3000, request.topic_data[0].partition_data[0]);
  auto reply = client_->ask<kafka::ProduceResponse>(9, request);
  EXPECT_LT(reply.frame.size(), 2U << 20);
  ASSERT_EQ(reply->responses.at(0).partition_responses.size(), 3000U);
  EXPECT_EQ(reply->responses[0].partition_responses[0].error_code, ErrorCode::unknown_topic_or_partition);
}

TEST_F(ProduceRules, AppendTimeIsTheBrokersInTheReplyAndInTheBatch) {
  create("log", {{"message.timestamp.type", "LogAppendTime"}});
  const std::int64_t before = now_ms();
  for (const std::int16_t acks : {1, -1}) {
    for (const Codec codec : {Codec::none, Codec::lz4}) {
      const auto result = produce("log", batch(5000, {.codec = codec}, 3), acks);
      EXPECT_EQ(result.error_code, ErrorCode::none);
      EXPECT_GE(result.log_append_time_ms, before);
      EXPECT_LE(result.log_append_time_ms, now_ms());
      const auto last = batches("log").back();
      const auto header = parse_batch_header(last);
      ASSERT_TRUE(header);
      EXPECT_TRUE(header->log_append_time());
      EXPECT_EQ(header->max_timestamp_ms, result.log_append_time_ms);
      EXPECT_TRUE(batch_crc_holds(last));
      std::vector<std::byte> scratch;
      EXPECT_TRUE(for_each_record(last, scratch, 1 << 20, [&](const RecordView& record) {
        EXPECT_EQ(record.timestamp_ms, result.log_append_time_ms);
        return true;
      }));
    }
  }
  EXPECT_EQ(code("log", batch(now_ms() + 100'000'000'000)), "none") << "what the client says does not count";
}

TEST_F(ProduceRules, ADuplicateHasTheTimeOfTheFirst) {
  create("append", {{"message.timestamp.type", "LogAppendTime"}});
  create("create");
  const BatchBuilder::Options producer{.producer_id = ProducerId(9), .producer_epoch = 0, .base_sequence = 0};
  const auto batch_of_producer = batch_now(producer);
  const auto first = produce("append", batch_of_producer);
  ASSERT_EQ(first.error_code, ErrorCode::none);
  ASSERT_GT(first.log_append_time_ms, 0);
  const auto again = produce("append", batch_of_producer);
  EXPECT_EQ(again.error_code, ErrorCode::none);
  EXPECT_EQ(again.base_offset, first.base_offset);
  EXPECT_EQ(again.log_append_time_ms, first.log_append_time_ms);

  EXPECT_EQ(produce("create", batch_of_producer).log_append_time_ms, -1);
  EXPECT_EQ(produce("create", batch_of_producer).log_append_time_ms, -1);

  // Two that wait for one append.
  const auto next = batch_now({.producer_id = ProducerId(9), .producer_epoch = 0, .base_sequence = 1});
  auto request = produce_of("append", next);
  request.topic_data[0].partition_data.push_back(request.topic_data[0].partition_data[0]);
  const auto both = client_->ask<kafka::ProduceResponse>(9, request);
  const auto& entries = both.message.responses.at(0).partition_responses;
  EXPECT_GT(entries.at(0).log_append_time_ms, 0);
  EXPECT_EQ(entries[0].log_append_time_ms, entries.at(1).log_append_time_ms);
  EXPECT_EQ(entries[0].base_offset, entries[1].base_offset);

  start();  // the batch lies on disk now
  const auto later = produce("append", batch_of_producer);
  EXPECT_EQ(later.base_offset, first.base_offset);
  EXPECT_EQ(later.log_append_time_ms, first.log_append_time_ms);
}

TEST_F(ProduceRules, HowFarTimesMayLieApart) {
  create("log");
  constexpr std::int64_t kHour = 3'600'000;
  EXPECT_EQ(code("log", batch(now_ms() + kHour / 2)), "none");
  EXPECT_EQ(code("log", batch(now_ms() + 2 * kHour)), "invalid_timestamp");
  EXPECT_EQ(code("log", batch(0)), "none") << "the past is not bounded unless one says so";
  set("log", "message.timestamp.after.max.ms", "10800000");
  EXPECT_EQ(code("log", batch(now_ms() + 2 * kHour)), "none");
  set("log", "message.timestamp.before.max.ms", "7200000");
  EXPECT_EQ(code("log", batch(now_ms() - kHour)), "none");
  EXPECT_EQ(code("log", batch(now_ms() - 3 * kHour)), "invalid_timestamp");
  const auto late_base = changed(batch(now_ms()), [](std::byte* at) { store_be(at + 27, std::int64_t{1}); });
  EXPECT_EQ(code("log", late_base), "invalid_timestamp") << "the first record counts too";
  set("log", "message.timestamp.type", "LogAppendTime");
  EXPECT_EQ(code("log", batch(0)), "none") << "what the client says does not count";
}

}  // namespace
}  // namespace sluice::broker
