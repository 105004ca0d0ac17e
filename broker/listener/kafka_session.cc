#include "broker/listener/kafka_session.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "broker/listener/handlers.h"
#include "protocol/base/log.h"

namespace sluice::broker {

namespace {

/// A slow but honest sender of a large frame gets a second for each so many bytes, on top of the frame time-out.
constexpr std::size_t kLeastBytesPerSecond = 64 << 10;

/// What can be said of a request whose header can't be read.
std::string name_of(ByteSpan frame) {
  ByteReader reader(frame);
  const auto api = reader.be<std::int16_t>();
  const auto version = reader.be<std::int16_t>();
  return reader.failed() ? "unknown API" : call_name(kafka::ApiKey{api}, version);
}

/// What a request takes in memory once it is taken apart: batches stay in the frame, lists of names and numbers grow.
constexpr std::size_t kListsGrow = 16;

/// The API as the frame says, whether it is served or not.
kafka::ApiKey api_of(const SharedBytes& frame) {
  return kafka::ApiKey{frame.size() < sizeof(std::int16_t) ? std::int16_t{-1} : load_be<std::int16_t>(frame.data())};
}
bool is_fetch(const SharedBytes& frame) { return api_of(frame) == kafka::ApiKey::fetch; }
bool reply_is_small(kafka::ApiKey api) {
  return api == kafka::ApiKey::produce || api == kafka::ApiKey::api_versions ||
         api == kafka::ApiKey::init_producer_id || api == kafka::ApiKey::find_coordinator;
}
std::size_t cost_of(kafka::ApiKey api, std::size_t frame_bytes) {
  return api == kafka::ApiKey::produce ? frame_bytes : kListsGrow * frame_bytes;
}

}  // namespace

KafkaSession::KafkaSession(std::unique_ptr<Stream> stream, BrokerApi& broker, Clock& clock,
                           const KafkaSettings& settings, std::shared_ptr<ConnectionMemory> memory,
                           std::shared_ptr<FetchSessions> fetch_sessions, std::shared_ptr<KafkaStats> stats,
                           UniqueFunction<void(KafkaSession&)> closed)
    : stream_(std::move(stream)),
      context_(std::make_shared<const CallContext>(CallContext{
          broker, clock, settings, std::move(memory), fetch_sessions, std::move(stats), fetch_sessions->connect()})),
      clock_(clock),
      settings_(settings),
      on_closed_(std::move(closed)),
      frames_(settings.max_request_bytes),
      last_activity_(clock.steady()) {}

KafkaSession::~KafkaSession() { stream_->close(); }

void KafkaSession::start() { advance(); }

void KafkaSession::drain() {
  draining_ = true;
  advance();
}

void KafkaSession::close() {
  if (std::exchange(closed_, true)) return;
  stream_->close();
  context_->memory->leave(*this);
  context_->memory->holds(*this, {});
  context_->fetch_sessions->disconnect(context_->connection, clock_.steady());
  auto on_closed = std::exchange(on_closed_, nullptr);
  if (on_closed) on_closed(*this);
}

void KafkaSession::refuse(const std::string& reason) { close_failed(LogLevel::warn, reason); }

void KafkaSession::hang_up(const std::string& reason) { close_failed(LogLevel::info, reason); }

void KafkaSession::close_failed(LogLevel level, const std::string& reason) {
  if (closed_) return;
  ++context_->stats->connections_failed;
  if (log_enabled(level)) {
    if (const auto left_out = context_->stats->failure_lines.take(clock_.steady()))
      log(level, "closing the Kafka connection of {}: {}{}", peer(), reason,
          *left_out == 0 ? "" : fmt::format(" (and {} more that are not logged)", *left_out));
  }
  close();
}

void KafkaSession::check_deadlines() {
  if (closed_) return;
  const SteadyTime now = clock_.steady();
  const auto grace = std::chrono::seconds(frames_.pending() / kLeastBytesPerSecond);
  if (frame_since_ && now - *frame_since_ > settings_.frame_timeout + grace) {
    return refuse(fmt::format("unknown API: a request is incomplete after {} s, {} bytes of it have come",
                              std::chrono::duration_cast<std::chrono::seconds>(now - *frame_since_).count(),
                              frames_.pending()));
  }
  if (context_->memory->anybody_waits_to_send() && frame_since_ &&
      now - last_activity_ > settings_.stalled_under_pressure) {
    return refuse("unknown API: a request stopped coming half way, and others wait for its memory");
  }
  if (writing_ && context_->memory->anybody_waits_to_answer()) {
    if (const std::size_t unsent = stream_->unsent_bytes(); unsent != unsent_seen_) {
      unsent_seen_ = unsent;
      taken_at_ = now;
    }
    const auto taking = std::chrono::seconds(writing_bytes_ / kLeastBytesPerSecond);
    if (now - taken_at_ > settings_.stalled_under_pressure ||
        now - write_since_ > settings_.stalled_under_pressure + taking)
      return hang_up("it does not take its replies, and others wait for their memory");
  }
  if (writing_ && now - write_since_ > settings_.idle_timeout) return hang_up("it has not taken a reply for too long");
  const bool idle = slots_.empty() && !writing_ && !waiting_;
  if (idle && now - last_activity_ > settings_.idle_timeout) {
    log_debug("closing the Kafka connection of {}: idle", peer());
    close();
  }
}

void KafkaSession::advance() {
  if (advancing_ || closed_) return;
  advancing_ = true;
  while (!closed_ && !draining_ && next_frame() && may_start(*waiting_)) {
    start_request(*std::exchange(waiting_, std::nullopt));
  }
  advancing_ = false;
  if (closed_) return;
  write();
  account();
  if (draining_) {
    frame_since_.reset();
    if (slots_.empty() && !writing_) close();
  } else if (!waiting_) {
    read();
  } else {
    frame_since_.reset();  // it is we who make the rest of the stream wait
  }
}

bool KafkaSession::next_frame() {
  if (waiting_) return true;
  if (reading_) return false;
  Result<std::optional<SharedBytes>> frame = frames_.next();
  if (!frame) {
    refuse("unknown API: " + frame.error().message);
    return false;
  }
  if (*frame) frame_since_.reset();
  waiting_ = std::move(*frame);
  return waiting_.has_value();
}

bool KafkaSession::may_start(const SharedBytes& frame) {
  // What this connection has under way comes first: its end brings us here again.
  if (!slots_.empty() || output_bytes_ > 0) {
    if (slots_.size() >= settings_.max_requests_in_progress || output_bytes_ >= settings_.max_output_bytes)
      return false;
    if (bytes_in_progress_ > 0 && bytes_in_progress_ + frame.size() > settings_.max_bytes_in_progress) return false;
    if (fetches_in_progress_ > 0 && is_fetch(frame)) return false;
    if (!slots_.empty() && context_->memory->full()) return false;
  }
  const kafka::ApiKey api = api_of(frame);
  // Fetches ask each time that they read.
  if (!reply_is_small(api) && !is_fetch(frame) && !context_->memory->may_answer(*this, clock_.steady(), prompt_until_))
    return false;
  const std::size_t more = cost_of(api, frame.size()) - frame.size();
  return more <= ConnectionMemory::kSmallBuffer || context_->memory->may_grow(*this, more, false);
}

/// Tells the memory of all connections what this one holds.
void KafkaSession::account() {
  if (closed_) return;
  const std::size_t waiting = waiting_ ? waiting_->size() : 0;
  const std::size_t buffer = frames_.capacity() - std::min(frames_.capacity(), ConnectionMemory::kLeastBuffer);
  context_->memory->holds(*this, {buffer + waiting, output_bytes_});
}

void KafkaSession::own_replies() {
  for (Slot& slot : slots_)
    for (SharedBytes& piece : slot.reply.pieces)
      if (piece.charge() > piece.size()) piece = SharedBytes::copy_of(piece);
  stream_->own_unsent();
}

void KafkaSession::memory_freed() {
  const auto self = shared_from_this();
  advance();
}

void KafkaSession::start_request(SharedBytes frame) {
  const Result<kafka::Request> request = kafka::parse_request(frame);
  if (!request) return refuse(name_of(frame) + ": " + request.error().message);
  const kafka::RequestHeader& header = request->header;
  const std::uint64_t sequence = first_sequence_ + slots_.size();
  context_->stats->started(header.api_key);
  Slot& slot = slots_.emplace_back();
  slot.api = header.api_key;
  slot.request_bytes = frame.size();
  slot.fetch = header.api_key == kafka::ApiKey::fetch;
  bytes_in_progress_ += slot.request_bytes;
  fetches_in_progress_ += slot.fetch ? 1 : 0;
  auto charge = context_->memory->charge(*this, cost_of(header.api_key, frame.size()));
  auto call = std::make_unique<KafkaCall>(weak_from_this(), sequence, context_, std::move(frame), *request,
                                          std::move(charge), clock_.steady() < prompt_until_);
  const Handler handler = find_handler(header.api_key, header.api_version);
  if (!handler) return call->refuse("this API and version is not served here");
  handler(std::move(call));
}

void KafkaSession::complete(std::uint64_t sequence, kafka::EncodedFrame frame) {
  if (closed_) return;
  CHECK(sequence >= first_sequence_ && sequence - first_sequence_ < slots_.size(), "a request is answered once");
  Slot& slot = slots_[sequence - first_sequence_];
  CHECK(!slot.finished, "a request is answered once");
  slot.finished = true;
  context_->stats->answered(slot.api, frame);
  output_bytes_ += frame.size_bytes;
  slot.reply = std::move(frame);
  if (sequence != first_sequence_) return;
  const auto self = shared_from_this();
  write();
  advance();
}

void KafkaSession::write() {
  if (writing_ || closed_) return;
  std::vector<SharedBytes> pieces;
  std::size_t bytes = 0;
  while (!slots_.empty() && slots_.front().finished) {
    Slot& slot = slots_.front();
    std::move(slot.reply.pieces.begin(), slot.reply.pieces.end(), std::back_inserter(pieces));
    bytes += slot.reply.size_bytes;
    bytes_in_progress_ -= slot.request_bytes;
    fetches_in_progress_ -= slot.fetch ? 1 : 0;
    slots_.pop_front();
    ++first_sequence_;
  }
  last_activity_ = clock_.steady();
  if (pieces.empty()) return;
  writing_ = true;
  writing_bytes_ = bytes;
  write_since_ = taken_at_ = last_activity_;
  unsent_seen_ = bytes;
  stream_->write(std::move(pieces), [this](Result<void> outcome) { on_written(outcome); });
}

void KafkaSession::on_written(const Result<void>& outcome) {
  const auto self = shared_from_this();
  writing_ = false;
  if (outcome) {
    context_->stats->sent_bytes += writing_bytes_;
    prompt_until_ = clock_.steady() + ConnectionMemory::kPrompt;
  }
  output_bytes_ -= std::exchange(writing_bytes_, 0);
  if (!outcome) {
    log_debug("a Kafka connection ended: {}", outcome.error().message);
    return close();
  }
  advance();
}

void KafkaSession::read() {
  if (reading_) return;
  frames_.allow_bulk(context_->memory->roomy());
  frames_.hold_least(context_->memory->tight());
  const std::size_t fresh = frames_.next_buffer();
  if (fresh > 0 && !context_->memory->may_grow(*this, fresh, slots_.empty())) {
    frame_since_.reset();  // it is we who make it wait
    return;
  }
  if (frames_.pending() == 0) {
    frame_since_.reset();
  } else if (!frame_since_) {
    frame_since_ = clock_.steady();
  }
  reading_ = true;
  const MutableByteSpan space = frames_.prepare();
  account();
  stream_->read_some(space, [this](Result<std::size_t> size) { on_read(std::move(size)); });
}

void KafkaSession::on_read(Result<std::size_t> size) {
  const auto self = shared_from_this();
  reading_ = false;
  if (!size || *size == 0) {
    log_debug("the Kafka connection of {} ended: {}", peer(), size ? "closed by the client" : size.error().message);
    return close();
  }
  last_activity_ = clock_.steady();
  context_->stats->received_bytes += *size;
  frames_.commit(*size);
  advance();
}

}  // namespace sluice::broker
