#include "tests/sim/disk/sim_disk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/clock/sim_clock.h"

namespace sluice::sim {
namespace {

using std::chrono::seconds;
using storage::WriteSync;

constexpr storage::OpenOptions kNew{.create = true, .writable = true};

// One machine: a store, and a process that can die and be started again.
class Machine {
 public:
  explicit Machine(std::uint64_t seed) : random(seed), store(seed), clock(scheduler, 1) { start(); }

  void start() { disk = std::make_unique<SimDisk>(store, clock, random); }
  void crash() {
    store.crash(random);
    file.reset();
    start();
  }
  void kill() {
    store.kill();
    file.reset();
    start();
  }
  void open(const std::string& path) { file = std::move(disk->open(path, kNew)).value(); }
  void write(std::uint64_t offset, std::string_view text, WriteSync sync = WriteSync::none) {
    ASSERT_TRUE(storage::write_blocking(*disk, *file, offset, as_bytes(text), sync));
  }
  void sync() { ASSERT_TRUE(storage::sync_blocking(*disk, *file)); }
  void sync_dir(const std::string& path) { ASSERT_TRUE(storage::sync_dir_blocking(*disk, path)); }
  std::string view(const std::string& path) {
    const auto content = store.read_view(path);
    return content ? std::string(as_text(*content)) : "(none)";
  }
  std::string durable(const std::string& path) {
    const auto content = store.read_durable(path);
    return content ? std::string(as_text(*content)) : "(none)";
  }

  SeededRandom random;
  SimScheduler scheduler;
  SimStore store;
  SimClock clock;
  std::unique_ptr<SimDisk> disk;
  std::unique_ptr<storage::File> file;
};

TEST(SimDisk, CompletesOnTheClockAndReorders) {
  Machine m(3);
  m.open("a");
  std::vector<int> order;
  for (int i = 0; i < 20; ++i) {
    m.file->write(0, as_bytes("x"), WriteSync::none, [&order, i](Result<void> result) {
      EXPECT_TRUE(result);
      order.push_back(i);
    });
  }
  EXPECT_EQ(m.disk->in_flight(), 20U);
  EXPECT_EQ(m.disk->poll(), 0U);
  EXPECT_TRUE(order.empty());
  m.scheduler.run_for(seconds(1));
  EXPECT_EQ(order.size(), 20U);
  EXPECT_EQ(m.disk->in_flight(), 0U);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
}

TEST(SimDisk, WaitNeedsNoTime) {
  Machine m(1);
  m.open("a");
  m.write(0, "hello");
  m.sync();
  m.sync_dir("/");
  EXPECT_EQ(m.scheduler.now(), SteadyTime(0));
  EXPECT_EQ(m.durable("a"), "hello");
  EXPECT_EQ(m.scheduler.pending(), 0U);
}

TEST(SimDisk, OnlyWhatWasSyncedSurvivesForCertain) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Machine m(seed);
    m.open("a");
    m.sync_dir("/");
    m.write(0, "synced");
    m.sync();
    m.write(0, "SYNCED and more");
    EXPECT_EQ(m.durable("a"), "synced");
    m.crash();
    const std::string after = m.view("a");
    EXPECT_EQ(after, m.durable("a"));
    seen.insert(after);
    if (after == "synced") continue;
    EXPECT_TRUE(after == "SYNCED and more" || after == std::string("synced") + std::string(9, '\0')) << seed;
  }
  EXPECT_GE(seen.size(), 2U) << "every crash had one outcome";
}

