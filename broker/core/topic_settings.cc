// One table drives reading, checking and describing of all settings. Stateless.
#include "broker/core/topic_settings.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace sluice::broker {
namespace {

/// A whole number in [least, most], in words for error messages too.
struct Range {
  std::int64_t least = 0;
  std::int64_t most = 0;
  bool contains(std::int64_t value) const { return value >= least && value <= most; }
};
constexpr std::int64_t kNoMost = std::numeric_limits<std::int64_t>::max();
constexpr Range kRetention{-1, kNoMost};
constexpr Range kSegment{static_cast<std::int64_t>(kMinSegmentBytes), static_cast<std::int64_t>(kMaxSegmentBytes)};
constexpr Range kRawSegment{static_cast<std::int64_t>(kMinRawSegmentBytes),
                            static_cast<std::int64_t>(kMaxSegmentBytes)};
constexpr Range kMessage{1, kMaxMaxMessageBytes};
constexpr Range kTimestampDistance{0, kNoMost};
constexpr Range kSegmentTime{kMinSegmentMs, kNoMost};
constexpr Range kRawSegmentTime{1, kNoMost};

std::string range_text(const Range& range) {
  if (range.most == kNoMost) {
    return range.least == -1 ? "a whole number from 0 up, or -1 for no limit"
                             : fmt::format("a whole number from {} up", range.least);
  }
  return fmt::format("a whole number from {} to {}", range.least, range.most);
}

tl::unexpected<Error> refused(std::string_view name, std::string_view value, std::string_view allowed) {
  constexpr std::size_t kShown = 100;
  const bool cut = value.size() > kShown;
  return fail(Errc::config, fmt::format("{} can't be '{}{}': allowed is {}", name, value.substr(0, kShown),
                                        cut ? "..." : "", allowed));
}

Result<std::int64_t> parse_number(std::string_view name, std::string_view value, const Range& range) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || end != value.data() + value.size() || !range.contains(number)) {
    return refused(name, value, range_text(range));
  }
  return number;
}

using Setter = Result<void> (*)(TopicSettings&, std::string_view name, std::string_view value);
using Getter = std::string (*)(const TopicSettings&);
struct Setting {
  std::string_view name;
  std::uint32_t bit;  ///< in TopicSettings::given; stored, so it stays what it is
  SettingType type;
  Setter set;
  Getter get;
  std::string_view help;
};

/// Sets one member to a whole number within `range`.
template <auto Member, const Range& range>
Result<void> set_number(TopicSettings& settings, std::string_view name, std::string_view value) {
  const Result<std::int64_t> number = parse_number(name, value, range);
  if (!number) return fail(number.error());
  auto& member = settings.*Member;
  member = static_cast<std::remove_reference_t<decltype(member)>>(*number);
  return {};
}
template <auto Member>
std::string get_number(const TopicSettings& settings) {
  return fmt::format("{}", settings.*Member);
}

Result<void> set_timestamp_type(TopicSettings& settings, std::string_view name, std::string_view value) {
  if (value != "CreateTime" && value != "LogAppendTime") return refused(name, value, "CreateTime or LogAppendTime");
  settings.log_append_time = value == "LogAppendTime";
  return {};
}

/// What a topic of this storage has where nothing is set.
TopicSettings defaults_of(TopicStorage storage) {
  TopicSettings defaults;
  defaults.storage = storage;
  if (storage == TopicStorage::memory) defaults.retention_bytes = kMemoryRetentionBytes;
  return defaults;
}

std::string storage_name(const TopicSettings& settings) {
  return settings.storage == TopicStorage::memory ? "memory" : "log";
}

Result<void> set_storage(TopicSettings& settings, std::string_view name, std::string_view value);

constexpr std::string_view kCleanupPolicy = "delete";
constexpr std::string_view kCompressionType = "producer";
constexpr std::string_view kMinInsyncReplicas = "1";

/// A setting that is understood, and has only one value that is true here.
template <const std::string_view& only>
Result<void> set_only(TopicSettings&, std::string_view name, std::string_view value) {
  if (value != only) return refused(name, value, fmt::format("only '{}'", only));
  return {};
}
template <const std::string_view& only>
std::string get_only(const TopicSettings&) {
  return std::string(only);
}

