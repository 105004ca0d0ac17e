// A topic's settings under Kafka's names, validated.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/base/error.h"

namespace sluice::broker {

struct TopicSettings {
  std::int64_t retention_ms = 7LL * 24 * 3600 * 1000;  ///< retention.ms; -1 = no limit
  std::int64_t retention_bytes = -1;                   ///< retention.bytes, of one partition; -1 = no limit
  std::uint64_t segment_bytes = 1ULL << 30;            ///< segment.bytes; >= 1 MiB (16 KiB accepted for tests by set_raw)
  std::uint32_t max_message_bytes = 1048588;           ///< max.message.bytes, of one batch
  bool log_append_time = false;                        ///< message.timestamp.type = LogAppendTime
  friend bool operator==(const TopicSettings&, const TopicSettings&) = default;
};

/// Sets one by Kafka's name; nullopt = back to the default. `cleanup.policy` (delete), `compression.type` (producer) and
/// `min.insync.replicas` (1) are understood with the values that are true here. Errors: config, naming the setting, the
/// value and what is allowed; unknown names are refused.
Result<void> set_topic_setting(TopicSettings& settings, std::string_view name, std::optional<std::string_view> value);

struct TopicSettingText {
  std::string name, value;
  bool is_default = true;
};
/// All settings as names and values, for descriptions.
std::vector<TopicSettingText> describe_topic_settings(const TopicSettings& settings);

}  // namespace sluice::broker
