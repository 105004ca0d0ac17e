// A whole simulated world of one seed: a disk, a node that lives, dies and starts again on it, its clients, and faults. run()
// gives the first violation of what was promised.
//
// A life ends by loss of power, by kill -9, by a clean stop, or by its own decision after a device error. In it the disk may
// fill up, fail a write or a read; between two lives bits may rot. Allowed then and only then: to refuse to start with
// `corrupt` over a flipped bit of journal or checkpoint (the bit is flipped back, as from a backup), to end on a device
// error, to fail reads of a partition whose segment rotted. Never: to lose silently. The journal's very last flushes,
// which nothing later proves, are not made to rot: there rot can't be told from a torn write.
// Owner: the test. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tests/sim/node/history.h"
#include "tests/sim/node/node_life.h"
#include "tests/sim/node/topic_changes.h"
#include "tests/sim/node/workload.h"

namespace sluice::broker::sim {

class NodeWorld {
 public:
  explicit NodeWorld(std::uint64_t seed);
  ~NodeWorld();

  /// Returns the first violation; empty: none.
  std::string run();
  std::uint64_t hash() const { return history_.hash(); }
  std::string summary() const;
  const History& history() const { return history_; }
  const TopicChanges& changes() const { return changes_; }

  struct Counts {
    std::uint64_t lives = 0, crashes = 0, kills = 0, stops = 0, fatal = 0, refused = 0, died_starting = 0;
    std::uint64_t full_disks = 0, device_errors = 0, flips = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Flip {
    std::string path;
    std::uint64_t offset = 0;
    unsigned bit = 0;
    std::vector<std::byte> file;  ///< with the flipped bit
  };

  bool ok() const { return history_.violation().empty(); }
  bool one_in(std::uint64_t n) { return random_.one_in(n); }
  Millis millis(std::uint64_t least, std::uint64_t most) { return Millis(least + random_.below(most - least)); }

  void live();
  void bring_up(bool quiet);
  bool start_once(bool quiet);
  void refused(const Error& error);
  void die(bool power_lost);
  void stop_cleanly();
  void fill_disk();
  void break_device();
  void flip_something();
  std::optional<std::pair<std::string, std::uint64_t>> journal_target();
  bool as_flipped() const;
  void restore_flip();
  void finish();
  void settle();
  void read_everything();
  void no_leftovers();

  const std::uint64_t seed_;
  SeededRandom random_;
  SimScheduler scheduler_;
  SimStore store_;
  History history_;
  Workload workload_;
  TopicChanges changes_;
  Settings settings_;
  NodeIdentity identity_;
  std::unique_ptr<NodeLife> life_;
  bool formatted_ = false;
  bool fault_planned_ = false;  ///< a device error is or was in force in this life
  bool disk_full_ = false;      ///< capacity is limited, or was in this life
  std::optional<Flip> flip_;    ///< of journal or checkpoint
  Counts counts_;
};

}  // namespace sluice::broker::sim