constexpr std::array kSettings{
    Setting{"cleanup.policy", 1U << 0, SettingType::list, set_only<kCleanupPolicy>, get_only<kCleanupPolicy>,
            "What becomes of old records: they are deleted."},
    Setting{"compression.type", 1U << 1, SettingType::text, set_only<kCompressionType>, get_only<kCompressionType>,
            "Batches are kept as their producer compressed them."},
    Setting{"max.message.bytes", 1U << 2, SettingType::int32, set_number<&TopicSettings::max_message_bytes, kMessage>,
            get_number<&TopicSettings::max_message_bytes>, "The largest record batch that is taken, in bytes."},
    Setting{"message.timestamp.after.max.ms", 1U << 8, SettingType::int64,
            set_number<&TopicSettings::timestamp_after_ms, kTimestampDistance>,
            get_number<&TopicSettings::timestamp_after_ms>,
            "How far ahead of the broker's clock a record's time may lie; not with LogAppendTime."},
    Setting{"message.timestamp.before.max.ms", 1U << 9, SettingType::int64,
            set_number<&TopicSettings::timestamp_before_ms, kTimestampDistance>,
            get_number<&TopicSettings::timestamp_before_ms>,
            "How far behind the broker's clock a record's time may lie; not with LogAppendTime."},
    Setting{"message.timestamp.type", 1U << 3, SettingType::text, set_timestamp_type,
            [](const TopicSettings& settings) {
              return std::string(settings.log_append_time ? "LogAppendTime" : "CreateTime");
            },
            "Whether a record's time is its producer's (CreateTime) or the broker's (LogAppendTime)."},
    Setting{"min.insync.replicas", 1U << 4, SettingType::int32, set_only<kMinInsyncReplicas>,
            get_only<kMinInsyncReplicas>,
            "Replicas that must have a record before acks=all is answered; a topic has one replica."},
    Setting{"retention.bytes", 1U << 5, SettingType::int64, set_number<&TopicSettings::retention_bytes, kRetention>,
            get_number<&TopicSettings::retention_bytes>,
            "The oldest segments of a partition larger than this are deleted; -1: no limit."},
    Setting{"retention.ms", 1U << 6, SettingType::int64, set_number<&TopicSettings::retention_ms, kRetention>,
            get_number<&TopicSettings::retention_ms>,
            "Segments whose records are all older than this are deleted; -1: no limit."},
    Setting{"segment.bytes", 1U << 7, SettingType::int32, set_number<&TopicSettings::segment_bytes, kSegment>,
            get_number<&TopicSettings::segment_bytes>, "The size at which a new segment file is begun, in bytes."},
    Setting{"segment.ms", 1U << 10, SettingType::int64, set_number<&TopicSettings::segment_ms, kSegmentTime>,
            get_number<&TopicSettings::segment_ms>,
            "The time after which a new segment file is begun though the last one is not full."},
    Setting{"storage", 1U << 11, SettingType::text, set_storage, storage_name,
            "Where records are: log (on disk) or memory (until the broker ends); fixed when the topic is made."},
};
constexpr std::uint32_t kRetentionBytesBit = 1U << 5, kStorageBit = 1U << 11;

Result<void> set_storage(TopicSettings& settings, std::string_view name, std::string_view value) {
  if (value != "log" && value != "memory") return refused(name, value, "log or memory");
  settings.storage = value == "memory" ? TopicStorage::memory : TopicStorage::log;
  if ((settings.given & kRetentionBytesBit) == 0)
    settings.retention_bytes = defaults_of(settings.storage).retention_bytes;
  return {};
}

Result<const Setting*> find_setting(std::string_view name) {
  for (const Setting& setting : kSettings)
    if (setting.name == name) return &setting;
  std::string known;
  for (const Setting& setting : kSettings) known += (known.empty() ? "" : ", ") + std::string(setting.name);
  return fail(Errc::config, fmt::format("there is no topic setting '{}': known are {}", name.substr(0, 100), known));
}

std::vector<std::string_view> entries_of(std::string_view list) {
  std::vector<std::string_view> entries;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (comma > 0) entries.push_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return entries;
}

