#include "broker/net/event_loop.h"

#include <algorithm>
#include <asio/post.hpp>
#include <utility>

#include "broker/net/event_loop_impl.h"

namespace sluice::broker {

namespace {

SteadyTime real_steady() { return std::chrono::steady_clock::now().time_since_epoch(); }
WallTime real_wall() {
  return std::chrono::duration_cast<WallTime>(std::chrono::system_clock::now().time_since_epoch());
}

/// Marks the cached time as valid for a scope.
class Running {
 public:
  explicit Running(bool& flag) : flag_(flag), before_(std::exchange(flag, true)) {}
  ~Running() { flag_ = before_; }

 private:
  bool& flag_;
  bool before_;
};

}  // namespace

EventLoop::EventLoop(EventLoopOptions options) : impl_(std::make_unique<Impl>(options)) { impl_->take_time(); }

EventLoop::~EventLoop() {
  while (!impl_->watches.empty()) unwatch_fd(impl_->watches.begin()->first);
}

SteadyTime EventLoop::steady() const { return impl_->running ? impl_->now : real_steady(); }
WallTime EventLoop::wall() const { return impl_->running ? impl_->wall_now : real_wall(); }

Clock::TimerId EventLoop::call_at(SteadyTime when, UniqueFunction<void()> callback) {
  return impl_->timers.add(when, std::move(callback));
}
void EventLoop::cancel(TimerId id) { impl_->timers.cancel(id); }

void EventLoop::post(UniqueFunction<void()> work) {
  {
    const std::lock_guard lock(impl_->posted_mutex);
    impl_->posted.push_back(std::move(work));
  }
  wake();
}

void EventLoop::wake() {
  impl_->woken.store(true);
  // Both are sequentially consistent: either the loop sees `woken` before it sleeps, or this sees it `sleeping`.
  if (impl_->sleeping.exchange(false)) asio::post(impl_->context, [] {});
}

void EventLoop::defer(UniqueFunction<void()> work) { impl_->deferred.push_back(std::move(work)); }

void EventLoop::watch_fd(int fd, UniqueFunction<void()> readable) {
  unwatch_fd(fd);
  auto watch = std::make_shared<Impl::Watch>(impl_->context, fd);
  watch->readable = std::move(readable);
  impl_->watches[fd] = std::move(watch);
}

void EventLoop::unwatch_fd(int fd) {
  const auto found = impl_->watches.find(fd);
  if (found == impl_->watches.end()) return;
  const std::shared_ptr<Impl::Watch> watch = std::move(found->second);
  impl_->watches.erase(found);
  watch->forgotten = true;
  watch->descriptor.release();  // ends the wait, so that its handler lets go of the watch
}

void EventLoop::set_turn_hook(UniqueFunction<bool()> hook) { impl_->hook = std::move(hook); }

void EventLoop::run() {
  constexpr std::uint32_t kBusyTurns = 64;  // between looks at watched descriptors
  const Running running(impl_->running);
  impl_->take_time();
  bool idle = false;
  SteadyTime idle_since{0};
  std::uint32_t turns = 0;
  while (!impl_->stopping.load(std::memory_order_relaxed)) {
    if (++turns % kBusyTurns == 0) impl_->arm_watches();
    if (impl_->turn()) {
      if (std::exchange(idle, false)) impl_->usual_wait = (7 * impl_->usual_wait + (impl_->now - idle_since)) / 8;
      continue;
    }
    if (!std::exchange(idle, true)) idle_since = impl_->now;
    if (!impl_->worth_spinning() || impl_->now - idle_since >= impl_->options.spin) impl_->sleep();
  }
  impl_->stopping.store(false);
}

void EventLoop::stop() {
  impl_->stopping.store(true);
  wake();
}

bool EventLoop::poll() {
  const Running running(impl_->running);
  impl_->arm_watches();
  return impl_->turn();
}

void EventLoop::Impl::take_time() {
  now = std::max(now, real_steady());
  wall_now = real_wall();
}

const LoopStats& EventLoop::stats() const { return impl_->stats; }

bool EventLoop::Impl::turn() {
  const SteadyTime before = now;
  take_time();
  if (std::exchange(worked, false)) stats.turn_ns.record(static_cast<std::uint64_t>((now - before).count()));
  std::size_t work = timers.fire(now);
  work += run_posted();
  for (std::size_t i = 0; i < options.handlers_per_turn && context.poll_one() > 0; ++i) ++work;
  work += run_deferred();
  if (hook && hook()) ++work;
  worked = work > 0;
  return worked;
}

std::size_t EventLoop::Impl::run_posted() {
  if (!woken.load(std::memory_order_relaxed) || !woken.exchange(false)) return 0;
  std::vector<UniqueFunction<void()>> ready;
  {
    const std::lock_guard lock(posted_mutex);
    ready.swap(posted);
  }
  for (auto& work : ready) work();
  return ready.size() + 1;  // a wake-up alone is work too: the loop stays awake for the answer
}

std::size_t EventLoop::Impl::run_deferred() {
  if (deferred.empty()) return 0;
  std::vector<UniqueFunction<void()>> ready;
  ready.swap(deferred);  // what these defer waits for the next turn, so that a turn ends
  for (auto& work : ready) work();
  const std::size_t ran = ready.size();
  ready.clear();
  if (deferred.empty()) deferred.swap(ready);  // keep the memory
  return ran;
}

void EventLoop::Impl::sleep() {
  arm_watches();
  sleeping.store(true);
  if (!woken.load() && deferred.empty()) {
    // Rounded up to a whole millisecond by epoll; Asio looks at the clock at least once a second, and so do we.
    const SteadyTime limit = now + std::chrono::seconds(60);
    const SteadyTime due = std::min(timers.next_due().value_or(limit), limit);
    ++stats.sleeps;
    running = false;  // a handler that this runs must not see the time before the sleep
    context.run_one_until(std::chrono::steady_clock::time_point(due));
    running = true;
  }
  sleeping.store(false);
  take_time();
}

void EventLoop::Impl::arm_watches() {
  for (auto& [fd, watch] : watches) {
    if (std::exchange(watch->armed, true)) continue;
    watch->descriptor.async_wait(asio::posix::stream_descriptor::wait_read, [watch](std::error_code error) {
      watch->armed = false;
      if (!watch->forgotten && !error) watch->readable();
    });
  }
}

}  // namespace sluice::broker
