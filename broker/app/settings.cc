#include "broker/app/settings.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <functional>
#include <limits>
#include <sstream>

#include "broker/net/address.h"

namespace sluice::broker {
namespace {

Error wrong(std::string_view name, std::string_view value, std::string_view allowed) {
  return {Errc::config, fmt::format("setting {} = '{}' is wrong: {}", name, value, allowed)};
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  constexpr std::array<std::pair<std::string_view, int>, 4> kUnits{{{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}}};
  for (const auto& [name, shift] : kUnits)
    if (unit == name && value <= std::numeric_limits<std::uint64_t>::max() >> shift) return value << shift;
  return std::nullopt;
}

using Set = std::function<Result<void>(Settings&, std::string_view name, std::string_view value)>;
using Get = std::function<std::string(const Settings&)>;
/// How a setting is written and read.
struct Access {
  Set set;
  Get get;
  SettingType type = SettingType::text;
};
struct Setting {
  std::string_view name;
  std::string_view default_value;
  std::string_view help;
  Access access;
};

Get text_of(std::string Settings::* field) {
  return [field](const Settings& s) { return s.*field; };
}

Access text(std::string Settings::* field) {
  return {[field](Settings& s, std::string_view, std::string_view value) -> Result<void> {
            s.*field = std::string(value);
            return {};
          },
          text_of(field)};
}
Access directory(std::string Settings::* field) {
  return {[field](Settings& s, std::string_view name, std::string_view value) -> Result<void> {
            if (value.empty()) return fail(wrong(name, value, "it is the path of a directory"));
            s.*field = std::string(value);
            return {};
          },
          text_of(field)};
}
Access one_of(std::string Settings::* field, std::vector<std::string_view> allowed) {
  return {[field, allowed = std::move(allowed)](Settings& s, std::string_view name,
                                                std::string_view value) -> Result<void> {
            if (std::ranges::find(allowed, value) == allowed.end())
              return fail(wrong(name, value, fmt::format("it is one of {}", fmt::join(allowed, ", "))));
            s.*field = std::string(value);
            return {};
          },
          text_of(field)};
}
Access flag(bool Settings::* field) {
  return {[field](Settings& s, std::string_view name, std::string_view value) -> Result<void> {
            if (value != "true" && value != "false") return fail(wrong(name, value, "it is true or false"));
            s.*field = value == "true";
            return {};
          },
          [field](const Settings& s) { return std::string(s.*field ? "true" : "false"); }, SettingType::boolean};
}
template <class T>
Access number(T Settings::* field, std::uint64_t least, std::uint64_t most) {
  return {
      [=](Settings& s, std::string_view name, std::string_view value) -> Result<void> {
        const auto parsed = parse_size(value);
        if (!parsed || *parsed < least || *parsed > most)
          return fail(wrong(name, value,
                            fmt::format("it is a whole number from {} to {}, for sizes with KiB, MiB or GiB behind it",
                                        least, most)));
        s.*field = static_cast<T>(*parsed);
        return {};
      },
      [field](const Settings& s) { return fmt::format("{}", s.*field); }, SettingType::int64};
}
Access address(std::string Settings::* field) {
  return {[field](Settings& s, std::string_view name, std::string_view value) -> Result<void> {
            if (auto parsed = parse_host_port(name, value); !parsed) return fail(parsed.error());
            s.*field = std::string(value);
            return {};
          },
          text_of(field)};
}
/// HOST[:PORT], or nothing.
Access advertised_address(std::string Settings::* field) {
  return {[field](Settings& s, std::string_view name, std::string_view value) -> Result<void> {
            if (value.find_first_of(":[] /") != std::string_view::npos)
              if (auto parsed = parse_host_port(name, value); !parsed) return fail(parsed.error());
            s.*field = std::string(value);
            return {};
          },
          text_of(field)};
}
/// HOST:PORT, or nothing.
Access address_or_none(std::string Settings::* field) {
  return {[field](Settings& s, std::string_view name, std::string_view value) -> Result<void> {
            if (!value.empty())
              if (auto parsed = parse_host_port(name, value); !parsed) return fail(parsed.error());
            s.*field = std::string(value);
            return {};
          },
          text_of(field)};
}
constexpr std::array<std::string_view, 6> kLevels{"trace", "debug", "info", "warn", "error", "off"};
Result<void> set_log_level(Settings& s, std::string_view name, std::string_view value) {
  const auto at = std::ranges::find(kLevels, value);
  if (at == kLevels.end()) return fail(wrong(name, value, fmt::format("it is one of {}", fmt::join(kLevels, ", "))));
  s.log_level = static_cast<LogLevel>(at - kLevels.begin());
  return {};
}

constexpr std::uint64_t kMiB = 1ULL << 20;
constexpr std::uint64_t kTiB = 1ULL << 40;
constexpr std::uint64_t kDayMs = 24ULL * 3600 * 1000;

const std::vector<Setting>& all_settings() {
  static const std::vector<Setting> kSettings{
      {"data_dir", "data", "directory of everything the node keeps", directory(&Settings::data_dir)},
      {"journal_dir", "", "directory of the journals, if they are to be on another disk", text(&Settings::journal_dir)},
      {"kafka.listen", "127.0.0.1:9092", "address for Kafka clients; port 0 picks a free one",
       address(&Settings::kafka_listen)},
      {"kafka.advertise", "", "HOST[:PORT] that clients are told to connect to",
       advertised_address(&Settings::kafka_advertise)},
      {"kafka.max_request_bytes", "64MiB", "largest request; never more than an eighth of a shard's memory",
       number(&Settings::kafka_max_request_bytes, 1 << 16, 1ULL << 30)},
      {"kafka.max_connections", "10000", "connections of the node; more are refused",
       number(&Settings::kafka_max_connections, 1, 1'000'000)},
      {"kafka.idle_timeout_ms", "600000", "time after which a connection without requests is closed",
       number(&Settings::kafka_idle_timeout_ms, 100, kDayMs)},
      {"kafka.frame_timeout_ms", "60000", "time for a request to come, and 1 s more for each 64 KiB of it",
       number(&Settings::kafka_frame_timeout_ms, 100, kDayMs)},
      {"native.listen", "", "address for Sluice's own clients; port 0 picks a free one; empty: none are served",
       address_or_none(&Settings::native_listen)},
      {"native.advertise", "", "HOST[:PORT] that these are told to connect to",
       advertised_address(&Settings::native_advertise)},
      {"metrics.listen", "",
       "address that serves metrics to Prometheus; port 0 picks a free one; empty: none are served",
       address_or_none(&Settings::metrics_listen)},
      {"shards", "0", "threads; 0 is one a core; fixed when the data directory is made",
       number(&Settings::shards, 0, 256)},
      {"io_engine", "auto", "auto, uring or threads", one_of(&Settings::io_engine, {"auto", "uring", "threads"})},
      {"log_level",
       "info",
       "trace, debug, info, warn, error or off",
       {set_log_level, [](const Settings& s) { return std::string(kLevels[static_cast<std::size_t>(s.log_level)]); }}},
      {"topics.auto_create", "true", "topics are made when a client names them first",
       flag(&Settings::topics_auto_create)},
      {"topics.default_partitions", "1", "partitions of a topic that asks for no number",
       number(&Settings::topics_default_partitions, 1, 10'000)},
      {"topics.max_partitions", "20000", "partitions of all topics",
       number(&Settings::topics_max_partitions, 1, 1'000'000)},
      {"journal.capacity_bytes", "1GiB", "journal files of the node in all",
       number(&Settings::journal_capacity_bytes, 4 * kMiB, kTiB)},
      {"journal.file_bytes", "64MiB", "size of one journal file",
       number(&Settings::journal_file_bytes, kMiB, 1ULL << 30)},
      {"journal.sync", "auto", "how journal writes are made durable: auto, dsync or fdatasync",
       one_of(&Settings::journal_sync, {"auto", "dsync", "fdatasync"})},
      {"journal.direct", "true", "write the journal past the page cache", flag(&Settings::journal_direct)},
      {"memory.budget_bytes", "0",
       "memory of the node for data, at least 16 MiB a shard; 0: a quarter of the machine's, at most 1 GiB",
       number(&Settings::memory_budget_bytes, 0, kTiB)},
      {"memory.topic_bytes", "0",
       "what the memory topics of a shard hold, past which their oldest records go; 0: an eighth of its memory",
       number(&Settings::memory_topic_bytes, 0, kTiB)},
      {"memory.spill_bytes", "0", "unspilled data of a shard that starts a spill; 0: an eighth of its memory",
       number(&Settings::memory_spill_bytes, 0, kTiB)},
      {"memory.max_unspilled_bytes", "0",
       "unspilled data of a group at which applying waits; 0: a quarter of its shard's memory",
       number(&Settings::memory_max_unspilled_bytes, 0, kTiB)},
      {"log.max_open_files", "1024", "open segment files of a shard",
       number(&Settings::log_max_open_files, 8, 1'000'000)},
      {"log.direct_bytes", "32KiB", "a write to a segment of so much or more goes past the page cache",
       number(&Settings::log_direct_bytes, 8 * 1024, kTiB)},
      {"log.retention_check_ms", "60000", "how often retention looks for what is due",
       number(&Settings::retention_check_ms, 1, kDayMs)},
      {"log.checkpoint_idle_ms", "10000", "quiet time after which a group is checkpointed",
       number(&Settings::checkpoint_idle_ms, 1, kDayMs)},
      {"log.producer_expiry_ms", "86400000", "idle time after which a producer is forgotten",
       number(&Settings::producer_expiry_ms, 1000, 365 * kDayMs)},
      {"log.max_producers", "100000", "idempotent producers that the node remembers; more wait",
       number(&Settings::max_producers, 1, 100'000'000)},
      {"disk.min_free_bytes", "64MiB", "producing is refused while less is free",
       number(&Settings::disk_min_free_bytes, 0, kTiB)},
      {"disk.reserve_bytes", "16MiB", "reserve file of a shard that keeps deletes possible on a full disk",
       number(&Settings::disk_reserve_bytes, 0, 1ULL << 30)},
      {"loop.spin_us", "50", "how long a loop looks for work before it sleeps",
       number(&Settings::loop_spin_us, 0, 10'000)},
  };
  return kSettings;
}

const Setting* find_setting(std::string_view name) {
  const auto found = std::ranges::find(all_settings(), name, &Setting::name);
  return found == all_settings().end() ? nullptr : &*found;
}
Error unknown(std::string_view name) {
  return {Errc::config, fmt::format("there is no setting {}; `sluiced --help` lists them", name)};
}
Error wrong_type(std::string_view name, const toml::node& node) {
  std::ostringstream type;
  type << node.type();
  return {Errc::config,
          fmt::format("setting {} is wrong: it is a string, a whole number, true or false, not of type {}", name,
                      type.str())};
}

Result<void> read_table(Settings& settings, const toml::table& table, const std::string& prefix,
                        const std::string& path) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    if (const auto* inner = node.as_table()) {
      if (auto read = read_table(settings, *inner, name + ".", path); !read) return read;
      continue;
    }
    Result<void> set;
    if (const auto* s = node.as_string())
      set = set_setting(settings, name, s->get());
    else if (const auto* i = node.as_integer())
      set = set_setting(settings, name, std::to_string(i->get()));
    else if (const auto* b = node.as_boolean())
      set = set_setting(settings, name, b->get() ? "true" : "false");
    else
      set = find_setting(name) == nullptr ? fail(unknown(name)) : fail(wrong_type(name, node));
    if (!set) return fail(Errc::config, fmt::format("{}:{}: {}", path, node.source().begin.line, set.error().message));
  }
  return {};
}

}  // namespace

Result<void> set_setting(Settings& settings, std::string_view name, std::string_view value) {
  const Setting* const setting = find_setting(name);
  if (setting == nullptr) return fail(unknown(name));
  return setting->access.set(settings, name, value);
}

Result<void> read_settings_file(Settings& settings, const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return fail(Errc::config, path + ": it is a directory, not a settings file");
  try {
    return read_table(settings, toml::parse_file(path), "", path);
  } catch (const toml::parse_error& error) {
    const auto line = error.source().begin.line;
    return fail(Errc::config, line == 0 ? fmt::format("{}: {}", path, error.description())
                                        : fmt::format("{}:{}: {}", path, line, error.description()));
  }
}

std::vector<SettingHelp> describe_settings() {
  std::vector<SettingHelp> help;
  for (const Setting& setting : all_settings())
    help.push_back({std::string(setting.name), std::string(setting.default_value), std::string(setting.help)});
  return help;
}

std::vector<SettingText> list_settings(const Settings& settings) {
  const Settings defaults;
  std::vector<SettingText> texts;
  for (const Setting& setting : all_settings())
    texts.push_back({std::string(setting.name), setting.access.get(settings), setting.access.get(defaults),
                     std::string(setting.help), setting.access.type});
  return texts;
}

Result<std::pair<std::string, int>> parse_host_port(std::string_view setting, std::string_view text) {
  auto parsed = parse_host_port(text);
  if (!parsed)
    return fail(wrong(setting, text, "it is HOST:PORT, with a port from 0 to 65535 and [] around an IPv6 address"));
  return std::pair(std::move(parsed->host), parsed->port);
}

}  // namespace sluice::broker
