// Connections of operators' tools: takes them, owns their sessions, ends them. What is served is the handler's.
// Invariants: at most max_connections sessions live; then listeners pause and more wait in the backlog.
// Thread safety: one shard's thread. Owner: broker/app. The Clock outlives it; replies may be answered after its end.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "broker/listener/http_session.h"

namespace sluice::broker {

class HttpServer {
 public:
  HttpServer(Clock& clock, HttpHandler handler, HttpSettings settings = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Serves the connections of one more listener, which is not started yet.
  void listen(std::unique_ptr<Listener> listener);
  std::size_t session_count() const { return sessions_.size(); }

 private:
  void accept(std::unique_ptr<Stream> stream);
  void pause_or_resume();

  Clock& clock_;
  HttpHandler handler_;
  const HttpSettings settings_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::unordered_map<HttpSession*, std::shared_ptr<HttpSession>> sessions_;
  bool paused_ = false;
};

}  // namespace sluice::broker
