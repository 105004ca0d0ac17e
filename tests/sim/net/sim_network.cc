#include "tests/sim/net/sim_network.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "protocol/base/check.h"

namespace sluice::sim {

namespace {

/// One end of a connection as its process sees it.
class SimStream final : public broker::Stream {
 public:
  SimStream(std::shared_ptr<SimConnection> connection, int side) : connection_(std::move(connection)), side_(side) {}
  ~SimStream() override { connection_->close(side_); }

  void read_some(MutableByteSpan into, UniqueFunction<void(Result<std::size_t>)> done) override {
    connection_->read(side_, into, std::move(done));
  }
  void write(std::vector<SharedBytes> pieces, UniqueFunction<void(Result<void>)> done) override {
    connection_->write(side_, std::move(pieces), std::move(done));
  }
  std::size_t unsent_bytes() const override {
    std::size_t bytes = 0;
    for (const SharedBytes& piece : connection_->ends[side_].unsent) bytes += piece.size();
    return bytes;
  }
  void own_unsent() override {
    for (SharedBytes& piece : connection_->ends[side_].unsent) piece = SharedBytes::copy_of(piece);
  }
  void close() override { connection_->close(side_); }
  const std::string& peer() const override { return connection_->ends[side_].peer; }

 private:
  std::shared_ptr<SimConnection> connection_;
  int side_;
};

constexpr int kClientSide = 0;
constexpr int kServerSide = 1;

}  // namespace

SimNetwork::SimNetwork(SimScheduler& scheduler, std::uint64_t seed, SimNetOptions options)
    : scheduler_(scheduler), random_(seed), options_(options), owner_(scheduler.new_owner()) {}

SimNetwork::~SimNetwork() { scheduler_.cancel_owner(owner_); }

std::unique_ptr<broker::Listener> SimNetwork::listen(OwnerId owner, std::string host, int port) {
  auto listener = std::make_unique<SimListener>(*this, owner, std::move(host), port != 0 ? port : ++last_port_);
  listeners_.push_back(listener.get());
  return listener;
}

void SimNetwork::connect(OwnerId owner, std::string host, int port,
                         UniqueFunction<void(Result<std::unique_ptr<broker::Stream>>)> done) {
  scheduler_.schedule_after(
      delay(), owner_, [this, owner, host = std::move(host), port, done = std::move(done)]() mutable {
        std::vector<SimListener*> there;
        std::copy_if(listeners_.begin(), listeners_.end(), std::back_inserter(there),
                     [&](const SimListener* l) { return l->host() == host && l->port() == port; });
        SimListener* chosen = there.empty() ? nullptr : there[random_.below(there.size())];
        const bool is_blocked = chosen && blocked(owner, chosen->owner());
        if (!chosen || is_blocked) {
          const char* why = is_blocked ? "timed out" : "connection refused";
          scheduler_.schedule_after(
              is_blocked ? options_.connect_timeout : delay(), owner,
              [done = std::move(done), text = fmt::format("{}:{}: {}", host, port, why)]() mutable {
                done(fail(Errc::io_error, "connecting to " + text));
              });
          return;
        }
        const auto connection = establish(owner, *chosen);
        chosen->arrived(std::make_unique<SimStream>(connection, kServerSide));
        scheduler_.schedule_after(
            delay(), owner,
            [done = std::move(done), stream = std::make_unique<SimStream>(connection, kClientSide)]() mutable {
              done(std::unique_ptr<broker::Stream>(std::move(stream)));
            });
      });
}

std::shared_ptr<SimConnection> SimNetwork::establish(OwnerId client, SimListener& listener) {
  auto connection = std::make_shared<SimConnection>(*this);
  connection->ends[kClientSide].owner = client;
  connection->ends[kClientSide].peer = fmt::format("{}:{}", listener.host(), listener.port());
  connection->ends[kServerSide].owner = listener.owner();
  connection->ends[kServerSide].peer = fmt::format("sim-{}:{}", client, ++last_client_port_);
  forget_dead();
  connections_.push_back(connection);
  return connection;
}

void SimNetwork::cut_all(OwnerId owner) {
  forget_dead();
  for (const auto& weak : connections_) {
    const auto connection = weak.lock();
    if (connection->ends[0].owner == owner || connection->ends[1].owner == owner) connection->cut();
  }
}

bool SimNetwork::cut_one() {
  forget_dead();
  if (connections_.empty()) return false;
  connections_[random_.below(connections_.size())].lock()->cut();
  return true;
}

void SimNetwork::block(OwnerId a, OwnerId b) { blocked_.insert(std::minmax(a, b)); }

void SimNetwork::unblock(OwnerId a, OwnerId b) {
  if (blocked_.erase(std::minmax(a, b)) == 0) return;
  forget_dead();
  for (const auto& weak : connections_) {
    const auto connection = weak.lock();
    if (std::minmax(connection->ends[0].owner, connection->ends[1].owner) == std::minmax(a, b)) connection->unblock();
  }
}

std::size_t SimNetwork::connection_count() {
  forget_dead();
  return connections_.size();
}

Nanos SimNetwork::delay() {
  const auto span = static_cast<std::uint64_t>((options_.max_delay - options_.min_delay).count());
  return options_.min_delay + Nanos(static_cast<std::int64_t>(random_.below(span + 1)));
}

void SimNetwork::forget_dead() {
  std::erase_if(connections_, [](const std::weak_ptr<SimConnection>& weak) {
    const auto connection = weak.lock();
    return !connection || (connection->ends[0].closed && connection->ends[1].closed);
  });
}

SimListener::~SimListener() { network_.forget(*this); }

void SimListener::start(UniqueFunction<void(std::unique_ptr<broker::Stream>)> accepted) {
  CHECK(!accepted_, "a listener is started once");
  accepted_ = std::move(accepted);
  accept_later();
}

void SimListener::pause(bool paused) {
  paused_ = paused;
  accept_later();
}

void SimListener::arrived(std::unique_ptr<broker::Stream> stream) {
  backlog_.push_back(std::move(stream));
  accept_later();
}

void SimListener::accept_later() {
  if (paused_ || accept_due_ || !accepted_ || backlog_.empty()) return;
  accept_due_ = true;
  network_.scheduler().schedule_after(Nanos(0), owner_, [weak = std::weak_ptr(life_)] {
    if (const auto life = weak.lock()) (*life)->accept_waiting();
  });
}

void SimListener::accept_waiting() {
  accept_due_ = false;
  if (paused_ || backlog_.empty()) return;
  auto stream = std::move(backlog_.front());
  backlog_.erase(backlog_.begin());
  accept_later();  // the others; before the callback, which may destroy this listener
  const std::weak_ptr life = life_;
  auto accepted = std::move(accepted_);
  accepted(std::move(stream));
  if (life.expired()) return;
  accepted_ = std::move(accepted);
  accept_later();
}

}  // namespace sluice::sim
