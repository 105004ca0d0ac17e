// Answers that come, that come late, and that never come.
#include "broker/service/gather.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "broker/service/broker_api.h"
#include "tests/sim/clock/sim_clock.h"

namespace sluice::broker {
namespace {

class GatherTest : public ::testing::Test {
 protected:
  template <class Answer>
  auto begin(std::size_t count, std::optional<std::vector<Answer>>& told) {
    return Gather<Answer>::begin(clock_, count, Millis(100), [this, &told](std::vector<Answer> answers) {
      EXPECT_FALSE(told) << "told once";
      told = std::move(answers);
      told_at_ = clock_.steady() - began_;
    });
  }
  static std::string text_of(const Result<void>& answer) {
    return answer ? "ok" : std::string(errc_name(answer.error().code));
  }

  sim::SimScheduler scheduler_{sim::TieBreak::seeded, 1};
  sim::SimClock clock_{scheduler_, 1};
  const SteadyTime began_ = clock_.steady();
  Nanos told_at_{0};
};

TEST_F(GatherTest, IsCompleteWhenAllHaveCome) {
  std::optional<std::vector<Result<void>>> told;
  const auto gather = begin(3, told);
  gather->take(2, {});
  gather->take(0, fail(Errc::busy, ""));
  EXPECT_FALSE(told);
  gather->take(1, {});
  ASSERT_TRUE(told);
  EXPECT_EQ(text_of((*told)[0]) + text_of((*told)[1]) + text_of((*told)[2]), "busyokok");
  EXPECT_EQ(scheduler_.pending(), 0U) << "no timer is left behind";
}

TEST_F(GatherTest, WhatIsMissingWhenTheTimeIsOverIsTimedOut) {
  std::optional<std::vector<DeleteRecordsResult>> told;
  const auto gather = begin(2, told);
  DeleteRecordsResult moved;
  moved.log_start_offset = Offset(7);
  gather->take(1, moved);
  scheduler_.run_for(std::chrono::milliseconds(99));
  EXPECT_FALSE(told);
  scheduler_.run_for(std::chrono::seconds(1));
  ASSERT_TRUE(told);
  EXPECT_EQ(told_at_, Millis(100));
  ASSERT_TRUE((*told)[0].error);
  EXPECT_EQ((*told)[0].error->code, Errc::timed_out);
  EXPECT_FALSE((*told)[1].error);
  EXPECT_EQ((*told)[1].log_start_offset, Offset(7));
  gather->take(0, moved);  // too late
}

TEST_F(GatherTest, NobodyIsToldWhenNobodyCanAnswerAnyMore) {
  std::optional<std::vector<Result<void>>> told;
  begin(1, told).reset();
  scheduler_.run_for(std::chrono::seconds(1));
  EXPECT_FALSE(told);
}

}  // namespace
}  // namespace sluice::broker
