// The engines that the conformance suite runs on, each with a directory of its own and a way to drive it.
// Owner: a test.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "protocol/base/error.h"
#include "storage/io/disk.h"

namespace sluice::storage {

enum class EngineKind { uring, uring_cooperative, uring_plain, threads, simulated };
std::string engine_name(EngineKind kind);
inline void PrintTo(EngineKind kind, std::ostream* out) { *out << engine_name(kind); }
std::vector<EngineKind> all_engines();

/// A new directory below the test program's own, removed at the end: /tmp may be memory.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual Disk& disk() = 0;
  virtual void destroy_disk() = 0;
  virtual std::string directory() const = 0;
  /// Runs the loop until `ready`, waking only as the engine asks for. False if the engine stopped waking it.
  virtual bool run_until(const std::function<bool()>& ready) = 0;
};

/// Errors: unsupported where the system refuses the engine.
Result<std::unique_ptr<Engine>> make_engine(EngineKind kind, const DiskOptions& options);
/// A real engine, without a directory or a loop.
Result<std::unique_ptr<Disk>> make_real_disk(EngineKind kind, const DiskOptions& options);
/// The loop of a real engine: sleeps on wake_fd(), polls. False after 20 s without a wake-up.
bool run_loop_until(Disk& disk, const std::function<bool()>& ready);

}  // namespace sluice::storage
