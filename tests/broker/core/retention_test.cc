// What retention cuts, by bytes and by time.
#include <gtest/gtest.h>

#include <limits>

#include "broker/core/partition_state.h"

namespace sluice::broker {
namespace {

constexpr std::int64_t kNow = 1'000'000;

TopicSettings keep(std::int64_t ms, std::int64_t bytes) {
  TopicSettings settings;
  settings.retention_ms = ms;
  settings.retention_bytes = bytes;
  return settings;
}
/// Segments of ten records each, with these sizes and ages; the last is the active one. Returns how many go.
struct Aged {
  std::uint64_t size;
  std::int64_t age_ms;
};
constexpr std::int64_t kUnknown = kNow + 1;

std::int64_t cut(const TopicSettings& settings, const std::vector<Aged>& segments) {
  std::vector<RetentionSegment> list;
  for (const Aged& segment : segments) {
    list.push_back({Offset(static_cast<std::int64_t>(10 * (list.size() + 1))), segment.size, kNow - segment.age_ms});
  }
  const auto to = retention_cut(settings, list, kNow);
  if (!to) return 0;
  EXPECT_EQ(to->value % 10, 0);
  return to->value / 10;
}

TEST(Retention, KeepsEverythingWithoutLimits) {
  EXPECT_EQ(cut(keep(-1, -1), {{100, 900'000}, {100, 900'000}, {100, 900'000}}), 0);
  EXPECT_EQ(cut(keep(-1, -1), {}), 0);
  EXPECT_EQ(cut(keep(0, 0), {}), 0);
}

TEST(Retention, CutsByBytesWhileEnoughRemains) {
  const std::vector<Aged> segments = {{100, 0}, {100, 0}, {100, 0}, {50, 0}};
  EXPECT_EQ(cut(keep(-1, 350), segments), 0);
  EXPECT_EQ(cut(keep(-1, 251), segments), 0);
  EXPECT_EQ(cut(keep(-1, 250), segments), 1);
  EXPECT_EQ(cut(keep(-1, 51), segments), 2);
  EXPECT_EQ(cut(keep(-1, 50), segments), 3);
  EXPECT_EQ(cut(keep(-1, 0), segments), 3) << "never the active one";
  EXPECT_EQ(cut(keep(-1, 0), {{50, 0}}), 0);
}

TEST(Retention, CutsByTimeFromTheFront) {
  EXPECT_EQ(cut(keep(100, -1), {{1, 101}, {1, 100}, {1, 5}}), 1) << "older than, not as old as";
  EXPECT_EQ(cut(keep(100, -1), {{1, 50}, {1, 500}, {1, 5}}), 0) << "no holes";
  EXPECT_EQ(cut(keep(100, -1), {{1, 500}, {1, 500}, {1, 100}}), 2);
  EXPECT_EQ(cut(keep(100, -1), {{1, 500}, {1, 500}, {1, 101}}), 3) << "the active one too, when all of it is old";
  EXPECT_EQ(cut(keep(100, -1), {{1, 500}, {0, 101}}), 1) << "but not an empty one";
  EXPECT_EQ(cut(keep(100, -1), {{0, 500}}), 0);
}

TEST(Retention, UnknownAndFutureTimesAreNotOld) {
  EXPECT_EQ(cut(keep(0, -1), {{1, kUnknown}, {1, 500}}), 0);
  EXPECT_EQ(cut(keep(0, -1), {{1, -500}, {1, 500}}), 0);
  EXPECT_EQ(cut(keep(0, 1), {{1, kUnknown}, {1, 500}, {1, 0}}), 2) << "bytes may open the way";
  EXPECT_EQ(cut(keep(std::numeric_limits<std::int64_t>::max(), -1), {{1, kNow}, {1, 0}}), 0);
  const RetentionSegment far{Offset(1), 1, std::numeric_limits<std::int64_t>::max()};
  EXPECT_EQ(retention_cut(keep(0, -1), {&far, 1}, std::numeric_limits<std::int64_t>::min()), std::nullopt);
}

}  // namespace
}  // namespace sluice::broker
