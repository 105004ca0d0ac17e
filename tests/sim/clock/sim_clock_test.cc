#include "tests/sim/clock/sim_clock.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace sluice::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(SimScheduler, RunsInOrderOfTimeAndSequence) {
  SimScheduler scheduler;
  std::string ran;
  scheduler.schedule_at(seconds(2), 0, [&] { ran += 'c'; });
  scheduler.schedule_at(seconds(1), 0, [&] { ran += 'a'; });
  scheduler.schedule_at(seconds(1), 0, [&] { ran += 'b'; });
  EXPECT_EQ(scheduler.next_due(), SteadyTime(seconds(1)));
  EXPECT_EQ(scheduler.run_until(milliseconds(1500)), 2U);
  EXPECT_EQ(ran, "ab");
  EXPECT_EQ(scheduler.now(), milliseconds(1500));
  EXPECT_TRUE(scheduler.run_next());
  EXPECT_EQ(scheduler.now(), seconds(2));
  EXPECT_FALSE(scheduler.run_next());
  EXPECT_EQ(ran, "abc");
}

TEST(SimScheduler, WhatHasPassedRunsNextAndNeverInsideTheCall) {
  SimScheduler scheduler;
  scheduler.run_until(seconds(5));
  bool ran = false;
  scheduler.schedule_at(seconds(1), 0, [&] { ran = true; });
  EXPECT_FALSE(ran);
  scheduler.run_next();
  EXPECT_TRUE(ran);
  EXPECT_EQ(scheduler.now(), seconds(5));
}

TEST(SimScheduler, EventsMayScheduleAndCancel) {
  SimScheduler scheduler;
  int ran = 0;
  const auto never = scheduler.schedule_at(seconds(3), 0, [&] { ran += 100; });
  scheduler.schedule_at(seconds(1), 0, [&] {
    ++ran;
    scheduler.cancel(never);
    scheduler.schedule_after(seconds(1), 0, [&] { ++ran; });
  });
  EXPECT_EQ(scheduler.run_until(seconds(10)), 2U);
  EXPECT_EQ(ran, 2);
  scheduler.cancel(never);  // again: ignored
}

TEST(SimScheduler, TheDeadRunNothing) {
  SimScheduler scheduler;
  const OwnerId dead = scheduler.new_owner();
  const OwnerId living = scheduler.new_owner();
  int ran = 0;
  SimClock dead_clock(scheduler, dead);
  SimClock living_clock(scheduler, living);
  dead_clock.call_after(seconds(1), [&] { ran += 100; });
  dead_clock.call_after(seconds(2), [&] { ran += 100; });
  living_clock.call_after(seconds(1), [&] { ++ran; });
  EXPECT_EQ(scheduler.cancel_owner(dead), 2U);
  EXPECT_EQ(scheduler.run_until_idle(), 1U);
  EXPECT_EQ(ran, 1);
}

// An event may own something that cancels a timer when it dies.
class CancelsWhenGone {
 public:
  CancelsWhenGone(SimScheduler& scheduler, SimScheduler::EventId id) : scheduler_(scheduler), id_(id) {}
  ~CancelsWhenGone() { scheduler_.cancel(id_); }

 private:
  SimScheduler& scheduler_;
  SimScheduler::EventId id_;
};

TEST(SimScheduler, EventsMayCancelWhileTheyAreDropped) {
  SimScheduler scheduler;
  for (OwnerId owner : {OwnerId{1}, OwnerId{2}}) {
    const auto other = scheduler.schedule_at(seconds(9), owner, [] {});
    auto holder = std::make_unique<CancelsWhenGone>(scheduler, other);
    scheduler.schedule_at(seconds(1), owner, [holder = std::move(holder)] {});
  }
  EXPECT_EQ(scheduler.cancel_owner(1), 2U);
  EXPECT_EQ(scheduler.pending(), 2U);
}

std::string order_of_ten(std::uint64_t seed) {
  SimScheduler scheduler(TieBreak::seeded, seed);
  std::string ran;
  for (char c = '0'; c <= '9'; ++c) scheduler.schedule_at(seconds(1), 0, [&ran, c] { ran += c; });
  scheduler.run_until_idle();
  return ran;
}

TEST(SimScheduler, SeededTiesShuffleAndRepeat) {
  EXPECT_EQ(order_of_ten(7), order_of_ten(7));
  EXPECT_NE(order_of_ten(7), order_of_ten(8));
  EXPECT_NE(order_of_ten(7), "0123456789");
}

TEST(SimClock, NodesDisagreeAboutWallAndSteadyTime) {
  SimScheduler scheduler;
  SimClock right(scheduler, 1, {.wall_start = WallTime(1000)});
  SimClock wrong(scheduler, 2, {.wall_start = WallTime(1000), .wall_skew = Millis(-300), .steady_start = seconds(77)});
  scheduler.run_until(seconds(2));
  EXPECT_EQ(right.wall(), WallTime(3000));
  EXPECT_EQ(wrong.wall(), WallTime(2700));
  wrong.set_wall_skew(Millis(0));
  EXPECT_EQ(wrong.wall(), WallTime(3000));
  EXPECT_EQ(wrong.steady(), seconds(79));
  SteadyTime ran_at{0};
  wrong.call_after(microseconds(5), [&] { ran_at = scheduler.now(); });
  scheduler.run_until_idle();
  EXPECT_EQ(ran_at, seconds(2) + microseconds(5));
}

}  // namespace
}  // namespace sluice::sim
