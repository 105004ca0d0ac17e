// Whole nodes in this process: real threads, disks and sockets. What a restart keeps, what a start refuses, and clients of
// several threads on the shards of one node, which is what the thread sanitizer is to see.
#include "broker/app/node.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <map>
#include <thread>

#include "broker/service/broker_api.h"
#include "protocol/base/record_batch.h"
#include "tests/broker/app/kafka_client.h"
#include "tests/broker/app/scratch.h"

namespace sluice::broker {
namespace {

constexpr std::int16_t kProduceVersion = 9, kFetchVersion = 12, kMetadataVersion = 9, kCreateTopicsVersion = 7,
                       kListOffsetsVersion = 6, kInitProducerIdVersion = 4;

std::vector<std::byte> batch_of(const std::vector<std::string>& values, BatchBuilder::Options options = {}) {
  BatchBuilder builder(options);
  for (const std::string& value : values) builder.add(1'700'000'000'000, std::nullopt, as_bytes(value));
  return builder.build();
}

/// A client with the few calls that the tests need.
class TestClient {
 public:
  explicit TestClient(const Node& node) : kafka_(node.kafka_address()) {}

  void create_topic(std::string_view name, std::int32_t partitions) {
    kafka::CreateTopicsRequest request;
    // The records' times are in the past: retention by time would take them, at once where the test is slow.
    request.topics.push_back({name, partitions, 1, {}, {{"retention.ms", "-1"}}});
    auto reply = kafka_.ask<kafka::CreateTopicsResponse>(kCreateTopicsVersion, request);
    ASSERT_EQ(reply->topics.size(), 1U);
    ASSERT_EQ(reply->topics[0].error_code, kafka::ErrorCode::none) << reply->topics[0].error_message.value_or("");
  }
  /// The base offset; -1 and a failure of the test on an error.
  std::int64_t produce(std::string_view topic, std::int32_t partition, ByteSpan batch) {
    kafka::ProduceRequest request;
    request.acks = -1;
    request.timeout_ms = 30'000;
    request.topic_data.push_back({topic, {{PartitionIndex(partition), batch}}});
    auto reply = kafka_.ask<kafka::ProduceResponse>(kProduceVersion, request);
    if (reply->responses.size() != 1 || reply->responses[0].partition_responses.size() != 1) {
      ADD_FAILURE() << "a produce reply without its partition";
      return -1;
    }
    const auto& result = reply->responses[0].partition_responses[0];
    EXPECT_EQ(result.error_code, kafka::ErrorCode::none) << result.error_message.value_or("");
    return result.base_offset.value;
  }
  /// Values from `offset` on, by their offsets, of one fetch that waits up to `wait_ms` for some.
  std::map<std::int64_t, std::string> fetch(std::string_view topic, std::int32_t partition, std::int64_t offset, std::int32_t wait_ms) {
    kafka::FetchRequest request;
    request.max_wait_ms = wait_ms;
    request.min_bytes = 1;
    kafka::FetchPartition part;
    part.partition = PartitionIndex(partition);
    part.fetch_offset = Offset(offset);
    part.partition_max_bytes = 1 << 16;
    request.topics.push_back({topic, {}, {part}});
    auto reply = kafka_.ask<kafka::FetchResponse>(kFetchVersion, request);
    std::map<std::int64_t, std::string> values;
    if (reply->responses.size() != 1 || reply->responses[0].partitions.size() != 1) {
      ADD_FAILURE() << "a fetch reply without its partition";
      return values;
    }
    const auto& result = reply->responses[0].partitions[0];
    EXPECT_EQ(result.error_code, kafka::ErrorCode::none);
    for (const SharedBytes& piece : result.records.value_or(kafka::Records{}).pieces) {
      ByteSpan rest = piece;
      std::vector<std::byte> scratch;
      while (!rest.empty()) {
        const auto header = parse_batch_header(rest);
        if (!header || header->size_bytes > rest.size()) break;  // the last batch may be cut
        EXPECT_TRUE(batch_crc_holds(rest.first(header->size_bytes)));
        EXPECT_TRUE(for_each_record(rest.first(header->size_bytes), scratch, 1 << 20, [&](const RecordView& record) {
          if (record.offset.value >= offset) values.emplace(record.offset.value, as_text(record.value.value_or(ByteSpan{})));
          return true;
        }));
        rest = rest.subspan(header->size_bytes);
      }
    }
    return values;
  }
  std::map<std::int64_t, std::string> all(std::string_view topic, std::int32_t partition) {
    std::map<std::int64_t, std::string> values;
    for (;;) {
      auto more = fetch(topic, partition, values.empty() ? 0 : values.rbegin()->first + 1, 0);
      if (more.empty()) return values;
      values.merge(more);
    }
  }
  KafkaReply<kafka::MetadataResponse> metadata() { return kafka_.ask<kafka::MetadataResponse>(kMetadataVersion, kafka::MetadataRequest{}); }
  /// The error of setting one setting of a topic, and leaving the others.
  kafka::ErrorCode set(std::string_view topic, std::string_view name, const std::string& value) {
    kafka::IncrementalAlterConfigsRequest request;
    request.resources = {{kafka::ConfigResource::topic, topic, {{name, kafka::ConfigOperation::set, value}}}};
    const auto reply = kafka_.ask<kafka::IncrementalAlterConfigsResponse>(1, request);
    return reply.message.responses.empty() ? kafka::ErrorCode::unknown_server_error : reply.message.responses[0].error_code;
  }
  std::map<std::string, std::string> settings(std::string_view topic) {
    kafka::DescribeConfigsRequest request;
    request.resources = {{kafka::ConfigResource::topic, topic, std::nullopt}};
    const auto reply = kafka_.ask<kafka::DescribeConfigsResponse>(4, request);
    std::map<std::string, std::string> values;
    for (const auto& resource : reply.message.results)
      for (const auto& config : resource.configs) values[config.name] = config.value.value_or("");
    return values;
  }
  kafka::ErrorCode grow(std::string_view topic, std::int32_t count) {
    kafka::CreatePartitionsRequest request;
    request.topics = {{topic, count, std::nullopt}};
    request.timeout_ms = 30'000;
    const auto reply = kafka_.ask<kafka::CreatePartitionsResponse>(3, request);
    return reply.message.results.empty() ? kafka::ErrorCode::unknown_server_error : reply.message.results[0].error_code;
  }
  kafka::DescribeClusterResponse cluster() { return kafka_.ask<kafka::DescribeClusterResponse>(2, kafka::DescribeClusterRequest{}).message; }
  kafka::DescribeLogDirsResponse log_directories() {
    return kafka_.ask<kafka::DescribeLogDirsResponse>(4, kafka::DescribeLogDirsRequest{}).message;
  }
  ProducerIdentity init_producer_id() {
    kafka::InitProducerIdRequest request;
    request.transaction_timeout_ms = 1000;
    auto reply = kafka_.ask<kafka::InitProducerIdResponse>(kInitProducerIdVersion, request);
    EXPECT_EQ(reply->error_code, kafka::ErrorCode::none);
    return {reply->producer_id, reply->producer_epoch};
  }
  std::int64_t end_offset(std::string_view topic, std::int32_t partition) {
    kafka::ListOffsetsRequest request;
    kafka::ListOffsetsPartition part;
    part.partition_index = PartitionIndex(partition);
    part.timestamp = kafka::kLatestTimestamp;
    request.topics.push_back({topic, {part}});
    auto reply = kafka_.ask<kafka::ListOffsetsResponse>(kListOffsetsVersion, request);
    if (reply->topics.size() != 1 || reply->topics[0].partitions.size() != 1) return -1;
    EXPECT_EQ(reply->topics[0].partitions[0].error_code, kafka::ErrorCode::none);
    return reply->topics[0].partitions[0].offset.value;
  }

