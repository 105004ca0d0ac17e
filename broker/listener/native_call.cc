#include "broker/listener/native_call.h"

#include <fmt/core.h>

#include "broker/listener/native_session.h"
#include "protocol/native/session.pb.h"

namespace sluice::broker {

using native::FrameKind;

void NativeCall::reply(FrameKind kind, const google::protobuf::MessageLite& header,
                       std::span<const SharedBytes> payload) {
  const auto session = session_.lock();
  if (!session) return;
  const std::size_t size = native::kCountedPrefixBytes + header.ByteSizeLong();
  if (size > session->max_frame_bytes()) {
    return fail(Errc::too_large, fmt::format("the answer would have {} bytes and you take {}: ask for less at once",
                                             size, session->max_frame_bytes()));
  }
  session->send(kind, frame_.id, header, payload);
  session->question_over(frame_.bytes.size());
}

void NativeCall::fail(const Error& error, std::string_view topic) {
  const auto session = session_.lock();
  if (!session) return;
  if (frame_.id == 0) {
    session->note(error, topic);
  } else {
    native::pb::Error told;
    fill(told, error);
    told.set_topic(topic.data(), topic.size());
    session->send(FrameKind::error, frame_.id, told, {});
  }
  session->question_over(frame_.bytes.size());
}

void NativeCall::finish() {
  if (const auto session = session_.lock()) session->question_over(frame_.bytes.size());
}

void NativeCall::note(const Error& error, std::string_view topic) {
  if (const auto session = session_.lock()) session->note(error, topic);
}

void NativeCall::fill(native::pb::Error& into, const Error& error) const {
  native::fill_error(into, error);
  ++context_->stats.errors[native::ErrorCode{into.code()}];
}

}  // namespace sluice::broker
