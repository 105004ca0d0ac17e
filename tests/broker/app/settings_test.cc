// Settings: every name, its bounds, and every sentence that a wrong one is answered with.
#include "broker/app/settings.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/broker/app/scratch.h"

namespace sluice::broker {
namespace {

std::string refusal(const Result<void>& result) {
  if (result) return "(taken)";
  EXPECT_EQ(result.error().code, Errc::config);
  return result.error().message;
}
std::string refused(std::string_view name, std::string_view value) {
  Settings settings;
  return refusal(set_setting(settings, name, value));
}

/// All fields of Settings, as text, by the names of their settings: what a setting changes can be told.
std::map<std::string, std::string> fields(const Settings& s) {
  const auto text = [](const auto& value) { return fmt::format("{}", value); };
  return {{"data_dir", s.data_dir},
          {"journal_dir", s.journal_dir},
          {"kafka.listen", s.kafka_listen},
          {"kafka.advertise", s.kafka_advertise},
          {"kafka.max_request_bytes", text(s.kafka_max_request_bytes)},
          {"kafka.max_connections", text(s.kafka_max_connections)},
          {"kafka.idle_timeout_ms", text(s.kafka_idle_timeout_ms)},
          {"kafka.frame_timeout_ms", text(s.kafka_frame_timeout_ms)},
          {"log.max_producers", text(s.max_producers)},
          {"native.listen", s.native_listen},
          {"native.advertise", s.native_advertise},
          {"metrics.listen", s.metrics_listen},
          {"shards", text(s.shards)},
          {"io_engine", s.io_engine},
          {"log_level", text(static_cast<int>(s.log_level))},
          {"topics.auto_create", text(s.topics_auto_create)},
          {"topics.default_partitions", text(s.topics_default_partitions)},
          {"topics.max_partitions", text(s.topics_max_partitions)},
          {"journal.capacity_bytes", text(s.journal_capacity_bytes)},
          {"journal.file_bytes", text(s.journal_file_bytes)},
          {"journal.sync", s.journal_sync},
          {"journal.direct", text(s.journal_direct)},
          {"memory.budget_bytes", text(s.memory_budget_bytes)},
          {"memory.topic_bytes", text(s.memory_topic_bytes)},
          {"memory.spill_bytes", text(s.memory_spill_bytes)},
          {"memory.max_unspilled_bytes", text(s.memory_max_unspilled_bytes)},
          {"log.max_open_files", text(s.log_max_open_files)},
          {"log.direct_bytes", text(s.log_direct_bytes)},
          {"log.retention_check_ms", text(s.retention_check_ms)},
          {"log.checkpoint_idle_ms", text(s.checkpoint_idle_ms)},
          {"log.producer_expiry_ms", text(s.producer_expiry_ms)},
          {"disk.min_free_bytes", text(s.disk_min_free_bytes)},
          {"disk.reserve_bytes", text(s.disk_reserve_bytes)},
          {"loop.spin_us", text(s.loop_spin_us)}};
}

/// A value other than the default, in the form in which fields() shows it.
const std::map<std::string, std::string>& other_values() {
  static const std::map<std::string, std::string> kOther{
      {"data_dir", "/srv/sluice"}, {"journal_dir", "/nvme"}, {"kafka.listen", "[::1]:0"}, {"kafka.advertise", "broker.example:19092"},
      {"kafka.max_request_bytes", "65536"}, {"kafka.max_connections", "7"}, {"kafka.idle_timeout_ms", "101"}, {"kafka.frame_timeout_ms", "102"},
      {"native.listen", "127.0.0.1:4150"}, {"native.advertise", "broker.example"},
      {"log.max_producers", "3"}, {"metrics.listen", "[::1]:9100"}, {"shards", "256"}, {"io_engine", "threads"},
      {"log_level", "4"}, {"topics.auto_create", "false"}, {"topics.default_partitions", "12"}, {"topics.max_partitions", "13"},
      {"journal.capacity_bytes", "4194304"}, {"journal.file_bytes", "1048576"}, {"journal.sync", "fdatasync"},
      {"journal.direct", "false"}, {"memory.budget_bytes", "1"}, {"memory.topic_bytes", "65535"}, {"memory.spill_bytes", "65536"}, {"memory.max_unspilled_bytes", "65537"},
      {"log.max_open_files", "8"}, {"log.direct_bytes", "8192"}, {"log.retention_check_ms", "1"}, {"log.checkpoint_idle_ms", "2"},
      {"log.producer_expiry_ms", "1000"}, {"disk.min_free_bytes", "0"}, {"disk.reserve_bytes", "1"}, {"loop.spin_us", "0"}};
  return kOther;
}
std::string as_given(const std::string& name, const std::string& field) {
  return name == "log_level" ? "error" : field;
}

TEST(SettingsDescribed, AreAllOfThemOnceWithTheirTrueDefaults) {
  std::set<std::string> names;
  Settings all_set;
  for (const auto& [name, value] : other_values()) ASSERT_TRUE(set_setting(all_set, name, as_given(name, value))) << name;
  for (const SettingHelp& setting : describe_settings()) {
    EXPECT_TRUE(names.insert(setting.name).second) << setting.name << " is described twice";
    EXPECT_FALSE(setting.help.empty()) << setting.name;
    EXPECT_TRUE(set_setting(all_set, setting.name, setting.default_value)) << setting.name << " = " << setting.default_value;
  }
  const auto defaults = fields(Settings{});
  EXPECT_EQ(fields(all_set), defaults) << "the defaults that are described are those that hold";
  EXPECT_EQ(names.size(), defaults.size());
  for (const auto& [name, value] : defaults) EXPECT_TRUE(names.contains(name)) << name << " is not described";
}

TEST(SettingsSet, EachChangesItsOwnFieldAlone) {
  for (const auto& [name, value] : other_values()) {
    Settings settings;
    ASSERT_TRUE(set_setting(settings, name, as_given(name, value))) << name;
    auto expected = fields(Settings{});
    ASSERT_NE(expected[name], value) << name << ": the test needs a value that is not the default";
    expected[name] = value;
    EXPECT_EQ(fields(settings), expected) << name;
  }
}

TEST(SettingsListed, WithTheirValuesAndDefaults) {
  for (const auto& [name, value] : other_values()) {
    Settings settings;
    ASSERT_TRUE(set_setting(settings, name, as_given(name, value))) << name;
    const std::vector<SettingText> listed = list_settings(settings);
    EXPECT_EQ(listed.size(), other_values().size());
    for (const SettingText& setting : listed) {
      EXPECT_EQ(setting.value != setting.default_value, setting.name == name) << setting.name << " of " << name;
      if (setting.name == name) EXPECT_EQ(setting.value, as_given(name, value));
      // What is listed can be given again.
      EXPECT_TRUE(setting.value.empty() || set_setting(settings, setting.name, setting.value)) << setting.name;
    }
  }
}

TEST(SettingsSet, UnknownName) {
  EXPECT_EQ(refused("shard", "1"), "there is no setting shard; `sluiced --help` lists them");
  EXPECT_EQ(refused("", "1"), "there is no setting ; `sluiced --help` lists them");
  EXPECT_EQ(refused("kafka", "1"), "there is no setting kafka; `sluiced --help` lists them");
  EXPECT_EQ(refused("SHARDS", "1"), "there is no setting SHARDS; `sluiced --help` lists them");
}

TEST(SettingsSet, WordsAreOneOfSome) {
  EXPECT_EQ(refused("io_engine", "aio"), "setting io_engine = 'aio' is wrong: it is one of auto, uring, threads");
  EXPECT_EQ(refused("io_engine", ""), "setting io_engine = '' is wrong: it is one of auto, uring, threads");
  EXPECT_EQ(refused("journal.sync", "none"), "setting journal.sync = 'none' is wrong: it is one of auto, dsync, fdatasync");
  EXPECT_EQ(refused("log_level", "loud"), "setting log_level = 'loud' is wrong: it is one of trace, debug, info, warn, error, off");
  for (const char* value : {"auto", "uring", "threads"}) EXPECT_EQ(refused("io_engine", value), "(taken)");
  for (const char* value : {"auto", "dsync", "fdatasync"}) EXPECT_EQ(refused("journal.sync", value), "(taken)");
  Settings settings;
  int level = 0;
  for (const char* value : {"trace", "debug", "info", "warn", "error", "off"}) {
    ASSERT_TRUE(set_setting(settings, "log_level", value));
    EXPECT_EQ(static_cast<int>(settings.log_level), level++) << value;
  }
}

TEST(SettingsSet, FlagsAreTrueOrFalse) {
  for (const char* value : {"yes", "1", "TRUE", "", "false "})
    EXPECT_EQ(refused("topics.auto_create", value), fmt::format("setting topics.auto_create = '{}' is wrong: it is true or false", value));
  EXPECT_EQ(refused("journal.direct", "on"), "setting journal.direct = 'on' is wrong: it is true or false");
}

TEST(SettingsSet, PathsAndAddresses) {
  EXPECT_EQ(refused("data_dir", ""), "setting data_dir = '' is wrong: it is the path of a directory");
  EXPECT_EQ(refused("journal_dir", ""), "(taken)") << "it means: in the data directory";
  const char* const allowed = "it is HOST:PORT, with a port from 0 to 65535 and [] around an IPv6 address";
  for (const char* value : {"", "nowhere", "host:", "host:65536", "host:-1", "host:+1", "host:1x", "host: 1", "::1:9092",
                            "[::1]", "[::1:9092", "host:99999999999999999999"})
    EXPECT_EQ(refused("kafka.listen", value), fmt::format("setting kafka.listen = '{}' is wrong: {}", value, allowed));
  for (const char* value : {"host:65536", "::1", "[::1]", "host:", "http://host", "a b"})
    EXPECT_EQ(refused("kafka.advertise", value), fmt::format("setting kafka.advertise = '{}' is wrong: {}", value, allowed));
  for (const char* value : {"", "broker.example", "broker.example:19092", "[fd00::1]:9092", "10.0.0.1"})
    EXPECT_EQ(refused("kafka.advertise", value), "(taken)") << value;
  for (const char* value : {"9100", "host:65536", " "})
    EXPECT_EQ(refused("metrics.listen", value), fmt::format("setting metrics.listen = '{}' is wrong: {}", value, allowed));
  for (const char* value : {"", "0.0.0.0:9100", "[::1]:0"}) {
    EXPECT_EQ(refused("metrics.listen", value), "(taken)") << value;
    EXPECT_EQ(refused("native.listen", value), "(taken)") << value;
  }
}

TEST(ParseHostPort, GivesBothParts) {
  const auto parsed = [](std::string_view text) { return parse_host_port("kafka.listen", text).value(); };
  EXPECT_EQ(parsed("127.0.0.1:9092"), std::pair(std::string("127.0.0.1"), 9092));
  EXPECT_EQ(parsed("[::1]:65535"), std::pair(std::string("::1"), 65535));
  EXPECT_EQ(parsed("broker-1.local:0"), std::pair(std::string("broker-1.local"), 0));
  EXPECT_EQ(parsed(":9092"), std::pair(std::string(), 9092));
}

struct Bounds {
  const char* name;
  std::uint64_t least, most;
};
constexpr std::uint64_t kKiB = 1ULL << 10, kMiB = 1ULL << 20, kGiB = 1ULL << 30, kTiB = 1ULL << 40, kDayMs = 86'400'000;
constexpr Bounds kNumbers[] = {{"kafka.max_request_bytes", 64 * kKiB, kGiB},
                               {"kafka.max_connections", 1, 1'000'000},
                               {"shards", 0, 256},
                               {"topics.default_partitions", 1, 10'000},
                               {"topics.max_partitions", 1, 1'000'000},
                               {"journal.capacity_bytes", 4 * kMiB, kTiB},
                               {"journal.file_bytes", kMiB, kGiB},
                               {"memory.budget_bytes", 0, kTiB},
                               {"memory.topic_bytes", 0, kTiB},
                               {"memory.spill_bytes", 0, kTiB},
                               {"memory.max_unspilled_bytes", 0, kTiB},
                               {"log.direct_bytes", 8 * kKiB, kTiB},
                               {"log.max_open_files", 8, 1'000'000},
                               {"log.retention_check_ms", 1, kDayMs},
                               {"log.checkpoint_idle_ms", 1, kDayMs},
                               {"log.producer_expiry_ms", 1000, 365 * kDayMs},
                               {"disk.min_free_bytes", 0, kTiB},
                               {"disk.reserve_bytes", 0, kGiB},
                               {"loop.spin_us", 0, 10'000}};

TEST(SettingsSet, NumbersHaveBounds) {
  for (const auto& [name, least, most] : kNumbers) {
    const auto sentence = [&, n = name, l = least, m = most](const std::string& value) {
      return fmt::format("setting {} = '{}' is wrong: it is a whole number from {} to {}, for sizes with KiB, MiB or GiB behind it",
                         n, value, l, m);
    };
    for (const std::uint64_t value : {least, least + 1, most - 1, most}) {
      Settings settings;
      ASSERT_TRUE(set_setting(settings, name, std::to_string(value))) << name << " = " << value;
      EXPECT_EQ(fields(settings)[name], std::to_string(value));
    }
    EXPECT_EQ(refused(name, std::to_string(most + 1)), sentence(std::to_string(most + 1)));
    if (least > 0) EXPECT_EQ(refused(name, std::to_string(least - 1)), sentence(std::to_string(least - 1)));
    for (const char* value : {"", "-1", "+5", "many", "1.5", "0x10", " 9", "9 ", "18446744073709551616"})
      EXPECT_EQ(refused(name, value), sentence(value));
  }
}

TEST(SettingsSet, SizesTakeUnits) {
  Settings settings;
  const auto capacity = [&](const char* value) {
    EXPECT_TRUE(set_setting(settings, "journal.capacity_bytes", value)) << value;
    return settings.journal_capacity_bytes;
  };
  EXPECT_EQ(capacity("4096KiB"), 4 * kMiB);
  EXPECT_EQ(capacity("5MiB"), 5 * kMiB);
  EXPECT_EQ(capacity("3GiB"), 3 * kGiB);
  EXPECT_EQ(capacity("1024GiB"), kTiB);
  EXPECT_EQ(capacity("4194305"), 4 * kMiB + 1);
  // 2^34 GiB is 2^64 bytes: a unit must not wrap around into what is allowed.
  for (const char* value : {"5MB", "5mib", "5M", "5 MiB", "5TiB", "MiB", "5MiBx", "17179869184GiB", "17179869188GiB",
                            "18014398509481988KiB"})
    EXPECT_NE(refused("journal.capacity_bytes", value), "(taken)") << value;
}

class SettingsFile : public ::testing::Test {
 protected:
  std::string read(const std::string& text) {
    write_text(path_, text);
    return refusal(read_settings_file(settings_, path_));
  }
  Scratch scratch_;
  const std::string path_ = scratch_ / "sluiced.toml";
  Settings settings_;
};

TEST_F(SettingsFile, TablesDottedKeysAndEveryType) {
  EXPECT_EQ(read("# all kinds\n"
                 "data_dir = '/srv/data'\n"
                 "shards = 3\n"
                 "topics.auto_create = false\n"
                 "[journal]\n"
                 "file_bytes = \"2MiB\"\n"
                 "capacity_bytes = 16_777_216\n"
                 "direct = \"false\"\n"
                 "[kafka]\n"
                 "listen = \"0.0.0.0:9093\"\n"),
            "(taken)");
  auto expected = fields(Settings{});
  expected["data_dir"] = "/srv/data";
  expected["shards"] = "3";
  expected["topics.auto_create"] = "false";
  expected["journal.file_bytes"] = "2097152";
  expected["journal.capacity_bytes"] = "16777216";
  expected["journal.direct"] = "false";
  expected["kafka.listen"] = "0.0.0.0:9093";
  EXPECT_EQ(fields(settings_), expected);
}

TEST_F(SettingsFile, EmptyIsFine) {
  EXPECT_EQ(read(""), "(taken)");
  EXPECT_EQ(read("# nothing\n[kafka]\n"), "(taken)");
  EXPECT_EQ(fields(settings_), fields(Settings{}));
}

TEST_F(SettingsFile, ErrorsNameFileAndLine) {
  EXPECT_EQ(read("shards = 2\n\n[kafka]\nnothing = 1\n"), path_ + ":4: there is no setting kafka.nothing; `sluiced --help` lists them");
  EXPECT_EQ(read("[kafka.deep.er]\nnothing = 1\n"), path_ + ":2: there is no setting kafka.deep.er.nothing; `sluiced --help` lists them");
  EXPECT_EQ(read("\n\nlog_level = 'loud'\n"),
            path_ + ":3: setting log_level = 'loud' is wrong: it is one of trace, debug, info, warn, error, off");
  EXPECT_EQ(read("shards = -1\n"),
            path_ + ":1: setting shards = '-1' is wrong: it is a whole number from 0 to 256, for sizes with KiB, MiB or GiB behind it");
  EXPECT_EQ(read("[topics]\nauto_create = 1\n"), path_ + ":2: setting topics.auto_create = '1' is wrong: it is true or false");
  EXPECT_EQ(read("[topics]\ndefault_partitions = true\n"),
            path_ + ":2: setting topics.default_partitions = 'true' is wrong: it is a whole number from 1 to 10000, for sizes with "
                    "KiB, MiB or GiB behind it");
}

TEST_F(SettingsFile, OtherTypesAreNoValues) {
  const auto sentence = [this](int line, const char* name, const char* type) {
    return fmt::format("{}:{}: setting {} is wrong: it is a string, a whole number, true or false, not of type {}", path_, line, name, type);
  };
  EXPECT_EQ(read("data_dir = [1, 2]\n"), sentence(1, "data_dir", "array")) << "not a directory of the name '?'";
  EXPECT_EQ(read("\nshards = 1.5\n"), sentence(2, "shards", "floating-point"));
  EXPECT_EQ(read("journal_dir = 2024-01-01\n"), sentence(1, "journal_dir", "date"));
  EXPECT_EQ(read("[[kafka]]\nlisten = 'x'\n"), path_ + ":1: there is no setting kafka; `sluiced --help` lists them");
  EXPECT_EQ(read("[shards]\ncount = 1\n"), path_ + ":2: there is no setting shards.count; `sluiced --help` lists them");
}

TEST_F(SettingsFile, WhatIsNoTomlNamesTheLine) {
  for (const auto& [text, line] : {std::pair("shards = 2\n\nlog_level = = 3\n", 3), {"shards\n", 1}, {"a = 1\na = 2\n", 2},
                                   {"x = \"\xff\"\n", 1}, {"[kafka\n", 1}, {"s = 'open\n", 1}}) {
    const std::string said = read(text);
    EXPECT_TRUE(said.starts_with(fmt::format("{}:{}: ", path_, line))) << said;
    EXPECT_GT(said.size(), path_.size() + 10) << "it says what is wrong: " << said;
  }
}

TEST_F(SettingsFile, FileThatCanNotBeRead) {
  for (const std::string& path : {scratch_ / "missing.toml", scratch_.path()}) {
    const std::string said = refusal(read_settings_file(settings_, path));
    EXPECT_TRUE(said.starts_with(path + ": ")) << said;
  }
}

}  // namespace
}  // namespace sluice::broker
