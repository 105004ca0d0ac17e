// The metrics' text: golden for one shard, and its form and size for many.
#include "broker/app/metrics_text.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

namespace sluice::broker {
namespace {

std::string joined(const std::vector<SharedBytes>& pieces) {
  std::string text;
  for (const SharedBytes& piece : pieces) {
    EXPECT_LE(piece.size(), kTextPiece);
    EXPECT_FALSE(piece.empty());
    text += as_text(piece);
  }
  return text;
}
std::string whole_text(const NodeSnapshot& node, const ProcessStats& process) {
  std::string text;
  for (std::size_t nth = 0; nth < family_count(); ++nth) text += joined(render_family(nth, node, process));
  return text;
}

/// A shard where every number is another one, so that none can stand in another's place.
ShardSnapshot sample_shard(std::uint32_t id) {
  ShardSnapshot s;
  s.id = ShardId(id);
  std::uint64_t next = 100;
  for (const std::uint64_t ns : {1ULL, 8192ULL, 8193ULL, 40'000'000'000ULL}) s.loop.turn_ns.record(ns);
  s.loop.sleeps = ++next;
  s.shard.counters = {++next, ++next, ++next, ++next, ++next, ++next};
  s.shard.journal.flushes = ++next;
  s.shard.journal.bytes = ++next;
  s.shard.journal.write_ns.record(140'000);
  s.shard.journal_used_bytes = ++next;
  s.shard.journal_capacity_bytes = ++next;
  s.shard.journal_memory_bytes = ++next;
  s.shard.logs = {++next, ++next, ++next, ++next, ++next, ++next};
  s.shard.groups = ++next;
  s.shard.groups_led = ++next;
  s.shard.partitions = ++next;
  s.shard.queued_bytes = ++next;
  s.shard.memory_topic_bytes = 7;
  s.shard.unspilled_bytes = ++next;
  s.shard.disk_full = true;
  s.services.produce_ns.record(500'000);
  s.services.fetch_ns.record(20'000);
  s.services.fetched_bytes = ++next;
  s.kafka.connections_opened = ++next;
  s.kafka.connections_failed = ++next;
  s.kafka.connections_refused = 5;
  s.kafka.received_bytes = ++next;
  s.kafka.sent_bytes = ++next;
  for (std::uint64_t& count : s.kafka.requests) count = ++next;
  s.kafka.errors[{kafka::ApiKey::produce, kafka::ErrorCode::kafka_storage_error}] = ++next;
  s.kafka.errors[{kafka::ApiKey::fetch, kafka::ErrorCode::offset_out_of_range}] = ++next;
  s.connections = ++next;
  s.request_bytes = ++next;
  s.reply_bytes = ++next;
  s.fetch_sessions = ++next;
  s.native.connections_opened = ++next;
  s.native.connections_failed = ++next;
  s.native.connections_refused = ++next;
  s.native.received_bytes = ++next;
  s.native.sent_bytes = ++next;
  s.native.received[0] = ++next;
  s.native.received[13] = ++next;
  s.native.errors[native::ErrorCode::no_space] = ++next;
  s.native_connections = ++next;
  return s;
}

NodeSnapshot sample_node(std::uint32_t shards) {
  NodeSnapshot node;
  for (std::uint32_t id = 0; id < shards; ++id) node.shards.push_back(sample_shard(id));
  node.topics = 3;
  node.partitions = 12;
  node.producers = 7;
  node.max_producers = 100'000;
  node.disk = storage::DiskSpace{.free_bytes = 1ULL << 33, .total_bytes = 1ULL << 40};
  return node;
}
const ProcessStats kProcess{.cpu_seconds = 12.25, .resident_bytes = 64U << 20, .start_time_seconds = 1'700'000'000.5};

TEST(MetricsText, IsTheGoldenOne) {
  std::ifstream file(std::string(SLUICE_SOURCE_DIR) + "/tests/broker/app/metrics_golden.txt");
  std::stringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(whole_text(sample_node(1), kProcess), golden.str());
}

TEST(MetricsText, EveryFamilyIsThereOnceWithHelpAndTypeAndUnitsLast) {
  std::istringstream lines(whole_text(sample_node(3), kProcess));
  std::set<std::string> families;
  std::string line, name, type;
  std::size_t samples = 0;
  while (std::getline(lines, line)) {
    if (line.starts_with("# HELP ")) {
      name = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(name).second) << name << " stands there twice";
      EXPECT_TRUE(name.starts_with("sluice_") || name.starts_with("process_")) << name;
    } else if (line.starts_with("# TYPE ")) {
      ASSERT_TRUE(line.starts_with("# TYPE " + name + " ")) << line;
      type = line.substr(line.rfind(' ') + 1);
      EXPECT_EQ(name.ends_with("_total"), type == "counter") << name;
      EXPECT_TRUE(type != "histogram" || name.ends_with("_seconds")) << name;
    } else {
      ++samples;
      EXPECT_TRUE(line.starts_with(name)) << line << " in " << name;
    }
  }
  EXPECT_EQ(families.size(), family_count());
  EXPECT_GT(samples, 3 * family_count());
}

TEST(MetricsText, StaysSmallForManyShards) { EXPECT_LT(whole_text(sample_node(64), kProcess).size(), 1U << 20); }

TEST(MetricsText, WhatIsNotKnownIsLeftOut) {
  NodeSnapshot node = sample_node(1);
  node.disk.reset();
  node.shards[0].kafka.errors.clear();
  const std::string text = whole_text(node, kProcess);
  EXPECT_EQ(text.find("sluice_disk_bytes"), std::string::npos);
  EXPECT_EQ(text.find("sluice_kafka_errors_total"), std::string::npos);
}

TEST(MetricsText, PartitionsOfLaterPagesHaveNoHead) {
  const std::vector<PartitionValue> values{{"orders", 0, 12}, {"we\"ird\\", 31, 1e15}};
  const std::string lines =
      "sluice_partition_log_end_offset{topic=\"orders\",partition=\"0\"} 12\n"
      "sluice_partition_log_end_offset{topic=\"we\\\"ird\\\\\",partition=\"31\"} 1000000000000000\n";
  EXPECT_EQ(joined(render_partitions(PartitionFigure::log_end_offset, values, true)),
            "# HELP sluice_partition_log_end_offset The next offset.\n"
            "# TYPE sluice_partition_log_end_offset gauge\n" +
                lines);
  EXPECT_EQ(joined(render_partitions(PartitionFigure::log_end_offset, values, false)), lines);
  EXPECT_TRUE(render_partitions(PartitionFigure::size_bytes, {}, true).empty());
}

TEST(MetricsText, ALongPageIsInSmallPieces) {
  std::vector<PartitionValue> values;
  for (std::int32_t i = 0; i < 2000; ++i) values.push_back({std::string(200, 't'), i, 1});
  const auto pieces = render_partitions(PartitionFigure::size_bytes, values, true);
  EXPECT_GT(pieces.size(), 10U);
  const std::string text = joined(pieces);
  EXPECT_EQ(std::ranges::count(text, '\n'), 2002);
}

TEST(ProcessStats, AreOfThisProcess) {
  const ProcessStats stats = process_stats(1'700'000'000'500);
  EXPECT_EQ(stats.start_time_seconds, 1'700'000'000.5);
  EXPECT_GT(stats.resident_bytes, 1U << 20);
  EXPECT_GE(process_stats(0).cpu_seconds, stats.cpu_seconds);
}

}  // namespace
}  // namespace sluice::broker
