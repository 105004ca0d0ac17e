#include "broker/listener/kafka_server.h"

#include <fmt/core.h>

#include <utility>

#include "protocol/base/log.h"

namespace sluice::broker {

KafkaServer::KafkaServer(BrokerApi& broker, Clock& clock, Random& random, KafkaSettings settings,
                         std::shared_ptr<ConnectionLimit> limit)
    : broker_(broker),
      clock_(clock),
      settings_(settings),
      memory_(std::make_shared<ConnectionMemory>(
          settings.max_requests_memory, settings.max_replies_memory,
          ConnectionMemory::Events{[this] { wake_waiting(); }, [this] { memory_pressed(); }})),
      fetch_sessions_(std::make_shared<FetchSessions>(random, settings.fetch_sessions)),
      limit_(limit ? std::move(limit) : std::make_shared<ConnectionLimit>(settings.max_connections)) {}

KafkaServer::~KafkaServer() {
  drained_ = nullptr;
  listeners_.clear();
  memory_->end();  // requests under way may outlive this
  for (const auto& session : snapshot()) session->close();
  clock_.cancel(sweep_timer_);
  clock_.cancel(wake_timer_);
  clock_.cancel(pressed_timer_);
  clock_.cancel(drain_timer_);
}

void KafkaServer::listen(std::unique_ptr<Listener> listener) {
  listeners_.emplace_back(std::move(listener))->start([this](std::unique_ptr<Stream> stream) {
    accept(std::move(stream));
  });
}

void KafkaServer::accept(std::unique_ptr<Stream> stream) {
  if (draining_) return;
  if (!limit_->enter()) return refuse(*stream);
  auto session = std::make_shared<KafkaSession>(std::move(stream), broker_, clock_, settings_, memory_, fetch_sessions_,
                                                stats_, [this](KafkaSession& closed) { forget(closed); });
  ++stats_->connections_opened;
  sessions_.emplace(session.get(), session);
  if (sweep_timer_ == 0) sweep_timer_ = clock_.call_after(settings_.sweep_interval, [this] { sweep(); });
  session->start();
}

void KafkaServer::refuse(Stream& stream) {
  ++stats_->connections_refused;
  if (const auto left_out = refusal_lines_.take(clock_.steady()))
    log_warn("refusing the Kafka connection of {}: {} are open, as many as kafka.max_connections allows{}",
             stream.peer(), limit_->max(),
             *left_out == 0 ? "" : fmt::format(" (and {} more that are not logged)", *left_out));
  stream.close();
}

void KafkaServer::memory_pressed() {
  if (pressed_timer_ != 0) return;
  pressed_timer_ = clock_.call_after(settings_.pressed_sweep_interval, [this] { check_stalled(); });
}

void KafkaServer::check_stalled() {
  pressed_timer_ = 0;
  if (!memory_->anybody_waits()) return;
  for (const auto& session : snapshot()) session->check_deadlines();
  if (memory_->anybody_waits()) memory_pressed();
}

void KafkaServer::own_replies() {
  for (const auto& [key, session] : sessions_) session->own_replies();
}

void KafkaServer::wake_waiting() {
  if (wake_timer_ != 0) return;
  wake_timer_ = clock_.call_after(Nanos(0), [this] {
    wake_timer_ = 0;
    memory_->wake(clock_.steady());
  });
}

void KafkaServer::forget(KafkaSession& session) {
  sessions_.erase(&session);  // who called holds it until this call has returned
  limit_->leave();
  if (draining_ && sessions_.empty()) finish_drain();
}

void KafkaServer::sweep() {
  sweep_timer_ = 0;
  for (const auto& session : snapshot()) session->check_deadlines();
  fetch_sessions_->expire(clock_.steady());
  if (!sessions_.empty() || fetch_sessions_->session_count() > 0)
    sweep_timer_ = clock_.call_after(settings_.sweep_interval, [this] { sweep(); });
}

void KafkaServer::drain(Nanos limit, UniqueFunction<void()> done) {
  CHECK(!draining_, "a server is drained once");
  draining_ = true;
  drained_ = std::move(done);
  listeners_.clear();
  if (sessions_.empty()) return finish_drain();
  drain_timer_ = clock_.call_after(limit, [this] {
    log_info("{} Kafka connections still have requests under way: closing them", sessions_.size());
    for (const auto& session : snapshot()) session->close();
  });
  for (const auto& session : snapshot()) session->drain();
}

void KafkaServer::finish_drain() {
  if (!drained_) return;
  clock_.cancel(drain_timer_);
  drain_timer_ = clock_.call_after(Nanos(0), std::exchange(drained_, nullptr));
}

std::vector<std::shared_ptr<KafkaSession>> KafkaServer::snapshot() const {
  std::vector<std::shared_ptr<KafkaSession>> all;
  all.reserve(sessions_.size());
  for (const auto& [key, session] : sessions_) all.push_back(session);
  return all;
}

}  // namespace sluice::broker
