// The simulated disk: one process's Disk onto a SimStore. Two shards of a node have one each onto the same store.
//
// Completions are delivered by Clock::call_at after a seeded delay, so they reorder; poll() has nothing to do. wait()
// completes the operation that is due first at once, whatever the time. Misuse is found: CHECKs that a buffer is not
// changed while it is being written, that direct files are used with aligned offsets, sizes and memory, and that no
// File is closed with operations under way. The memory of a read is scribbled over until it completes. Owner: the
// simulated process. Destroying it with operations under way drops them; Files may be destroyed after it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/clock.h"
#include "protocol/base/random.h"
#include "storage/io/disk.h"
#include "tests/sim/disk/sim_store.h"

namespace sluice::sim {

struct NanosRange {
  Nanos least{0};
  Nanos most{0};
};

struct SimDiskOptions {
  NanosRange read_latency{std::chrono::microseconds(20), std::chrono::microseconds(200)};
  NanosRange write_latency{std::chrono::microseconds(20), std::chrono::microseconds(200)};
  /// Of sync, sync_dir and remove; a dsync write takes both.
  NanosRange sync_latency{std::chrono::microseconds(100), std::chrono::microseconds(1000)};
  bool direct_supported = true;
};

class SimDisk final : public storage::Disk {
 public:
  /// All three outlive it.
  SimDisk(SimStore& store, Clock& clock, Random& random, SimDiskOptions options = {});
  ~SimDisk() override;

  Result<std::unique_ptr<storage::File>> open(const std::string& path, storage::OpenOptions options) override;
  Result<std::vector<storage::DirEntry>> list(const std::string& path) override;
  Result<void> make_dirs(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<bool> exists(const std::string& path) override;
  Result<storage::DiskSpace> space(const std::string& path) override;
  void sync_dir(const std::string& path, storage::IoDone done) override;
  void remove(const std::string& path, storage::IoDone done) override;
  std::size_t poll() override { return 0; }
  int wake_fd() const override { return -1; }
  void wait() override;
  std::size_t in_flight() const override;
  std::string_view name() const override { return "simulated"; }

  /// Of this disk alone; SimStore::counters() are of all.
  const SimDiskCounters& counters() const;

 private:
  std::shared_ptr<SimDiskState> state_;
};

}  // namespace sluice::sim