TEST(SimDisk, WritesTearBySectors) {
  std::set<std::size_t> torn_counts;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Machine m(seed);
    m.open("a");
    m.sync_dir("/");
    m.write(0, std::string(8192, 'o'));
    m.sync();
    m.write(0, std::string(8192, 'n'));
    m.crash();
    const std::string after = m.view("a");
    ASSERT_EQ(after.size(), 8192U);
    std::size_t fresh = 0;
    for (std::size_t sector = 0; sector < 16; ++sector) {
      const std::string part = after.substr(sector * 512, 512);
      ASSERT_TRUE(part == std::string(512, 'o') || part == std::string(512, 'n')) << "a torn sector";
      fresh += part[0] == 'n' ? 1 : 0;
    }
    torn_counts.insert(fresh);
  }
  EXPECT_TRUE(torn_counts.contains(0));
  EXPECT_TRUE(torn_counts.contains(16));
  EXPECT_GT(torn_counts.size(), 8U);
}

// Two appends within one sector: the second can't be on the disk without the first.
TEST(SimDisk, ASectorHoldsAVersionThatWasOnceSeen) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Machine m(seed);
    m.open("a");
    m.sync_dir("/");
    m.write(0, "first");
    m.write(5, "second");
    m.crash();
    const std::string after = m.view("a");
    const std::string whole = "firstsecond";
    EXPECT_TRUE(after == std::string(after.size(), '\0') || after == whole || after == "first" ||
                after == "first" + std::string(6, '\0'))
        << seed << ": " << after;
  }
}

TEST(SimDisk, ASyncCoversOnlyWhatWasCompleteWhenItStarted) {
  Machine m(5);
  m.open("a");
  m.sync_dir("/");
  m.write(0, "before");
  bool synced = false;
  m.store.stall("a", seconds(1));
  m.file->sync([&](Result<void> result) { synced = result.has_value(); });
  m.store.stall("a", Nanos(0));
  m.file->write(0, as_bytes("BEHIND"), WriteSync::none, [](Result<void>) {});
  m.scheduler.run_for(seconds(2));
  EXPECT_TRUE(synced);
  EXPECT_EQ(m.view("a"), "BEHIND");
  EXPECT_EQ(m.durable("a"), "before");
}

TEST(SimDisk, DsyncIsDurableOnCompletionAndMayTearBefore) {
  std::set<char> first_bytes;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Machine m(seed);
    m.open("a");
    m.sync_dir("/");
    m.write(0, std::string(4096, 'a'), WriteSync::dsync);
    EXPECT_EQ(m.durable("a"), std::string(4096, 'a'));
    const std::string more(4096, 'b');
    m.file->write(0, as_bytes(more), WriteSync::dsync, [](Result<void>) { FAIL() << "a dead process was called"; });
    m.crash();
    m.scheduler.run_until_idle();
    first_bytes.insert(m.view("a")[0]);
  }
  EXPECT_EQ(first_bytes, (std::set<char>{'a', 'b'}));
}

TEST(SimDisk, DsyncAfterUnsyncedChangesIsNotUndoneByThem) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Machine m(seed);
    m.open("a");
    m.sync_dir("/");
    m.write(0, std::string(3 * 4096, 'x'));
    ASSERT_TRUE(m.file->truncate(0));
    m.write(0, std::string(2 * 4096, 'y'));
    m.write(4096, std::string(4096, 'z'), WriteSync::dsync);
    m.crash();
    const std::string after = m.view("a");
    ASSERT_GE(after.size(), 8192U) << seed;
    EXPECT_EQ(after.substr(4096, 4096), std::string(4096, 'z')) << seed;
  }
}

TEST(SimDisk, AKillLosesNothingAndMakesNothingDurable) {
  Machine m(2);
  m.open("a");
  m.write(0, "seen");
  m.kill();
  EXPECT_EQ(m.view("a"), "seen");
  EXPECT_EQ(m.durable("a"), "(none)");
  // Syncing what the dead process wrote makes it durable.
  m.open("a");
  m.sync();
  m.sync_dir("/");
  EXPECT_EQ(m.durable("a"), "seen");
}

