#include "storage/log/tail_pool.h"

#include <gtest/gtest.h>

#include "tests/storage/log/log_machine.h"

namespace sluice::storage {
namespace {

struct Holder final : TailHolder {
  explicit Holder(TailPool& tails) : pool(tails) {}
  void let_tail_go() override {
    ++let_go;
    pool.note(*this, 0);
  }
  TailPool& pool;
  int let_go = 0;
};

TEST(TailPool, WhoKeptLongestLetsGo) {
  TailPool pool(100);
  Holder a(pool), b(pool), c(pool);
  pool.note(a, 40);
  pool.note(b, 40);
  pool.note(a, 50);  // it was written again: b is the oldest now
  pool.note(c, 20);
  EXPECT_EQ(pool.total_bytes(), 70U);
  EXPECT_EQ((std::array{a.let_go, b.let_go, c.let_go}), (std::array{0, 1, 0}));
  pool.note(c, 120);
  EXPECT_EQ(pool.total_bytes(), 0U) << "nobody may keep more than the bound";
  EXPECT_EQ((std::array{a.let_go, b.let_go, c.let_go}), (std::array{1, 1, 1}));
}

TEST(TailPool, LogsShareOneBound) {
  LogMachine m(1, {.tail_bytes = 1U << 20});
  m.files = make_file_pool(*m.disk, 4, 3000);
  std::vector<std::unique_ptr<PartitionLog>> logs;
  for (int nth = 0; nth < 5; ++nth) {
    logs.push_back(std::make_unique<PartitionLog>(
        m.files, std::string(LogMachine::kParent) + "/log-" + std::to_string(nth), m.options));
    logs.back()->create(Offset(0));
    logs.back()->append(SharedBytes::take(make_batch(Offset(0), {1}, 1000)), 1);
    ASSERT_TRUE(m.run<void>([&](auto done) { logs.back()->spill(std::move(done)); }));
    EXPECT_LE(m.files->tails().total_bytes(), 3000U);
  }
  EXPECT_EQ(logs[0]->memory_charge(), 0U);
  EXPECT_GT(logs[4]->memory_charge(), 0U);
  logs.clear();
  EXPECT_EQ(m.files->tails().total_bytes(), 0U);
}

}  // namespace
}  // namespace sluice::storage
