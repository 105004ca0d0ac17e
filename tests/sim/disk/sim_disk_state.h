// The operations of one SimDisk, shared with its Files and with the store, which ends them when the process dies.
// Owner: SimDisk; Files hold it too, so that they may be destroyed later.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/disk/sim_disk.h"

namespace sluice::sim {

struct SimOperation {
  SimOp op = SimOp::read;
  SimNodePtr node;
  std::string path;
  std::uint64_t offset = 0;
  MutableByteSpan into;
  ByteSpan from;
  std::vector<std::byte> bytes;  ///< copy of `from`: it may be gone when the process has died
  bool dsync = false;
  std::uint64_t mark = 0;
  std::optional<Errc> error;
  bool short_write = false;
  std::shared_ptr<std::size_t> file_in_flight;
  storage::IoDone done;
  storage::ReadDone read_done;
  SteadyTime due{0};
  Clock::TimerId timer = 0;
};

class SimDiskState : public std::enable_shared_from_this<SimDiskState> {
 public:
  SimDiskState(SimStore& store, Clock& clock, Random& random, SimDiskOptions options)
      : store_(store), clock_(clock), random_(random), options_(options) {}

  void start(SimOperation operation);
  void complete_earliest();
  /// The process is gone: nothing completes any more. What was being written may have happened.
  void die();
  bool dead() const { return dead_; }
  std::size_t in_flight() const { return operations_.size(); }

  SimStore& store() { return store_; }
  const SimDiskOptions& options() const { return options_; }
  SimDiskCounters& counters() { return counters_; }

 private:
  Nanos delay_of(const SimOperation& operation);
  void complete(std::uint64_t id);
  Result<void> write(SimOperation& operation);
  Result<void> run(SimOperation& operation);

  SimStore& store_;
  Clock& clock_;
  Random& random_;
  SimDiskOptions options_;
  std::map<std::uint64_t, SimOperation> operations_;
  std::uint64_t last_operation_ = 0;
  SimDiskCounters counters_;
  bool dead_ = false;
};

/// "write /a/b at 4096 (512 bytes): No space left on device", as the real engines say it.
Error sim_error(const SimOperation& operation, Errc code);

}  // namespace sluice::sim
