// One HTTP connection: one request, one reply, then it is closed, as the reply says. A body's pieces go out as chunks,
// to a client of HTTP/1.0 bare up to the end of the connection.
//
//   reading a request -> answering -> (after a refusal: draining what the client still sends) -> closed
//
// Invariants: the request has a deadline, the whole connection another; what is not sent within them never is. The
// handler is asked once at most. Thread safety: the shard's thread. Owner: HttpServer, by shared pointer; a reply that
// is being made holds the session weakly.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "broker/listener/http_reply.h"
#include "broker/listener/http_request.h"
#include "broker/net/stream.h"
#include "protocol/base/clock.h"

namespace sluice::broker {

struct HttpSettings {
  std::size_t max_connections = 16;                 ///< more wait in the backlog
  Nanos request_timeout = std::chrono::seconds(5);  ///< for a whole request
  Nanos reply_timeout = std::chrono::seconds(60);   ///< for the reply to be made and taken
  Nanos drain_timeout = std::chrono::seconds(1);    ///< for a refused client to hang up
};

class HttpSession final : public std::enable_shared_from_this<HttpSession> {
 public:
  /// `closed` is called once, when the connection has ended; never inside this constructor or start().
  HttpSession(std::unique_ptr<Stream> stream, Clock& clock, const HttpSettings& settings, HttpHandler& handler,
              UniqueFunction<void(HttpSession&)> closed);
  ~HttpSession();

  /// Begins to read. Once, when a shared pointer holds the session.
  void start();
  void close();

 private:
  enum class State : std::uint8_t { reading, answering, draining, closed };

  void read();
  void on_read(const Result<std::size_t>& size);
  void take(std::string_view bytes);
  void refuse(const Error& error);
  void answer(HttpReply reply);
  void write_next_piece();
  void write_piece(HttpBody::Piece piece);
  void write(std::vector<SharedBytes> pieces, void (HttpSession::*then)());
  void finish();
  void set_deadline(Nanos timeout);

  std::unique_ptr<Stream> stream_;
  Clock& clock_;
  const HttpSettings& settings_;
  HttpHandler& handler_;
  UniqueFunction<void(HttpSession&)> on_closed_;
  State state_ = State::reading;
  HttpRequestReader request_;
  std::array<std::byte, 2048> buffer_;
  std::unique_ptr<HttpBody> body_;
  bool chunked_ = true;
  bool refused_ = false;
  Clock::TimerId deadline_ = 0;
};

}  // namespace sluice::broker
