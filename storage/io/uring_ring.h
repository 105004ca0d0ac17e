// The ring under UringDisk: requests go in, results come out. One implementation speaks to the kernel; tests put
// another one around it, which shortens, fails and reorders.
//
// Invariants: a pushed request has exactly one completion; what it points to stays valid until then. wake_fd() becomes
// readable after a completion has arrived, and stays so until reap().
// Thread safety: one thread pushes, reaps and waits, the one that did first; making a ring and registering files may
// happen elsewhere before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "protocol/base/error.h"

namespace sluice::storage {

struct RingRequest {
  enum class Op : std::uint8_t { read, write, fdatasync, fsync, unlink, rmdir };
  Op op = Op::read;
  bool dsync = false;  ///< of a write: RWF_DSYNC
  int fd = -1;
  int slot = -1;  ///< in the table of registered files, or -1
  std::uint64_t offset = 0;
  std::byte* memory = nullptr;  ///< of a write: only read
  std::uint32_t size = 0;
  const char* path = nullptr;  ///< of unlink and rmdir
  std::uint64_t user_data = 0;
};

struct RingCompletion {
  std::uint64_t user_data = 0;
  int result = 0;  ///< bytes, or -errno
};

class Ring {
 public:
  virtual ~Ring() = default;
  /// False when the submission queue is full: submit() first.
  virtual bool push(const RingRequest& request) = 0;
  /// Hands what was pushed to the kernel. What it can't take at this moment stays, and wake_fd() becomes readable.
  virtual void submit() = 0;
  /// Appends the completions that have arrived.
  virtual void reap(std::vector<RingCompletion>& into) = 0;
  /// Submits, and blocks until a completion has arrived.
  virtual void wait() = 0;
  virtual int wake_fd() const = 0;
  /// Makes wake_fd() readable.
  virtual void wake() = 0;
  /// A slot for `fd` in the table of registered files, -1 if there is none.
  virtual int register_file(int fd) = 0;
  virtual void unregister_file(int slot) = 0;
};

/// How the kernel hands completions over, the cheapest first. A kernel that does not know one gets the next.
enum class RingMode : std::uint8_t {
  deferred,     ///< SINGLE_ISSUER and DEFER_TASKRUN, 6.1
  cooperative,  ///< COOP_TASKRUN, 5.19
  plain,        ///< 5.11, where UNLINKAT came
};

/// Tries `best` first, then what comes behind it. Errors: unsupported, naming the cause.
Result<std::unique_ptr<Ring>> make_kernel_ring(unsigned queue_depth, RingMode best = RingMode::deferred);

}  // namespace sluice::storage
