// Rows of `_cluster`, the view they make, and where new partitions go.
#include "broker/core/cluster_view.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <limits>

#include "broker/core/cluster.pb.h"
#include "protocol/base/random.h"
#include "tests/broker/core/samples.h"

namespace sluice::broker {
namespace {

TopicInfo sample_topic(std::string name = "orders", TopicId id = sample_topic_id()) {
  TopicInfo topic;
  topic.name = std::move(name);
  topic.id = id;
  topic.phase = TopicPhase::live;
  topic.internal = true;
  topic.replication_factor = 3;
  topic.settings = sample_settings();
  topic.partitions = {{GroupId(4), LeaderEpoch(10)}, {GroupId(5), LeaderEpoch(11)}};
  return topic;
}
TopicId topic_id(std::uint32_t n) {
  TopicId id;
  store_le(reinterpret_cast<std::byte*>(id.bytes.data()), n + 1);
  return id;
}
Result<void> put_topic(ClusterView& view, const TopicInfo& topic) {
  return view.apply_row(topic_row_key(topic.name), encode_topic_row(topic), topic.revision);
}

TEST(ClusterRows, GoldenBytes) {
  EXPECT_EQ(topic_row_key("orders"), "topic/orders");
  EXPECT_EQ(hex(encode_topic_row(sample_topic())),
            "0a100102030405060708090a0b0c0d0e0f101002180120032a16080110d00f18808001204d2801388827"
            "40f02e48d83632040804100a32040805100b");
  TopicInfo changing = sample_topic();
  changing.settings.given = 5;
  changing.growing = {{GroupId(6), LeaderEpoch(12)}};
  changing.altering = true;
  EXPECT_EQ(hex(encode_topic_row(changing)),
            "0a100102030405060708090a0b0c0d0e0f101002180120032a18080110d00f18808001204d2801300538882740f02e48d836"
            "32040804100a32040805100b"
            "3a040806100c4001");
  EXPECT_EQ(node_row_key(NodeId(2)), "node/2");
  EXPECT_EQ(hex(encode_node_row({NodeId(2), "host", 9092})), "08021204686f7374188447") << "as it was before";
  EXPECT_EQ(hex(encode_node_row({NodeId(2), "host", 9092, "own", 4150})), "08021204686f737418844722036f776e28b620");
  EXPECT_EQ(hex(encode_number_row(300)), "08ac02");
  EXPECT_EQ(hex(encode_number_row(0)), "0800");
}

TEST(ClusterRows, ComeBackAsTheyWent) {
  EXPECT_EQ(decode_topic_row("orders", encode_topic_row(sample_topic())), sample_topic());
  TopicInfo changing = sample_topic();
  changing.settings.given = 5;
  changing.growing = {{GroupId(6), LeaderEpoch(12)}, {GroupId(4), LeaderEpoch(0)}};
  EXPECT_EQ(decode_topic_row("orders", encode_topic_row(changing)), changing);
  changing.altering = true;
  EXPECT_EQ(decode_topic_row("orders", encode_topic_row(changing)), changing);
  TopicInfo plain;
  plain.name = "__consumer_offsets";
  plain.id = sample_topic_id();
  EXPECT_EQ(decode_topic_row(plain.name, encode_topic_row(plain)), plain);
  for (const NodeInfo& node : {NodeInfo{NodeId(7), "broker-7.example", 65535}, NodeInfo{NodeId(7), "k", 1, "n", 65535}})
    EXPECT_EQ(decode_node_row(encode_node_row(node)), node);
  for (const std::int64_t number : {std::int64_t{0}, std::int64_t{1}, std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_EQ(decode_number_row(encode_number_row(number)), number);
  }
}

TEST(ClusterRows, RefuseEveryBrokenInvariant) {
  const auto refused = [](auto break_it) {
    pb::TopicRow row;
    EXPECT_TRUE(row.ParseFromString(encode_topic_row(sample_topic())));
    break_it(row);
    const auto topic = decode_topic_row("orders", row.SerializeAsString());
    return !topic && topic.error().code == Errc::malformed;
  };
  EXPECT_FALSE(refused([](pb::TopicRow&) {}));
  EXPECT_TRUE(refused([](pb::TopicRow& row) { row.set_id("1234"); }));
  EXPECT_TRUE(refused([](pb::TopicRow& row) { row.set_phase(0); }));
  EXPECT_FALSE(refused([](pb::TopicRow& row) { row.set_altering(true); }));
  EXPECT_TRUE(refused([](pb::TopicRow& row) {
    row.set_altering(true);
    row.set_phase(1);
  })) << "only a live topic changes";
  EXPECT_FALSE(refused([](pb::TopicRow& row) { row.add_growing(); }));
  EXPECT_TRUE(refused([](pb::TopicRow& row) {
    row.add_growing();
    row.set_phase(3);
  }));
  EXPECT_TRUE(refused([](pb::TopicRow& row) { row.add_growing()->set_epoch_base(-1); }));
  EXPECT_TRUE(refused([](pb::TopicRow& row) {
    for (std::size_t i = 0; i < kMaxPartitionsOfTopic; ++i) row.add_growing();
  })) << "with the two that it has they are too many";
  EXPECT_TRUE(refused([](pb::TopicRow& row) { row.set_phase(4); }));
  EXPECT_TRUE(refused([](pb::TopicRow& row) { row.set_phase(257); }));
  EXPECT_TRUE(refused([](pb::TopicRow& row) { row.set_replication_factor(0); }));
  EXPECT_TRUE(refused([](pb::TopicRow& row) { row.set_replication_factor(32768); }));
  EXPECT_TRUE(refused([](pb::TopicRow& row) { row.mutable_settings()->set_retention_ms(-2); }));
  EXPECT_TRUE(refused([](pb::TopicRow& row) { row.mutable_partitions(0)->set_epoch_base(-1); }));
  EXPECT_TRUE(refused([](pb::TopicRow& row) {
    while (static_cast<std::size_t>(row.partitions_size()) <= kMaxPartitionsOfTopic) row.add_partitions();
  }));
  EXPECT_FALSE(decode_topic_row("not/legal", encode_topic_row(sample_topic())));
  EXPECT_FALSE(decode_topic_row("orders", "\xff"));
  EXPECT_FALSE(decode_node_row(""));
  EXPECT_FALSE(decode_node_row(encode_node_row({NodeId(0), "h", 1})));
  EXPECT_FALSE(decode_node_row(encode_node_row({NodeId(1), "h", 65536})));
  EXPECT_FALSE(decode_node_row(encode_node_row({NodeId(1), std::string(256, 'h'), 1})));
  EXPECT_FALSE(decode_node_row(encode_node_row({NodeId(1), "h", 1, "n", 65536})));
  EXPECT_FALSE(decode_node_row(encode_node_row({NodeId(1), "h", 1, std::string(256, 'n'), 1})));
  EXPECT_FALSE(decode_number_row(""));
  EXPECT_FALSE(decode_number_row(encode_number_row(-1)));
}

TEST(ClusterRows, DamageIsNeverMoreThanAnError) {
  const std::string good = encode_topic_row(sample_topic());
  SeededRandom random(5);
  for (int round = 0; round < 10'000; ++round) {
    std::string damaged = good.substr(0, random.one_in(2) ? good.size() : random.below(good.size()));
    if (!damaged.empty()) damaged[random.below(damaged.size())] ^= static_cast<char>(1 << random.below(8));
    if (const auto topic = decode_topic_row("orders", damaged)) {
      ASSERT_EQ(decode_topic_row("orders", encode_topic_row(*topic)), *topic);
    }
  }
}

TEST(TopicNames, FollowKafkasRules) {
  for (const std::string_view good : {"a", "orders.v1-2_3", "...", "-"}) EXPECT_TRUE(check_topic_name(good)) << good;
  EXPECT_TRUE(check_topic_name(std::string(249, 'a')));
  for (const std::string_view bad : {"", ".", "..", "a b", "a/b", "ä", "_cluster", "__consumer_offsets", "a\n"}) {
    const auto result = check_topic_name(bad);
    ASSERT_FALSE(result) << bad;
    EXPECT_EQ(result.error().code, Errc::invalid_topic);
  }
  EXPECT_FALSE(check_topic_name(std::string(250, 'a')));
  EXPECT_FALSE(check_topic_name(std::string_view("a\0b", 3)));
}

TEST(ClusterView, FollowsTopics) {
  ClusterView view;
  TopicInfo topic = sample_topic();
  topic.internal = false;
  topic.revision = 9;
  ASSERT_TRUE(put_topic(view, topic));
  ASSERT_NE(view.find("orders"), nullptr);
  EXPECT_EQ(*view.find("orders"), topic);
  EXPECT_EQ(view.find(sample_topic_id()), view.find("orders"));
  EXPECT_EQ(view.partition_count(), 2U);
  EXPECT_EQ(view.partitions_in(GroupId(4)), 1U);

  topic.partitions.push_back({GroupId(4), LeaderEpoch(12)});
  topic.revision = 10;
  ASSERT_TRUE(put_topic(view, topic));
  EXPECT_EQ(view.partition_count(), 3U);
  EXPECT_EQ(view.partitions_in(GroupId(4)), 2U);
  EXPECT_EQ(view.find("orders")->revision, 10U);

  // Deleted and made again, seen as one change: the old id is gone.
  TopicInfo again = sample_topic("orders", topic_id(77));
  again.internal = false;
  ASSERT_TRUE(put_topic(view, again));
  EXPECT_EQ(view.find(sample_topic_id()), nullptr);
  EXPECT_EQ(view.find(topic_id(77))->name, "orders");

  ASSERT_TRUE(view.apply_row("topic/orders", std::nullopt, 11));
  EXPECT_EQ(view.find("orders"), nullptr);
  EXPECT_EQ(view.find(topic_id(77)), nullptr);
  EXPECT_EQ(view.partition_count(), 0U);
  EXPECT_EQ(view.partitions_in(GroupId(4)), 0U);
  ASSERT_TRUE(view.apply_row("topic/orders", std::nullopt, 12));
}

TEST(ClusterView, MalformedRowsChangeNothing) {
  ClusterView view;
  ASSERT_TRUE(put_topic(view, sample_topic()));
  EXPECT_FALSE(view.apply_row("topic/orders", "\xff", 2));
  EXPECT_FALSE(put_topic(view, sample_topic("copies"))) << "one id, two names";
  EXPECT_FALSE(view.apply_row("node/2", encode_node_row({NodeId(3), "h", 1}), 3));
  for (const std::string_view key :
       {"node/", "node/x", "node/0", "node/-1", "node/02", "node/2 ", "node/99999999999"}) {
    EXPECT_FALSE(view.apply_row(key, encode_node_row({NodeId(2), "h", 1}), 3)) << key;
  }
  EXPECT_FALSE(view.apply_row(kEpochFloorKey, "", 4));
  EXPECT_FALSE(view.apply_row(kEpochFloorKey, encode_number_row(std::int64_t{1} << 31), 4));
  EXPECT_EQ(view.topics().size(), 1U);
  EXPECT_EQ(*view.find(sample_topic_id()), sample_topic());
  EXPECT_EQ(view.partitions_in(GroupId(4)), 1U);
  EXPECT_TRUE(view.nodes().empty());
  EXPECT_EQ(view.epoch_floor(), 0);
  EXPECT_TRUE(view.apply_row("something/new", "\xff", 5)) << "rows of unknown kinds are ignored";
}

TEST(ClusterView, FollowsNodesFloorAndLeaders) {
  ClusterView view;
  ASSERT_TRUE(view.apply_row("node/2", encode_node_row({NodeId(2), "h", 1}), 1));
  ASSERT_TRUE(view.apply_row("node/2", encode_node_row({NodeId(2), "h", 2}), 2));
  EXPECT_EQ(view.nodes().at(NodeId(2)).kafka_port, 2);
  ASSERT_TRUE(view.apply_row("node/2", std::nullopt, 3));
  EXPECT_TRUE(view.nodes().empty());

  ASSERT_TRUE(view.apply_row(kEpochFloorKey, encode_number_row(40), 4));
  EXPECT_EQ(view.epoch_floor(), 40);
  EXPECT_EQ(view.epoch_floor_revision(), 4U);

  EXPECT_EQ(view.leadership(GroupId(3)).leader.value, 0);
  view.set_leadership(GroupId(3), {NodeId(1), Term(5), true});
  EXPECT_EQ(view.leadership(GroupId(3)).term.value, 5U);
  EXPECT_TRUE(view.leadership(GroupId(3)).ready);
}

std::string placed(const ClusterView& view, std::size_t count) {
  std::string text;
  for (const GroupId group : place_partitions(view, count)) text += std::to_string(group.value) + " ";
  return text;
}

TEST(Placement, FewestPartitionsFirstThenById) {
  ClusterView view;
  EXPECT_EQ(placed(view, 3), "");
  view.set_leadership(kControllerGroup, {});
  EXPECT_EQ(placed(view, 3), "") << "never the controller";
  for (const std::uint32_t group : {3U, 4U, 5U}) view.set_leadership(GroupId(group), {});
  EXPECT_EQ(placed(view, 7), "3 4 5 3 4 5 3 ");
  ASSERT_TRUE(put_topic(view, sample_topic()));  // one each in groups 4 and 5
  EXPECT_EQ(placed(view, 5), "3 3 4 5 3 ");
  EXPECT_EQ(placed(view, 0), "");
}

TEST(Placement, TenThousandTopicsOneByOneStayEven) {
  ClusterView view;
  constexpr std::uint32_t kGroups = 8;
  constexpr std::uint32_t kTopics = 10'000;
  for (std::uint32_t group = 0; group <= kGroups; ++group) view.set_leadership(GroupId(group), {});
  for (std::uint32_t i = 0; i < kTopics; ++i) {
    TopicInfo topic;
    topic.name = "topic" + std::to_string(i);
    topic.id = topic_id(i);
    topic.partitions = {{place_partitions(view, 1)[0], LeaderEpoch(0)}};
    ASSERT_TRUE(put_topic(view, topic));
  }
  EXPECT_EQ(view.partition_count(), kTopics);
  for (std::uint32_t group = 1; group <= kGroups; ++group) {
    EXPECT_EQ(view.partitions_in(GroupId(group)), kTopics / kGroups);
  }
}

TEST(Placement, CountsFollowEveryChangeOfRows) {
  EXPECT_TRUE(rc::check("per-group counts equal a recount", [] {
    ClusterView view;
    const int steps = *rc::gen::inRange(1, 60);
    for (int i = 0; i < steps; ++i) {
      const auto n = static_cast<std::uint32_t>(*rc::gen::inRange(0, 6));
      TopicInfo topic = sample_topic("t" + std::to_string(n), topic_id(n));
      topic.internal = *rc::gen::inRange(0, 4) == 0;
      topic.partitions.clear();
      for (const std::uint8_t group : *rc::gen::arbitrary<std::vector<std::uint8_t>>()) {
        topic.partitions.push_back({GroupId(group % 5U), LeaderEpoch(0)});
      }
      if (*rc::gen::inRange(0, 3) == 0)
        RC_ASSERT(view.apply_row(topic_row_key(topic.name), std::nullopt, 1).has_value());
      else
        RC_ASSERT(put_topic(view, topic).has_value());
      std::map<std::uint32_t, std::size_t> counts;
      std::size_t total = 0;
      for (const auto& [name, info] : view.topics()) {
        for (const PartitionPlacement& placement : info.partitions) ++counts[placement.group.value];
        if (!info.internal) total += info.partitions.size();
      }
      RC_ASSERT(view.partition_count() == total);
      for (std::uint32_t group = 0; group < 5; ++group) RC_ASSERT(view.partitions_in(GroupId(group)) == counts[group]);
    }
  }));
}

}  // namespace
}  // namespace sluice::broker