TEST(SimDisk, NamesNeedTheSyncOfEveryDirectoryAbove) {
  Machine m(1);
  ASSERT_TRUE(m.disk->make_dirs("/data/shard"));
  m.open("/data/shard/a");
  m.sync();
  m.sync_dir("/data/shard");
  EXPECT_EQ(m.durable("/data/shard/a"), "(none)");
  m.sync_dir("/data");
  EXPECT_EQ(m.durable("/data/shard/a"), "(none)");
  m.sync_dir("/");
  EXPECT_EQ(m.durable("/data/shard/a"), "");
}

TEST(SimDisk, ARenameIsAtomicAndNeedsASync) {
  std::set<std::string> outcomes;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Machine m(seed);
    m.store.put_file("/d/current", as_bytes("old"));
    ASSERT_TRUE(storage::replace_file(*m.disk, "/d/other", as_bytes("whole")));
    EXPECT_EQ(m.durable("/d/other"), "whole");
    m.open("/d/new");
    m.write(0, "new");
    m.sync();
    ASSERT_TRUE(m.disk->rename("/d/new", "/d/current"));
    m.crash();
    outcomes.insert(m.view("/d/current"));
    EXPECT_EQ(m.view("/d/other"), "whole");
  }
  EXPECT_EQ(outcomes, (std::set<std::string>{"old", "new"}));
}

TEST(SimDisk, ARemovalNeedsASync) {
  std::set<bool> outcomes;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Machine m(seed);
    m.store.put_file("/d/a", as_bytes("a"));
    bool removed = false;
    m.disk->remove("/d/a", [&](Result<void> result) { removed = result.has_value(); });
    m.scheduler.run_until_idle();
    EXPECT_TRUE(removed);
    EXPECT_FALSE(*m.disk->exists("/d/a"));
    m.crash();
    outcomes.insert(*m.disk->exists("/d/a"));
  }
  EXPECT_EQ(outcomes.size(), 2U);
}

TEST(SimDisk, FaultsStrikeTheNthOperationOfAPath) {
  Machine m(1);
  m.store.inject({.op = SimOp::write, .path_contains = "journal", .skip = 1, .times = 1});
  m.open("journal");
  m.write(0, "first");
  const auto second = storage::write_blocking(*m.disk, *m.file, 4, as_bytes("second"), WriteSync::none);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::io_error);
  EXPECT_EQ(second.error().message, "write journal at 4 (6 bytes): Input/output error");
  m.write(0, "third");
}

TEST(SimDisk, AFailedSyncLosesWhatItCovered) {
  bool lost = false;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Machine m(seed);
    m.open("a");
    m.sync_dir("/");
    m.write(0, "once");
    m.store.fail_next(SimOp::sync, "a");
    EXPECT_FALSE(storage::sync_blocking(*m.disk, *m.file));
    m.sync();  // tells success, as Linux does
    EXPECT_EQ(m.view("a"), "once");
    m.crash();
    lost = lost || m.view("a") != "once";
  }
  EXPECT_TRUE(lost);
}

TEST(SimDisk, AShortDsyncWriteIsAnError) {
  Machine m(1);
  m.open("a");
  m.sync_dir("/");
  m.store.inject({.op = SimOp::write, .times = SimFault::kAlways, .short_write = true});
  m.write(0, "continued");
  EXPECT_EQ(m.view("a"), "continued");
  EXPECT_FALSE(storage::write_blocking(*m.disk, *m.file, 0, as_bytes("X"), WriteSync::dsync));
  EXPECT_EQ(m.durable("a"), "");
}

TEST(SimDisk, AFullDiskTakesWhatFits) {
  Machine m(1);
  m.store.set_capacity(8192);
  m.open("a");
  m.write(0, std::string(4096, 'a'));
  EXPECT_EQ(m.disk->space("/")->free_bytes, 4096U);
  const std::string more(8192, 'b');
  const auto result = storage::write_blocking(*m.disk, *m.file, 4096, as_bytes(more), WriteSync::none);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::no_space);
  m.write(0, std::string(4096, 'c'));  // overwriting needs no space
  EXPECT_EQ(m.disk->space("/")->free_bytes, 0U);
  m.file.reset();
  m.disk->remove("a", [](Result<void>) {});
  m.disk->wait();
  EXPECT_EQ(m.disk->space("/")->free_bytes, 8192U);
}

