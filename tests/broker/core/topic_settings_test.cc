// Settings by Kafka's names: what is taken, what is refused, and with which words.
#include "broker/core/topic_settings.h"

#include <gtest/gtest.h>

#include "tests/broker/core/samples.h"

namespace sluice::broker {
namespace {

std::string set_error(std::string_view name, std::string_view value) {
  TopicSettings settings;
  const auto result = set_topic_setting(settings, name, value);
  EXPECT_FALSE(result.has_value()) << name << "=" << value;
  EXPECT_EQ(settings, TopicSettings{}) << "a refused value must change nothing";
  if (result) return {};
  EXPECT_EQ(result.error().code, Errc::config);
  return result.error().message;
}

TEST(TopicSettings, TakesEverySettingByName) {
  TopicSettings settings;
  ASSERT_TRUE(set_topic_setting(settings, "retention.ms", "0"));
  ASSERT_TRUE(set_topic_setting(settings, "retention.bytes", "9223372036854775807"));
  ASSERT_TRUE(set_topic_setting(settings, "segment.bytes", "1048576"));
  ASSERT_TRUE(set_topic_setting(settings, "max.message.bytes", "1"));
  ASSERT_TRUE(set_topic_setting(settings, "message.timestamp.type", "LogAppendTime"));
  ASSERT_TRUE(set_topic_setting(settings, "message.timestamp.before.max.ms", "0"));
  ASSERT_TRUE(set_topic_setting(settings, "message.timestamp.after.max.ms", "9223372036854775807"));
  ASSERT_TRUE(set_topic_setting(settings, "segment.ms", "60000"));
  ASSERT_TRUE(set_topic_setting(settings, "cleanup.policy", "delete"));
  ASSERT_TRUE(set_topic_setting(settings, "compression.type", "producer"));
  ASSERT_TRUE(set_topic_setting(settings, "min.insync.replicas", "1"));
  EXPECT_EQ(settings.retention_ms, 0);
  EXPECT_EQ(settings.retention_bytes, 9223372036854775807);
  EXPECT_EQ(settings.segment_bytes, 1048576U);
  EXPECT_EQ(settings.max_message_bytes, 1U);
  EXPECT_TRUE(settings.log_append_time);
  EXPECT_EQ(settings.timestamp_before_ms, 0);
  EXPECT_EQ(settings.timestamp_after_ms, 9223372036854775807);
  EXPECT_EQ(settings.segment_ms, 60'000);
}

TEST(TopicSettings, NulloptGoesBackToTheDefault) {
  TopicSettings settings = sample_settings();
  for (const TopicSettingText& text : describe_topic_settings(settings)) {
    ASSERT_TRUE(set_topic_setting(settings, text.name, std::nullopt)) << text.name;
  }
  EXPECT_EQ(settings, TopicSettings{});
}

TEST(TopicSettings, RefusesValuesOutsideTheirRange) {
  EXPECT_EQ(set_error("retention.ms", "-2"),
            "retention.ms can't be '-2': allowed is a whole number from 0 up, or -1 for no limit");
  EXPECT_EQ(set_error("segment.bytes", "1048575"),
            "segment.bytes can't be '1048575': allowed is a whole number from 1048576 to 2147483647");
  EXPECT_EQ(set_error("max.message.bytes", "0"),
            "max.message.bytes can't be '0': allowed is a whole number from 1 to 33554432");
  EXPECT_EQ(set_error("cleanup.policy", "compact"), "cleanup.policy can't be 'compact': allowed is only 'delete'");
  EXPECT_EQ(set_error("message.timestamp.type", "createtime"),
            "message.timestamp.type can't be 'createtime': allowed is CreateTime or LogAppendTime");
  for (const std::string_view bad : {"", " 1", "1 ", "1x", "+1", "0x10", "9223372036854775808", "1e3"}) {
    set_error("retention.bytes", bad);
  }
  set_error("min.insync.replicas", "2");
  set_error("message.timestamp.before.max.ms", "-1");
  set_error("message.timestamp.after.max.ms", "-1");
  EXPECT_EQ(set_error("segment.ms", "59999"), "segment.ms can't be '59999': allowed is a whole number from 60000 up");
  set_error("compression.type", "zstd");
}

TEST(TopicSettings, RefusesUnknownNamesAndSaysWhichAreKnown) {
  const std::string message = set_error("retention.minutes", "1");
  EXPECT_NE(message.find("'retention.minutes'"), std::string::npos) << message;
  EXPECT_NE(message.find("retention.ms, segment.bytes"), std::string::npos) << message;
}

TEST(TopicSettings, DescribesAllAndTellsDefaultsApart) {
  TopicSettings settings;
  settings.retention_ms = 5;
  std::string text;
  for (const TopicSettingText& one : describe_topic_settings(settings)) {
    text += one.name + "=" + one.value + (one.is_default ? "\n" : " (set)\n");
  }
  EXPECT_EQ(text,
            "cleanup.policy=delete\n"
            "compression.type=producer\n"
            "max.message.bytes=1048588\n"
            "message.timestamp.after.max.ms=3600000\n"
            "message.timestamp.before.max.ms=9223372036854775807\n"
            "message.timestamp.type=CreateTime\n"
            "min.insync.replicas=1\n"
            "retention.bytes=-1\n"
            "retention.ms=5 (set)\n"
            "segment.bytes=1073741824\n"
            "segment.ms=604800000\n"
            "storage=log\n");
}

TEST(TopicSettings, AMemoryTopicIsBoundedByDefault) {
  TopicSettings settings;
  ASSERT_TRUE(set_topic_setting(settings, "storage", "memory"));
  EXPECT_EQ(settings.storage, TopicStorage::memory);
  EXPECT_EQ(settings.retention_bytes, kMemoryRetentionBytes);
  for (const TopicSettingText& one : describe_topic_settings(settings)) {
    EXPECT_EQ(one.is_default, one.name != "storage") << one.name;
    if (one.name == "retention.bytes") EXPECT_EQ(one.default_value, "67108864");
    if (one.name == "storage") EXPECT_EQ(one.value + " " + one.default_value, "memory log");
  }
  ASSERT_TRUE(set_topic_setting(settings, "retention.bytes", "-1"));
  ASSERT_TRUE(set_topic_setting(settings, "retention.bytes", std::nullopt));
  EXPECT_EQ(settings.retention_bytes, kMemoryRetentionBytes);
  ASSERT_TRUE(set_topic_setting(settings, "storage", std::nullopt));
  EXPECT_EQ(settings, TopicSettings{});
  // Whatever stands first, what was given stays.
  ASSERT_TRUE(set_topic_setting(settings, "retention.bytes", "5"));
  ASSERT_TRUE(set_topic_setting(settings, "storage", "memory"));
  EXPECT_EQ(settings.retention_bytes, 5);
  EXPECT_EQ(set_error("storage", "disk"), "storage can't be 'disk': allowed is log or memory");
}

TEST(TopicSettings, StorageStaysWhatItIs) {
  TopicSettings memory;
  ASSERT_TRUE(set_topic_setting(memory, "storage", "memory"));
  ASSERT_TRUE(set_topic_setting(memory, "retention.ms", "7"));
  const auto change = [](const TopicSettings& from, std::string_view name, std::optional<std::string> value,
                         bool replace) {
    using Change = TopicSettingChange;
    const auto operation = value ? Change::Operation::set : Change::Operation::remove;
    return change_topic_settings(from, {{Change{std::string(name), operation, std::move(value)}}}, replace);
  };
  EXPECT_EQ(change(TopicSettings{}, "storage", "memory", false).error().message,
            "storage can't be changed from 'log' to 'memory': it is fixed when a topic is made; make another topic and "
            "move its producers and consumers");
  EXPECT_FALSE(change(memory, "storage", "log", true));
  EXPECT_FALSE(change(memory, "storage", std::nullopt, false));
  EXPECT_TRUE(change(memory, "storage", "memory", false));
  const auto replaced = change(memory, "segment.bytes", "2097152", true);
  ASSERT_TRUE(replaced);
  EXPECT_EQ(replaced->storage, TopicStorage::memory);
  EXPECT_EQ(replaced->given & memory.given, 1U << 11);
  EXPECT_EQ(replaced->retention_bytes, kMemoryRetentionBytes);
  EXPECT_EQ(replaced->retention_ms, TopicSettings{}.retention_ms);
}

TEST(TopicSettings, OneThatWasGivenItsDefaultsValueIsStillGiven) {
  const auto is_default = [](const TopicSettings& settings, std::string_view name) {
    for (const TopicSettingText& one : describe_topic_settings(settings))
      if (one.name == name) return one.is_default;
    ADD_FAILURE() << name;
    return false;
  };
  TopicSettings settings;
  ASSERT_TRUE(set_topic_setting(settings, "retention.ms", "604800000"));
  EXPECT_FALSE(is_default(settings, "retention.ms"));
  EXPECT_TRUE(is_default(settings, "retention.bytes"));
  ASSERT_TRUE(set_topic_setting(settings, "retention.ms", std::nullopt));
  EXPECT_EQ(settings, TopicSettings{});
}

using Change = TopicSettingChange;
using Operation = TopicSettingChange::Operation;

TEST(TopicSettings, ChangesAreMadeInOrderOrNotAtAll) {
  TopicSettings before;
  ASSERT_TRUE(set_topic_setting(before, "retention.ms", "5"));
  ASSERT_TRUE(set_topic_setting(before, "retention.bytes", "6"));
  const std::vector<Change> changes{{"segment.bytes", Operation::set, "2097152"},
                                    {"retention.ms", Operation::remove, std::nullopt}};
  auto changed = change_topic_settings(before, changes, false);
  ASSERT_TRUE(changed) << changed.error().message;
  TopicSettings expected = before;
  ASSERT_TRUE(set_topic_setting(expected, "segment.bytes", "2097152"));
  ASSERT_TRUE(set_topic_setting(expected, "retention.ms", std::nullopt));
  EXPECT_EQ(*changed, expected);

  // In place of all: what is not named goes back to its default.
  changed = change_topic_settings(before, std::span(changes).first(1), true);
  ASSERT_TRUE(changed);
  expected = {};
  ASSERT_TRUE(set_topic_setting(expected, "segment.bytes", "2097152"));
  EXPECT_EQ(*changed, expected);
}

TEST(TopicSettings, ListsAloneAreAppendedToAndSubtractedFrom) {
  const auto refusal = [](const Change& change) {
    const auto changed = change_topic_settings({}, {{change}}, false);
    return changed ? std::string("taken")
                   : std::string(errc_name(changed.error().code)) + ": " + changed.error().message;
  };
  EXPECT_EQ(refusal({"cleanup.policy", Operation::append, "delete"}), "taken") << "it is there already";
  EXPECT_EQ(refusal({"cleanup.policy", Operation::append, "compact"}),
            "config: cleanup.policy can't be 'delete,compact': allowed is only 'delete'");
  EXPECT_EQ(refusal({"cleanup.policy", Operation::subtract, "compact"}), "taken");
  EXPECT_EQ(refusal({"cleanup.policy", Operation::subtract, "delete"}),
            "config: cleanup.policy can't be '': allowed is only 'delete'");
  EXPECT_EQ(refusal({"retention.ms", Operation::append, "1"}),
            "config: retention.ms is no list: nothing can be appended to it");
  EXPECT_EQ(refusal({"retention.ms", Operation::subtract, "1"}),
            "config: retention.ms is no list: nothing can be subtracted from it");
  EXPECT_EQ(refusal({"retention.ms", Operation::set, std::nullopt}),
            "config: retention.ms has no value; deleting it brings its default back");
  EXPECT_NE(refusal({"retention.minutes", Operation::remove, std::nullopt}).find("'retention.minutes'"),
            std::string::npos);
}

TEST(TopicSettings, ChecksValuesThatWereSetDirectly) {
  EXPECT_TRUE(check_topic_settings(TopicSettings{}));
  EXPECT_TRUE(check_topic_settings(sample_settings()));
  const auto broken = [](auto member, auto value) {
    TopicSettings settings;
    settings.*member = value;
    return !check_topic_settings(settings).has_value();
  };
  EXPECT_TRUE(broken(&TopicSettings::retention_ms, -2));
  EXPECT_TRUE(broken(&TopicSettings::retention_bytes, -2));
  EXPECT_TRUE(broken(&TopicSettings::segment_bytes, kMinRawSegmentBytes - 1));
  EXPECT_TRUE(broken(&TopicSettings::segment_bytes, ~std::uint64_t{0}));
  EXPECT_TRUE(broken(&TopicSettings::segment_ms, 0));
  EXPECT_TRUE(broken(&TopicSettings::timestamp_before_ms, -1));
  EXPECT_TRUE(broken(&TopicSettings::timestamp_after_ms, -1));
  EXPECT_TRUE(broken(&TopicSettings::max_message_bytes, 0));
  EXPECT_TRUE(broken(&TopicSettings::max_message_bytes, kMaxMaxMessageBytes + 1));
}

}  // namespace
}  // namespace sluice::broker
