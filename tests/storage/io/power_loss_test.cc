// The power-loss layer over each real engine: what was synced survives, the rest may not.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "tests/sim/disk/power_loss_disk.h"
#include "tests/storage/io/disk_engines.h"

namespace sluice::storage {
namespace {

constexpr OpenOptions kNew{.create = true, .writable = true};

class PowerLoss : public testing::TestWithParam<EngineKind> {
 protected:
  void SetUp() override {
    if (auto made = make_real_disk(GetParam(), {}); !made) {
      GTEST_SKIP() << "this system refuses the engine: " << made.error().message;
    }
  }
  void start(std::uint64_t seed) {
    directory = std::make_unique<ScratchDirectory>();
    random = std::make_unique<SeededRandom>(seed);
    medium = std::make_unique<sim::PowerLossMedium>(directory->path(), seed);
    restart();
  }
  void restart() { disk = std::make_unique<sim::PowerLossDisk>(*medium, make_real_disk(GetParam(), {}).value()); }
  void lose_power() {
    const auto lost = medium->lose_power(*random);
    ASSERT_TRUE(lost) << lost.error().message;
    file.reset();
    restart();
  }
  void TearDown() override {
    file.reset();
    disk.reset();
  }
  void open(const std::string& name) { file = disk->open(path(name), kNew).value(); }
  void write(std::uint64_t offset, std::string_view text, WriteSync sync = WriteSync::none) {
    ASSERT_TRUE(write_blocking(*disk, *file, offset, as_bytes(text), sync));
  }
  std::string path(const std::string& name) const { return directory->path() + "/" + name; }
  // Of the real file system.
  std::string content(const std::string& name) const {
    if (!std::filesystem::exists(path(name))) return "(none)";
    std::ostringstream text;
    text << std::ifstream(path(name), std::ios::binary).rdbuf();
    return text.str();
  }

  std::unique_ptr<ScratchDirectory> directory;
  std::unique_ptr<SeededRandom> random;
  std::unique_ptr<sim::PowerLossMedium> medium;
  std::unique_ptr<sim::PowerLossDisk> disk;
  std::unique_ptr<File> file;
};

TEST_P(PowerLoss, OnlyWhatWasSyncedSurvivesForCertain) {
  std::set<std::string> outcomes;
  for (std::uint64_t seed = 0; seed < 25; ++seed) {
    start(seed);
    open("a");
    ASSERT_TRUE(sync_dir_blocking(*disk, directory->path()));
    write(0, std::string(4096, 'a'), WriteSync::dsync);
    write(4096, std::string(4096, 'b'));
    ASSERT_TRUE(sync_blocking(*disk, *file));
    write(4096, std::string(4096, 'c'));
    const auto agreed = medium->check_agreement();
    ASSERT_TRUE(agreed) << agreed.error().message;
    lose_power();
    const std::string after = content("a");
    ASSERT_EQ(after.size(), 8192U);
    EXPECT_EQ(after.substr(0, 4096), std::string(4096, 'a'));
    outcomes.insert(after.substr(4096));
    TearDown();
  }
  EXPECT_TRUE(outcomes.contains(std::string(4096, 'b')));
  EXPECT_TRUE(outcomes.contains(std::string(4096, 'c')));
  EXPECT_GT(outcomes.size(), 2U) << "no write was torn";
}

TEST_P(PowerLoss, NamesNeedTheirDirectorySynced) {
  std::set<std::string> created;
  std::set<std::string> renamed;
  std::set<std::string> removed;
  for (std::uint64_t seed = 0; seed < 25; ++seed) {
    start(seed);
    ASSERT_TRUE(replace_file(*disk, path("kept"), as_bytes("kept")));
    ASSERT_TRUE(replace_file(*disk, path("current"), as_bytes("old")));
    ASSERT_TRUE(replace_file(*disk, path("gone"), as_bytes("x")));
    ASSERT_TRUE(replace_file(*disk, path("next"), as_bytes("new")));
    open("fresh");
    ASSERT_TRUE(sync_blocking(*disk, *file));
    ASSERT_TRUE(disk->rename(path("next"), path("current")));
    disk->remove(path("gone"), [](Result<void> result) { EXPECT_TRUE(result); });
    disk->wait();
    lose_power();
    EXPECT_EQ(content("kept"), "kept");
    created.insert(content("fresh"));
    renamed.insert(content("current") + content("next"));
    removed.insert(content("gone"));
    TearDown();
  }
  EXPECT_EQ(created, (std::set<std::string>{"(none)", ""}));
  EXPECT_EQ(renamed, (std::set<std::string>{"oldnew", "new(none)"}));
  EXPECT_EQ(removed, (std::set<std::string>{"(none)", "x"}));
}

TEST_P(PowerLoss, WhatIsUnderWayIsNeverTold) {
  start(1);
  open("a");
  const std::string bytes(std::size_t{1} << 20, 'x');
  bool lost = false;
  for (int i = 0; i < 20; ++i) {
    file->write(0, as_bytes(bytes), WriteSync::dsync,
                [&lost](Result<void>) { EXPECT_FALSE(lost) << "told after the power was lost"; });
  }
  disk->poll();
  lost = true;
  lose_power();
  EXPECT_EQ(disk->in_flight(), 0U);
}

TEST_P(PowerLoss, WhatAKilledProcessWroteIsNotYetDurable) {
  bool lost = false;
  for (std::uint64_t seed = 0; seed < 20 && !lost; ++seed) {
    start(seed);
    open("a");
    ASSERT_TRUE(sync_dir_blocking(*disk, directory->path()));
    write(0, "seen");
    file.reset();
    disk.reset();  // killed
    restart();
    EXPECT_EQ(content("a"), "seen");
    lose_power();
    lost = content("a") != "seen";
    TearDown();
  }
  EXPECT_TRUE(lost);
}

TEST_P(PowerLoss, WhatWasThereAtFirstIsDurable) {
  start(3);
  TearDown();
  std::filesystem::create_directories(path("d/e"));
  std::ofstream(path("d/e/f")) << "there";
  medium = std::make_unique<sim::PowerLossMedium>(directory->path(), 3);
  restart();
  for (int i = 0; i < 5; ++i) lose_power();
  EXPECT_EQ(content("d/e/f"), "there");
}

INSTANTIATE_TEST_SUITE_P(Engines, PowerLoss,
                         testing::Values(EngineKind::uring, EngineKind::uring_plain, EngineKind::threads),
                         [](const auto& engine) { return engine_name(engine.param); });

}  // namespace
}  // namespace sluice::storage