/// The list with the entries of `value` added behind those that it has, or taken out.
std::string changed_list(const std::string& list, std::string_view value, bool append) {
  std::vector<std::string_view> entries = entries_of(list);
  for (const std::string_view entry : entries_of(value)) {
    const auto at = std::ranges::find(entries, entry);
    if (append && at == entries.end()) entries.push_back(entry);
    if (!append && at != entries.end()) entries.erase(at);
  }
  return fmt::format("{}", fmt::join(entries, ","));
}

Result<void> make_change(TopicSettings& settings, const TopicSettingChange& change) {
  using Operation = TopicSettingChange::Operation;
  if (change.operation == Operation::remove) return set_topic_setting(settings, change.name, std::nullopt);
  const auto setting = find_setting(change.name);
  if (!setting) return fail(setting.error());
  if (!change.value)
    return fail(Errc::config, fmt::format("{} has no value; deleting it brings its default back", change.name));
  if (change.operation == Operation::set) return set_topic_setting(settings, change.name, *change.value);
  const bool append = change.operation == Operation::append;
  if ((*setting)->type != SettingType::list)
    return fail(Errc::config, fmt::format("{} is no list: nothing can be {} it", change.name,
                                          append ? "appended to" : "subtracted from"));
  return set_topic_setting(settings, change.name, changed_list((*setting)->get(settings), *change.value, append));
}

}  // namespace

Result<void> set_topic_setting(TopicSettings& settings, std::string_view name, std::optional<std::string_view> value) {
  const auto setting = find_setting(name);
  if (!setting) return fail(setting.error());
  const Setting& found = **setting;
  const TopicSettings defaults = defaults_of(found.set == set_storage ? TopicStorage::log : settings.storage);
  const std::string default_value = value ? std::string() : found.get(defaults);
  if (auto set = found.set(settings, name, value ? *value : default_value); !set) return set;
  settings.given = value ? settings.given | found.bit : settings.given & ~found.bit;
  return {};
}

Result<TopicSettings> change_topic_settings(const TopicSettings& from, std::span<const TopicSettingChange> changes,
                                            bool replace) {
  TopicSettings settings = from;
  if (replace) {
    settings = defaults_of(from.storage);
    settings.given = from.given & kStorageBit;
  }
  for (const TopicSettingChange& change : changes)
    if (auto made = make_change(settings, change); !made) return fail(made.error());
  if (settings.storage != from.storage)
    return fail(Errc::config,
                fmt::format("storage can't be changed from '{}' to '{}': it is fixed when a topic is made; "
                            "make another topic and move its producers and consumers",
                            storage_name(from), storage_name(settings)));
  return settings;
}

Result<void> check_topic_settings(const TopicSettings& settings) {
  struct Value {
    std::string_view name;
    std::int64_t value;
    const Range& range;
  };
  const Value values[] = {
      {"retention.ms", settings.retention_ms, kRetention},
      {"retention.bytes", settings.retention_bytes, kRetention},
      {"segment.bytes", static_cast<std::int64_t>(settings.segment_bytes), kRawSegment},
      {"segment.ms", settings.segment_ms, kRawSegmentTime},
      {"max.message.bytes", settings.max_message_bytes, kMessage},
      {"message.timestamp.before.max.ms", settings.timestamp_before_ms, kTimestampDistance},
      {"message.timestamp.after.max.ms", settings.timestamp_after_ms, kTimestampDistance},
  };
  for (const auto& [name, value, range] : values)
    if (!range.contains(value)) return refused(name, fmt::format("{}", value), range_text(range));
  return {};
}

std::vector<TopicSettingText> describe_topic_settings(const TopicSettings& settings) {
  std::vector<TopicSettingText> all;
  all.reserve(kSettings.size());
  const TopicSettings defaults = defaults_of(settings.storage);
  const TopicSettings of_no_topic;
  for (const Setting& setting : kSettings) {
    TopicSettingText& text = all.emplace_back();
    text.name = setting.name;
    text.value = setting.get(settings);
    text.default_value = setting.get(setting.set == set_storage ? of_no_topic : defaults);
    text.is_default = (settings.given & setting.bit) == 0 && text.value == text.default_value;
    text.type = setting.type;
    text.help = setting.help;
  }
  return all;
}

}  // namespace sluice::broker
