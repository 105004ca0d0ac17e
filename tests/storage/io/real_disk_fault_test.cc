// Errors that the real kernel gives to the real engines: /dev/full has no space, and a limit on the size of files cuts
// a write short.
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iterator>
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
                         [](const auto& engine) { return engine_name(engine.param); });

// What container profiles do: the system call is refused. For this process and for good, so in a child.
void forbid_io_uring() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{std::size(program), program};
  CHECK(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  CHECK(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
}

TEST(MakeUringDiskDeathTest, SaysWhyItIsRefused) {
  EXPECT_EXIT(
      {
        forbid_io_uring();
        const auto disk = make_uring_disk({});
        const bool told = !disk && disk.error().code == Errc::unsupported;
        std::fprintf(stderr, "%s\n", disk ? "made" : disk.error().message.c_str());
        std::_Exit(told ? 0 : 1);
      },
      testing::ExitedWithCode(0), "^io_uring_setup: Operation not permitted");
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