TEST(SimDisk, RotIsEverywhere) {
  Machine m(1);
  m.store.put_file("a", as_bytes("abc"));
  m.store.flip_bit("a", 1, 0);
  EXPECT_EQ(m.view("a"), "acc");
  EXPECT_EQ(m.durable("a"), "acc");
}

TEST(SimDisk, AStallDelays) {
  Machine m(1);
  m.open("slow");
  m.store.stall("slow", seconds(5));
  bool done = false;
  m.file->sync([&](Result<void>) { done = true; });
  m.scheduler.run_for(seconds(5));
  EXPECT_FALSE(done);
  m.scheduler.run_for(seconds(1));
  EXPECT_TRUE(done);
}

TEST(SimDisk, ShardsShareAStore) {
  Machine m(1);
  SimDisk other(m.store, m.clock, m.random);
  m.open("a");
  m.write(0, "shared");
  auto file = std::move(other.open("a", {})).value();
  std::vector<std::byte> into(6);
  ASSERT_EQ(storage::read_blocking(other, *file, 0, into), 6U);
  EXPECT_EQ(as_text(into), "shared");
  EXPECT_EQ(m.disk->counters().writes, 1U);
  EXPECT_EQ(other.counters().writes, 0U);
  EXPECT_EQ(m.store.counters().reads, 1U);
}

TEST(SimDisk, DroppedOperationsNeverComplete) {
  Machine m(1);
  m.open("a");
  const auto token = std::make_shared<int>(0);
  m.file->write(0, as_bytes("x"), WriteSync::none, [token](Result<void>) { FAIL(); });
  m.disk.reset();
  EXPECT_EQ(token.use_count(), 1);
  m.file.reset();
  m.scheduler.run_until_idle();
}

TEST(SimDisk, ACloneCrashesAlone) {
  Machine m(1);
  m.store.put_file("/d/a", as_bytes("old"));
  m.open("/d/a");
  m.write(0, "new");
  std::set<std::string> outcomes;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SeededRandom random(seed);
    const auto copy = m.store.clone();
    copy->crash(random);
    outcomes.insert(std::string(as_text(copy->read_view("/d/a").value())));
  }
  EXPECT_EQ(outcomes, (std::set<std::string>{"old", "new"}));
  EXPECT_EQ(m.view("/d/a"), "new");
  m.sync();
  EXPECT_EQ(m.durable("/d/a"), "new");
}

TEST(SimDisk, TheSameSeedRepeats) {
  const auto run = [](std::uint64_t seed) {
    Machine m(seed);
    m.open("a");
    m.sync_dir("/");
    for (int i = 0; i < 30; ++i) {
      m.file->write(m.random.below(65536), as_bytes("0123456789abcdef"), WriteSync::none, [](Result<void>) {});
    }
    m.scheduler.run_for(std::chrono::microseconds(100));
    m.crash();
    return m.view("a") + std::to_string(m.scheduler.events_run());
  };
  EXPECT_EQ(run(4), run(4));
  EXPECT_NE(run(4), run(5));
}

TEST(SimDiskDeathTest, MisuseIsFound) {
  Machine m(1);
  m.open("a");
  EXPECT_DEATH(
      {
        std::string text = "text";
        m.file->write(0, as_bytes(text), WriteSync::none, [](Result<void>) {});
        text[0] = 'n';
        m.disk->wait();
      },
      "was changed while");
  EXPECT_DEATH(
      {
        m.file->sync([](Result<void>) {});
        m.file.reset();
      },
      "under way");
  EXPECT_DEATH(m.disk->wait(), "nothing under way");
}

}  // namespace
}  // namespace sluice::sim
