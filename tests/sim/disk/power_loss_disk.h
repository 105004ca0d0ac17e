// Power loss on a real file system: kill -9 keeps the page cache and so proves nothing about syncing. A PowerLossDisk
// passes every call to a real engine and notes in a SimStore what was written and what was synced. lose_power() then
// crashes the SimStore by seed, with the same model as the simulated disk, and writes what survived over the real
// files.
//
// A sync covers the writes whose `done` was called before the sync was started: what the real disk did earlier than it
// told is not relied upon.
// Owner: the test; a PowerLossMedium outlives the disks on it. Thread safety: one thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/random.h"
#include "storage/io/disk.h"
#include "tests/sim/disk/sim_store.h"

namespace sluice::sim {

class PowerLossState;

/// A real directory and what of it would survive. What is in the directory at first is durable.
class PowerLossMedium {
 public:
  /// `root`: an absolute path of a directory. `seed` decides the fate of what is under way.
  PowerLossMedium(std::string root, std::uint64_t seed);
  PowerLossMedium(const PowerLossMedium&) = delete;
  PowerLossMedium& operator=(const PowerLossMedium&) = delete;
  ~PowerLossMedium();

  /// All disks on the medium die: what they had under way is not told, their Files may only be destroyed. The directory
  /// is left with what was synced and a random part of the rest. Open it with new disks.
  Result<void> lose_power(Random& random);
  /// Whether the real files hold what was written to them; otherwise what differs.
  Result<void> check_agreement() const;

  const std::string& root() const { return root_; }
  SimStore& store() { return store_; }

 private:
  friend class PowerLossDisk;
  friend class PowerLossFile;
  friend class PowerLossState;
  Result<void> import_tree(const std::string& path);
  Result<void> export_tree() const;
  /// Makes a file known that was made behind the disks' back, as durable.
  void import_file(const std::string& path, ByteSpan content);

  std::string root_;
  SimStore store_;
  std::vector<PowerLossState*> disks_;
};

class PowerLossDisk final : public storage::Disk {
 public:
  PowerLossDisk(PowerLossMedium& medium, std::unique_ptr<storage::Disk> real);
  ~PowerLossDisk() override;

  Result<std::unique_ptr<storage::File>> open(const std::string& path, storage::OpenOptions options) override;
  Result<std::vector<storage::DirEntry>> list(const std::string& path) override;
  Result<void> make_dirs(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<bool> exists(const std::string& path) override;
  Result<storage::DiskSpace> space(const std::string& path) override;
  void sync_dir(const std::string& path, storage::IoDone done) override;
  void remove(const std::string& path, storage::IoDone done) override;
  std::size_t poll() override;
  int wake_fd() const override;
  void wait() override;
  std::size_t in_flight() const override;
  std::string_view name() const override;

 private:
  std::shared_ptr<PowerLossState> state_;
};

}  // namespace sluice::sim
