// Errors that the real kernel gives to the real engines: /dev/full has no space, and a limit on the size of files cuts
// a write short.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "protocol/base/check.h"
#include "storage/io/disk.h"
#include "tests/storage/io/disk_engines.h"

namespace sluice::storage {
namespace {

// Limits the size of files that this process writes, while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(std::uint64_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    CHECK(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
    const rlimit limited{bytes, before_.rlim_max};
    CHECK(::setrlimit(RLIMIT_FSIZE, &limited) == 0);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    CHECK(::setrlimit(RLIMIT_FSIZE, &before_) == 0);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

class RealDiskFault : public testing::TestWithParam<EngineKind> {
 protected:
  void SetUp() override {
    auto made = make_real_disk(GetParam(), {.queue_depth = 8, .threads = 2});
    if (!made) GTEST_SKIP() << "this system refuses the engine: " << made.error().message;
    disk = std::move(*made);
  }

  ScratchDirectory directory;
  std::unique_ptr<Disk> disk;
};

TEST_P(RealDiskFault, AFullDeviceIsNoSpace) {
  auto file = disk->open("/dev/full", {.writable = true}).value();
  for (const WriteSync sync : {WriteSync::none, WriteSync::dsync}) {
    const auto result = write_blocking(*disk, *file, 4096, as_bytes("no room"), sync);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::no_space);
    EXPECT_EQ(result.error().message, "write /dev/full at 4096 (7 bytes): No space left on device");
  }
}

TEST_P(RealDiskFault, AFailedSyncIsTold) {
  auto file = disk->open("/dev/full", {.writable = true}).value();
  const auto result = sync_blocking(*disk, *file);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::io_error);
  EXPECT_EQ(result.error().message, "sync /dev/full: Invalid argument");
}

TEST_P(RealDiskFault, AWriteThatIsCutShortIsNotSuccess) {
  const std::string path = directory.path() + "/a";
  auto file = disk->open(path, {.create = true, .writable = true}).value();
  const std::vector<std::byte> bytes(8192);
  const FileSizeLimit limit(6000);
  const auto plain = write_blocking(*disk, *file, 0, bytes, WriteSync::none);
  ASSERT_FALSE(plain);
  EXPECT_EQ(plain.error().message, "write " + path + " at 0 (8192 bytes): File too large");
  EXPECT_EQ(file->size(), 6000U) << "the part that fits was to be written";

  const auto durable = write_blocking(*disk, *file, 0, bytes, WriteSync::dsync);
  ASSERT_FALSE(durable);
  EXPECT_EQ(durable.error().code, Errc::io_error);
  EXPECT_EQ(durable.error().message,
            "write " + path + " at 0 (8192 bytes): only 6000 bytes were written, none durably");
}

TEST_P(RealDiskFault, AFailedReadIsTold) {
  // /proc/self/mem refuses address 0.
  auto file = disk->open("/proc/self/mem", {}).value();
  std::vector<std::byte> into(16);
  const auto result = read_blocking(*disk, *file, 0, into);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::io_error);
  EXPECT_EQ(result.error().message, "read /proc/self/mem at 0 (16 bytes): Input/output error");
}

INSTANTIATE_TEST_SUITE_P(Engines, RealDiskFault,
                         testing::Values(EngineKind::uring, EngineKind::uring_plain, EngineKind::threads),
                         [](const auto& info) { return engine_name(info.param); });

TEST(MakeUringDisk, SaysWhyItIsRefused) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto disk = make_uring_disk({});
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(disk);
  EXPECT_EQ(disk.error().code, Errc::unsupported);
  EXPECT_TRUE(disk.error().message.starts_with("io_uring_setup: ")) << disk.error().message;
}

TEST(MakeUringDisk, MayBeMadeOnAnotherThread) {
  Result<std::unique_ptr<Disk>> disk = fail(Errc::internal, "not made");
  std::unique_ptr<File> file;
  const ScratchDirectory directory;
  std::thread maker([&] {
    disk = make_uring_disk({});
    if (disk) file = (*disk)->open(directory.path() + "/a", {.create = true, .writable = true}).value();
  });
  maker.join();
  if (!disk) GTEST_SKIP() << "this system refuses io_uring: " << disk.error().message;
  EXPECT_TRUE(write_blocking(**disk, *file, 0, as_bytes("text"), WriteSync::dsync));
}

}  // namespace
}  // namespace sluice::storage