 private:
  KafkaClient kafka_;
};

class NodeTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string_view(GetParam()) != "uring") return;
    if (auto disk = storage::make_uring_disk({}); !disk) GTEST_SKIP() << disk.error().message;
  }
  Settings settings(std::uint32_t shards = 2) const {
    Settings settings;
    settings.data_dir = scratch_ / "data";
    settings.kafka_listen = "127.0.0.1:0";
    settings.native_listen = "127.0.0.1:0";
    settings.shards = shards;
    settings.io_engine = GetParam();
    settings.journal_file_bytes = 1 << 20;
    settings.journal_capacity_bytes = 8 << 20;
    settings.memory_budget_bytes = 64 << 20;
    settings.memory_spill_bytes = 256 << 10;
    settings.kafka_max_request_bytes = 1 << 20;
    settings.disk_min_free_bytes = 0;
    settings.disk_reserve_bytes = 64 << 10;
    return settings;
  }
  static void start(Node& node) {
    const auto started = node.start();
    ASSERT_TRUE(started) << started.error().message;
  }

  Scratch scratch_;
};

TEST_P(NodeTest, StopAndStartKeepsEverything) {
  std::map<std::int64_t, std::string> expected[3];
  std::string cluster;
  for (int life = 0; life < 4; ++life) {
    // The shard count is the directory's; who does not ask gets it.
    Node node(settings(life == 2 ? 0 : 2));
    ASSERT_NO_FATAL_FAILURE(start(node));
    EXPECT_EQ(node.shards(), 2U);
    EXPECT_EQ(node.io_engine(), GetParam());
    TestClient client(node);
    if (life == 0) client.create_topic("kept", 3);
    auto metadata = client.metadata();
    ASSERT_EQ(metadata->topics.size(), 1U);
    EXPECT_EQ(metadata->topics[0].name, "kept");
    EXPECT_EQ(metadata->topics[0].partitions.size(), 3U);
    ASSERT_EQ(metadata->brokers.size(), 1U);
    EXPECT_EQ(fmt::format("{}:{}", metadata->brokers[0].host, metadata->brokers[0].port), node.kafka_address())
        << "this life's port, not the first one's";
    if (life == 0) cluster = metadata->cluster_id.value_or("");
    EXPECT_EQ(metadata->cluster_id, cluster);
    for (std::int32_t partition = 0; partition < 3; ++partition) {
      auto& kept = expected[partition];
      EXPECT_EQ(client.all("kept", partition), kept) << "life " << life;
      const std::vector<std::string> values{fmt::format("{}-{}", life, partition), std::string(5'000, static_cast<char>('a' + life))};
      const std::int64_t base = client.produce("kept", partition, batch_of(values));
      EXPECT_EQ(base, static_cast<std::int64_t>(kept.size()));
      for (std::size_t i = 0; i < values.size(); ++i) kept[base + static_cast<std::int64_t>(i)] = values[i];
    }
    if (life == 1) node.stop();  // what the destructor does otherwise; twice does no harm
  }
}

TEST_P(NodeTest, SecondNodeOnTheSameDirectoryIsRefused) {
  Node first(settings());
  ASSERT_NO_FATAL_FAILURE(start(first));
  TestClient client(first);
  client.create_topic("topic", 1);
  {
    Node second(settings());
    const auto started = second.start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Errc::in_use);
  }
  EXPECT_EQ(client.produce("topic", 0, batch_of({"still served"})), 0);
  first.stop();
  Node third(settings());
  ASSERT_NO_FATAL_FAILURE(start(third));
  EXPECT_EQ(TestClient(third).all("topic", 0), (std::map<std::int64_t, std::string>{{0, "still served"}}));
}

TEST_P(NodeTest, OtherShardCountIsRefusedAndNothingIsChanged) {
  {
    Node node(settings(2));
    ASSERT_NO_FATAL_FAILURE(start(node));
  }
  const std::string identity = read_text(scratch_ / "data/node.json");
  for (const std::uint32_t shards : {1U, 3U}) {
    Node node(settings(shards));
    const auto started = node.start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Errc::config);
    EXPECT_EQ(started.error().message, fmt::format("setting shards = {} is wrong: data directory {} was made with 2, and keeps them",
                                                   shards, scratch_ / "data"));
  }
  EXPECT_EQ(read_text(scratch_ / "data/node.json"), identity);
  Node again(settings(2));
  ASSERT_NO_FATAL_FAILURE(start(again));
}

