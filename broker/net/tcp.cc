#include "broker/net/tcp.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <asio/ip/tcp.hpp>
#include <utility>

#include "broker/net/address.h"
#include "broker/net/event_loop_impl.h"
#include "broker/net/tcp_stream.h"
#include "protocol/base/log.h"

namespace sluice::broker {

namespace {

using asio::ip::tcp;

/// SO_REUSEPORT, for which Asio has no option of its own.
using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

/// Errors of accept() that pass when others give back what they hold.
bool lacks_resources(const std::error_code& error) {
  const int code = error.value();
  return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

class TcpListener final : public Listener {
 public:
  TcpListener(EventLoop& loop, tcp::acceptor acceptor, const TcpListenOptions& options)
      : state_(std::make_shared<State>(loop, std::move(acceptor), options.retry_accept_after)),
        host_(options.host.empty() ? "0.0.0.0" : options.host) {
    std::error_code error;
    port_ = state_->acceptor.local_endpoint(error).port();
  }
  ~TcpListener() override {
    state_->gone = true;
    std::error_code ignored;
    state_->acceptor.close(ignored);
    state_->loop.cancel(state_->retry_timer);
    const auto dropped = std::exchange(state_->accepted, nullptr);
  }

  void start(UniqueFunction<void(std::unique_ptr<Stream>)> accepted) override {
    CHECK(!state_->accepted, "a listener is started once");
    state_->accepted = std::move(accepted);
    if (!state_->paused) accept(state_);
  }

  void pause(bool paused) override {
    if (std::exchange(state_->paused, paused) == paused || !state_->accepted) return;
    if (paused) {
      std::error_code ignored;
      state_->acceptor.cancel(ignored);
    } else {
      accept(state_);
    }
  }

  const std::string& host() const override { return host_; }
  int port() const override { return port_; }

 private:
  struct State {
    State(EventLoop& on, tcp::acceptor listening, Millis retry)
        : loop(on), acceptor(std::move(listening)), retry_after(retry) {}
    EventLoop& loop;
    tcp::acceptor acceptor;
    const Millis retry_after;
    UniqueFunction<void(std::unique_ptr<Stream>)> accepted;
    bool accepting = false;  // an accept is under way, or waits for its retry
    bool paused = false;
    bool gone = false;
    bool starved = false;  // said once for each time that resources run out
    Clock::TimerId retry_timer = 0;
  };

  static void accept(std::shared_ptr<State> state) {
    if (state->accepting) return;
    state->accepting = true;
    auto& acceptor = state->acceptor;
    acceptor.async_accept([state = std::move(state)](std::error_code error, tcp::socket socket) {
      state->accepting = false;
      if (state->gone) return;
      if (!error) {
        state->starved = false;
        // Called in place: it may destroy the listener, which then takes the callback only after this call.
        auto accepted = std::move(state->accepted);
        accepted(std::make_unique<TcpStream>(state->loop, std::move(socket)));
        if (state->gone) return;
        state->accepted = std::move(accepted);
      } else if (lacks_resources(error)) {
        return retry_later(state, error);
      }
      // Other errors are about one connection that ended before it was taken, or say that the listener pauses.
      if (!state->paused) accept(state);
    });
  }

  static void retry_later(const std::shared_ptr<State>& state, const std::error_code& error) {
    if (!std::exchange(state->starved, true)) {
      log_warn(
          "cannot accept connections: {}; trying again every {} ms. Raise the limit of open files (ulimit -n) or lower "
          "the connection limit.",
          error.message(), state->retry_after.count());
    }
    state->accepting = true;
    state->retry_timer = state->loop.call_after(state->retry_after, [state] {
      state->accepting = false;
      if (!state->gone && !state->paused) accept(state);
    });
  }

  std::shared_ptr<State> state_;
  std::string host_;
  int port_ = 0;
};

Result<tcp::endpoint> resolve(asio::io_context& context, const std::string& host, int port) {
  const auto service = static_cast<unsigned short>(port);
  std::error_code error;
  if (host.empty()) return tcp::endpoint(tcp::v4(), service);
  const auto address = asio::ip::make_address(host, error);
  if (!error) return tcp::endpoint(address, service);
  tcp::resolver resolver(context);
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, error);
  if (error || found.empty()) {
    return fail(Errc::config, fmt::format("cannot resolve the host name '{}': {}", host, error.message()));
  }
  return found.begin()->endpoint();
}

}  // namespace

Result<std::unique_ptr<Listener>> listen_tcp(EventLoop& loop, const TcpListenOptions& options) {
  asio::io_context& context = loop.impl().context;
  if (options.port < 0 || options.port > 65535) {
    return fail(Errc::config, fmt::format("{} is no port: expected 0 to 65535", options.port));
  }
  const auto endpoint = resolve(context, options.host, options.port);
  if (!endpoint) return fail(endpoint.error());
  tcp::acceptor acceptor(context);
  std::error_code error;
  const char* doing = "opening a socket for";
  acceptor.open(endpoint->protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && options.reuse_port) acceptor.set_option(ReusePort(true), error);
  if (!error) {
    doing = "binding to";
    acceptor.bind(*endpoint, error);
  }
  if (!error) {
    doing = "listening on";
    acceptor.listen(options.backlog, error);
  }
  if (error) {
    const Errc code = error == asio::error::address_in_use ? Errc::in_use : Errc::io_error;
    const std::string where = host_port_text(endpoint->address().to_string(), options.port);
    return fail(code, fmt::format("{} {}: {}", doing, where, error.message()));
  }
  return std::make_unique<TcpListener>(loop, std::move(acceptor), options);
}

void connect_tcp(EventLoop& loop, std::string_view address, int port,
                 UniqueFunction<void(Result<std::unique_ptr<Stream>>)> done) {
  std::error_code error;
  const auto parsed = asio::ip::make_address(std::string(address), error);
  if (error || port < 1 || port > 65535) {
    loop.defer([done = std::move(done), text = host_port_text(address, port)]() mutable {
      done(fail(Errc::config, fmt::format("'{}' is no address and port", text)));
    });
    return;
  }
  auto socket = std::make_shared<tcp::socket>(loop.impl().context);
  socket->async_connect(
      tcp::endpoint(parsed, static_cast<unsigned short>(port)),
      [&loop, socket, done = std::move(done), text = host_port_text(address, port)](std::error_code failed) mutable {
        if (failed) {
          done(fail(Errc::io_error, fmt::format("connecting to {}: {}", text, failed.message())));
        } else {
          done(std::make_unique<TcpStream>(loop, std::move(*socket)));
        }
      });
}

}  // namespace sluice::broker
