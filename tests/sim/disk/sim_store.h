// The medium of a simulated machine: a tree of files and directories that survives the processes using it (SimDisk).
// It knows what is durable and what is only seen, loses the difference when power fails, and injects faults.
//
// Invariants: a name is durable only after a sync of its directory, and reachable after a crash only if the names of
// all directories above it are; a rename is atomic, and durable with the directory it moves *into*. Of unsynced
// operations on one name a prefix survives a crash. Owner: the test; it outlives every SimDisk on it. Thread safety:
// one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/clock.h"
#include "protocol/base/error.h"
#include "protocol/base/random.h"
#include "storage/io/disk.h"
#include "tests/sim/disk/sim_content.h"

namespace sluice::sim {

/// A file or a directory.
struct SimNode {
  bool is_directory = false;
  SimContent content;                                       ///< of a file
  std::map<std::string, std::shared_ptr<SimNode>> entries;  ///< of a directory: as seen
  std::map<std::string, std::shared_ptr<SimNode>> durable_entries;
};
using SimNodePtr = std::shared_ptr<SimNode>;

enum class SimOp : std::uint8_t { read, write, sync, sync_dir, remove, open, truncate, rename, make_dirs };

/// A fault that strikes operations when they are started. `skip` and `times` count the operations that match.
struct SimFault {
  SimOp op = SimOp::write;
  std::string path_contains = {};  ///< "" is every path
  Errc error = Errc::io_error;     ///< or no_space
  std::uint64_t skip = 0;          ///< so many pass first
  std::uint64_t times = 1;         ///< then so many fail; kAlways
  std::uint64_t one_in = 1;        ///< each only with this probability
  /// Writes only: the device takes a part and no error is told. Engines go on with the rest, but a dsync write fails.
  bool short_write = false;
  static constexpr std::uint64_t kAlways = std::numeric_limits<std::uint64_t>::max();
};

struct SimDiskCounters {
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;  ///< dsync ones too
  std::uint64_t dsync_writes = 0;
  std::uint64_t syncs = 0;
  std::uint64_t dir_syncs = 0;
  std::uint64_t removes = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t written_bytes = 0;
};

class SimDiskState;  // a process's side, in sim_disk.cc

class SimStore {
 public:
  /// `seed` decides the fate of what was under way when a process was killed, and faults with a probability.
  explicit SimStore(std::uint64_t seed = 1);
  SimStore(const SimStore&) = delete;
  SimStore& operator=(const SimStore&) = delete;
  ~SimStore();

  // Death. Every SimDisk on the store is dead afterwards: what it had under way never completes, and it may be
  // destroyed, before or after its Files. Call these before the objects of the dead process are destroyed.

  /// Power failed: of what was not synced, a random part survives (whole, torn by sectors, or nothing).
  void crash(Random& random);
  /// The process was killed: what was written is still seen, nothing more became durable. Writes that were under way
  /// happened, partly happened or did not.
  void kill();

  // Faults.
  using FaultId = std::uint64_t;
  FaultId inject(SimFault fault);
  /// The next operation of this kind on a matching path fails.
  FaultId fail_next(SimOp op, std::string path_contains, Errc error = Errc::io_error) {
    return inject({.op = op, .path_contains = std::move(path_contains), .error = error});
  }
  void clear_fault(FaultId id);
  void clear_faults();
  /// Operations on matching paths that start from now on take `extra` longer; 0 ends the stall.
  void stall(std::string path_contains, Nanos extra);
  /// Bytes that files may fill, counted in blocks of 4 KiB; beyond it: no_space. 0 is no limit.
  void set_capacity(std::uint64_t bytes) { capacity_bytes_ = bytes; }
  std::uint64_t used_bytes() const;
  storage::DiskSpace space() const;

  /// Rot: flips a bit of a byte that exists, wherever it is kept.
  void flip_bit(const std::string& path, std::uint64_t offset, unsigned bit);
  /// Overwrites bytes that exist, wherever they are kept.
  void overwrite(const std::string& path, std::uint64_t offset, ByteSpan bytes);

  // Setting up and looking inside. Paths are absolute, or relative to the root.

  /// Makes the directories, durably.
  void make_durable_dirs(const std::string& path);
  /// Makes or replaces a file, durably, with the directories above it.
  void put_file(const std::string& path, ByteSpan content);
  /// What a process would read.
  Result<std::vector<std::byte>> read_view(const std::string& path) const;
  /// What survives a crash for certain: not_found if the name may not.
  Result<std::vector<std::byte>> read_durable(const std::string& path) const;
  /// Paths of all files, sorted.
  std::vector<std::string> files() const;
  /// Everything is lost: an emptied or exchanged disk. No SimDisk may be alive.
  void wipe();
  /// Another store with the same tree, and the same unsynced changes: to crash one and see, and go on with the other.
  /// What is under way on the SimDisks is not taken along.
  std::unique_ptr<SimStore> clone() const;

  const SimDiskCounters& counters() const { return counters_; }
  void reset_counters() { counters_ = {}; }

 private:
  friend class SimDiskState;
  friend class SimDisk;
  friend class SimFile;
  friend class PowerLossMedium;  // keeps a store in step with a real directory
  friend class PowerLossState;
  friend class PowerLossDisk;
  friend class PowerLossFile;

  struct Assignment {  // of a name in a directory; no target: the name goes
    SimNodePtr directory;
    std::string name;
    SimNodePtr target;
  };
  struct NameChange {
    std::uint64_t sequence = 0;
    std::vector<Assignment> assignments;  // the last one's directory makes it durable
  };
  struct PlannedFault {
    FaultId id = 0;
    SimFault fault;
    std::uint64_t seen = 0;
  };
  struct Outcome {
    std::optional<Errc> error;
    bool short_write = false;
  };
  struct Place {
    SimNodePtr directory;  // null: there is no such directory
    std::string name;      // "" for the root
    SimNodePtr node;       // null: no such entry
  };

  Place find(const std::string& path) const;
  void change_names(std::vector<Assignment> assignments);
  std::uint64_t names_mark() const { return next_sequence_; }
  void sync_names(const SimNodePtr& directory, std::uint64_t mark);
  Result<void> make_dirs(const std::string& path);
  /// Takes the bytes that fit, and says whether all did.
  bool write(const SimNodePtr& node, std::uint64_t offset, ByteSpan from, bool durable);
  Outcome outcome_of(SimOp op, const std::string& path);
  Nanos stall_of(const std::string& path) const;
  void disks_die();
  void apply_under_way(const SimNodePtr& node, std::uint64_t offset, ByteSpan from);
  void apply_remove(const std::string& path);

  SimNodePtr root_;
  std::vector<NameChange> unsynced_names_;
  std::uint64_t next_sequence_ = 1;
  std::uint64_t capacity_bytes_ = 0;
  std::vector<PlannedFault> faults_;
  FaultId last_fault_ = 0;
  std::map<std::string, Nanos> stalls_;
  SimDiskCounters counters_;
  SeededRandom random_;
  std::vector<SimDiskState*> disks_;
};

}  // namespace sluice::sim
