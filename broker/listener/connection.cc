#include "broker/listener/connection.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "protocol/base/log.h"

namespace sluice::broker {
namespace {

/// A slow but honest sender or taker of much gets a second for each so many bytes, on top of the time-out.
constexpr std::size_t kLeastBytesPerSecond = 64 << 10;

/// Between the last bytes for a client that is to go and the end.
constexpr Nanos kLinger = std::chrono::milliseconds(500);
constexpr std::size_t kLingerBuffer = 4 << 10;

Nanos grace(std::size_t bytes) { return std::chrono::seconds(bytes / kLeastBytesPerSecond); }

}  // namespace

Connection::Connection(std::string_view what, Seams seams, FrameReader frames, const ConnectionLimits& limits,
                       ConnectionStats& stats)
    : what_(what),
      stream_(std::move(seams.stream)),
      clock_(seams.clock),
      memory_(std::move(seams.memory)),
      on_closed_(std::move(seams.closed)),
      frames_(std::move(frames)),
      limits_(limits),
      stats_(stats),
      last_activity_(clock_.steady()) {}

Connection::~Connection() { stream_->close(); }

void Connection::drain() {
  if (closed_ || std::exchange(draining_, true)) return;
  draining();
  advance();
}

void Connection::close_when_written() {
  closing_ = true;
  if (!advancing_) advance();
}

void Connection::close() {
  if (std::exchange(closed_, true)) return;
  stream_->close();
  if (linger_timer_ != 0) clock_.cancel(linger_timer_);
  memory_->leave(*this);
  memory_->holds(*this, {});
  waiting_.reset();
  ended();
  auto on_closed = std::exchange(on_closed_, nullptr);
  if (on_closed) on_closed(*this);
}

void Connection::refuse(const std::string& reason) {
  if (closed_) return;
  ++stats_.connections_failed;
  log_failure(LogLevel::warn, reason);
  close();
}

void Connection::hang_up(const std::string& reason) {
  if (closed_) return;
  ++stats_.connections_failed;
  log_failure(LogLevel::info, reason);
  close();
}

void Connection::log_failure(LogLevel level, const std::string& reason) {
  const auto left_out = stats_.failure_lines.take(clock_.steady());
  if (!left_out) return;
  log(level, "closing the {} connection of {}: {}{}", what_, peer(), reason,
      *left_out == 0 ? "" : fmt::format(" (and {} more that are not logged)", *left_out));
}

void Connection::check_deadlines() {
  if (closed_) return;
  const SteadyTime now = clock_.steady();
  if (frame_since_ && now - *frame_since_ > limits_.frame_timeout + grace(frames_.pending())) {
    return refuse(fmt::format("a frame is incomplete after {} s, {} bytes of it have come",
                              std::chrono::duration_cast<std::chrono::seconds>(now - *frame_since_).count(),
                              frames_.pending()));
  }
  if (memory_->anybody_waits_to_send() && frame_since_ && now - last_activity_ > limits_.stalled_under_pressure)
    return refuse("a frame stopped coming half way, and others wait for its memory");
  if (writing_ && memory_->anybody_waits_to_answer()) {
    if (const std::size_t unsent = stream_->unsent_bytes(); unsent != unsent_seen_) {
      unsent_seen_ = unsent;
      taken_at_ = now;
    }
    if (now - taken_at_ > limits_.stalled_under_pressure ||
        now - write_since_ > limits_.stalled_under_pressure + grace(writing_bytes_))
      return hang_up("it does not take what it is sent, and others wait for that memory");
  }
  if (writing_ && now - write_since_ > limits_.idle_timeout)
    return hang_up("it has not taken what it is sent for too long");
  const bool idle = !has_work_under_way() && !writing_ && !waiting_;
  if (idle && now - last_activity_ > limits_.idle_timeout) {
    log_debug("closing the {} connection of {}: idle", what_, peer());
    close();
  }
}

void Connection::own_output() {
  own_waiting_output();
  stream_->own_unsent();
}

void Connection::output_changed() {
  if (advancing_ || closed_) return;
  const auto self = shared_from_this();
  write();
  advance();
}

void Connection::memory_freed() {
  const auto self = shared_from_this();
  advance();
}

void Connection::advance() {
  if (advancing_ || closed_) return;
  advancing_ = true;
  while (!closed_ && !draining_ && !closing_ && next_frame() && may_start(*waiting_)) {
    start_frame(*std::exchange(waiting_, std::nullopt));
  }
  advancing_ = false;
  if (closed_) return;
  write();
  account();
  if (closing_) {
    frame_since_.reset();
    if (!writing_) linger();
  } else if (draining_) {
    frame_since_.reset();
    if (!writing_ && !has_work_under_way()) close();
  } else if (!waiting_) {
    read();
  } else {
    frame_since_.reset();  // it is we who make the rest of the stream wait
  }
}

bool Connection::next_frame() {
  if (waiting_) return true;
  if (reading_) return false;
  Result<std::optional<SharedBytes>> frame = frames_.next();
  if (!frame) {
    refuse(frame.error().message);
    return false;
  }
  if (*frame) frame_since_.reset();
  waiting_ = std::move(*frame);
  return waiting_.has_value();
}

/// Tells the memory of all connections what this one holds, but for its requests under way.
void Connection::account() {
  const std::size_t waiting = waiting_ ? waiting_->size() : 0;
  const std::size_t buffer = frames_.capacity() - std::min(frames_.capacity(), ConnectionMemory::kLeastBuffer);
  memory_->holds(*this, {.request_bytes = buffer + waiting, .reply_bytes = output_bytes_});
}

void Connection::write() {
  if (writing_ || closed_) return;
  std::vector<SharedBytes> pieces = take_output();
  if (pieces.empty()) return;
  writing_bytes_ = 0;
  for (const SharedBytes& piece : pieces) writing_bytes_ += piece.size();
  CHECK(writing_bytes_ <= output_bytes_, "what is sent was produced");
  writing_ = true;
  write_since_ = taken_at_ = last_activity_ = clock_.steady();
  unsent_seen_ = writing_bytes_;
  stream_->write(std::move(pieces), [this](Result<void> outcome) { on_written(outcome); });
}

void Connection::on_written(const Result<void>& outcome) {
  const auto self = shared_from_this();
  writing_ = false;
  if (!outcome) {
    log_debug("a {} connection ended: {}", what_, outcome.error().message);
    return close();
  }
  stats_.sent_bytes += writing_bytes_;
  prompt_until_ = clock_.steady() + ConnectionMemory::kPrompt;
  output_bytes_ -= std::exchange(writing_bytes_, 0);
  advance();
}

void Connection::read() {
  if (reading_) return;
  const std::size_t fresh = frames_.next_buffer();
  if (fresh > 0 && !memory_->may_grow(*this, fresh, !has_work_under_way())) {
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

void Connection::linger() {
  if (linger_timer_ == 0) {
    linger_timer_ = clock_.call_after(kLinger, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->close();
    });
  }
  if (reading_) return;
  dropped_.resize(kLingerBuffer);
  reading_ = true;
  stream_->read_some(dropped_, [this](Result<std::size_t> size) {
    const auto self = shared_from_this();
    reading_ = false;
    if (!size || *size == 0) return close();
    linger();
  });
}

void Connection::on_read(Result<std::size_t> size) {
  const auto self = shared_from_this();
  reading_ = false;
  if (!size || *size == 0) {
    log_debug("the {} connection of {} ended: {}", what_, peer(), size ? "closed by the client" : size.error().message);
    return close();
  }
  last_activity_ = clock_.steady();
  stats_.received_bytes += *size;
  if (closing_) return advance();
  frames_.commit(*size);
  advance();
}

}  // namespace sluice::broker
