#include "tests/storage/io/disk_engines.h"

#include <poll.h>

#include <cstdlib>
#include <filesystem>

#include "protocol/base/check.h"
#include "storage/io/uring_disk.h"
#include "tests/sim/clock/sim_clock.h"
#include "tests/sim/disk/sim_disk.h"

namespace sluice::storage {
namespace {

class RealEngine final : public Engine {
 public:
  explicit RealEngine(std::unique_ptr<Disk> disk) : disk_(std::move(disk)) {}
  Disk& disk() override { return *disk_; }
  void destroy_disk() override { disk_.reset(); }
  std::string directory() const override { return directory_.path(); }
  bool run_until(const std::function<bool()>& ready) override { return run_loop_until(*disk_, ready); }

 private:
  ScratchDirectory directory_;
  std::unique_ptr<Disk> disk_;
};

class SimulatedEngine final : public Engine {
 public:
  SimulatedEngine() : clock_(scheduler_, 1), disk_(std::make_unique<sim::SimDisk>(store_, clock_, random_)) {
    store_.make_durable_dirs("/scratch");
  }
  Disk& disk() override { return *disk_; }
  void destroy_disk() override { disk_.reset(); }
  std::string directory() const override { return "/scratch"; }
  bool run_until(const std::function<bool()>& ready) override {
    while (!ready()) {
      if (!scheduler_.run_next()) return false;
    }
    return true;
  }

 private:
  SeededRandom random_{1};
  sim::SimScheduler scheduler_;
  sim::SimStore store_;
  sim::SimClock clock_;
  std::unique_ptr<sim::SimDisk> disk_;
};

}  // namespace

std::string engine_name(EngineKind kind) {
  switch (kind) {
    case EngineKind::uring: return "uring";
    case EngineKind::uring_cooperative: return "uring_cooperative";
    case EngineKind::uring_plain: return "uring_plain";
    case EngineKind::threads: return "threads";
    case EngineKind::simulated: return "simulated";
  }
  return "?";
}

std::vector<EngineKind> all_engines() {
  return {EngineKind::uring, EngineKind::uring_cooperative, EngineKind::uring_plain, EngineKind::threads,
          EngineKind::simulated};
}

ScratchDirectory::ScratchDirectory() {
  const auto program = std::filesystem::read_symlink("/proc/self/exe");
  std::string pattern = program.parent_path().string() + "/scratch-XXXXXX";
  CHECK(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

bool run_loop_until(Disk& disk, const std::function<bool()>& ready) {
  disk.poll();
  while (!ready()) {
    pollfd watched{.fd = disk.wake_fd(), .events = POLLIN, .revents = 0};
    if (::poll(&watched, 1, 20'000) <= 0) return false;
    disk.poll();
  }
  return true;
}

Result<std::unique_ptr<Disk>> make_real_disk(EngineKind kind, const DiskOptions& options) {
  RingMode mode = RingMode::deferred;
  switch (kind) {
    case EngineKind::uring: return make_uring_disk(options);
    case EngineKind::threads: return make_thread_disk(options);
    case EngineKind::uring_cooperative: mode = RingMode::cooperative; break;
    case EngineKind::uring_plain: mode = RingMode::plain; break;
    case EngineKind::simulated: return fail(Errc::invalid_argument, "the simulated disk is no real one");
  }
  auto ring = make_kernel_ring(options.queue_depth, mode);
  if (!ring) return fail(ring.error());
  return std::make_unique<UringDisk>(std::move(*ring), options.queue_depth);
}

Result<std::unique_ptr<Engine>> make_engine(EngineKind kind, const DiskOptions& options) {
  if (kind == EngineKind::simulated) return std::make_unique<SimulatedEngine>();
  auto disk = make_real_disk(kind, options);
  if (!disk) return fail(disk.error());
  return std::make_unique<RealEngine>(std::move(*disk));
}

}  // namespace sluice::storage
