// The network of a simulated cluster, behind the Stream and Listener seams: seeded delays, bytes that arrive in other
// pieces than they were written in, connections that break, and ways between processes that are blocked.
// Invariants: with the same calls and seed the same things happen. See sim_connection.h for what a connection promises.
// The network outlives its listeners and streams. Thread safety: one thread. Owner: tests/sim.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/net/stream.h"
#include "protocol/base/random.h"
#include "tests/sim/clock/sim_clock.h"
#include "tests/sim/net/sim_connection.h"

namespace sluice::sim {

class SimListener;

class SimNetwork {
 public:
  SimNetwork(SimScheduler& scheduler, std::uint64_t seed, SimNetOptions options = {});
  ~SimNetwork();

  /// Listens for `owner`. Port 0 takes a free one. Several listeners at one address share its connections, as shards
  /// do.
  std::unique_ptr<broker::Listener> listen(OwnerId owner, std::string host, int port = 0);
  /// Connects from `owner`; `done` runs as its event. Errors: io_error when nobody listens there or the way is blocked.
  void connect(OwnerId owner, std::string host, int port,
               UniqueFunction<void(Result<std::unique_ptr<broker::Stream>>)> done);

  /// Breaks all connections of a process; of a crashed one too.
  void cut_all(OwnerId owner);
  /// Breaks one connection, chosen by the seed; false when there is none.
  bool cut_one();
  /// Nothing gets through between two processes until unblock(); bytes wait, as TCP sends them again.
  void block(OwnerId a, OwnerId b);
  void unblock(OwnerId a, OwnerId b);
  bool blocked(OwnerId a, OwnerId b) const { return blocked_.contains(std::minmax(a, b)); }
  std::size_t connection_count();

  // For connections and listeners.
  SimScheduler& scheduler() { return scheduler_; }
  Random& random() { return random_; }
  const SimNetOptions& options() const { return options_; }
  OwnerId owner() const { return owner_; }
  Nanos delay();
  void forget(SimListener& listener) { std::erase(listeners_, &listener); }

 private:
  void forget_dead();
  std::shared_ptr<SimConnection> establish(OwnerId client, SimListener& listener);

  SimScheduler& scheduler_;
  SeededRandom random_;
  SimNetOptions options_;
  OwnerId owner_;
  std::vector<SimListener*> listeners_;
  std::vector<std::weak_ptr<SimConnection>> connections_;
  std::set<std::pair<OwnerId, OwnerId>> blocked_;
  int last_port_ = 20'000;
  int last_client_port_ = 40'000;
};

/// Made by SimNetwork::listen.
class SimListener final : public broker::Listener {
 public:
  SimListener(SimNetwork& network, OwnerId owner, std::string host, int port)
      : network_(network),
        owner_(owner),
        host_(std::move(host)),
        port_(port),
        life_(std::make_shared<SimListener*>(this)) {}
  ~SimListener() override;

  void start(UniqueFunction<void(std::unique_ptr<broker::Stream>)> accepted) override;
  void pause(bool paused) override;
  const std::string& host() const override { return host_; }
  int port() const override { return port_; }

  OwnerId owner() const { return owner_; }
  /// A connection is there to be accepted.
  void arrived(std::unique_ptr<broker::Stream> stream);

 private:
  void accept_later();
  void accept_waiting();

  SimNetwork& network_;
  OwnerId owner_;
  std::string host_;
  int port_;
  UniqueFunction<void(std::unique_ptr<broker::Stream>)> accepted_;
  std::vector<std::unique_ptr<broker::Stream>> backlog_;
  bool paused_ = false;
  bool accept_due_ = false;
  std::shared_ptr<SimListener*> life_;  // events hold it weakly
};

}  // namespace sluice::sim
