// What disk.h promises, on every engine.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "storage/io/disk.h"
#include "tests/storage/io/disk_engines.h"

namespace sluice::storage {
namespace {

constexpr OpenOptions kNew{.create = true, .writable = true};
constexpr OpenOptions kNewDirect{.create = true, .writable = true, .direct = true};

class DiskConformance : public testing::TestWithParam<EngineKind> {
 protected:
  void SetUp() override {
    auto made = make_engine(GetParam(), {.queue_depth = 8, .threads = 3});
    if (!made) GTEST_SKIP() << "this system refuses the engine: " << made.error().message;
    engine_ = std::move(*made);
  }
  // Files go before their engine.
  void TearDown() override { files_.clear(); }

  Disk& disk() { return engine_->disk(); }
  std::string path(const std::string& name) const { return engine_->directory() + "/" + name; }
  File& open(const std::string& name, OpenOptions options = kNew) {
    auto opened = disk().open(path(name), options);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
    files_.push_back(std::move(opened).value());
    return *files_.back();
  }
  void write(File& file, std::uint64_t offset, std::string_view text, WriteSync sync = WriteSync::none) {
    const auto result = write_blocking(disk(), file, offset, as_bytes(text), sync);
    ASSERT_TRUE(result) << result.error().message;
  }
  std::string read(File& file, std::uint64_t offset, std::size_t size) {
    std::vector<std::byte> into(size);
    const auto count = read_blocking(disk(), file, offset, into);
    EXPECT_TRUE(count) << (count ? "" : count.error().message);
    return std::string(as_text(into).substr(0, count.value_or(0)));
  }
  Result<void> remove(const std::string& name) {
    std::optional<Result<void>> outcome;
    disk().remove(path(name), [&](Result<void> result) { outcome = std::move(result); });
    EXPECT_TRUE(engine_->run_until([&] { return outcome.has_value(); }));
    return outcome.value();
  }
  bool run_until_idle() {
    return engine_->run_until([this] { return disk().in_flight() == 0; });
  }

