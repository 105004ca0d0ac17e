// Ids, settings and hexadecimal text that the tests of broker/core share.
#pragma once

#include <string>
#include <string_view>

#include "broker/core/topic_settings.h"
#include "protocol/base/bytes.h"
#include "protocol/base/ids.h"

namespace sluice::broker {

/// 01 02 03 .. 10.
inline TopicId sample_topic_id() {
  TopicId id;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) id.bytes[i] = static_cast<std::uint8_t>(i + 1);
  return id;
}
inline PartitionId sample_partition() { return {sample_topic_id(), PartitionIndex(3)}; }
/// Every value away from its default.
inline TopicSettings sample_settings() {
  TopicSettings settings;
  settings.retention_ms = -1;
  settings.retention_bytes = 1000;
  settings.segment_bytes = 16384;
  settings.max_message_bytes = 77;
  settings.log_append_time = true;
  settings.timestamp_before_ms = 5000;
  settings.timestamp_after_ms = 6000;
  settings.segment_ms = 7000;
  return settings;
}

inline std::string hex(ByteSpan bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += kDigits[static_cast<std::size_t>(byte) >> 4];
    text += kDigits[static_cast<std::size_t>(byte) & 15];
  }
  return text;
}
inline std::string hex(std::string_view bytes) { return hex(as_bytes(bytes)); }

}  // namespace sluice::broker
