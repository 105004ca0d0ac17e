// What an EventLoop is made of: for the .cc files of broker/net alone, since it includes Asio.
#pragma once

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "broker/net/event_loop.h"
#include "broker/net/timer_heap.h"

namespace sluice::broker {

struct EventLoop::Impl {
  explicit Impl(EventLoopOptions chosen) : options(chosen), guard(context.get_executor()) {}

  /// One watched descriptor; handlers of Asio hold it, so it outlives its place in `watches`.
  struct Watch {
    Watch(asio::io_context& context, int fd) : descriptor(context, fd) {}
    ~Watch() { descriptor.release(); }  // the descriptor is its owner's
    asio::posix::stream_descriptor descriptor;
    UniqueFunction<void()> readable;
    bool armed = false;  ///< Asio waits for it
    bool forgotten = false;
  };

  void take_time();
  bool turn();
  std::size_t run_posted();
  std::size_t run_deferred();
  void sleep();
  void arm_watches();
  bool worth_spinning() const { return usual_wait < 2 * options.spin; }

  const EventLoopOptions options;
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard;  // or poll() would stop the context when idle
  TimerHeap timers;
  UniqueFunction<bool()> hook;
  std::vector<UniqueFunction<void()>> deferred;
  std::unordered_map<int, std::shared_ptr<Watch>> watches;
  LoopStats stats;
  bool worked = false;   // the last turn did
  Nanos usual_wait{0};   // for work, once there was none; a moving average
  bool running = false;  // inside run() or poll(): the cached time holds
  SteadyTime now{0};
  WallTime wall_now{0};

  // Shared with other threads.
  std::atomic<bool> sleeping{false};
  std::atomic<bool> woken{false};  // posts wait, or another turn was asked for
  std::atomic<bool> stopping{false};
  std::mutex posted_mutex;
  std::vector<UniqueFunction<void()>> posted;  // guarded by posted_mutex
};

}  // namespace sluice::broker
