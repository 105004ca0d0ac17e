#include "storage/log/file_pool.h"

#include <gtest/gtest.h>

#include "storage/log/tail_cache.h"
#include "tests/storage/log/log_machine.h"

namespace sluice::storage {
namespace {

struct Pool {
  Pool() : clock(scheduler, 1), disk(store, clock, random), pool(make_file_pool(disk, 2)) {}
  void acquire(const std::string& path) {
    pool->acquire(path, true, alive, [this, path](Result<FilePool::Lease> lease) {
      got.push_back(path);
      if (lease) leases.push_back(std::move(*lease));
    });
  }
  void end_first() {
    FilePool::Lease first = std::move(leases.front());
    leases.erase(leases.begin());
    first.release();
  }
  SeededRandom random{1};
  sim::SimScheduler scheduler;
  sim::SimStore store;
  sim::SimClock clock;
  sim::SimDisk disk;
  std::shared_ptr<FilePool> pool;
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
  std::vector<std::string> got;
  std::vector<FilePool::Lease> leases;
};

TEST(FilePool, WhoFindsAllLeasedWaits) {
  Pool p;
  for (const char* path : {"a", "b", "c", "d"}) p.acquire(path);
  EXPECT_EQ(p.got, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(p.pool->open_files(), 2U);
  p.end_first();
  EXPECT_EQ(p.got, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(p.pool->open_files(), 2U);
  *p.alive = false;  // nobody wants "d" any more
  p.end_first();
  EXPECT_EQ(p.got.size(), 3U);
  p.leases.clear();
}

TEST(FilePool, ClosesTheLeastRecentlyUsed) {
  Pool p;
  for (const char* path : {"a", "b", "a"}) {
    p.acquire(path);
    p.end_first();
  }
  File* a = nullptr;
  p.acquire("a");
  a = &p.leases.front().file();
  p.end_first();
  p.acquire("c");  // closes b
  p.end_first();
  p.acquire("a");
  EXPECT_EQ(a, &p.leases.front().file());
  EXPECT_EQ(p.pool->open_files(), 2U);
}

TEST(FilePool, AnIdleShardLetsGoOfWhatNobodyUses) {
  Pool p;
  p.acquire("a");
  p.acquire("b");
  p.end_first();
  let_go(*p.pool);
  EXPECT_EQ(p.pool->open_files(), 1U) << "b is leased";
  p.acquire("a");
  EXPECT_EQ(p.pool->open_files(), 2U);
  p.leases.clear();
  let_go(*p.pool);
  EXPECT_EQ(p.pool->open_files(), 0U);
}

TEST(FilePool, WhatIsForgottenIsOpenedAnew) {
  Pool p;
  p.acquire("a");
  File* old = &p.leases[0].file();
  p.pool->forget("a");
  p.acquire("a");
  EXPECT_NE(old, &p.leases[1].file());
  EXPECT_EQ(p.pool->open_files(), 2U);
  p.end_first();
  EXPECT_EQ(p.pool->open_files(), 1U);
  p.pool->forget_directory("elsewhere");
  p.end_first();
  EXPECT_EQ(p.pool->open_files(), 1U);
}

TEST(FilePool, AnErrorIsNotAnOpenFile) {
  Pool p;
  std::optional<Errc> code;
  p.pool->acquire("missing", false, p.alive, [&](Result<FilePool::Lease> lease) { code = lease.error().code; });
  EXPECT_EQ(code, Errc::not_found);
  EXPECT_EQ(p.pool->open_files(), 0U);
}

// ---- The tail cache ----

TailBatch batch_at(std::int64_t base, SharedBytes bytes) {
  return {.bytes = std::move(bytes), .base = Offset(base), .next = Offset(base + 1)};
}

TEST(TailCache, ABufferIsChargedOnceForNeighbours) {
  const SharedBytes buffer = SharedBytes::take(std::vector<std::byte>(1000));
  TailCache tail;
  for (std::int64_t i = 0; i < 5; ++i) tail.push(batch_at(i, buffer.slice(static_cast<std::size_t>(i) * 100, 100)));
  EXPECT_EQ(tail.charge(), 1000U);
  EXPECT_EQ(tail.unspilled_bytes(), 500U);
  tail.push(batch_at(5, SharedBytes::take(std::vector<std::byte>(300))));
  EXPECT_EQ(tail.charge(), 1300U);
  tail.mark_spilled(5, 10'000);
  EXPECT_EQ(tail.charge(), 1300U);
  EXPECT_EQ(tail[0].bytes.owner(), buffer.owner());
  tail.drop_below(Offset(3));
  EXPECT_EQ(tail.charge(), 1300U);
  EXPECT_EQ(tail.find(Offset(3)), 0U);
  EXPECT_EQ(tail.find(Offset(2)), tail.size());
  tail.drop_spilled();
  EXPECT_EQ(tail.charge(), 300U);
  EXPECT_EQ(tail.unspilled_bytes(), 300U);
}

TEST(TailCache, SpilledSlicesDoNotKeepLargeBuffersThatTheyHardlyUse) {
  const SharedBytes large = SharedBytes::take(std::vector<std::byte>(10'000));
  TailCache tail;
  tail.push(batch_at(0, large.slice(100, 200)));
  tail.push(batch_at(1, large.slice(5000, 300)));
  tail.push(batch_at(2, SharedBytes::take(std::vector<std::byte>(700))));
  tail.push(batch_at(3, large.slice(7000, 50)));
  tail.mark_spilled(3, 100'000);
  EXPECT_EQ(tail.size(), 2U) << "the first two are gone, the third uses all of its buffer";
  EXPECT_EQ(tail.charge(), 700U + 10'000U) << "what is not spilled stays, whatever it keeps";
  tail.mark_spilled(1, 100'000);
  EXPECT_EQ(tail.charge(), 0U) << "offsets are contiguous: what was before it goes too";
}

TEST(TailCache, KeepsAtMostWhatItMay) {
  TailCache tail;
  for (std::int64_t i = 0; i < 10; ++i) tail.push(batch_at(i, SharedBytes::take(std::vector<std::byte>(100))));
  tail.mark_spilled(8, 350);
  EXPECT_EQ(tail.spilled(), 3U);
  EXPECT_EQ(tail.size(), 5U);
  EXPECT_EQ(tail.charge(), 500U);
  tail.mark_spilled(2, 0);
  EXPECT_EQ(tail.size(), 0U);
  EXPECT_EQ(tail.charge(), 0U);
}

}  // namespace
}  // namespace sluice::storage
