// One table drives reading, checking and describing of all settings. Stateless.
#include "broker/core/topic_settings.h"

#include <fmt/core.h>

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
  Setter set;
  Getter get;
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
    Setting{"cleanup.policy", set_only<kCleanupPolicy>, get_only<kCleanupPolicy>},
    Setting{"compression.type", set_only<kCompressionType>, get_only<kCompressionType>},
    Setting{"max.message.bytes", set_number<&TopicSettings::max_message_bytes, kMessage>,
            get_number<&TopicSettings::max_message_bytes>},
    Setting{"message.timestamp.type", set_timestamp_type,
            [](const TopicSettings& settings) {
              return std::string(settings.log_append_time ? "LogAppendTime" : "CreateTime");
            }},
    Setting{"min.insync.replicas", set_only<kMinInsyncReplicas>, get_only<kMinInsyncReplicas>},
    Setting{"retention.bytes", set_number<&TopicSettings::retention_bytes, kRetention>,
            get_number<&TopicSettings::retention_bytes>},
    Setting{"retention.ms", set_number<&TopicSettings::retention_ms, kRetention>,
            get_number<&TopicSettings::retention_ms>},
    Setting{"segment.bytes", set_number<&TopicSettings::segment_bytes, kSegment>,
            get_number<&TopicSettings::segment_bytes>},
};

}  // namespace

Result<void> set_topic_setting(TopicSettings& settings, std::string_view name, std::optional<std::string_view> value) {
  for (const Setting& setting : kSettings) {
    if (setting.name != name) continue;
    return setting.set(settings, name, value ? *value : std::string_view(setting.get(TopicSettings{})));
  }
  std::string known;
  for (const Setting& setting : kSettings) known += (known.empty() ? "" : ", ") + std::string(setting.name);
  return fail(Errc::config, fmt::format("there is no topic setting '{}': known are {}", name.substr(0, 100), known));
}

Result<void> check_topic_settings(const TopicSettings& settings) {
  const auto check = [](std::string_view name, std::uint64_t value, const Range& range) -> Result<void> {
    if (!range.contains(static_cast<std::int64_t>(value))) {
      return refused(name, fmt::format("{}", value), range_text(range));
    }
    return {};
  };
  if (!kRetention.contains(settings.retention_ms)) {
    return refused("retention.ms", fmt::format("{}", settings.retention_ms), range_text(kRetention));
  }
  if (!kRetention.contains(settings.retention_bytes)) {
    return refused("retention.bytes", fmt::format("{}", settings.retention_bytes), range_text(kRetention));
  }
  if (auto ok = check("segment.bytes", settings.segment_bytes, kRawSegment); !ok) return ok;
  return check("max.message.bytes", settings.max_message_bytes, kMessage);
}

std::vector<TopicSettingText> describe_topic_settings(const TopicSettings& settings) {
  std::vector<TopicSettingText> all;
  all.reserve(kSettings.size());
  const TopicSettings defaults;
  for (const Setting& setting : kSettings) {
    std::string value = setting.get(settings);
    const bool is_default = value == setting.get(defaults);
    all.push_back({std::string(setting.name), std::move(value), is_default});
  }
  return all;
}

}  // namespace sluice::broker
