// UringDisk on a ring that the test plays: what it asks of the kernel, and what it makes of every answer.
#include "storage/io/uring_disk.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/check.h"
#include "tests/storage/io/disk_engines.h"

namespace sluice::storage {
namespace {

using Op = RingRequest::Op;

class ScriptedRing final : public Ring {
 public:
  explicit ScriptedRing(std::size_t room) : room_(room), event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  ScriptedRing(const ScriptedRing&) = delete;
  ScriptedRing& operator=(const ScriptedRing&) = delete;
  ~ScriptedRing() override { ::close(event_); }

  bool push(const RingRequest& request) override {
    if (pushed_ == room_) return false;
    ++pushed_;
    requests.push_back(request);
    return true;
  }
  void submit() override { pushed_ = 0; }
  void reap(std::vector<RingCompletion>& into) override {
    for (const RingCompletion& each : completions_) into.push_back(each);
    completions_.clear();
  }
  void wait() override {
    pushed_ = 0;
    if (completions_.empty() && at_wait) at_wait();
    CHECK(!completions_.empty(), "the test would hang");
  }
  int wake_fd() const override { return event_; }
  void wake() override { ++wakes; }
  int register_file(int) override { return slots > 0 ? --slots : -1; }
  void unregister_file(int) override { ++slots; }

  /// Ends the request at `index` of `requests`.
  void complete(std::size_t index, int result) {
    completions_.push_back({requests.at(index).user_data, result});
    requests.erase(requests.begin() + static_cast<std::ptrdiff_t>(index));
  }

  std::deque<RingRequest> requests;  // under way
  std::function<void()> at_wait;
  int wakes = 0;
  int slots = 1;

 private:
  const std::size_t room_;
  std::size_t pushed_ = 0;
  const int event_;
  std::vector<RingCompletion> completions_;
};

class UringDiskTest : public testing::Test {
 protected:
  UringDiskTest() {
    auto owned = std::make_unique<ScriptedRing>(4);
    ring = owned.get();
    disk = std::make_unique<UringDisk>(std::move(owned), 8);
    file = disk->open(directory.path() + "/a", {.create = true, .writable = true}).value();
  }
  ~UringDiskTest() override { file.reset(); }

  void write(std::uint64_t offset, WriteSync sync = WriteSync::none) {
    file->write(offset, bytes, sync, [this](Result<void> result) { outcomes.push_back(std::move(result)); });
    disk->poll();
  }
  void sync() {
    file->sync([this](Result<void> result) { outcomes.push_back(std::move(result)); });
    disk->poll();
  }
  void complete(std::size_t index, int result) {
    ring->complete(index, result);
    disk->poll();
  }
  const RingRequest& request(std::size_t index = 0) { return ring->requests.at(index); }
  std::string name() const { return directory.path() + "/a"; }

  ScratchDirectory directory;
  std::vector<std::byte> bytes = std::vector<std::byte>(1000);
  ScriptedRing* ring = nullptr;
  std::unique_ptr<UringDisk> disk;
  std::unique_ptr<File> file;
  std::vector<Result<void>> outcomes;
};

TEST_F(UringDiskTest, AShortWriteGoesOn) {
  write(5000);
  EXPECT_EQ(request().op, Op::write);
  EXPECT_FALSE(request().dsync);
  EXPECT_EQ(request().slot, 0);
  complete(0, 300);
  ASSERT_EQ(ring->requests.size(), 1U);
  EXPECT_TRUE(outcomes.empty());
  EXPECT_EQ(request().offset, 5300U);
  EXPECT_EQ(request().memory, bytes.data() + 300);
  EXPECT_EQ(request().size, 700U);
  complete(0, 700);
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_TRUE(outcomes[0]);
}

TEST_F(UringDiskTest, AShortWriteThatThenFailsIsAFailure) {
  write(0);
  complete(0, 300);
  complete(0, -ENOSPC);
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes[0].error().code, Errc::no_space);
  EXPECT_EQ(outcomes[0].error().message, "write " + name() + " at 0 (1000 bytes): No space left on device");
}

TEST_F(UringDiskTest, AWriteOfNothingIsAFailure) {
  write(0);
  complete(0, 0);
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes[0].error().code, Errc::io_error);
}

TEST_F(UringDiskTest, AShortDsyncWriteIsAFailure) {
  write(0, WriteSync::dsync);
  EXPECT_TRUE(request().dsync);
  complete(0, 999);
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes[0].error().code, Errc::io_error);
  EXPECT_TRUE(ring->requests.empty());
}

TEST_F(UringDiskTest, WithoutDsyncTheWriteIsSyncedBeforeItIsTold) {
  write(4096, WriteSync::dsync);
  complete(0, -EOPNOTSUPP);
  EXPECT_EQ(request().op, Op::write);
  EXPECT_FALSE(request().dsync);
  complete(0, 1000);
  EXPECT_TRUE(outcomes.empty()) << "acknowledged before the sync";
  EXPECT_EQ(request().op, Op::fdatasync);
  complete(0, 0);
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_TRUE(outcomes[0]);
}

TEST_F(UringDiskTest, WithoutDsyncAFailedSyncFailsTheWrite) {
  write(4096, WriteSync::dsync);
  complete(0, -EOPNOTSUPP);
  complete(0, 1000);
  complete(0, -EIO);
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes[0].error().code, Errc::io_error);
}

