#include "broker/net/event_loop.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "tests/broker/net/drive.h"

namespace sluice::broker {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

Nanos thread_cpu_time() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return seconds(t.tv_sec) + Nanos(t.tv_nsec);
}

TEST(EventLoop, ATurnHasItsOrder) {
  EventLoop loop;
  std::string ran;
  loop.set_turn_hook([&] {
    ran += 'h';
    return false;
  });
  loop.defer([&] { ran += 'd'; });
  loop.post([&] { ran += 'p'; });
  loop.call_at(loop.steady(), [&] { ran += 't'; });
  EXPECT_EQ(ran, "");
  EXPECT_TRUE(loop.poll());
  EXPECT_EQ(ran, "tpdh");
  EXPECT_FALSE(loop.poll());
  EXPECT_EQ(ran, "tpdhh");
}

TEST(EventLoop, CountsTurnsThatHadWorkAndHowLongTheyTook) {
  EventLoop loop({.spin = Nanos(0)});
  const SteadyTime began = loop.steady();
  int turns_left = 5;
  loop.set_turn_hook([&] {
    const auto until = std::chrono::steady_clock::now() + milliseconds(2);
    while (turns_left > 0 && std::chrono::steady_clock::now() < until) {
    }
    if (turns_left == 0) loop.call_after(milliseconds(1), [&] { loop.stop(); });  // once the work is done, it sleeps
    return --turns_left >= 0;
  });
  loop.run();
  const LoopStats stats = loop.stats();
  EXPECT_GE(stats.turn_ns.count(), 5U);
  EXPECT_GE(stats.turn_ns.sum(), 10'000'000U) << "five turns of two milliseconds";
  EXPECT_LE(Nanos(stats.turn_ns.sum()), loop.steady() - began);
  EXPECT_GE(stats.sleeps, 1U);
}

TEST(EventLoop, TimersNeverFireEarly) {
  EventLoop loop;
  const SteadyTime before = loop.steady();
  SteadyTime fired{0};
  loop.call_after(milliseconds(5), [&] {
    fired = loop.steady();
    loop.stop();
  });
  const auto cancelled = loop.call_after(milliseconds(1), [&] { loop.stop(); });
  loop.cancel(cancelled);
  loop.run();
  EXPECT_GE(fired - before, milliseconds(5));
}

TEST(EventLoop, TimeStandsStillWithinATurnAndNotOverASleep) {
  EventLoop loop({.spin = Nanos(0)});
  SteadyTime armed{0}, after_sleep{0};
  loop.post([&] {
    armed = loop.steady();
    EXPECT_EQ(loop.steady(), armed);
    EXPECT_GT(loop.wall(), WallTime(1'600'000'000'000));
    loop.call_after(milliseconds(20), [&] {
      after_sleep = loop.steady();
      loop.stop();
    });
  });
  loop.run();
  EXPECT_GE(after_sleep - armed, milliseconds(20));
}

TEST(EventLoop, PostsFromOtherThreadsAllRunAndWakeASleeper) {
  for (const Nanos spin : {Nanos(0), Nanos(microseconds(50))}) {
    EventLoop loop({.spin = spin});
    constexpr int kThreads = 4;
    constexpr int kPosts = 5000;
    int ran = 0;  // only the loop's thread counts
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < kPosts; ++i) {
          loop.post([&] {
            if (++ran == kThreads * kPosts) loop.stop();
          });
        }
      });
    }
    loop.run();
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(ran, kThreads * kPosts);
  }
}

// Each side sleeps until the other wakes it: one lost wake-up and the test hangs until its time limit.
TEST(EventLoop, NoWakeUpIsLost) {
  EventLoop left({.spin = Nanos(0)});
  EventLoop right({.spin = Nanos(0)});
  constexpr int kRounds = 3000;
  std::atomic<int> ball{0};
  const auto hook = [&](EventLoop& mine, EventLoop& other, int parity) {
    mine.set_turn_hook([&mine, &other, &ball, parity] {
      const int at = ball.load();
      if (at >= kRounds) {
        other.stop();
        mine.stop();
        return false;
      }
      if (at % 2 != parity) return false;
      ball.store(at + 1);
      other.wake();
      return true;
    });
  };
  hook(left, right, 0);
  hook(right, left, 1);
  std::thread thread([&] { right.run(); });
  left.run();
  thread.join();
  EXPECT_GE(ball.load(), kRounds);
}

TEST(EventLoop, StopBeforeRunReturnsAtOnceAndIsUsedUp) {
  EventLoop loop;
  loop.stop();
  loop.run();
  bool ran = false;
  loop.post([&] {
    ran = true;
    loop.stop();
  });
  loop.run();
  EXPECT_TRUE(ran);
}

TEST(EventLoop, AWatchedEventfdWakesTheLoopEachTime) {
  const int fd = eventfd(0, EFD_NONBLOCK);
  ASSERT_GE(fd, 0);
  {
    EventLoop loop({.spin = Nanos(0)});
    std::uint64_t seen = 0;
    loop.watch_fd(fd, [&] {
      std::uint64_t count = 0;
      ASSERT_EQ(read(fd, &count, sizeof count), static_cast<ssize_t>(sizeof count));
      seen += count;
      if (seen == 3) {
        loop.unwatch_fd(fd);
        loop.stop();
      } else {
        eventfd_write(fd, 1);
      }
    });
    std::thread thread([&] { eventfd_write(fd, 1); });
    loop.run();
    thread.join();
    EXPECT_EQ(seen, 3U);
    eventfd_write(fd, 1);
    for (int i = 0; i < 10; ++i) loop.poll();
    EXPECT_EQ(seen, 3U);
    loop.watch_fd(fd, [&] { ++seen; });  // still there when the loop goes
  }
  EXPECT_EQ(eventfd_write(fd, 1), 0) << "the descriptor stays its owner's";
  close(fd);
}

TEST(EventLoop, AnIdleLoopSleeps) {
  EventLoop loop;
  loop.call_after(milliseconds(300), [&] { loop.stop(); });
  const Nanos before = thread_cpu_time();
  loop.run();
  // A loop that spun would take all of it; the bound is wide because the machine may be busy.
  EXPECT_LT(thread_cpu_time() - before, milliseconds(100));
}

TEST(EventLoop, WorkThatNeverRanIsDestroyedWithTheLoop) {
  const auto witness = std::make_shared<int>(1);
  {
    EventLoop loop;
    loop.post([witness] {});
    loop.defer([witness] {});
    loop.call_after(seconds(1), [witness] {});
    EXPECT_EQ(witness.use_count(), 4);
  }
  EXPECT_EQ(witness.use_count(), 1);
}

}  // namespace
}  // namespace sluice::broker
