#include "broker/shard/append_pace.h"

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

constexpr std::uint64_t kCapacity = 1'000'000;

TEST(AppendPace, FullPaceWhileAFifthIsFree) {
  AppendPace pace;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(pace.entries(kCapacity / 5 + 1, kCapacity, SteadyTime(i)), AppendPace::kAll);
    pace.appended(SteadyTime(i));
  }
  EXPECT_FALSE(pace.again_at());
}

TEST(AppendPace, NoneInTheLastTwentieth) {
  AppendPace pace;
  EXPECT_EQ(pace.entries(kCapacity / 20, kCapacity, SteadyTime(0)), 0U);
  EXPECT_EQ(pace.entries(0, kCapacity, SteadyTime(0)), 0U);
  EXPECT_FALSE(pace.again_at()) << "a checkpoint brings the next chance, not time";
}

TEST(AppendPace, PausesGrowAsRoomShrinks) {
  Nanos last{0};
  for (const std::uint64_t room : {190'000U, 150'000U, 100'000U, 60'000U}) {
    AppendPace pace;
    const SteadyTime now(std::chrono::hours(1));
    EXPECT_EQ(pace.entries(room, kCapacity, now), 1U);
    pace.appended(now);
    EXPECT_EQ(pace.entries(room, kCapacity, now), 0U);
    ASSERT_TRUE(pace.again_at());
    const Nanos pause = *pace.again_at() - now;
    EXPECT_GT(pause, last) << room;
    EXPECT_LE(pause, AppendPace::kLongestPause);
    EXPECT_EQ(pace.entries(room, kCapacity, now + pause), 1U);
    EXPECT_EQ(pace.entries(kCapacity, kCapacity, now + Nanos(1)), AppendPace::kAll) << "room ends every pause";
    last = pause;
  }
}

}  // namespace
}  // namespace sluice::broker
