#include "broker/listener/native_session.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "broker/listener/native_handlers.h"
#include "protocol/base/log.h"
#include "protocol/native/layout.pb.h"
#include "protocol/native/session.pb.h"

namespace sluice::broker {
namespace {

using native::ErrorCode;
using native::FrameKind;
using native::KindInfo;

constexpr std::size_t kMostNameBytes = 255;
constexpr std::size_t kLeastPeerFrameBytes = 64U << 10;
constexpr std::size_t kMostPingBytes = 64;
/// Of a frame before WELCOME: a client of another protocol claims more and is told so at once.
constexpr std::size_t kMostHelloBytes = 64U << 10;

/// What a question takes in memory once it is taken apart: batches stay in the frame, lists of names and numbers grow.
constexpr std::size_t kListsGrow = 8;

/// The kind as the frame says, known or not.
FrameKind kind_of(const SharedBytes& frame) {
  return FrameKind{frame.size() < native::kCountedPrefixBytes ? std::uint16_t{0}
                                                              : load_le<std::uint16_t>(frame.data() + 4)};
}
std::size_t cost_of(FrameKind kind, std::size_t frame_bytes) {
  return kind == FrameKind::publish ? frame_bytes : kListsGrow * frame_bytes;
}
bool answer_is_large(FrameKind kind) { return kind == FrameKind::layout || kind == FrameKind::describe_topic; }

}  // namespace

NativeSession::NativeSession(std::unique_ptr<Stream> stream, std::shared_ptr<NativeContext> context,
                             std::size_t publish_window_bytes, UniqueFunction<void(Connection&)> closed)
    : Connection("native", {std::move(stream), context->clock, context->memory, std::move(closed)},
                 native::FrameReader(std::min(kMostHelloBytes, context->settings.max_frame_bytes)),
                 context->settings.limits, context->stats),
      context_(std::move(context)),
      publish_window_bytes_(publish_window_bytes) {}

// ---- Frames in ----

bool NativeSession::may_start(const SharedBytes& frame) {
  const NativeSettings& settings = context_->settings;
  // What this connection has under way comes first: its end brings us here again.
  if (output_bytes() >= settings.max_output_bytes) return false;
  if (questions_ > 0) {
    if (questions_ >= settings.max_requests_in_flight) return false;
    if (question_bytes_ + frame.size() > settings.most_publish_window_bytes) return false;
    if (memory().full()) return false;
  }
  const FrameKind kind = kind_of(frame);
  if (answer_is_large(kind) && !may_answer()) return false;
  const std::size_t more = cost_of(kind, frame.size()) - frame.size();
  return more <= ConnectionMemory::kSmallBuffer || memory().may_grow(*this, more, false);
}

void NativeSession::start_frame(SharedBytes bytes) {
  Result<native::Frame> frame = native::parse_frame(std::move(bytes), context_->settings.max_header_bytes);
  if (!frame) return give_up(0, native::to_native(frame.error().code), frame.error().message);
  context_->stats.started(frame->kind);
  if (!welcomed_) return greet(*frame);
  const KindInfo* const info = native::find_kind(frame->kind);
  if (info && (!info->from_client() || frame->kind == FrameKind::hello)) {
    return give_up(frame->id, ErrorCode::protocol_violation,
                   fmt::format("{} is not for a client to send now", info->name));
  }
  if (frame->id == 0 && frame->kind != FrameKind::publish) {
    return give_up(0, ErrorCode::protocol_violation,
                   fmt::format("{} needs an id other than 0", native::kind_name(frame->kind)));
  }
  if (frame->kind == FrameKind::pong) return;
  start_question(std::move(*frame));
}

void NativeSession::greet(const native::Frame& frame) {
  if (frame.kind != FrameKind::hello) {
    return give_up(frame.id, ErrorCode::protocol_violation,
                   fmt::format("HELLO comes first, not {}", native::kind_name(frame.kind)));
  }
  native::pb::Hello hello;
  if (const auto parsed = native::parse_header(frame, hello); !parsed)
    return give_up(frame.id, ErrorCode::malformed, parsed.error().message);
  if (hello.min_version() > native::kProtocolVersion || hello.max_version() < native::kProtocolVersion) {
    return give_up(frame.id, ErrorCode::unsupported_version,
                   fmt::format("versions {} to {} are asked for, and this node speaks {}", hello.min_version(),
                               hello.max_version(), native::kProtocolVersion));
  }
  if (hello.client_name().size() > kMostNameBytes || hello.client_software().size() > kMostNameBytes) {
    return give_up(frame.id, ErrorCode::invalid_argument,
                   fmt::format("client_name and client_software have at most {} bytes", kMostNameBytes));
  }
  if (hello.max_frame_bytes() != 0) {
    if (hello.max_frame_bytes() < kLeastPeerFrameBytes) {
      return give_up(frame.id, ErrorCode::invalid_argument,
                     fmt::format("max_frame_bytes is {}, and less than {} is too little", hello.max_frame_bytes(),
                                 kLeastPeerFrameBytes));
    }
    peer_max_frame_bytes_ = hello.max_frame_bytes();
  }
  welcomed_ = true;
  client_name_ = hello.client_name();
  log_debug("native client '{}' ({}) connected from {}", client_name_, hello.client_software(), peer());

  const NativeSettings& settings = context_->settings;
  allow_frames_of(settings.max_frame_bytes);
  const BrokerApi& broker = context_->broker;
  native::pb::Welcome welcome;
  welcome.set_version(native::kProtocolVersion);
  welcome.set_cluster_id(broker.cluster_id());
  welcome.set_node_id(broker.self().value);
  fill_nodes(broker.cluster(), *welcome.mutable_nodes());
  welcome.set_max_frame_bytes(static_cast<std::uint32_t>(settings.max_frame_bytes));
  welcome.set_max_header_bytes(static_cast<std::uint32_t>(settings.max_header_bytes));
  welcome.set_max_requests_in_flight(static_cast<std::uint32_t>(settings.max_requests_in_flight));
  welcome.set_publish_window_bytes(publish_window_bytes_);
  welcome.set_server_software(settings.software);
  welcome.set_idle_timeout_ms(
      static_cast<std::uint32_t>(std::chrono::duration_cast<Millis>(settings.limits.idle_timeout).count()));
  send(FrameKind::welcome, frame.id, welcome);
}

void NativeSession::start_question(native::Frame frame) {
  if (frame.kind == FrameKind::ping) {
    native::pb::Ping ping;
    const auto parsed = native::parse_header(frame, ping);
    if (parsed && frame.payload.size() <= kMostPingBytes) {
      const SharedBytes payload = frame.share(frame.payload);
      return send(FrameKind::pong, frame.id, native::pb::Pong(), std::span(&payload, 1));
    }
    return give_up(frame.id, ErrorCode::malformed,
                   parsed ? fmt::format("a PING carries at most {} bytes", kMostPingBytes) : parsed.error().message);
  }
  const std::size_t bytes = frame.bytes.size();
  const NativeHandler handler = find_native_handler(frame.kind);
  if (!handler) {
    native::pb::Error told;
    native::fill_error(told, ErrorCode::unsupported,
                       fmt::format("{} ({}) is not offered by this node", native::kind_name(frame.kind),
                                   static_cast<std::uint16_t>(frame.kind)));
    return send(FrameKind::error, frame.id, told);
  }
  ++questions_;
  question_bytes_ += bytes;
  auto charge = memory().charge(*this, cost_of(frame.kind, bytes));
  const auto self = std::static_pointer_cast<NativeSession>(shared_from_this());
  handler(std::make_unique<NativeCall>(self, context_, std::move(frame), std::move(charge)));
}

void NativeSession::question_over(std::size_t bytes) {
  --questions_;
  question_bytes_ -= bytes;
  output_changed();
}

void NativeSession::give_up(std::uint32_t id, ErrorCode code, const std::string& message) {
  ++context_->stats.connections_failed;
  log_failure(LogLevel::warn, message);
  native::pb::Error told;
  native::fill_error(told, code, message);
  send(FrameKind::error, welcomed_ ? 0 : id, told);
  close_when_written();
}

// ---- Frames out ----

void NativeSession::send(FrameKind kind, std::uint32_t id, const google::protobuf::MessageLite& header,
                         std::span<const SharedBytes> payload) {
  if (is_closed()) return;
  if (kind == FrameKind::error)
    ++context_->stats.errors[ErrorCode{static_cast<const native::pb::Error&>(header).code()}];
  const std::size_t before = out_.size_bytes();
  out_.add(kind, id, header, payload);
  produced(out_.size_bytes() - before);
}

std::vector<SharedBytes> NativeSession::take_output() {
  if (note_) {
    native::pb::Notice notice;
    native::fill_error(*notice.mutable_error(), note_->error);
    notice.mutable_error()->set_topic(note_->topic);
    notice.set_count(note_->count);
    note_.reset();
    send(FrameKind::notice, 0, notice);
  }
  return out_.take();
}

void NativeSession::note(const Error& error, std::string_view topic) {
  ++context_->stats.errors[native::to_native(error.code)];
  if (!note_) note_.emplace(Note{error, std::string(topic), 0});
  ++note_->count;
}

void NativeSession::draining() {
  if (!welcomed_) return;
  native::pb::GoAway message;
  message.set_why("the node is shutting down");
  message.set_grace_ms(static_cast<std::uint32_t>(context_->settings.drain_grace.count()));
  send(FrameKind::go_away, 0, message);
}

void NativeSession::watch_layout(std::uint32_t id, std::uint64_t known_revision) {
  watch_ = LayoutWatch{id, known_revision};
  layout_changed(context_->broker.layout_revision());
}

void NativeSession::layout_changed(std::uint64_t revision) {
  if (!watch_ || watch_->told == revision) return;
  watch_->told = revision;
  native::pb::LayoutChanged message;
  message.set_revision(revision);
  send(FrameKind::layout_changed, watch_->id, message);
  output_changed();
}

void NativeSession::set_publish_window(std::size_t bytes) {
  if (std::exchange(publish_window_bytes_, bytes) == bytes || !welcomed_) return;
  native::pb::Flow flow;
  flow.set_publish_window_bytes(bytes);
  send(FrameKind::flow, 0, flow);
  output_changed();
}

}  // namespace sluice::broker
