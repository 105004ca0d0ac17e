#include "broker/net/timer_heap.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::broker {
namespace {

using std::chrono::milliseconds;

TEST(TimerHeap, FiresInOrderOfTimeThenAge) {
  TimerHeap timers;
  std::string fired;
  timers.add(milliseconds(3), [&] { fired += 'd'; });
  timers.add(milliseconds(1), [&] { fired += 'a'; });
  timers.add(milliseconds(2), [&] { fired += 'b'; });
  timers.add(milliseconds(2), [&] { fired += 'c'; });
  EXPECT_EQ(timers.next_due(), SteadyTime(milliseconds(1)));
  EXPECT_EQ(timers.fire(milliseconds(0)), 0U);
  EXPECT_EQ(timers.fire(milliseconds(2)), 3U);
  EXPECT_EQ(fired, "abc");
  EXPECT_EQ(timers.fire(milliseconds(3)), 1U);
  EXPECT_EQ(fired, "abcd");
  EXPECT_EQ(timers.next_due(), std::nullopt);
}

TEST(TimerHeap, ACancelledTimerIsSilentAndNoLongerDue) {
  TimerHeap timers;
  int fired = 0;
  const auto id = timers.add(milliseconds(1), [&] { ++fired; });
  timers.add(milliseconds(5), [&] { fired += 10; });
  timers.cancel(id);
  timers.cancel(id);
  timers.cancel(999);
  EXPECT_EQ(timers.next_due(), SteadyTime(milliseconds(5)));
  timers.fire(milliseconds(9));
  EXPECT_EQ(fired, 10);
}

TEST(TimerHeap, WhatATimerArmsWaitsForTheNextRound) {
  TimerHeap timers;
  int fired = 0;
  timers.add(milliseconds(1), [&] {
    ++fired;
    timers.add(milliseconds(0), [&] { fired += 10; });
  });
  EXPECT_EQ(timers.fire(milliseconds(1)), 1U);
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(timers.fire(milliseconds(1)), 1U);
  EXPECT_EQ(fired, 11);
}

TEST(TimerHeap, ATimerMayCancelItsPeers) {
  TimerHeap timers;
  int fired = 0;
  Clock::TimerId second = 0;
  timers.add(milliseconds(1), [&] { timers.cancel(second); });
  second = timers.add(milliseconds(1), [&] { ++fired; });
  timers.fire(milliseconds(1));
  EXPECT_EQ(fired, 0);
}

TEST(TimerHeap, ArmingAndCancellingDoesNotGrow) {
  TimerHeap timers;
  timers.add(milliseconds(1'000'000), [] {});
  for (int i = 0; i < 10'000; ++i) timers.cancel(timers.add(milliseconds(1000 + i), [] {}));
  EXPECT_EQ(timers.living(), 1U);
  EXPECT_LT(timers.heap_size(), 200U);
  EXPECT_EQ(timers.next_due(), SteadyTime(milliseconds(1'000'000)));
}

}  // namespace
}  // namespace sluice::broker
