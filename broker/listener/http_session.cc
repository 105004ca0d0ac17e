#include "broker/listener/http_session.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "protocol/base/log.h"

namespace sluice::broker {
namespace {

SharedBytes bytes_of(std::string_view text) { return SharedBytes::copy_of(as_bytes(text)); }

int status_of(Errc code) {
  if (code == Errc::too_large) return 431;
  return code == Errc::unsupported ? 505 : 400;
}

}  // namespace

std::string_view http_reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Internal Server Error";
  }
}

HttpReply http_error(int status, std::string_view sentence) {
  HttpReply reply;
  reply.status = status;
  reply.text = fmt::format("{}: {}\n", http_reason(status), sentence);
  return reply;
}

HttpSession::HttpSession(std::unique_ptr<Stream> stream, Clock& clock, const HttpSettings& settings,
                         HttpHandler& handler, UniqueFunction<void(HttpSession&)> closed)
    : stream_(std::move(stream)),
      clock_(clock),
      settings_(settings),
      handler_(handler),
      on_closed_(std::move(closed)) {}

HttpSession::~HttpSession() {
  clock_.cancel(deadline_);
  stream_->close();
}

void HttpSession::start() {
  set_deadline(settings_.request_timeout);
  read();
}

void HttpSession::close() {
  if (std::exchange(state_, State::closed) == State::closed) return;
  const auto self = shared_from_this();
  clock_.cancel(std::exchange(deadline_, 0));
  stream_->close();
  if (auto on_closed = std::exchange(on_closed_, nullptr)) on_closed(*this);
}

void HttpSession::set_deadline(Nanos timeout) {
  clock_.cancel(deadline_);
  deadline_ = clock_.call_after(timeout, [this] {
    deadline_ = 0;
    if (state_ != State::draining)
      log_info("closing the HTTP connection of {}: its time is over, {}", stream_->peer(),
               state_ == State::reading ? "and its request is not whole" : "and its reply is not taken");
    close();
  });
}

void HttpSession::read() {
  stream_->read_some(buffer_, [this](const Result<std::size_t>& size) { on_read(size); });
}

void HttpSession::on_read(const Result<std::size_t>& size) {
  const auto self = shared_from_this();
  if (!size || *size == 0) return close();
  if (state_ == State::reading) take(as_text(ByteSpan(buffer_).first(*size)));
  if (state_ == State::reading || state_ == State::draining) read();
}

void HttpSession::take(std::string_view bytes) {
  auto request = request_.feed(bytes);
  if (!request) return refuse(request.error());
  if (!*request) return;
  state_ = State::answering;
  set_deadline(settings_.reply_timeout);
  chunked_ = (*request)->minor_version >= 1;
  if ((*request)->method != "GET") return answer(http_error(405, "only GET is served here"));
  handler_(**request, [weak = weak_from_this()](HttpReply reply) {
    if (const auto session = weak.lock()) session->answer(std::move(reply));
  });
}

void HttpSession::refuse(const Error& error) {
  log_info("the HTTP request of {} is refused: {}", stream_->peer(), error.message);
  state_ = State::answering;
  refused_ = true;
  set_deadline(settings_.reply_timeout);
  answer(http_error(status_of(error.code), error.message));
}

void HttpSession::answer(HttpReply reply) {
  if (state_ != State::answering) return;
  std::string head = fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nConnection: close\r\n", reply.status,
                                 http_reason(reply.status), reply.content_type);
  if (reply.status == 405) head += "Allow: GET\r\n";
  body_ = std::move(reply.body);
  if (!body_) {
    head += fmt::format("Content-Length: {}\r\n\r\n{}", reply.text.size(), reply.text);
    return write({bytes_of(head)}, &HttpSession::finish);
  }
  head += chunked_ ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n";
  write({bytes_of(head)}, &HttpSession::write_next_piece);
}

void HttpSession::write_next_piece() {
  const auto self = shared_from_this();  // and with it the body, also when `done` is called inside next()
  body_->next([weak = weak_from_this()](Result<HttpBody::Piece> piece) {
    const auto session = weak.lock();
    if (!session || session->state_ != State::answering) return;
    if (!piece) {
      log_warn("an HTTP reply to {} is cut: {}", session->stream_->peer(), piece.error().message);
      return session->close();
    }
    session->write_piece(std::move(*piece));
  });
}

void HttpSession::write_piece(HttpBody::Piece piece) {
  std::size_t size = 0;
  for (const SharedBytes& bytes : piece.bytes) size += bytes.size();
  if (size == 0 && !piece.last) return write_next_piece();  // and nothing of it ends here
  std::vector<SharedBytes> out;
  if (size > 0 && chunked_) out.push_back(bytes_of(fmt::format("{:x}\r\n", size)));
  if (size > 0) std::ranges::move(piece.bytes, std::back_inserter(out));
  std::string_view end = piece.last ? "0\r\n\r\n" : "";
  if (chunked_) out.push_back(bytes_of(fmt::format("{}{}", size > 0 ? "\r\n" : "", end)));
  if (out.empty()) return finish();
  write(std::move(out), piece.last ? &HttpSession::finish : &HttpSession::write_next_piece);
}

void HttpSession::write(std::vector<SharedBytes> pieces, void (HttpSession::*then)()) {
  stream_->write(std::move(pieces), [this, then](const Result<void>& written) {
    const auto self = shared_from_this();
    if (!written) return close();
    (this->*then)();
  });
}

/// Closing while the client still sends would throw away what it has not read yet of the reply.
void HttpSession::finish() {
  if (!refused_) return close();
  state_ = State::draining;
  set_deadline(settings_.drain_timeout);
  read();
}

}  // namespace sluice::broker
