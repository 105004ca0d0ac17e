// For tests and fuzzers: everything that can be done with a frame's bytes without a connection. What is read can be
// written again, and reads as the same; parts lie within the frame.
#pragma once

#include "protocol/base/topic_pattern.h"
#include "protocol/native/batches.h"
#include "protocol/native/headers.h"

namespace sluice::native {

/// Whether the frame was taken as a whole. `bytes` are a frame without its size field.
inline bool take_apart(const SharedBytes& bytes) {
  const Result<Frame> frame = parse_frame(bytes, kMaxClientHeaderBytes);
  if (!frame) return CHECK(!frame.error().message.empty()), false;
  bool taken = false;
  visit_header(frame->kind, [&](auto message) {
    using Message = decltype(message);
    const Result<void> parsed = parse_header(*frame, message);
    if (!parsed) return CHECK(parsed.error().code == Errc::malformed);
    taken = true;
    const std::string once = message.SerializeAsString();
    Message again;
    CHECK(again.ParseFromString(once) && again.SerializeAsString() == once, "what the writer wrote can be read");
    const auto parts_fit = [&](const auto& parts, auto bytes_of) {
      if (!parts) return;
      std::size_t sum = 0;
      for (const auto& part : *parts) sum += bytes_of(part).size();
      CHECK(sum == frame->payload.size(), "the parts are the payload");
    };
    if constexpr (std::is_same_v<Message, pb::Publish>) {
      parts_fit(read_publish(*frame, message), [](const PublishedBatch& part) { return part.batch; });
    } else if constexpr (std::is_same_v<Message, pb::Deliver>) {
      parts_fit(read_deliver(*frame, message), [](const DeliveredPart& part) { return part.batches; });
    } else if constexpr (std::is_same_v<Message, pb::Subscribe>) {
      for (const std::string& text : message.patterns()) {
        if (const auto pattern = TopicPattern::parse(text)) CHECK(!pattern->is_literal() || pattern->matches(text));
      }
      for (const pb::PartitionStart& part : message.partitions()) {
        if (const auto topic = to_topic(part.topic(), part.topic_id()))
          CHECK(topic->name.empty() != topic->id.is_zero());
        if (const auto position = to_position(part.from())) CHECK(position->value >= 0);
      }
    }
  });
  return taken;
}

}  // namespace sluice::native
