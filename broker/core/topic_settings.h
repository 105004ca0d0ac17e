// A topic's settings under Kafka's names, validated. Pure values: they travel in group commands, in `_cluster` rows and
// in checkpoints (topic_settings.proto).
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/base/error.h"

namespace sluice::broker {

inline constexpr std::uint64_t kMinSegmentBytes = 1ULL << 20;
inline constexpr std::uint64_t kMaxSegmentBytes = 0x7fffffff;      ///< Kafka's type for it is an int32
inline constexpr std::uint64_t kMinRawSegmentBytes = 16ULL << 10;  ///< in a TopicSettings filled in directly
inline constexpr std::int64_t kMinSegmentMs = 60'000;  ///< so that a clock, and no client, decides how many there are
inline constexpr std::int64_t kNoTimeLimit = std::numeric_limits<std::int64_t>::max();
inline constexpr std::uint32_t kMaxMaxMessageBytes = 32U << 20;    ///< a batch must fit into a journal file
inline constexpr std::int64_t kMemoryRetentionBytes = 64LL << 20;  ///< the default of a memory topic's partition

/// Where a topic's records are kept: in the journal and in segments, or in bounded memory of the process alone.
enum class TopicStorage : std::uint8_t { log = 0, memory = 1 };

struct TopicSettings {
  std::int64_t retention_ms = 7LL * 24 * 3600 * 1000;  ///< retention.ms; -1 = no limit
  std::int64_t retention_bytes = -1;                   ///< retention.bytes, of one partition; -1 = no limit
  std::uint64_t segment_bytes = 1ULL << 30;            ///< segment.bytes; >= 1 MiB (tests may set 16 KiB directly)
  std::uint32_t max_message_bytes = 1048588;           ///< max.message.bytes, of one batch
  bool log_append_time = false;                        ///< message.timestamp.type = LogAppendTime
  std::int64_t timestamp_before_ms = kNoTimeLimit;     ///< message.timestamp.before.max.ms: how far behind the broker's
  std::int64_t timestamp_after_ms = 3600 * 1000;       ///< message.timestamp.after.max.ms: and how far ahead
  std::int64_t segment_ms = 7LL * 24 * 3600 * 1000;    ///< segment.ms
  TopicStorage storage = TopicStorage::log;            ///< storage; fixed when the topic is made
  std::uint32_t given = 0;  ///< which were set by name, whatever to; bits as in topic_settings.cc
  friend bool operator==(const TopicSettings&, const TopicSettings&) = default;
};

/// Sets one by Kafka's name; nullopt = back to the default, which for retention.bytes depends on `storage` and follows
/// it while it is not set by name. `cleanup.policy` (delete), `compression.type` (producer) and `min.insync.replicas`
/// (1) are understood with the values that are true here. Errors: config, naming the setting, the value and what is
/// allowed; unknown names are refused.
Result<void> set_topic_setting(TopicSettings& settings, std::string_view name, std::optional<std::string_view> value);

/// Whether every value is in its range, segments down to kMinRawSegmentBytes and a millisecond: what decoded settings
/// are held against. Errors: config.
Result<void> check_topic_settings(const TopicSettings& settings);

/// One change of a topic's settings. `append` and `subtract` add to and take from the entries of a list.
struct TopicSettingChange {
  enum class Operation : std::uint8_t { set, remove, append, subtract };
  std::string name;
  Operation operation = Operation::set;
  std::optional<std::string> value;  ///< present, but for `remove`
};
/// `from` with all changes made, in order; with `replace` those that are not named go back to their defaults. Errors:
/// config, naming the setting: an unknown one, a value that can't be, a list operation on what is no list, no value,
/// another `storage`; that one stays also with `replace`.
Result<TopicSettings> change_topic_settings(const TopicSettings& from, std::span<const TopicSettingChange> changes,
                                            bool replace);

enum class SettingType : std::uint8_t { boolean, text, int32, int64, list };

struct TopicSettingText {
  std::string name, value;
  bool is_default = true;  ///< it was never set by name, and has the default's value
  std::string default_value;
  SettingType type = SettingType::text;
  std::string_view help;  ///< one sentence
};
/// All settings as names and values, for descriptions.
std::vector<TopicSettingText> describe_topic_settings(const TopicSettings& settings);

}  // namespace sluice::broker
