// The log of a memory topic against a model, and what its pool promises: bounds, reuse, and that slow readers keep
// what they were given and no more.
#include "storage/log/memory_log.h"

#include <gtest/gtest.h>

#include <deque>
#include <thread>

#include "protocol/base/random.h"
#include "protocol/base/record_batch.h"

namespace sluice::storage {
namespace {

constexpr std::size_t kKiB = 1024, kMiB = 1024 * kKiB;

/// One log and how its start moved by itself.
struct World {
  explicit World(std::size_t bound = 64 * kMiB) : pool(std::make_shared<MemoryPool>(bound)) {}
  std::shared_ptr<MemoryPool> pool;
  Offset told;
  MemoryLog log{pool, [this](Offset start) { told = start; }};
};

SharedBytes batch_of(std::size_t value_bytes, std::int64_t time_ms, int records = 1) {
  BatchBuilder builder({});
  const std::vector<std::byte> value(value_bytes, static_cast<std::byte>(time_ms));
  for (int i = 0; i < records; ++i) builder.add(time_ms + i, std::nullopt, ByteSpan(value));
  return SharedBytes::take(builder.build());
}

/// Appends at the end, stamped, as its owner does.
Result<void> append(MemoryLog& log, const SharedBytes& batch, std::int64_t now_ms = 1'000'000) {
  const auto header = parse_batch_header(batch);
  const Offset base = log.end_offset();
  auto copy = log.append(batch, base.plus(header->record_count), header->max_timestamp_ms, now_ms);
  if (!copy) return fail(copy.error());
  stamp_batch(*copy, base, LeaderEpoch(3));
  return {};
}
void append(World& world, std::size_t value_bytes, std::int64_t time_ms = 1000, int records = 1) {
  ASSERT_TRUE(append(world.log, batch_of(value_bytes, time_ms, records)));
}

/// Base offsets of what a read from `offset` gives.
std::vector<std::int64_t> bases(const MemoryLog& log, Offset offset, std::size_t max_bytes) {
  const auto read = log.read(offset, max_bytes);
  std::vector<std::int64_t> found;
  if (!read) return {-1};
  for (const SharedBytes& batch : read->batches) {
    EXPECT_TRUE(batch_crc_holds(batch));
    found.push_back(parse_batch_header(batch)->base_offset.value);
  }
  return found;
}
using Offsets = std::vector<std::int64_t>;

TEST(MemoryLog, GivesBackWholeBatchesFromTheOneThatContainsTheOffset) {
  World w;
  w.log.restart(Offset(100));
  append(w, 10, 1000, 3);
  append(w, 20, 1000, 1);
  append(w, 30, 1000, 2);
  EXPECT_EQ(w.log.end_offset(), Offset(106));
  EXPECT_EQ(bases(w.log, Offset(102), kMiB), (Offsets{100, 103, 104}));
  EXPECT_EQ(bases(w.log, Offset(103), kMiB), (Offsets{103, 104}));
  EXPECT_EQ(bases(w.log, Offset(103), 1), (Offsets{103})) << "the first one always";
  EXPECT_EQ(bases(w.log, Offset(106), kMiB), Offsets{});
  EXPECT_EQ(w.log.read(Offset(107), 1).error().code, Errc::offset_out_of_range);
  EXPECT_EQ(w.log.read(Offset(99), 1).error().code, Errc::offset_out_of_range);
}

TEST(MemoryLog, OldestGoFirstByBytesButNeverTheNewest) {
  World w;
  const std::size_t one = batch_of(100, 1).size();
  w.log.set_bound(3 * one);
  for (int i = 0; i < 10; ++i) append(w, 100);
  EXPECT_EQ(w.log.start_offset(), Offset(7));
  EXPECT_EQ(w.told, Offset(7));
  EXPECT_EQ(w.log.size_bytes(), 3 * one);
  append(w, 50'000);
  EXPECT_EQ(bases(w.log, w.log.start_offset(), kMiB), Offsets{10});
  w.log.set_bound(0);
  EXPECT_EQ(w.log.start_offset(), Offset(10));
}

TEST(MemoryLog, OldestGoByAgeAndATimeAheadCountsAsTheAppends) {
  World w;
  ASSERT_TRUE(append(w.log, batch_of(10, 500), 1000));
  ASSERT_TRUE(append(w.log, batch_of(10, 999'999), 1000));  // a clock ahead
  ASSERT_TRUE(append(w.log, batch_of(10, 2000), 2000));
  w.log.expire(500);
  EXPECT_EQ(w.log.start_offset(), Offset(0));
  w.log.expire(1001);
  EXPECT_EQ(w.log.start_offset(), Offset(2));
  w.log.expire(2001);
  EXPECT_EQ(w.log.start_offset(), Offset(3));
  EXPECT_EQ(w.log.size_bytes(), 0U);
  EXPECT_EQ(w.pool->held_by_logs(), 0U) << "an empty log holds no memory";
}

TEST(MemoryLog, StartMovesWithinABatchAndNeverBack) {
  World w;
  append(w, 10, 1000, 5);
  append(w, 10, 1000, 5);
  w.log.advance_start(Offset(3));
  EXPECT_EQ(w.log.start_offset(), Offset(3));
  EXPECT_EQ(bases(w.log, Offset(3), kMiB), (Offsets{0, 5}));
  EXPECT_EQ(w.log.read(Offset(2), 1).error().code, Errc::offset_out_of_range);
  w.log.advance_start(Offset(1));
  EXPECT_EQ(w.log.start_offset(), Offset(3));
  w.log.advance_start(Offset(5));
  EXPECT_EQ(bases(w.log, Offset(5), kMiB), Offsets{5});
  w.log.advance_start(Offset(100));
  EXPECT_EQ(w.log.start_offset(), Offset(10));
  EXPECT_EQ(w.log.end_offset(), Offset(10));
  append(w, 10, 1000, 1);
  EXPECT_EQ(bases(w.log, Offset(10), kMiB), Offsets{10});
}

TEST(MemoryLog, FindsTimesToTheRecord) {
  World w;
  append(w, 10, 100, 3);  // 100 101 102
  append(w, 10, 50, 2);   // 50 51
  append(w, 10, 200, 2);  // 200 201
  append(w, 10, 201, 1);
  const auto at = [&](std::int64_t ms) {
    const auto match = w.log.find_time(ms);
    return match && *match ? (*match)->offset.value : -1;
  };
  EXPECT_EQ(at(0), 0);
  EXPECT_EQ(at(101), 1);
  EXPECT_EQ(at(103), 5);
  EXPECT_EQ(at(202), -1);
  EXPECT_EQ((*w.log.find_max_time())->offset, Offset(6)) << "the first of equals";
  w.log.advance_start(Offset(2));
  EXPECT_EQ(at(0), 2) << "not below the start";
  w.log.restart(Offset(50));
  EXPECT_EQ(at(0), -1);
  EXPECT_EQ(*w.log.find_max_time(), std::nullopt);
}

TEST(MemoryLog, WhatWasReadStaysWhateverBecomesOfTheLog) {
  World w(256 * kKiB);
  append(w, 1000, 7);
  const auto kept = w.log.read(Offset(0), kMiB);
  ASSERT_TRUE(kept);
  const std::vector<std::byte> before(kept->batches[0].span().begin(), kept->batches[0].span().end());
  for (int i = 0; i < 5000; ++i) append(w, 1000, 9);
  EXPECT_GT(w.log.start_offset(), Offset(4000));
  EXPECT_TRUE(std::ranges::equal(before, kept->batches[0].span()));
}

TEST(MemoryLog, ManyRandomStepsAgreeWithAModel) {
  struct Held {
    std::int64_t base, next, time;
    std::size_t bytes;
  };
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    World w;
    std::deque<Held> model;
    std::int64_t start = 0, end = 0, now = 1000;
    std::uint64_t bound = UINT64_MAX;
    const auto total = [&] {
      std::uint64_t sum = 0;
      for (const Held& held : model) sum += held.bytes;
      return sum;
    };
    const auto drop = [&] {
      start = std::max(start, model.front().next);
      model.pop_front();
    };
    for (int step = 0; step < 3000; ++step) {
      const std::uint64_t kind = random.below(40);
      if (kind < 30) {
        const std::size_t bytes = random.one_in(20) ? random.below(300'000) : random.below(2000);
        const auto records = static_cast<int>(1 + random.below(3));
        const SharedBytes batch = batch_of(bytes / static_cast<std::size_t>(records), now, records);
        ASSERT_TRUE(append(w.log, batch, now));
        model.push_back({end, end + records, now, batch.size()});
        end += records;
        now += static_cast<std::int64_t>(random.below(5));
        while (total() > bound && model.size() > 1) drop();
      } else if (kind == 30) {
        bound = random.below(500'000);
        w.log.set_bound(bound);
        while (total() > bound && model.size() > 1) drop();
      } else if (kind == 31) {
        const auto to =
            start + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(end - start) / 4 + 2));
        w.log.advance_start(Offset(to));
        while (!model.empty() && model.front().next <= to) drop();
        start = std::max(start, std::min(to, end));
      } else if (kind == 32) {
        const std::int64_t before = now - static_cast<std::int64_t>(random.below(500));
        w.log.expire(before);
        while (!model.empty() && model.front().time < before) drop();
      } else if (random.one_in(60)) {
        start = end = end + 7;
        model.clear();
        w.log.restart(Offset(end));
      } else if (!model.empty()) {
        const auto from = start + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(end - start)));
        const std::size_t most = random.below(50'000);
        Offsets expected;
        std::size_t sum = 0;
        for (const Held& held : model) {
          if (held.next <= from) continue;
          if (!expected.empty() && sum + held.bytes > most) break;
          expected.push_back(held.base);
          sum += held.bytes;
        }
        ASSERT_EQ(bases(w.log, Offset(from), most), expected);
      }
      ASSERT_EQ(w.log.start_offset().value, start);
      ASSERT_EQ(w.log.end_offset().value, end);
      ASSERT_EQ(w.log.size_bytes(), total());
    }
  }
}

// ---- The pool ----

TEST(MemoryPool, TheOldestOfAllLogsGoWhenItIsFull) {
  const auto pool = std::make_shared<MemoryPool>(kMiB);
  Offset a_start, b_start;
  MemoryLog a(pool, [&](Offset start) { a_start = start; });
  MemoryLog b(pool, [&](Offset start) { b_start = start; });
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(append(a, batch_of(1000, 1)));
  for (int i = 0; i < 5000; ++i) {
    ASSERT_TRUE(append(b, batch_of(1000, 1)));
    ASSERT_LE(pool->allocated_bytes(), kMiB);
  }
  EXPECT_EQ(a_start, Offset(100));
  EXPECT_EQ(a.size_bytes(), 0U);
  EXPECT_GT(b_start, Offset(3000));
  EXPECT_GT(b.size_bytes(), 700 * kKiB) << "the rest of the memory is in use";
}

TEST(MemoryPool, MemoryIsUsedAgainAndNotTakenAnew) {
  World w(8 * kMiB);
  w.log.set_bound(kMiB);
  for (int i = 0; i < 3000; ++i) append(w, 1000);
  const std::size_t allocated = w.pool->allocated_bytes();
  for (int i = 0; i < 30'000; ++i) append(w, 1000);
  EXPECT_EQ(w.pool->allocated_bytes(), allocated);
  w.log.restart(Offset(0));
  EXPECT_EQ(w.pool->allocated_bytes(), allocated);
  w.pool->trim();
  EXPECT_EQ(w.pool->allocated_bytes(), 0U);
}

TEST(MemoryPool, ASmallLogIsChargedLittle) {
  World w;
  append(w, 100);
  EXPECT_EQ(w.pool->allocated_bytes(), MemoryPool::kLeastChunk);
}

TEST(MemoryPool, ABatchLargerThanTheBoundPasses) {
  World w(64 * kKiB);
  append(w, 100);
  append(w, 3 * kMiB);
  EXPECT_EQ(bases(w.log, w.log.start_offset(), kMiB), Offsets{1});
  append(w, 100);
  EXPECT_EQ(bases(w.log, w.log.start_offset(), kMiB), Offsets{2});
  w.log.restart(Offset(9));
  w.pool->trim();
  EXPECT_EQ(w.pool->allocated_bytes(), 0U);
}

TEST(MemoryPool, ReadersThatKeepMuchAreBoundedAndSmallReadsThenCopy) {
  World w(kMiB);
  std::vector<LogRead> kept;
  std::size_t refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    if (auto taken = append(w.log, batch_of(1000, 1)); !taken) {
      EXPECT_EQ(taken.error().code, Errc::busy);
      ++refused;
    }
    ASSERT_LE(w.pool->allocated_bytes(), 2 * kMiB);
    if (i % 10 != 0) continue;  // a slow reader of one small batch, which keeps its chunk
    kept.push_back(*w.log.read(Offset(w.log.end_offset().value - 1), 1));
  }
  EXPECT_EQ(refused, 0U) << "small reads stopped keeping chunks in time";
  EXPECT_GT(w.log.size_bytes(), 300 * kKiB) << "half of the memory stays the logs'";
  kept.clear();
  for (int i = 0; i < 2000; ++i) append(w, 1000);
  EXPECT_LE(w.pool->allocated_bytes(), kMiB);
}

TEST(MemoryPool, LargeReadsThatAreKeptRefuseAppendsUntilTheyAreDropped) {
  World w(kMiB);
  std::vector<LogRead> kept;
  bool refused = false;
  for (int i = 0; i < 3000 && !refused; ++i) {
    refused = !append(w.log, batch_of(1000, 1));
    if (!refused && i % 50 == 0) kept.push_back(*w.log.read(w.log.start_offset(), 100 * kMiB));
    ASSERT_LE(w.pool->allocated_bytes(), 2 * kMiB);
  }
  EXPECT_TRUE(refused);
  kept.clear();
  append(w, 1000);
}

TEST(MemoryPool, SlicesMayDieOnAnotherThread) {
  World w(256 * kKiB);
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 50; ++i) append(w, 1000);
    auto read = *w.log.read(w.log.start_offset(), kMiB);
    std::thread([read = std::move(read)]() mutable {
      for (const SharedBytes& batch : read.batches) EXPECT_TRUE(batch_crc_holds(batch));
      read.batches.clear();
    }).join();
  }
}

}  // namespace
}  // namespace sluice::storage
