#include "broker/listener/http_server.h"

#include <utility>

namespace sluice::broker {

HttpServer::HttpServer(Clock& clock, HttpHandler handler, HttpSettings settings)
    : clock_(clock), handler_(std::move(handler)), settings_(settings) {}

HttpServer::~HttpServer() {
  listeners_.clear();
  while (!sessions_.empty()) {
    const auto session = sessions_.begin()->second;
    session->close();
  }
}

void HttpServer::listen(std::unique_ptr<Listener> listener) {
  Listener& started = *listeners_.emplace_back(std::move(listener));
  started.start([this](std::unique_ptr<Stream> stream) { accept(std::move(stream)); });
  if (paused_) started.pause(true);
}

void HttpServer::accept(std::unique_ptr<Stream> stream) {
  auto session =
      std::make_shared<HttpSession>(std::move(stream), clock_, settings_, handler_, [this](HttpSession& closed) {
        sessions_.erase(&closed);  // close() holds it until it returns
        pause_or_resume();
      });
  sessions_.emplace(session.get(), session);
  pause_or_resume();
  session->start();
}

void HttpServer::pause_or_resume() {
  const bool full = sessions_.size() >= settings_.max_connections;
  if (std::exchange(paused_, full) == full) return;
  for (const auto& listener : listeners_) listener->pause(full);
}

}  // namespace sluice::broker