  std::unique_ptr<Engine> engine_;
  std::vector<std::unique_ptr<File>> files_;
};

TEST_P(DiskConformance, ReadsBackWhatWasWritten) {
  File& file = open("a");
  write(file, 0, "hello, disk");
  write(file, 7, "world");
  EXPECT_EQ(read(file, 0, 64), "hello, world");
  EXPECT_EQ(read(file, 7, 5), "world");
  EXPECT_EQ(file.size(), 12U);
  EXPECT_EQ(file.path(), path("a"));
}

TEST_P(DiskConformance, HolesAreZeros) {
  File& file = open("a");
  write(file, 10'000, "end");
  EXPECT_EQ(read(file, 0, 10'000), std::string(10'000, '\0'));
  EXPECT_EQ(file.size(), 10'003U);
}

TEST_P(DiskConformance, ReadsEndWithTheFile) {
  File& file = open("a");
  write(file, 0, std::string(5000, 'x'));
  EXPECT_EQ(read(file, 4096, 4096).size(), 904U);
  EXPECT_EQ(read(file, 5000, 10), "");
  EXPECT_EQ(read(file, 1'000'000, 10), "");
  EXPECT_EQ(read(file, 0, 0), "");
}

TEST_P(DiskConformance, EmptyWritesAreComplete) {
  File& file = open("a");
  write(file, 4096, "");
  write(file, 4096, "", WriteSync::dsync);
  EXPECT_EQ(file.size(), 0U);
}

TEST_P(DiskConformance, DirectFilesTakeAlignedBlocks) {
  File& file = open("a", kNewDirect);
  if (!file.direct()) GTEST_SKIP() << "O_DIRECT is refused in " << engine_->directory();
  AlignedBuffer from(3 * kDiskBlock);
  for (std::size_t i = 0; i < from.size(); ++i) from.data()[i] = static_cast<std::byte>(i * 7 + i / 256);
  ASSERT_TRUE(write_blocking(disk(), file, kDiskBlock, from.span(), WriteSync::dsync));
  AlignedBuffer into(8 * kDiskBlock);
  ASSERT_EQ(read_blocking(disk(), file, 0, into.span()), 4 * kDiskBlock);
  EXPECT_TRUE(std::equal(from.data(), from.data() + from.size(), into.data() + kDiskBlock));
  EXPECT_EQ(into.data()[0], std::byte{0});
  // A file that ends within a block is read up to there.
  ASSERT_TRUE(file.truncate(2 * kDiskBlock + 100));
  EXPECT_EQ(read_blocking(disk(), file, kDiskBlock, into.span()), kDiskBlock + 100);
  // What direct files wrote, buffered ones see.
  File& buffered = open("a", {});
  EXPECT_FALSE(buffered.direct());
  EXPECT_EQ(read(buffered, kDiskBlock, 100), as_text(from.span().first(100)));
}

TEST_P(DiskConformance, MisalignedDirectTransfersAreBugs) {
  File& file = open("a", kNewDirect);
  if (!file.direct()) GTEST_SKIP() << "O_DIRECT is refused in " << engine_->directory();
  AlignedBuffer buffer(2 * kDiskBlock);
  const auto write_at = [&](std::uint64_t offset, ByteSpan from) {
    file.write(offset, from, WriteSync::none, [](Result<void>) {});
  };
  EXPECT_DEATH(write_at(512, buffer.span().first(kDiskBlock)), "aligned");
  EXPECT_DEATH(write_at(0, buffer.span().first(512)), "aligned");
  EXPECT_DEATH(write_at(0, buffer.span().subspan(512, kDiskBlock)), "aligned");
  EXPECT_DEATH(file.read(512, buffer.span(), [](Result<std::size_t>) {}), "aligned");
}

TEST_P(DiskConformance, TruncationCutsAndExtends) {
  File& file = open("a");
  write(file, 0, "0123456789");
  ASSERT_TRUE(file.truncate(4));
  EXPECT_EQ(file.size(), 4U);
  ASSERT_TRUE(file.truncate(8));
  EXPECT_EQ(read(file, 0, 20), std::string("0123") + std::string(4, '\0'));
}

TEST_P(DiskConformance, SyncsSucceed) {
  File& file = open("a");
  write(file, 0, "x");
  EXPECT_TRUE(sync_blocking(disk(), file));
  EXPECT_TRUE(sync_dir_blocking(disk(), engine_->directory()));
  write(file, 1, "y", WriteSync::dsync);
  EXPECT_EQ(read(file, 0, 2), "xy");
}

TEST_P(DiskConformance, CompletionsComeFromTheLoopAlone) {
  File& file = open("a");
  int completions = 0;
  file.write(0, as_bytes("text"), WriteSync::none, [&](Result<void>) { ++completions; });
  file.sync([&](Result<void>) { ++completions; });
  disk().sync_dir(engine_->directory(), [&](Result<void>) { ++completions; });
  disk().sync_dir(path("missing"), [&](Result<void>) { ++completions; });
  disk().remove(path("missing"), [&](Result<void>) { ++completions; });
  EXPECT_EQ(completions, 0);
  EXPECT_EQ(disk().in_flight(), 5U);
  EXPECT_TRUE(run_until_idle());
  EXPECT_EQ(completions, 5);
  EXPECT_EQ(disk().poll(), 0U);
}

TEST_P(DiskConformance, FarMoreOperationsThanTheQueueHolds) {
  File& file = open("a");
  constexpr std::size_t kCount = 500;
  std::vector<std::string> blocks;
  for (std::size_t i = 0; i < kCount; ++i) blocks.push_back(std::string(600, static_cast<char>('a' + i % 26)));
  std::size_t completed = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    file.write(i * 600, as_bytes(blocks[i]), WriteSync::none, [&](Result<void> result) {
      EXPECT_TRUE(result);
      ++completed;
    });
  }
  EXPECT_EQ(disk().in_flight(), kCount);
  EXPECT_TRUE(run_until_idle());
  EXPECT_EQ(completed, kCount);
  const std::string all = read(file, 0, kCount * 600);
  for (std::size_t i = 0; i < kCount; ++i) ASSERT_EQ(all.substr(i * 600, 600), blocks[i]);
}

TEST_P(DiskConformance, CallbacksStartTheNext) {
  File& file = open("a");
  int round = 0;
  std::function<void()> next = [&] {
    file.write(static_cast<std::uint64_t>(round), as_bytes("x"), round % 10 == 0 ? WriteSync::dsync : WriteSync::none,
               [&](Result<void> result) {
                 EXPECT_TRUE(result);
                 if (++round < 100) next();
               });
  };
  next();
  EXPECT_TRUE(engine_->run_until([&] { return round == 100; })) << "the loop was not woken in round " << round;
  EXPECT_EQ(file.size(), 100U);
}

TEST_P(DiskConformance, ACallbackMayWait) {
  File& file = open("a");
  int completions = 0;
  std::string seen;
  for (int i = 0; i < 5; ++i) {
    file.write(static_cast<std::uint64_t>(i), as_bytes("x"), WriteSync::none, [&](Result<void>) {
      if (++completions == 1) seen = read(file, 0, 1);
    });
  }
  EXPECT_TRUE(run_until_idle());
  EXPECT_EQ(completions, 5);
  EXPECT_EQ(seen.size(), 1U);
}

TEST_P(DiskConformance, ABufferBelongsToTheEngineUntilDone) {
  File& file = open("a");
  std::vector<AlignedBuffer> buffers;
  std::map<std::size_t, int> done;
  for (std::size_t i = 0; i < 20; ++i) {
    buffers.emplace_back(std::size_t{64} << 10);
    std::fill_n(buffers[i].data(), buffers[i].size(), static_cast<std::byte>(i + 1));
  }
  for (std::size_t i = 0; i < 20; ++i) {
    file.write(i * buffers[i].size(), buffers[i].span(), WriteSync::none, [&, i](Result<void>) {
      ++done[i];
      std::fill_n(buffers[i].data(), buffers[i].size(), std::byte{0xff});  // ours again
    });
  }
  EXPECT_TRUE(run_until_idle());
  for (std::size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(done[i], 1);
    EXPECT_EQ(read(file, i * buffers[i].size() + 777, 1), std::string(1, static_cast<char>(i + 1)));
  }
}

TEST_P(DiskConformance, LargeTransfersAreWhole) {
  File& file = open("a", kNewDirect);
  AlignedBuffer from(std::size_t{9} << 20);
  for (std::size_t i = 0; i < from.size(); i += 509) from.data()[i] = static_cast<std::byte>(i);
  ASSERT_TRUE(write_blocking(disk(), file, 0, from.span(), WriteSync::none));
  AlignedBuffer into(from.size());
  ASSERT_EQ(read_blocking(disk(), file, 0, into.span()), from.size());
  EXPECT_TRUE(std::equal(from.data(), from.data() + from.size(), into.data()));
}

TEST_P(DiskConformance, MissingThingsAreNotFound) {
  const auto file = disk().open(path("none"), {});
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Errc::not_found);
  EXPECT_EQ(file.error().message, "open " + path("none") + ": No such file or directory");
  EXPECT_EQ(disk().open(path("none/deep"), kNew).error().code, Errc::not_found);
  EXPECT_EQ(disk().list(path("none")).error().code, Errc::not_found);
  EXPECT_EQ(disk().rename(path("none"), path("b")).error().code, Errc::not_found);
  EXPECT_EQ(disk().space(path("none")).error().code, Errc::not_found);
  const auto synced = sync_dir_blocking(disk(), path("none"));
  ASSERT_FALSE(synced);
  EXPECT_EQ(synced.error().code, Errc::not_found);
  EXPECT_EQ(synced.error().message, "sync directory " + path("none") + ": No such file or directory");
  EXPECT_EQ(disk().exists(path("none")), false);
}

TEST_P(DiskConformance, OpenMakesOnlyWhatItIsAskedFor) {
  open("a");
  EXPECT_FALSE(disk().open(path("a"), {.create = true, .exclusive = true, .writable = true}));
  EXPECT_TRUE(disk().open(path("b"), {.create = true, .exclusive = true, .writable = true}));
  EXPECT_TRUE(disk().open(path("c"), {.create = true, .exclusive = true, .writable = true, .direct = true}));
  EXPECT_EQ(disk().list(engine_->directory())->size(), 3U);
}

TEST_P(DiskConformance, NamesAreImmediate) {
  ASSERT_TRUE(disk().make_dirs(path("x/y/z")));
  ASSERT_TRUE(disk().make_dirs(path("x/y/z")));
  ASSERT_TRUE(disk().make_dirs(path("x/y/z/")));
  write(open("x/b"), 0, "bb");
  write(open("x/a"), 0, "a");
  const auto entries = disk().list(path("x"));
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 3U);
  EXPECT_EQ((*entries)[0].name, "a");
  EXPECT_EQ((*entries)[0].size_bytes, 1U);
  EXPECT_EQ((*entries)[1].name, "b");
  EXPECT_EQ((*entries)[2].name, "y");
  EXPECT_TRUE((*entries)[2].is_directory);
  EXPECT_FALSE((*entries)[1].is_directory);

