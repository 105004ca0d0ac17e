// One question of a native client under way, as a handler sees it. The handler owns it, hands it on into the callback
// of its BrokerApi call, and ends it with one of reply(), fail() and finish(). Invariants: the frame lives as long as
// the call, so views into it stay good. The connection may be gone by then; the answer then goes nowhere. Thread
// safety: the shard's thread. Owner: broker/listener.
#pragma once

#include <google/protobuf/message_lite.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "broker/listener/connection_memory.h"
#include "broker/listener/native_settings.h"
#include "broker/listener/native_stats.h"
#include "broker/service/broker_api.h"
#include "protocol/native/error_codes.h"
#include "protocol/native/publish.pb.h"
#include "protocol/native/values.h"

namespace sluice::broker {

/// What the connections of one shard share.
struct NativeContext {
  BrokerApi& broker;
  Clock& clock;
  const NativeSettings settings;
  std::shared_ptr<ConnectionMemory> memory;
  NativeStats stats = {};
  UniqueFunction<void()> layout_watched = {};  ///< a client began to watch the layout
  // Messages of the busiest questions, used again and again, within one call of a handler.
  native::pb::Publish publish = {};
  native::pb::Published published = {};
};

class NativeSession;

class NativeCall {
 public:
  NativeCall(std::weak_ptr<NativeSession> session, std::shared_ptr<NativeContext> context, native::Frame frame,
             ConnectionMemory::Charge charge)
      : session_(std::move(session)),
        context_(std::move(context)),
        frame_(std::move(frame)),
        charge_(std::move(charge)) {}

  BrokerApi& broker() const { return context_->broker; }
  NativeContext& context() const { return *context_; }
  const native::Frame& frame() const { return frame_; }
  /// nullptr once the connection is gone.
  std::shared_ptr<NativeSession> session() const { return session_.lock(); }
  Millis timeout(std::uint32_t timeout_ms) const {
    return native::to_timeout(timeout_ms, context_->settings.usual_timeout, context_->settings.most_timeout);
  }

  /// The frame's header; none if it is malformed, and then the call has ended.
  template <class Message>
  std::optional<Message> parse() {
    std::optional<Message> message(std::in_place);
    if (parse(*message)) return message;
    return std::nullopt;
  }
  /// The same into a message that is used again.
  bool parse(google::protobuf::MessageLite& message) {
    const Result<void> parsed = native::parse_header(frame_, message);
    if (!parsed) fail(parsed.error());
    return parsed.has_value();
  }

  void reply(native::FrameKind kind, const google::protobuf::MessageLite& header,
             std::span<const SharedBytes> payload = {});
  /// ERROR, or NOTICE where nobody waits for an answer.
  void fail(const Error& error, std::string_view topic = {});
  void fail(Errc code, std::string message) { fail(Error{code, std::move(message)}); }
  /// Ends a question that has no answer.
  void finish();
  /// Something of a question without an answer failed.
  void note(const Error& error, std::string_view topic);

  /// An error that stands within an answer: filled in and counted.
  void fill(native::pb::Error& into, const Error& error) const;

 private:
  std::weak_ptr<NativeSession> session_;
  std::shared_ptr<NativeContext> context_;
  native::Frame frame_;
  ConnectionMemory::Charge charge_;  ///< until the frame is gone
};

using NativeCallPtr = std::unique_ptr<NativeCall>;

}  // namespace sluice::broker
