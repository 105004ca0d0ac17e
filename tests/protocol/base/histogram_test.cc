// Histogram: its buckets cover every value once and in order, and what it tells is within its promise.
#include "protocol/base/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "protocol/base/random.h"

namespace sluice {
namespace {

TEST(Histogram, EveryBucketEndsWhereTheNextBegins) {
  EXPECT_EQ(Histogram::bucket_of(0), 0U);
  EXPECT_EQ(Histogram::bucket_of(1), 0U);
  for (std::size_t bucket = 0; bucket + 1 < Histogram::kBuckets; ++bucket) {
    const std::uint64_t bound = Histogram::bound_of(bucket);
    ASSERT_EQ(Histogram::bucket_of(bound), bucket);
    ASSERT_EQ(Histogram::bucket_of(bound + 1), bucket + 1);
  }
}

TEST(Histogram, PowersOfTwoAreBounds) {
  for (unsigned bit = Histogram::kStepBits; bit <= Histogram::kLastBit; ++bit) {
    Histogram histogram;
    histogram.record(std::uint64_t{1} << bit);
    histogram.record((std::uint64_t{1} << bit) + 1);
    EXPECT_EQ(histogram.count_to_power(bit), 1U) << bit;
    EXPECT_EQ(histogram.count_to_power(bit - 1), 0U) << bit;
    EXPECT_EQ(histogram.count_to_power(bit + 1), 2U) << bit;
  }
}

TEST(Histogram, WhatIsTooLargeIsInTheLastBucket) {
  Histogram histogram;
  histogram.record(~std::uint64_t{0});
  EXPECT_EQ(Histogram::bucket_of(~std::uint64_t{0}), Histogram::kBuckets - 1);
  EXPECT_EQ(histogram.count(), 1U);
  EXPECT_EQ(histogram.quantile(1), std::uint64_t{1} << (Histogram::kLastBit + 1));
  EXPECT_EQ(histogram.count_to_power(Histogram::kLastBit), 0U);
}

TEST(Histogram, EmptyTellsNothing) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.sum(), 0U);
  EXPECT_EQ(histogram.quantile(0.5), 0U);
  EXPECT_EQ(histogram.count_to_power(20), 0U);
}

TEST(Histogram, SmallValuesAreTold) {
  Histogram histogram;
  for (std::uint64_t value = 1; value <= 16; ++value) histogram.record(value);
  EXPECT_EQ(histogram.sum(), 136U);
  EXPECT_EQ(histogram.quantile(0), 1U);
  EXPECT_EQ(histogram.quantile(0.25), 4U);
  EXPECT_EQ(histogram.quantile(0.5), 8U);
  EXPECT_EQ(histogram.quantile(1), 16U);
}

TEST(Histogram, QuantilesAreAtMostAnEighthTooLarge) {
  SeededRandom random(7);
  Histogram histogram;
  std::vector<std::uint64_t> values;
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t value = 1 + (random.next() >> (24 + random.next() % 40));
    values.push_back(value);
    histogram.record(value);
  }
  std::ranges::sort(values);
  for (const double q : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(values.size())));
    const std::uint64_t exact = values[rank - 1];
    EXPECT_GE(histogram.quantile(q), exact) << q;
    EXPECT_LE(histogram.quantile(q), exact + exact / 8) << q;
  }
}

}  // namespace
}  // namespace sluice
