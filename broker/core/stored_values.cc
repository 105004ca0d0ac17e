// Settings and ids to and from their stored form; see stored_values.h.
#include "broker/core/stored_values.h"

#include <fmt/core.h>

#include <cstring>

#include "broker/core/topic_settings.pb.h"

namespace sluice::broker {

void store_settings(const TopicSettings& settings, pb::TopicSettings& into) {
  into.set_retention_ms(settings.retention_ms);
  into.set_retention_bytes(settings.retention_bytes);
  into.set_segment_bytes(settings.segment_bytes);
  into.set_max_message_bytes(settings.max_message_bytes);
  into.set_log_append_time(settings.log_append_time);
  into.set_in_memory(settings.storage == TopicStorage::memory);
  into.set_given(settings.given);
  into.set_timestamp_before_ms(static_cast<std::uint64_t>(settings.timestamp_before_ms));
  into.set_timestamp_after_ms(static_cast<std::uint64_t>(settings.timestamp_after_ms));
  into.set_segment_ms(static_cast<std::uint64_t>(settings.segment_ms));
}

Result<TopicSettings> load_settings(const pb::TopicSettings& from) {
  TopicSettings settings;
  if (from.has_retention_ms()) settings.retention_ms = from.retention_ms();
  if (from.has_retention_bytes()) settings.retention_bytes = from.retention_bytes();
  if (from.has_segment_bytes()) settings.segment_bytes = from.segment_bytes();
  if (from.has_max_message_bytes()) settings.max_message_bytes = from.max_message_bytes();
  if (from.has_log_append_time()) settings.log_append_time = from.log_append_time();
  settings.storage = from.in_memory() ? TopicStorage::memory : TopicStorage::log;
  settings.given = from.given();
  if (from.has_timestamp_before_ms())
    settings.timestamp_before_ms = static_cast<std::int64_t>(from.timestamp_before_ms());
  if (from.has_timestamp_after_ms()) settings.timestamp_after_ms = static_cast<std::int64_t>(from.timestamp_after_ms());
  if (from.has_segment_ms()) settings.segment_ms = static_cast<std::int64_t>(from.segment_ms());
  if (auto ok = check_topic_settings(settings); !ok) {
    return fail(Errc::malformed, "stored topic settings: " + ok.error().message);
  }
  return settings;
}

std::string store_topic_id(const TopicId& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

Result<TopicId> load_topic_id(std::string_view bytes) {
  TopicId id;
  if (bytes.size() != id.bytes.size()) {
    return fail(Errc::malformed, fmt::format("a stored topic id has {} bytes instead of 16", bytes.size()));
  }
  std::memcpy(id.bytes.data(), bytes.data(), bytes.size());
  if (id.is_zero()) return fail(Errc::malformed, "a stored topic id is all zero");
  return id;
}

}  // namespace sluice::broker
