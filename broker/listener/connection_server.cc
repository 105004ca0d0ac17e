#include "broker/listener/connection_server.h"

#include <fmt/core.h>

#include <utility>

#include "protocol/base/log.h"

namespace sluice::broker {

ConnectionServer::~ConnectionServer() {
  drained_ = nullptr;
  listeners_.clear();
  for (const auto& connection : snapshot()) connection->close();
  clock_.cancel(sweep_timer_);
  clock_.cancel(drain_timer_);
}

void ConnectionServer::listen(std::unique_ptr<Listener> listener) {
  listeners_.emplace_back(std::move(listener))->start([this](std::unique_ptr<Stream> stream) {
    accept(std::move(stream));
  });
}

void ConnectionServer::accept(std::unique_ptr<Stream> stream) {
  if (draining_) return;
  if (!options_.limit->enter()) return refuse(*stream);
  auto connection = make_(std::move(stream), [this](Connection& closed) { forget(closed); });
  ++stats_.connections_opened;
  connections_.emplace(connection.get(), connection);
  if (sweep_timer_ == 0) sweep_timer_ = clock_.call_after(options_.sweep_interval, [this] { sweep(); });
  connection->start();
}

void ConnectionServer::refuse(Stream& stream) {
  ++stats_.connections_refused;
  if (const auto left_out = refusal_lines_.take(clock_.steady()))
    log_warn("refusing the {} connection of {}: {} are open, as many as kafka.max_connections allows{}", options_.what,
             stream.peer(), options_.limit->max(),
             *left_out == 0 ? "" : fmt::format(" (and {} more that are not logged)", *left_out));
  stream.close();
}

void ConnectionServer::forget(Connection& connection) {
  connections_.erase(&connection);  // who called holds it until this call has returned
  options_.limit->leave();
  if (draining_ && connections_.empty()) finish_drain();
}

void ConnectionServer::sweep() {
  sweep_timer_ = 0;
  for (const auto& connection : snapshot()) connection->check_deadlines();
  if (!connections_.empty()) sweep_timer_ = clock_.call_after(options_.sweep_interval, [this] { sweep(); });
}

void ConnectionServer::drain(Nanos limit, UniqueFunction<void()> done) {
  CHECK(!draining_, "a server is drained once");
  draining_ = true;
  drained_ = std::move(done);
  listeners_.clear();
  if (connections_.empty()) return finish_drain();
  drain_timer_ = clock_.call_after(limit, [this] {
    log_info("{} {} connections still have work under way: closing them", connections_.size(), options_.what);
    for (const auto& connection : snapshot()) connection->close();
  });
  for (const auto& connection : snapshot()) connection->drain();
}

void ConnectionServer::finish_drain() {
  if (!drained_) return;
  clock_.cancel(drain_timer_);
  drain_timer_ = clock_.call_after(Nanos(0), std::exchange(drained_, nullptr));
}

std::vector<std::shared_ptr<Connection>> ConnectionServer::snapshot() const {
  std::vector<std::shared_ptr<Connection>> all;
  all.reserve(connections_.size());
  for (const auto& [key, connection] : connections_) all.push_back(connection);
  return all;
}

}  // namespace sluice::broker
