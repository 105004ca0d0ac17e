// A shard's Kafka listener: takes connections, owns their sessions, and ends them.
// Invariants: connections beyond the node's limit are closed as they come, so that clients know at once. One timer
// looks after the deadlines of all sessions and after fetch sessions that nobody uses, and only while there are any;
// another one after those that stall, and only while others wait for memory. Thread safety: the shard's thread. Owner:
// broker/app. The BrokerApi, the Clock and the Random outlive it.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "broker/listener/connection_limit.h"
#include "broker/listener/kafka_session.h"
#include "broker/listener/kafka_settings.h"
#include "broker/net/stream.h"
#include "broker/service/broker_api.h"
#include "protocol/base/clock.h"
#include "protocol/base/line_budget.h"

namespace sluice::broker {

class KafkaServer {
 public:
  /// `limit`: of the node; none: of this server alone.
  KafkaServer(BrokerApi& broker, Clock& clock, Random& random, KafkaSettings settings = {},
              std::shared_ptr<ConnectionLimit> limit = nullptr);
  ~KafkaServer();
  KafkaServer(const KafkaServer&) = delete;
  KafkaServer& operator=(const KafkaServer&) = delete;

  /// Serves the connections of one more listener, which is not started yet.
  void listen(std::unique_ptr<Listener> listener);
  /// Serves one connection.
  void accept(std::unique_ptr<Stream> stream);

  /// Stops accepting, lets the requests under way be answered, and closes; after `limit` it closes what is left. `done`
  /// is called once, never inside this call.
  void drain(Nanos limit, UniqueFunction<void()> done);

  /// A journal waits for buffers that replies may keep from being used: copies out of them what clients have not taken.
  void own_replies();

  std::size_t session_count() const { return sessions_.size(); }
  const ConnectionMemory& memory() const { return *memory_; }
  /// For the shard's other listeners: what they hold counts in the same bounds. Nobody is woken after this server.
  const std::shared_ptr<ConnectionMemory>& shared_memory() const { return memory_; }
  const FetchSessions& fetch_sessions() const { return *fetch_sessions_; }
  const KafkaStats& stats() const { return *stats_; }
  /// Calls `visit(const KafkaSession&)` for each, for tests and descriptions.
  template <class Visit>
  void for_each_session(Visit&& visit) const {
    for (const auto& [key, session] : sessions_) visit(*session);
  }

 private:
  void forget(KafkaSession& session);
  void wake_waiting();
  void refuse(Stream& stream);
  void memory_pressed();
  void check_stalled();
  void sweep();
  void finish_drain();
  std::vector<std::shared_ptr<KafkaSession>> snapshot() const;

  BrokerApi& broker_;
  Clock& clock_;
  const KafkaSettings settings_;
  const std::shared_ptr<ConnectionMemory> memory_;
  const std::shared_ptr<FetchSessions> fetch_sessions_;
  const std::shared_ptr<KafkaStats> stats_ = std::make_shared<KafkaStats>();
  const std::shared_ptr<ConnectionLimit> limit_;
  LineBudget refusal_lines_{1, std::chrono::seconds(10)};
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::unordered_map<KafkaSession*, std::shared_ptr<KafkaSession>> sessions_;
  bool draining_ = false;
  Clock::TimerId sweep_timer_ = 0;
  Clock::TimerId wake_timer_ = 0;
  Clock::TimerId pressed_timer_ = 0;
  Clock::TimerId drain_timer_ = 0;
  UniqueFunction<void()> drained_;
};

}  // namespace sluice::broker