TEST_F(UringDiskTest, InterruptedAndRefusedOperationsAreTriedAgain) {
  write(0);
  complete(0, -EINTR);
  complete(0, -EAGAIN);
  EXPECT_TRUE(outcomes.empty());
  EXPECT_EQ(request().size, 1000U);
  complete(0, 1000);
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_TRUE(outcomes[0]);
}

TEST_F(UringDiskTest, ErrorsAreToldOnce) {
  for (const int error : {ECANCELED, EIO, EBADF}) {
    outcomes.clear();
    write(0);
    complete(0, -error);
    ASSERT_EQ(outcomes.size(), 1U);
    EXPECT_EQ(outcomes[0].error().code, Errc::io_error);
  }
  EXPECT_EQ(disk->in_flight(), 0U);
}

TEST_F(UringDiskTest, AFailedSyncIsNeverTriedAgain) {
  sync();
  EXPECT_EQ(request().op, Op::fdatasync);
  complete(0, -EIO);
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes[0].error().message, "sync " + name() + ": Input/output error");
  EXPECT_TRUE(ring->requests.empty());
}

TEST_F(UringDiskTest, NothingIsToldBeforeItsOwnCompletion) {
  std::string told;
  file->write(0, bytes, WriteSync::none, [&](Result<void>) { told += 'a'; });
  file->sync([&](Result<void>) { told += 's'; });
  file->write(4096, bytes, WriteSync::dsync, [&](Result<void>) { told += 'd'; });
  disk->poll();
  EXPECT_EQ(told, "");
  complete(2, 1000);
  EXPECT_EQ(told, "d");
  complete(0, 1000);
  EXPECT_EQ(told, "da");
  disk->poll();
  EXPECT_EQ(told, "da");
  complete(0, 0);
  EXPECT_EQ(told, "das");
}

TEST_F(UringDiskTest, ReadsGoOnToTheEndOfTheFile) {
  std::optional<Result<std::size_t>> outcome;
  file->read(100, bytes, [&](Result<std::size_t> result) { outcome = std::move(result); });
  disk->poll();
  complete(0, 600);
  EXPECT_FALSE(outcome);
  EXPECT_EQ(request().offset, 700U);
  complete(0, 0);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(*outcome, 600U);
}

TEST_F(UringDiskTest, ADirectReadEndsWithinASector) {
  auto direct = disk->open(name(), {.direct = true}).value();
  if (!direct->direct()) GTEST_SKIP() << "O_DIRECT is refused in " << directory.path();
  AlignedBuffer buffer(2 * kDiskBlock);
  std::optional<Result<std::size_t>> outcome;
  direct->read(0, buffer.span(), [&](Result<std::size_t> result) { outcome = std::move(result); });
  disk->poll();
  complete(0, 5000);
  ASSERT_TRUE(outcome) << "the kernel would refuse the rest as misaligned";
  EXPECT_EQ(*outcome, 5000U);
}

TEST_F(UringDiskTest, NeitherQueueNorRingOverflows) {
  int completed = 0;
  for (int i = 0; i < 20; ++i) {
    file->write(0, bytes, WriteSync::none, [&](Result<void> result) {
      EXPECT_TRUE(result);
      ++completed;
    });
  }
  disk->poll();
  EXPECT_LE(ring->requests.size(), 8U);
  while (disk->in_flight() > 0) {
    ASSERT_FALSE(ring->requests.empty()) << "operations wait, and nothing is under way";
    complete(0, 1000);
    EXPECT_LE(ring->requests.size(), 8U);
  }
  EXPECT_EQ(completed, 20);
}

TEST_F(UringDiskTest, ADirectoryIsRemovedAsOne) {
  std::optional<Result<void>> outcome;
  disk->remove("/x", [&](Result<void> result) { outcome = std::move(result); });
  disk->poll();
  EXPECT_EQ(request().op, Op::unlink);
  complete(0, -EISDIR);
  EXPECT_EQ(request().op, Op::rmdir);
  EXPECT_STREQ(request().path, "/x");
  complete(0, -ENOTEMPTY);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->error().message, "remove /x: Directory not empty");
}

TEST_F(UringDiskTest, FilesBeyondTheTableUseTheirDescriptor) {
  auto second = disk->open(directory.path() + "/b", {.create = true, .writable = true}).value();
  second->sync([](Result<void>) {});
  disk->poll();
  EXPECT_EQ(request().slot, -1);
  EXPECT_GE(request().fd, 0);
  complete(0, 0);
  file.reset();  // gives its slot back
  EXPECT_EQ(ring->slots, 1);
}

TEST_F(UringDiskTest, AMissingDirectoryWakesTheLoop) {
  std::optional<Result<void>> outcome;
  disk->sync_dir(directory.path() + "/none", [&](Result<void> result) { outcome = std::move(result); });
  EXPECT_FALSE(outcome);
  EXPECT_EQ(ring->wakes, 1);
  EXPECT_EQ(disk->poll(), 1U);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->error().code, Errc::not_found);
}

TEST_F(UringDiskTest, TheEndWaitsForTheKernel) {
  write(0);
  sync();
  ring->at_wait = [this] { ring->complete(ring->requests.size() - 1, 0); };
  disk.reset();
  EXPECT_TRUE(outcomes.empty());
  file.reset();
}

}  // namespace
}  // namespace sluice::storage