  ASSERT_TRUE(disk().rename(path("x/a"), path("x/b")));
  EXPECT_EQ(disk().exists(path("x/a")), false);
  EXPECT_EQ(read(open("x/b", {}), 0, 10), "a");
  ASSERT_TRUE(disk().rename(path("x/y"), path("moved")));
  EXPECT_EQ(disk().exists(path("moved/z")), true);
  EXPECT_FALSE(disk().make_dirs(path("x/b/c"))) << "a file is no directory";
  EXPECT_FALSE(disk().open(path("moved"), {})) << "a directory is no file";
}

TEST_P(DiskConformance, RemovesFilesAndEmptyDirectories) {
  write(open("a"), 0, "a");
  ASSERT_TRUE(disk().make_dirs(path("full/empty")));
  EXPECT_TRUE(remove("a"));
  EXPECT_TRUE(remove("a")) << "what is missing is removed";
  EXPECT_TRUE(remove("none/deep"));
  const auto full = remove("full");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().message, "remove " + path("full") + ": Directory not empty");
  EXPECT_TRUE(remove("full/empty"));
  EXPECT_TRUE(remove("full"));
  EXPECT_EQ(disk().list(engine_->directory())->size(), 0U);
  EXPECT_EQ(read(*files_[0], 0, 5), "a") << "an open file lives on";
}

