// The loop of one shard's thread: sockets, timers, wake-ups from other threads, and the shard's own work once a turn.
//
// A turn: take the time; fire due timers; run what was posted; run up to a bound of ready socket handlers; run what was
// deferred; call the turn hook. After a turn with work the loop looks again at once, and for `spin` longer when there
// is none (on virtual machines waking costs more than the work), unless work has come later than that of late; then it
// sleeps until a socket, a watch, a post or a timer.
// Invariants: steady() never goes back; a timer never fires before its time nor inside call_at(); between setting
// `sleeping_` and sleeping the loop looks for posts once more, so that no wake-up is lost.
// Thread safety: post(), wake() and stop() from every thread; all else on the loop's thread, or before run() starts.
// Owner: broker/net. Asio is seen only by event_loop_impl.h and the .cc files of this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "protocol/base/clock.h"
#include "protocol/base/histogram.h"
#include "protocol/base/unique_function.h"

namespace sluice::broker {

struct EventLoopOptions {
  /// How long to look for work before sleeping, after there was some. 0 where runnable threads outnumber cores.
  Nanos spin = std::chrono::microseconds(50);
  /// Socket handlers a turn: bounds how long the turn hook (journal, mailboxes) can be kept waiting.
  std::size_t handlers_per_turn = 256;
};

/// What a loop did since it was made.
struct LoopStats {
  Histogram turn_ns;  ///< turns that had work; looking for some is none
  std::uint64_t sleeps = 0;
};

class EventLoop final : public Clock {
 public:
  explicit EventLoop(EventLoopOptions options = {});
  /// Streams, listeners and watches on this loop must be gone.
  ~EventLoop() override;
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// The time at the start of this turn while the loop runs, else the real time. It lags by at most a turn.
  SteadyTime steady() const override;
  WallTime wall() const override;
  TimerId call_at(SteadyTime when, UniqueFunction<void()> callback) override;
  void cancel(TimerId id) override;

  /// Runs `work` on the loop's thread. Thread-safe; never blocks for long, never refuses: who posts bounds itself. Work
  /// that was not run when the loop is destroyed is destroyed with it.
  void post(UniqueFunction<void()> work);
  /// Makes another turn (and so a call of the turn hook) happen. Thread-safe; costs a system call only when the loop
  /// sleeps.
  void wake();
  /// Runs `work` in this turn if it is under way, else in the next: a cheaper post() for the loop's own thread.
  void defer(UniqueFunction<void()> work);

  /// Calls `readable` when `fd` (an eventfd, for example) can be read: before the loop sleeps, and now and then while
  /// it is busy, since looking costs a system call and the turn hook can look by itself. Whoever drains it does so by
  /// the next sleep, or it is called again. `fd` becomes non-blocking, stays its owner's, and must outlive the watch.
  void watch_fd(int fd, UniqueFunction<void()> readable);
  /// Forgets a watch; `readable` is not called any more. An fd that is not watched is ignored.
  void unwatch_fd(int fd);

  /// Called at the end of every turn; true when it did some work.
  void set_turn_hook(UniqueFunction<bool()> hook);

  /// Turns until stop(). The thread that calls it is the loop's thread.
  void run();
  /// Ends run() after the turn under way; a stop before run() makes that return at once. Thread-safe.
  void stop();
  /// What it did until now. On the loop's thread.
  const LoopStats& stats() const;
  /// One turn that does not sleep, for tests and for drivers of several loops. True when there was work.
  bool poll();

  struct Impl;  ///< seen by this folder alone
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::broker
