// What Kafka's tools are told of a node's settings.
#include "broker/app/node_settings.h"

#include <gtest/gtest.h>

#include <map>

namespace sluice::broker {
namespace {

std::map<std::string, NodeSetting> described(const Settings& settings) {
  std::map<std::string, NodeSetting> by_name;
  NodeIdentity identity;
  identity.node = NodeId(7);
  for (NodeSetting& setting : describe_node_settings(settings, identity)) {
    EXPECT_FALSE(setting.help.empty()) << setting.name;
    const std::string name = setting.name;
    EXPECT_TRUE(by_name.emplace(name, std::move(setting)).second) << name << " is described twice";
  }
  return by_name;
}

TEST(NodeSettings, AreAllOfOursUnderTheirOwnNames) {
  Settings settings;
  settings.loop_spin_us = 7;
  auto told = described(settings);
  for (const SettingText& own : list_settings(settings)) {
    EXPECT_EQ(told.at(own.name).value, own.value);
    EXPECT_TRUE(told.at(own.name).also_named.empty());
  }
  EXPECT_FALSE(told.at("loop.spin_us").is_default);
  EXPECT_EQ(told.at("loop.spin_us").default_value, "50");
}

TEST(NodeSettings, KafkasWordsFollowOurs) {
  Settings settings;
  settings.topics_auto_create = false;
  settings.data_dir = "/srv";
  auto told = described(settings);
  EXPECT_EQ(told.at("auto.create.topics.enable").value, "false");
  EXPECT_EQ(told.at("auto.create.topics.enable").also_named, "topics.auto_create");
  EXPECT_EQ(told.at("auto.create.topics.enable").type, SettingType::boolean);
  EXPECT_FALSE(told.at("auto.create.topics.enable").is_default);
  EXPECT_EQ(told.at("log.dirs").value, "/srv");
  EXPECT_EQ(told.at("broker.id").value, "7");
  EXPECT_TRUE(told.at("num.partitions").is_default);
  // What a topic begins with.
  EXPECT_EQ(told.at("log.retention.ms").value, "604800000");
  EXPECT_EQ(told.at("message.max.bytes").value, "1048588");
}

}  // namespace
}  // namespace sluice::broker
