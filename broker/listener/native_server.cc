#include "broker/listener/native_server.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace sluice::broker {

NativeServer::NativeServer(BrokerApi& broker, Clock& clock, std::shared_ptr<ConnectionMemory> memory,
                           NativeSettings settings, std::shared_ptr<ConnectionLimit> limit)
    : context_(std::make_shared<NativeContext>(broker, clock, settings, std::move(memory))),
      publish_window_(settings.most_publish_window_bytes),
      connections_(
          {.what = "native",
           .limit = limit ? std::move(limit) : std::make_shared<ConnectionLimit>(settings.max_connections),
           .sweep_interval = settings.sweep_interval},
          clock, context_->stats, [this](std::unique_ptr<Stream> stream, UniqueFunction<void(Connection&)> closed) {
            spread_publish_windows(connections_.size() + 1);
            return std::make_shared<NativeSession>(std::move(stream), context_, publish_window_,
                                                   [this, closed = std::move(closed)](Connection& connection) mutable {
                                                     closed(connection);
                                                     spread_publish_windows(connections_.size());
                                                   });
          }) {
  context_->layout_watched = [this] { watch_layout(); };
}

void NativeServer::watch_layout() {
  if (std::exchange(watching_, true)) return;
  context_->broker.next_layout_change([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) layout_changed();
  });
}

void NativeServer::layout_changed() {
  watching_ = false;
  bool watched = false;
  const std::uint64_t revision = context_->broker.layout_revision();
  for_each_session([&](NativeSession& session) {
    watched |= session.watches_layout();
    session.layout_changed(revision);
  });
  if (watched) watch_layout();
}

void NativeServer::own_output() {
  for_each_session([](NativeSession& session) { session.own_output(); });
}

/// A power of two, so that it changes seldom.
std::size_t NativeServer::publish_window(std::size_t connections) const {
  const NativeSettings& settings = context_->settings;
  const std::size_t share = settings.publish_memory / std::max<std::size_t>(connections, 1);
  return std::clamp(std::bit_floor(std::max<std::size_t>(share, 1)), settings.least_publish_window_bytes,
                    settings.most_publish_window_bytes);
}

void NativeServer::spread_publish_windows(std::size_t connections) {
  const std::size_t window = publish_window(connections);
  if (std::exchange(publish_window_, window) == window) return;
  for_each_session([window](NativeSession& session) { session.set_publish_window(window); });
}

}  // namespace sluice::broker
