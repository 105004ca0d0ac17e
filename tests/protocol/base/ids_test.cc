// Ids, random numbers and the names of errors: small things that others print, store and hash.
#include "protocol/base/ids.h"

#include <gtest/gtest.h>

#include <set>
#include <type_traits>
#include <unordered_set>

#include "protocol/base/error.h"
#include "protocol/base/random.h"

namespace sluice {
namespace {

static_assert(!std::is_convertible_v<Offset, ProducerId>);
static_assert(!std::is_convertible_v<std::int64_t, Offset>);

TEST(Ids, CompareAndCount) {
  EXPECT_LT(Offset(1), Offset(2));
  EXPECT_EQ(Offset(1).next(), Offset(2));
  EXPECT_EQ(Offset(1).plus(-3), Offset(-2));
  EXPECT_EQ((std::unordered_set<Offset>{Offset(1), Offset(1), Offset(2)}.size()), 2U);
}

TEST(Ids, TopicIdsPrintAsHex) {
  TopicId id;
  EXPECT_TRUE(id.is_zero());
  for (std::size_t i = 0; i < id.bytes.size(); ++i) id.bytes[i] = static_cast<std::uint8_t>(i * 17);
  EXPECT_FALSE(id.is_zero());
  EXPECT_EQ(id.hex(), "00112233445566778899aabbccddeeff");
  EXPECT_EQ((PartitionId{id, PartitionIndex(12)}.text()), "00112233445566778899aabbccddeeff-12");
}

TEST(Ids, PartitionsOfATopicHashApart) {
  SeededRandom random(3);
  const TopicId topic = random.topic_id();
  std::set<std::size_t> hashes;
  for (int i = 0; i < 1000; ++i) hashes.insert(std::hash<PartitionId>{}({topic, PartitionIndex(i)}));
  EXPECT_EQ(hashes.size(), 1000U);
}

TEST(Random, IsTheReferenceSequence) {
  // xoshiro256** from the state that splitmix64 makes of seed 0, by the authors' C programs.
  SeededRandom random(0);
  EXPECT_EQ(random.next(), 0x99ec5f36cb75f2b4U);
  EXPECT_EQ(random.next(), 0xbf6e1f784956452aU);
}

TEST(Random, IsTheSameForTheSameSeedOnly) {
  SeededRandom a(7), b(7), c(8);
  const std::uint64_t first = a.next();
  EXPECT_EQ(first, b.next());
  EXPECT_NE(first, c.next());
}

TEST(Random, BelowIsBelowAndReachesAll) {
  SeededRandom random(9);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t n = random.below(10);
    ASSERT_LT(n, 10U);
    seen.insert(n);
  }
  EXPECT_EQ(seen.size(), 10U);
  EXPECT_EQ(random.below(1), 0U);
  EXPECT_TRUE(random.one_in(1));
}

TEST(Random, TopicIdsAreNotZeroAndDiffer) {
  SeededRandom random(10);
  std::set<TopicId> ids;
  for (int i = 0; i < 1000; ++i) {
    const TopicId id = random.topic_id();
    ASSERT_FALSE(id.is_zero());
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 1000U);
}

TEST(Error, HasANameForEachCodeAndKeepsItWhenPassedOn) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Errc::internal); ++i) names.insert(errc_name(static_cast<Errc>(i)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(Errc::internal) + 1);
  EXPECT_FALSE(names.contains("unknown"));

  const Result<int> inner = fail(Errc::corrupt, "the CRC differs");
  const Result<int> outer = fail("segment 7", inner.error());
  EXPECT_EQ(outer.error().code, Errc::corrupt);
  EXPECT_EQ(outer.error().message, "segment 7: the CRC differs");
}

}  // namespace
}  // namespace sluice
