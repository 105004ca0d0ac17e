// A shard's listeners of one protocol: takes connections, owns them, and ends them.
// Invariants: connections beyond the node's limit are closed as they come, so that clients know at once. One timer
// looks after the deadlines of all connections, and only while there are any. Thread safety: the shard's thread. Owner:
// the protocol's server; the clock outlives it.
#pragma once

#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/listener/connection.h"
#include "broker/listener/connection_limit.h"

namespace sluice::broker {

class ConnectionServer {
 public:
  struct Options {
    std::string_view what;                   ///< for log lines
    std::shared_ptr<ConnectionLimit> limit;  ///< of the node
    Nanos sweep_interval = std::chrono::seconds(5);
  };
  using Make =
      UniqueFunction<std::shared_ptr<Connection>(std::unique_ptr<Stream>, UniqueFunction<void(Connection&)> closed)>;
  ConnectionServer(Options options, Clock& clock, ConnectionStats& stats, Make make)
      : options_(std::move(options)), clock_(clock), stats_(stats), make_(std::move(make)) {}
  ~ConnectionServer();
  ConnectionServer(const ConnectionServer&) = delete;
  ConnectionServer& operator=(const ConnectionServer&) = delete;

  /// Serves the connections of one more listener, which is not started yet.
  void listen(std::unique_ptr<Listener> listener);
  /// Serves one connection.
  void accept(std::unique_ptr<Stream> stream);
  /// Stops accepting, lets what is under way end, and closes; after `limit` it closes what is left. `done` is called
  /// once, never inside this call.
  void drain(Nanos limit, UniqueFunction<void()> done);

  std::size_t size() const { return connections_.size(); }
  /// Those that are open now; some may end while the caller walks over them.
  std::vector<std::shared_ptr<Connection>> snapshot() const;

 private:
  void forget(Connection& connection);
  void refuse(Stream& stream);
  void sweep();
  void finish_drain();

  const Options options_;
  Clock& clock_;
  ConnectionStats& stats_;
  Make make_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections_;
  LineBudget refusal_lines_{1, std::chrono::seconds(10)};
  bool draining_ = false;
  Clock::TimerId sweep_timer_ = 0;
  Clock::TimerId drain_timer_ = 0;
  UniqueFunction<void()> drained_;
};

}  // namespace sluice::broker
