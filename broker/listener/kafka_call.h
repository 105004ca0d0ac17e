// One request under way, as a handler sees it. The handler owns it, hands it on into the callback of its BrokerApi
// call, and ends it with one of reply(), reply_nothing() and refuse(). Invariants: the frame lives as long as the call,
// so views into it stay good until the reply is encoded. The connection may be gone by then; the reply then goes
// nowhere. Thread safety: the shard's thread. Owner: broker/listener.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "broker/listener/connection_memory.h"
#include "broker/listener/fetch_budget.h"
#include "broker/listener/fetch_sessions.h"
#include "broker/listener/kafka_settings.h"
#include "broker/listener/kafka_stats.h"
#include "broker/service/broker_api.h"
#include "protocol/kafka/codec.h"
#include "protocol/kafka/error_codes.h"

namespace sluice::broker {

/// Where a call's outcome goes: the connection that it came from.
class ReplySink {
 public:
  virtual ~ReplySink() = default;
  /// The answer to request number `sequence`; an empty frame means that none is sent.
  virtual void complete(std::uint64_t sequence, kafka::EncodedFrame frame) = 0;
  /// Closes the connection with one warning that says why.
  virtual void refuse(const std::string& reason) = 0;
  /// Closes the connection as the protocol wants it where it has no other way to tell of an error.
  virtual void hang_up(const std::string& reason) = 0;
};

/// API and version as they stand in log lines.
std::string call_name(kafka::ApiKey api, std::int16_t version);

/// What the requests of one connection share.
struct CallContext {
  BrokerApi& broker;
  Clock& clock;
  const KafkaSettings& settings;
  std::shared_ptr<ConnectionMemory> memory;  ///< of all connections
  std::shared_ptr<FetchSessions> fetch_sessions;
  std::shared_ptr<KafkaStats> stats;
  std::uint64_t connection = 0;  ///< its number in fetch_sessions
};

class KafkaCall {
 public:
  KafkaCall(std::weak_ptr<ReplySink> sink, std::uint64_t sequence, std::shared_ptr<const CallContext> context,
            SharedBytes frame, const kafka::Request& request, ConnectionMemory::Charge charge, bool prompt)
      : sink_(std::move(sink)),
        sequence_(sequence),
        context_(std::move(context)),
        frame_(std::move(frame)),
        request_(request),
        charge_(std::move(charge)),
        prompt_(prompt) {}

  BrokerApi& broker() { return context_->broker; }
  const KafkaSettings& settings() const { return context_->settings; }
  /// What a fetch may bring back, however much the client asks for.
  std::unique_ptr<ReadBudget> fetch_budget() const {
    return std::make_unique<FetchBudget>(context_->memory, context_->clock, prompt_);
  }
  const std::shared_ptr<FetchSessions>& fetch_sessions() const { return context_->fetch_sessions; }
  std::uint64_t connection() const { return context_->connection; }
  SteadyTime now() const { return context_->clock.steady(); }
  const SharedBytes& frame() const { return frame_; }
  kafka::ApiKey api() const { return request_.header.api_key; }
  std::int16_t version() const { return request_.header.api_version; }
  std::string name() const { return call_name(api(), version()); }

  /// The request's body; none if it is malformed, and then the connection is closed already.
  template <class Message>
  std::optional<Message> decode() {
    Result<Message> message = kafka::decode<Message>(request_.body, version());
    if (message) return std::move(*message);
    refuse_text(message.error().message);
    return std::nullopt;
  }

  template <class Response>
  void reply(const Response& response) {
    reply(response, version());
  }
  template <class Response>
  void reply(const Response& response, std::int16_t version) {
    if (const auto sink = sink_.lock()) {
      sink->complete(sequence_, kafka::encode_response(request_.header.correlation_id, version, response));
    }
  }
  /// Ends a request that gets no reply.
  void reply_nothing() {
    if (const auto sink = sink_.lock()) sink->complete(sequence_, {});
  }
  /// The request can't be answered: closes the connection, with a warning that names the request.
  void refuse(std::string_view reason);
  void hang_up(const std::string& reason) {
    if (const auto sink = sink_.lock()) sink->hang_up(name() + ": " + reason);
  }

  kafka::ErrorCode code(const Error& error) const { return kafka::to_kafka(error.code, api(), version()); }
  /// A wait that the client chose, within bounds.
  Millis bounded_wait(std::int32_t ms) const;
  /// The same for changes. 0 is a client that need not wait (confluent's default); it is told of the end all the same.
  Millis change_wait(std::int32_t ms) const { return ms > 0 ? bounded_wait(ms) : settings().alter_timeout; }

 private:
  void refuse_text(const std::string& reason) {
    if (const auto sink = sink_.lock()) sink->refuse(reason);
  }

  std::weak_ptr<ReplySink> sink_;
  std::uint64_t sequence_;
  std::shared_ptr<const CallContext> context_;
  SharedBytes frame_;
  kafka::Request request_;
  ConnectionMemory::Charge charge_;  ///< until the frame is gone
  bool prompt_;                      ///< its connection took a reply a moment ago
};

using CallPtr = std::unique_ptr<KafkaCall>;

}  // namespace sluice::broker
