#include "broker/shard/space_guard.h"

#include <gtest/gtest.h>

#include "tests/sim/clock/sim_clock.h"
#include "tests/sim/disk/sim_disk.h"

namespace sluice::broker {
namespace {

constexpr std::uint64_t kMiB = 1U << 20;

TEST(SpaceGuard, TheDiskMustHaveRoomForWhatAllShardsHave) {
  sim::SimScheduler scheduler;
  sim::SimClock clock(scheduler, scheduler.new_owner());
  SeededRandom random(1);
  sim::SimStore store(1);
  store.make_durable_dirs("data");
  store.set_capacity(100 * kMiB);
  sim::SimDisk disk(store, clock, random);
  auto unspilled = std::make_shared<UnspilledTotal>();
  SpaceGuard first(disk, "data", 40 * kMiB, 0, unspilled), second(disk, "data", 40 * kMiB, 0, unspilled);
  first.check(50 * kMiB);
  second.check(0);
  EXPECT_FALSE(first.full() || second.full());
  second.check(15 * kMiB);
  first.check(50 * kMiB);
  EXPECT_TRUE(first.full() && second.full()) << "50 + 15 + 40 of 100";
  first.check(5 * kMiB);
  second.check(15 * kMiB);
  EXPECT_FALSE(first.full() || second.full());
  {
    SpaceGuard third(disk, "data", 40 * kMiB, 0, unspilled);
    third.check(50 * kMiB);
    EXPECT_EQ(unspilled->bytes(), 70 * kMiB);
  }
  EXPECT_EQ(unspilled->bytes(), 20 * kMiB) << "who goes takes its share along";
}

}  // namespace
}  // namespace sluice::broker
