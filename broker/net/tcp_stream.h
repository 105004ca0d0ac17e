// One TCP connection. For the .cc files of broker/net alone, since it includes Asio.
#pragma once

#include <asio/ip/tcp.hpp>
#include <memory>
#include <string>
#include <vector>

#include "broker/net/event_loop.h"
#include "broker/net/stream.h"

namespace sluice::broker {

class TcpStream final : public Stream {
 public:
  /// Takes a connected socket. Failing to set an option (the peer may be gone) shows at the first read.
  TcpStream(EventLoop& loop, asio::ip::tcp::socket socket);
  ~TcpStream() override;

  void read_some(MutableByteSpan into, UniqueFunction<void(Result<std::size_t>)> done) override;
  void write(std::vector<SharedBytes> pieces, UniqueFunction<void(Result<void>)> done) override;
  std::size_t unsent_bytes() const override { return state_->unsent; }
  void own_unsent() override;
  void close() override;
  const std::string& peer() const override { return state_->peer; }

 private:
  /// Held by the socket's handlers too, so that these find out when the stream has gone.
  struct State {
    State(EventLoop& on, asio::ip::tcp::socket connected) : loop(on), socket(std::move(connected)) {}
    EventLoop& loop;
    asio::ip::tcp::socket socket;
    std::string peer;
    bool closed = false;
    UniqueFunction<void(Result<std::size_t>)> read_done;
    UniqueFunction<void(Result<void>)> write_done;
    std::vector<SharedBytes> pieces;  // under way; empty ones are skipped
    std::size_t first_piece = 0;      // the first that is not sent in full
    std::size_t first_offset = 0;     // bytes of it that are sent
    std::size_t unsent = 0;           // of all pieces
  };
  using StatePtr = std::shared_ptr<State>;
  enum class Sent { all, some, failed };

  static Sent send_now(State& state, int& error);
  static void advance(State& state, std::size_t sent);
  static void wait_writable(StatePtr state);
  static void continue_write(StatePtr state);
  static void finish_write(const StatePtr& state, Result<void> outcome);

  StatePtr state_;
};

}  // namespace sluice::broker
