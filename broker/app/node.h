// A node as a process runs it: real disks, clocks and sockets, one thread a shard.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/app/data_directory.h"
#include "broker/app/settings.h"
#include "broker/net/stream.h"

namespace sluice::broker {

class Node {
 public:
  explicit Node(Settings settings);
  ~Node();

  /// Locks the data directory, recovers, and serves: returns when every group leads and the listener accepts.
  /// Errors: config, in_use, corrupt, io_error, ...
  Result<void> start();
  /// Finishes requests, checkpoints, ends the threads, and gives the data directory free.
  void stop();

  const std::string& kafka_address() const { return kafka_.address; }
  /// Empty where no native clients are served.
  const std::string& native_address() const { return native_.address; }
  /// Empty where no metrics are served.
  const std::string& metrics_address() const { return metrics_address_; }
  std::uint32_t shards() const { return identity_.shards; }
  const std::string& io_engine() const { return io_engine_; }
  const Settings& settings() const { return settings_; }

 private:
  struct Thread;
  Result<void> prepare_directory();
  void fit_settings();
  Result<void> open_threads(bool new_directory);
  /// Where the clients of one protocol are served, by every shard.
  struct Endpoint {
    std::string host;
    int port = 0;         ///< 0 = not at all
    std::string address;  ///< of both
  };
  Result<void> open_listeners();
  /// Opens one for the listener `at` of every shard; `setting` and `flag` stand in errors.
  Result<Endpoint> open_endpoint(std::string_view setting, std::string_view flag, const std::string& listen,
                                 std::unique_ptr<Listener> Thread::* at);
  /// Where clients are told to connect to it.
  static Result<std::pair<std::string, int>> advertised(std::string_view setting, const std::string& advertise,
                                                        const Endpoint& endpoint);
  Result<void> open_metrics();
  /// Runs `step` on every shard's thread, all at once, and waits; the first error.
  Result<void> on_every_shard(const std::function<Result<void>(Thread&)>& step);
  Result<void> announce();
  void end_threads();
  /// Starts `step` on every shard; waits until each has called its `done`.
  void wait_for_every_shard(const std::function<void(Thread&, std::function<void()> done)>& step);

  Settings settings_;
  NodeIdentity identity_;
  std::optional<DirectoryLock> lock_;
  std::vector<std::unique_ptr<Thread>> threads_;
  Endpoint kafka_, native_;
  std::string metrics_address_;
  std::string io_engine_;
};

}  // namespace sluice::broker
