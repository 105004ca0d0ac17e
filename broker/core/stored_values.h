// Between the core's values and the Protobuf messages they are stored as. Internal to broker/core: only its .cc files
// include this. Everything read is untrusted: a value out of its range is an error, never a CHECK.
#pragma once

#include <string>
#include <string_view>

#include "broker/core/topic_settings.h"
#include "protocol/base/check.h"
#include "protocol/base/error.h"
#include "protocol/base/ids.h"

namespace sluice::broker::pb {
class TopicSettings;
}

namespace sluice::broker {

void store_settings(const TopicSettings& settings, pb::TopicSettings& into);
/// Errors: malformed.
Result<TopicSettings> load_settings(const pb::TopicSettings& from);

std::string store_topic_id(const TopicId& id);
/// Errors: malformed (not 16 bytes, all zero).
Result<TopicId> load_topic_id(std::string_view bytes);

/// The message's bytes. Its size must stay below Protobuf's limit of 2 GiB.
template <class Message>
std::string serialized(const Message& message) {
  std::string bytes;
  CHECK(message.SerializeToString(&bytes));
  return bytes;
}

}  // namespace sluice::broker
