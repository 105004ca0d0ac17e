#include "broker/app/open_files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace sluice::broker {
namespace {

TEST(OpenFiles, WhatFitsStays) {
  const OpenFiles wanted{10'000, 1024};
  const OpenFiles fitted = fit_open_files(wanted, 2, wanted.needed(2));
  EXPECT_EQ(fitted.connections, 10'000U);
  EXPECT_EQ(fitted.segment_files, 1024U);
}

TEST(OpenFiles, ALowLimitIsSharedAndNeverPassed) {
  const OpenFiles wanted{10'000, 1024};
  for (const std::uint32_t shards : {1U, 2U, 8U})
    for (const std::uint64_t limit : {1024U, 4096U, 11'000U}) {
      const OpenFiles fitted = fit_open_files(wanted, shards, limit);
      EXPECT_LE(fitted.needed(shards), limit) << shards << " shards";
      EXPECT_GE(fitted.segment_files, 8U);
      EXPECT_GE(fitted.connections, limit / 4) << shards << " shards";
    }
}

TEST(OpenFiles, ServesSomebodyWhateverTheLimit) {
  const OpenFiles fitted = fit_open_files({10'000, 1024}, 4, 10);
  EXPECT_EQ(fitted.connections, 1U);
  EXPECT_EQ(fitted.segment_files, 8U);
}

TEST(OpenFiles, TheSoftLimitIsRaised) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 200;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_EQ(raise_open_files(150), 200U) << "never lowered";
  EXPECT_EQ(raise_open_files(300), std::min<rlim_t>(300, before.rlim_max));
  EXPECT_EQ(raise_open_files(RLIM_INFINITY), before.rlim_max);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace sluice::broker
