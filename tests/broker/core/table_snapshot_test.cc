#include "broker/core/table_snapshot.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "protocol/base/random.h"

namespace sluice::broker {
namespace {

TEST(TableSnapshot, IsTheTableAsItWasWhateverIsWrittenMeanwhile) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SeededRandom random(seed);
    TableState table("tab");
    const auto write_something = [&](TableSnapshot* snapshot) {
      WriteTableCommand write{"tab", {}};
      for (std::uint64_t i = 1 + random.below(3); i > 0; --i) {
        const std::string key = "key" + std::to_string(random.below(20));
        const bool again = std::ranges::any_of(write.writes, [&](const auto& other) { return other.key == key; });
        if (again) continue;
        write.writes.push_back({key, std::nullopt, std::nullopt});
        if (!random.one_in(3)) write.writes.back().value = std::string(random.below(30), 'v');
      }
      if (snapshot != nullptr) snapshot->before(write);
      ASSERT_TRUE(table.apply(write));
    };
    for (std::uint64_t i = random.below(30); i > 0; --i) write_something(nullptr);
    const std::size_t chunk_bytes = random.below(120);
    const std::vector<std::string> expected = table.encode(chunk_bytes);
    TableSnapshot snapshot(table);
    std::vector<std::string> chunks;
    while (!snapshot.done()) {
      for (std::uint64_t i = random.below(4); i > 0; --i) write_something(&snapshot);
      chunks.push_back(snapshot.next(chunk_bytes));
    }
    ASSERT_EQ(chunks, expected) << "seed " << seed;
    EXPECT_EQ(snapshot.kept_bytes(), 0U);
  }
}

TEST(TableSnapshot, KeepsOnlyWhatChangedAndIsNotTaken) {
  TableState table("tab");
  ASSERT_TRUE(table.apply({"tab", {{"a", "1", {}}, {"b", "22", {}}, {"c", "333", {}}}}));
  TableSnapshot snapshot(table);
  (void)snapshot.next(0);  // the header
  (void)snapshot.next(0);  // a; b is encoded ahead
  snapshot.before({"tab", {{"a", "x", {}}, {"b", "x", {}}}});
  EXPECT_EQ(snapshot.kept_bytes(), 0U) << "both are taken";
  snapshot.before({"tab", {{"c", {}, {}}, {"d", "new", {}}}});
  EXPECT_EQ(snapshot.kept_bytes(), 4U + 1U);
  snapshot.before({"tab", {{"c", "again", {}}}});
  EXPECT_EQ(snapshot.kept_bytes(), 4U + 1U);
}

}  // namespace
}  // namespace sluice::broker
