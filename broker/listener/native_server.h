// A shard's native listener. Invariants: the windows that connections are told for their publishing share one sum, and
// follow the number of connections; the layout is watched only while a client watches it.
// Thread safety: the shard's thread. Owner: broker/app. The BrokerApi and the Clock outlive it.
#pragma once

#include <memory>

#include "broker/listener/connection_server.h"
#include "broker/listener/native_session.h"

namespace sluice::broker {

class NativeServer {
 public:
  /// `memory` is shared with the shard's other listeners, `limit` with all of the node; none: of this server alone.
  NativeServer(BrokerApi& broker, Clock& clock, std::shared_ptr<ConnectionMemory> memory, NativeSettings settings = {},
               std::shared_ptr<ConnectionLimit> limit = nullptr);

  void listen(std::unique_ptr<Listener> listener) { connections_.listen(std::move(listener)); }
  void accept(std::unique_ptr<Stream> stream) { connections_.accept(std::move(stream)); }
  void drain(Nanos limit, UniqueFunction<void()> done) { connections_.drain(limit, std::move(done)); }

  /// A journal waits for buffers that output may keep from being used: copies it out of them.
  void own_output();

  std::size_t session_count() const { return connections_.size(); }
  const NativeStats& stats() const { return context_->stats; }
  /// Calls `visit(NativeSession&)` for each that is open.
  template <class Visit>
  void for_each_session(Visit&& visit) const {
    for (const auto& connection : connections_.snapshot()) visit(static_cast<NativeSession&>(*connection));
  }

 private:
  void watch_layout();
  void layout_changed();
  std::size_t publish_window(std::size_t connections) const;
  void spread_publish_windows(std::size_t connections);

  const std::shared_ptr<NativeContext> context_;
  bool watching_ = false;
  std::size_t publish_window_ = 0;
  const std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  ConnectionServer connections_;
};

}  // namespace sluice::broker
