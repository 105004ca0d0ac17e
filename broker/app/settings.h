// What an operator can set: defaults, the TOML file, the command line, in that order. One table of names drives them
// all, so that every setting has one name, one check and one sentence of help.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/core/topic_settings.h"
#include "protocol/base/error.h"
#include "protocol/base/log.h"

namespace sluice::broker {

struct Settings {
  std::string data_dir = "data";
  std::string journal_dir;  ///< empty: in the data directory
  std::string kafka_listen = "127.0.0.1:9092";
  std::string native_listen;       ///< empty: no native clients are served
  std::string native_advertise;    ///< as kafka_advertise
  std::string metrics_listen;      ///< empty: no metrics are served
  std::string kafka_advertise;     ///< HOST[:PORT] that clients are told; empty: where it listens
  std::uint32_t shards = 0;        ///< 0: one a core, or what the data directory was made with
  std::string io_engine = "auto";  ///< auto, uring, threads
  LogLevel log_level = LogLevel::info;

  bool topics_auto_create = true;
  std::int64_t topics_default_partitions = 1;
  std::int64_t topics_max_partitions = 20'000;

  std::uint64_t kafka_max_request_bytes = 64ULL << 20;
  std::uint64_t kafka_max_connections = 10'000;  ///< of the node
  std::int64_t kafka_idle_timeout_ms = 600'000;
  std::int64_t kafka_frame_timeout_ms = 60'000;

  std::uint64_t journal_capacity_bytes = 1ULL << 30;  ///< of the node
  std::uint64_t journal_file_bytes = 64ULL << 20;
  std::string journal_sync = "auto";  ///< auto, dsync, fdatasync
  bool journal_direct = true;

  std::uint64_t memory_budget_bytes = 0;  ///< of the node; 0: default_memory_budget()
  std::uint64_t memory_topic_bytes = 0;   ///< a shard; these three: 0 is what plan_memory() says
  std::uint64_t memory_spill_bytes = 0;   ///< a shard
  std::uint64_t memory_max_unspilled_bytes = 0;
  std::uint64_t log_max_open_files = 1024;  ///< a shard
  std::uint64_t log_direct_bytes = 32ULL << 10;
  std::uint64_t disk_min_free_bytes = 64ULL << 20;
  std::uint64_t disk_reserve_bytes = 16ULL << 20;  ///< a shard
  std::int64_t retention_check_ms = 60'000;
  std::int64_t checkpoint_idle_ms = 10'000;
  std::size_t checkpoint_logs_at_once = 64;  ///< without a name: simulators make it less
  std::int64_t producer_expiry_ms = 24LL * 3600 * 1000;
  std::uint64_t max_producers = 100'000;  ///< of the node
  std::int64_t loop_spin_us = 50;
};

/// Sets one by its name (`topics.auto_create`, `shards`). Sizes take KiB, MiB and GiB. Errors: config, one sentence
/// that names the setting, the value and what is allowed.
Result<void> set_setting(Settings& settings, std::string_view name, std::string_view value);
/// Reads a TOML file. Errors: config, with file and line.
Result<void> read_settings_file(Settings& settings, const std::string& path);

struct SettingHelp {
  std::string name, default_value, help;
};
/// Every setting, for --help and the documentation.
std::vector<SettingHelp> describe_settings();

/// Every setting with its value. Numbers stand as whole numbers, sizes in bytes.
struct SettingText {
  std::string name, value, default_value, help;
  SettingType type = SettingType::text;
};
std::vector<SettingText> list_settings(const Settings& settings);

/// `HOST:PORT` or `[V6]:PORT`; port 0 to 65535. Errors: config.
Result<std::pair<std::string, int>> parse_host_port(std::string_view setting, std::string_view text);

}  // namespace sluice::broker