TEST_P(NodeTest, StartThatFailsLeavesNothingRunning) {
  Node first(settings());
  ASSERT_NO_FATAL_FAILURE(start(first));
  Settings taken = settings();
  taken.data_dir = scratch_ / "other";
  taken.kafka_listen = first.kafka_address();
  {
    Node second(taken);
    const auto started = second.start();
    ASSERT_FALSE(started) << "its port is taken";
    EXPECT_NE(started.error().message.find(first.kafka_address()), std::string::npos) << started.error().message;
  }
  taken.kafka_listen = "127.0.0.1:0";
  Node third(taken);
  ASSERT_NO_FATAL_FAILURE(start(third));
  EXPECT_NE(TestClient(third).metadata()->cluster_id, TestClient(first).metadata()->cluster_id);
}

TEST_P(NodeTest, FourThreadsProduceAndFetchOnBothShards) {
  constexpr int kThreads = 4, kPartitions = 8, kRounds = 40;
  Node node(settings());
  ASSERT_NO_FATAL_FAILURE(start(node));
  TestClient(node).create_topic("shared", kPartitions);  // its groups are those of both shards
  using Values = std::map<std::int64_t, std::string>;
  std::vector<std::map<std::int32_t, Values>> acknowledged(kThreads);
  std::atomic<int> ids_seen = 0;
  std::vector<std::thread> threads;
  for (int nth = 0; nth < kThreads; ++nth)
    threads.emplace_back([&, nth] {
      TestClient client(node);  // the kernel chooses its shard
      client.create_topic(fmt::format("own-{}", nth), 2);
      const ProducerIdentity producer = client.init_producer_id();
      ids_seen += producer.id.value >= 0;
      std::map<std::int32_t, std::int64_t> read_to;
      for (int round = 0; round < kRounds; ++round) {
        const std::int32_t partition = (nth * 3 + round) % kPartitions;
        const std::vector<std::string> values{fmt::format("{}/{}", nth, round), std::string(static_cast<std::size_t>(round) * 100, 'x')};
        const std::int64_t base = client.produce("shared", partition, batch_of(values));
        for (std::size_t i = 0; i < values.size(); ++i)
          acknowledged[static_cast<std::size_t>(nth)][partition][base + static_cast<std::int64_t>(i)] = values[i];
        // Its own topic, idempotently, each batch twice: the second one is a duplicate.
        const auto own = batch_of({fmt::format("own {}", round)}, {.producer_id = producer.id, .producer_epoch = producer.epoch,
                                                                  .base_sequence = round / 2});
        const std::string name = fmt::format("own-{}", nth);
        EXPECT_EQ(client.produce(name, round % 2, own), round / 2);
        EXPECT_EQ(client.produce(name, round % 2, own), round / 2) << "a duplicate gets the first one's offset";
        // Behind others, who may be writing there right now.
        const std::int32_t other = (partition + 1) % kPartitions;
        const Values seen = client.fetch("shared", other, read_to[other], 1);
        if (!seen.empty()) {
          EXPECT_EQ(seen.begin()->first, read_to[other]) << "offsets have no gaps";
          EXPECT_EQ(seen.rbegin()->first, read_to[other] + static_cast<std::int64_t>(seen.size()) - 1);
          read_to[other] = seen.rbegin()->first + 1;
        }
        if (round % 8 == 0) EXPECT_GE(client.metadata()->topics.size(), 2U);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ids_seen, kThreads);

  TestClient client(node);
  std::size_t records = 0;
  for (std::int32_t partition = 0; partition < kPartitions; ++partition) {
    const Values there = client.all("shared", partition);
    EXPECT_EQ(client.end_offset("shared", partition), static_cast<std::int64_t>(there.size()));
    Values expected;
    for (auto& of_thread : acknowledged) {
      for (const auto& [offset, value] : of_thread[partition])
        EXPECT_TRUE(expected.emplace(offset, value).second) << "offset " << offset << " was acknowledged twice";
    }
    EXPECT_EQ(there, expected) << "partition " << partition;
    records += there.size();
  }
  EXPECT_EQ(records, kThreads * kRounds * 2U);
  for (int nth = 0; nth < kThreads; ++nth)
    for (std::int32_t partition = 0; partition < 2; ++partition)
      EXPECT_EQ(client.end_offset(fmt::format("own-{}", nth), partition), kRounds / 2) << "duplicates take no offsets";
}

TEST_P(NodeTest, ChangesOfOneTopicFromManyThreadsWaitForEachOther) {
  constexpr int kRounds = 10;
  constexpr std::array kNames{"retention.ms", "retention.bytes", "max.message.bytes", "segment.bytes"};
  {
    Node node(settings());
    ASSERT_NO_FATAL_FAILURE(start(node));
    TestClient(node).create_topic("changed", 1);
    std::vector<std::thread> threads;
    for (const char* name : kNames)
      threads.emplace_back([&node, name] {
        TestClient client(node);
        for (int round = 1; round <= kRounds; ++round)
          EXPECT_EQ(client.set("changed", name, std::to_string(10'000'000 + round)), kafka::ErrorCode::none) << name;
      });
    threads.emplace_back([&node] {
      TestClient client(node);
      for (std::int32_t count = 2; count <= kRounds; ++count) {
        EXPECT_EQ(client.grow("changed", count), kafka::ErrorCode::none);
        EXPECT_EQ(client.produce("changed", count - 1, batch_of({"at once"})), 0) << "what is told is served";
      }
      EXPECT_EQ(client.grow("changed", kRounds), kafka::ErrorCode::invalid_partitions);
    });
    for (std::thread& thread : threads) thread.join();
  }
  Node node(settings());
  ASSERT_NO_FATAL_FAILURE(start(node));
  TestClient client(node);
  const auto values = client.settings("changed");
  for (const char* name : kNames) EXPECT_EQ(values.at(name), std::to_string(10'000'000 + kRounds)) << "none undid another's";
  auto metadata = client.metadata();
  ASSERT_EQ(metadata->topics.size(), 1U);
  EXPECT_EQ(metadata->topics[0].partitions.size(), static_cast<std::size_t>(kRounds));
  for (std::int32_t partition = 1; partition < kRounds; ++partition) EXPECT_EQ(client.end_offset("changed", partition), 1);
}

TEST_P(NodeTest, TellsOfItselfAndItsDisk) {
  Node node(settings());
  ASSERT_NO_FATAL_FAILURE(start(node));
  TestClient client(node);
  client.create_topic("sized", 3);
  const auto batch = batch_of({std::string(10'000, 'x')});
  client.produce("sized", 1, batch);
  client.produce("sized", 1, batch);
  const auto cluster = client.cluster();
  EXPECT_EQ(cluster.cluster_id, client.metadata()->cluster_id);
  ASSERT_EQ(cluster.brokers.size(), 1U);
  EXPECT_EQ(fmt::format("{}:{}", cluster.brokers[0].host, cluster.brokers[0].port), node.kafka_address());
  const auto told = client.log_directories();
  ASSERT_EQ(told.results.size(), 1U);
  EXPECT_EQ(told.results[0].log_dir, scratch_ / "data");
  EXPECT_GT(told.results[0].total_bytes, told.results[0].usable_bytes);
  EXPECT_GT(told.results[0].usable_bytes, 0);
  std::map<std::int32_t, std::int64_t> sizes;
  for (const auto& topic : told.results[0].topics)
    for (const auto& partition : topic.partitions)
      if (topic.name == "sized") sizes[partition.partition_index.value] = partition.partition_size;
  EXPECT_EQ(sizes, (std::map<std::int32_t, std::int64_t>{{0, 0}, {1, static_cast<std::int64_t>(2 * batch.size())}, {2, 0}}));
}

TEST_P(NodeTest, FetchOnOneConnectionIsWokenByAProduceOnAnother) {
  Node node(settings());
  ASSERT_NO_FATAL_FAILURE(start(node));
  TestClient(node).create_topic("woken", 4);
  std::vector<std::thread> readers;
  for (std::int32_t partition = 0; partition < 4; ++partition)
    readers.emplace_back([&node, partition] {
      TestClient client(node);
      // Far longer than the test may take: only the append can end it.
      const auto values = client.fetch("woken", partition, 0, 600'000);
      EXPECT_EQ(values, (std::map<std::int64_t, std::string>{{0, fmt::format("for {}", partition)}}));
    });
  TestClient client(node);
  for (std::int32_t partition = 0; partition < 4; ++partition)
    EXPECT_EQ(client.produce("woken", partition, batch_of({fmt::format("for {}", partition)})), 0);
  for (std::thread& reader : readers) reader.join();
}

TEST_P(NodeTest, StopWaitsForNobodyWhoWaits) {
  Node node(settings());
  ASSERT_NO_FATAL_FAILURE(start(node));
  TestClient(node).create_topic("quiet", 1);
  std::atomic<int> connected = 0;
  std::vector<std::thread> readers;
  for (int nth = 0; nth < 3; ++nth)
    readers.emplace_back([&] {
      KafkaClient client(node.kafka_address());
      client.ask<kafka::MetadataResponse>(kMetadataVersion, kafka::MetadataRequest{});
      client.may_end();
      ++connected;
      kafka::FetchRequest request;
      request.max_wait_ms = 600'000;
      request.min_bytes = 1;
      request.topics.push_back({"quiet", {}, {kafka::FetchPartition{}}});
      request.topics[0].partitions[0].partition_max_bytes = 1 << 16;
      const auto reply = client.ask<kafka::FetchResponse>(kFetchVersion, request);
      for (const auto& topic : reply.message.responses)
        EXPECT_EQ(topic.partitions.at(0).records.value_or(kafka::Records{}).size_bytes(), 0U);
    });
  while (connected < 3) std::this_thread::yield();
  node.stop();
  for (std::thread& reader : readers) reader.join();
}

INSTANTIATE_TEST_SUITE_P(Engines, NodeTest, ::testing::Values("uring", "threads"), [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace sluice::broker
