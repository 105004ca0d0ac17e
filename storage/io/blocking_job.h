// One disk operation done by blocking system calls, on whatever thread calls run().
// Owner: the ThreadDisk that made it, or for a while one of its threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "storage/io/disk.h"
#include "storage/io/posix_names.h"

namespace sluice::storage {

struct BlockingJob {
  enum class Kind : std::uint8_t { read, write, sync, sync_dir, remove };
  Kind kind = Kind::read;
  bool dsync = false;
  bool short_dsync = false;  ///< it wrote a part, which is not durable as a whole
  int error_number = 0;
  PosixFile* file = nullptr;
  int fd = -1;
  std::uint64_t offset = 0;
  std::byte* memory = nullptr;  ///< of a write: only read
  std::size_t size = 0;
  std::size_t count = 0;  ///< bytes done
  std::string path;
  IoDone done;
  ReadDone read_done;

  /// Does it to the end: goes on after interruptions and after short transfers, except that a short dsync write fails.
  void run();
  /// What to tell `done`, once it has run.
  Result<void> outcome() const;

 private:
  void run_read();
  void run_write();
  void run_sync_dir();
  void run_remove();
  std::string describe() const;
};

}  // namespace sluice::storage
