#include "broker/net/tcp_stream.h"

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <asio/buffer.hpp>
#include <cerrno>
#include <system_error>
#include <utility>

#include "broker/net/address.h"
#include "protocol/base/check.h"

namespace sluice::broker {

namespace {

constexpr std::size_t kMaxPieces = 64;
/// After so many bytes without a pause a writer lets others have the loop.
constexpr std::size_t kMaxBurstBytes = 4U << 20;

Error connection_error(std::string_view doing, const std::string& peer, const std::error_code& error) {
  return {Errc::io_error, fmt::format("{} {}: {}", doing, peer, error.message())};
}

}  // namespace

TcpStream::TcpStream(EventLoop& loop, asio::ip::tcp::socket socket)
    : state_(std::make_shared<State>(loop, std::move(socket))) {
  std::error_code error;
  const auto remote = state_->socket.remote_endpoint(error);
  state_->peer = error ? std::string("unknown peer") : host_port_text(remote.address().to_string(), remote.port());
  state_->socket.set_option(asio::ip::tcp::no_delay(true), error);
  state_->socket.non_blocking(true, error);
}

TcpStream::~TcpStream() { close(); }

void TcpStream::close() {
  State& state = *state_;
  if (std::exchange(state.closed, true)) return;
  std::error_code ignored;
  state.socket.close(ignored);
  // Destroying a callback may destroy what owns this stream, so they go last and from here.
  const StatePtr keep = state_;
  const auto read_done = std::exchange(state.read_done, nullptr);
  const auto write_done = std::exchange(state.write_done, nullptr);
  const auto pieces = std::exchange(state.pieces, {});
  state.unsent = 0;
}

void TcpStream::read_some(MutableByteSpan into, UniqueFunction<void(Result<std::size_t>)> done) {
  CHECK(!into.empty());
  CHECK(!state_->read_done, "one read at a time");
  if (state_->closed) return;
  state_->read_done = std::move(done);
  state_->socket.async_read_some(asio::buffer(into.data(), into.size()),
                                 [state = state_](std::error_code error, std::size_t size) {
                                   if (state->closed) return;
                                   auto finished = std::exchange(state->read_done, nullptr);
                                   if (error == asio::error::eof) {
                                     finished(std::size_t{0});
                                   } else if (error) {
                                     finished(fail(connection_error("reading from", state->peer, error)));
                                   } else {
                                     finished(size);
                                   }
                                 });
}

void TcpStream::write(std::vector<SharedBytes> pieces, UniqueFunction<void(Result<void>)> done) {
  State& state = *state_;
  CHECK(!state.write_done, "one write at a time");
  if (state.closed) return;
  state.write_done = std::move(done);
  state.pieces = std::move(pieces);
  state.first_piece = 0;
  state.first_offset = 0;
  state.unsent = 0;
  for (const SharedBytes& piece : state.pieces) state.unsent += piece.size();
  int error = 0;
  switch (send_now(state, error)) {
    case Sent::some: wait_writable(state_); return;
    case Sent::all: state.loop.defer([keep = state_] { finish_write(keep, {}); }); return;
    case Sent::failed:
      state.loop.defer([keep = state_, error] {
        finish_write(keep, fail(connection_error("writing to", keep->peer, {error, std::system_category()})));
      });
      return;
  }
}

TcpStream::Sent TcpStream::send_now(State& state, int& error) {
  std::size_t burst = 0;
  while (state.first_piece < state.pieces.size()) {
    if (burst >= kMaxBurstBytes) return Sent::some;
    std::array<iovec, kMaxPieces> gather;
    std::size_t count = 0;
    std::size_t offset = state.first_offset;
    for (std::size_t i = state.first_piece; i < state.pieces.size() && count < kMaxPieces; ++i) {
      const ByteSpan rest = state.pieces[i].span().subspan(offset);
      offset = 0;
      if (rest.empty()) continue;
      gather[count++] = {const_cast<std::byte*>(rest.data()), rest.size()};
    }
    if (count == 0) break;  // only empty pieces are left
    msghdr message{};
    message.msg_iov = gather.data();
    message.msg_iovlen = count;
    const ssize_t sent = ::sendmsg(state.socket.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return Sent::some;
      error = errno;
      return Sent::failed;
    }
    burst += static_cast<std::size_t>(sent);
    advance(state, static_cast<std::size_t>(sent));
  }
  return Sent::all;
}

void TcpStream::own_unsent() {
  State& state = *state_;
  std::size_t offset = state.first_offset;
  for (std::size_t i = state.first_piece; i < state.pieces.size(); ++i) {
    SharedBytes& piece = state.pieces[i];
    if (piece.charge() > piece.size()) {
      piece = SharedBytes::copy_of(piece.span().subspan(offset));
      if (i == state.first_piece) state.first_offset = 0;
    }
    offset = 0;
  }
}

void TcpStream::advance(State& state, std::size_t sent) {
  state.unsent -= sent;
  while (sent > 0) {
    SharedBytes& piece = state.pieces[state.first_piece];
    const std::size_t rest = piece.size() - state.first_offset;
    if (sent < rest) {
      state.first_offset += sent;
      return;
    }
    sent -= rest;
    piece = {};  // what is sent need not stay in memory for a slow reader
    state.first_offset = 0;
    ++state.first_piece;
  }
}

void TcpStream::wait_writable(StatePtr state) {
  auto& socket = state->socket;
  socket.async_wait(asio::ip::tcp::socket::wait_write, [state = std::move(state)](std::error_code error) {
    if (state->closed) return;
    if (error) return finish_write(state, fail(connection_error("writing to", state->peer, error)));
    continue_write(state);
  });
}

void TcpStream::continue_write(StatePtr state) {
  int error = 0;
  switch (send_now(*state, error)) {
    case Sent::some: wait_writable(std::move(state)); return;
    case Sent::all: finish_write(state, {}); return;
    case Sent::failed:
      finish_write(state, fail(connection_error("writing to", state->peer, {error, std::system_category()})));
      return;
  }
}

void TcpStream::finish_write(const StatePtr& state, Result<void> outcome) {
  if (state->closed) return;
  auto finished = std::exchange(state->write_done, nullptr);
  state->pieces.clear();
  finished(std::move(outcome));
}

}  // namespace sluice::broker