TEST_P(DiskConformance, SpaceIsPlausible) {
  const auto space = disk().space(engine_->directory());
  ASSERT_TRUE(space);
  EXPECT_GT(space->free_bytes, 0U);
  EXPECT_GE(space->total_bytes, space->free_bytes);
}

TEST_P(DiskConformance, ReplaceFileLeavesNoTrace) {
  ASSERT_TRUE(replace_file(disk(), path("node.json"), as_bytes("a long first version")));
  ASSERT_TRUE(replace_file(disk(), path("node.json"), as_bytes("second")));
  const auto content = read_file(disk(), path("node.json"), 100);
  ASSERT_TRUE(content);
  EXPECT_EQ(as_text(*content), "second");
  EXPECT_EQ(disk().list(engine_->directory())->size(), 1U);
  EXPECT_EQ(read_file(disk(), path("node.json"), 5).error().code, Errc::too_large);
  EXPECT_EQ(read_file(disk(), path("none"), 5).error().code, Errc::not_found);
}

TEST_P(DiskConformance, ADestroyedDiskTellsNothing) {
  File& file = open("a");
  AlignedBuffer buffer(std::size_t{1} << 20);
  const auto token = std::make_shared<int>(0);
  for (int i = 0; i < 30; ++i) {
    file.write(0, buffer.span(), WriteSync::dsync, [token](Result<void>) { FAIL() << "called after its disk"; });
    disk().sync_dir(engine_->directory(), [token](Result<void>) { FAIL() << "called after its disk"; });
  }
  engine_->destroy_disk();
  EXPECT_EQ(token.use_count(), 1);
  files_.clear();
}

TEST_P(DiskConformance, ClosingABusyFileIsABug) {
  EXPECT_DEATH(
      {
        File& file = open("a");
        file.sync([](Result<void>) {});
        files_.clear();
      },
      "under way");
  EXPECT_DEATH(disk().wait(), "nothing under way");
}

INSTANTIATE_TEST_SUITE_P(Engines, DiskConformance, testing::ValuesIn(all_engines()),
                         [](const auto& engine) { return engine_name(engine.param); });

}  // namespace
}  // namespace sluice::storage
