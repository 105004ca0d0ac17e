// The Disk seam: all that the broker asks of a disk. Three engines implement it: UringDisk, ThreadDisk
// and the simulated disk of the tests; one conformance suite (tests/storage/io) runs on all of them.
//
// Two kinds of calls:
//  - data and durability (read, write, sync, sync_dir, remove) are asynchronous: `done` is called exactly once, on the
//    owner's loop, from `poll()`, never inside the call that started it;
//  - names (open, list, make_dirs, rename, exists, size) are immediate: they touch cached metadata, and are used at
//    start-up, when a segment rolls and in a checkpoint. They make nothing durable: `sync_dir` does.
//
// Rules that every engine keeps:
//  - a write is complete only when all of its bytes are written: engines go on after a short write themselves, except
//    that a short *dsync* write is an error (it is never durable as a whole);
//  - completions may come in any order; a completion of `sync` covers the writes completed before it was started;
//  - the buffer of a read or write belongs to the engine until `done` is called;
//  - direct files CHECK that offset, size and memory are aligned to kDiskBlock;
//  - closing a File with operations under way is a bug of the caller (CHECK). Destroying a Disk with operations under
//    way ends them without calling `done`; Files may be destroyed after their Disk, but no longer be used.
// Thread safety: a Disk and its Files belong to one shard's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/error.h"
#include "protocol/base/unique_function.h"

namespace sluice::storage {

using IoDone = UniqueFunction<void(Result<void>)>;
/// Number of bytes read; fewer than asked only at the end of the file.
using ReadDone = UniqueFunction<void(Result<std::size_t>)>;

inline constexpr std::size_t kDiskBlock = 4096;  ///< alignment that direct files ask of offset, size and memory

/// Memory aligned to kDiskBlock (to 2 MiB with huge pages advised, from 2 MiB up). Zeroed. Cut pools of flush buffers
/// out of one of 2 MiB and up: a direct write of 1 MiB took 75 us of CPU from huge pages and 160 us from small ones.
/// (io_uring's registered buffers gained 40 % on small pages and 5 % on huge ones, so there are none here.)
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size);
  AlignedBuffer(AlignedBuffer&& other) noexcept;
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept;
  ~AlignedBuffer();
  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  MutableByteSpan span() const { return {data_, size_}; }

 private:
  void unmap();
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

enum class WriteSync : std::uint8_t {
  none,   ///< in the page cache or the device's
  dsync,  ///< `done` says that the bytes are on stable storage (RWF_DSYNC)
};

class File {
 public:
  virtual ~File() = default;
  /// Reads into `into` at `offset` (bytes).
  virtual void read(std::uint64_t offset, MutableByteSpan into, ReadDone done) = 0;
  virtual void write(std::uint64_t offset, ByteSpan from, WriteSync sync, IoDone done) = 0;
  /// fdatasync: everything written before is on stable storage, and the size that is needed to read it.
  virtual void sync(IoDone done) = 0;
  /// Cuts or extends the file, immediate; durable with the next sync.
  virtual Result<void> truncate(std::uint64_t size) = 0;
  virtual Result<std::uint64_t> size() = 0;
  /// Whether O_DIRECT is in force (it was asked for and the file system took it).
  virtual bool direct() const = 0;
  virtual const std::string& path() const = 0;
};

struct OpenOptions {
  bool create = false;     ///< create it when it is missing; otherwise: not_found
  bool exclusive = false;  ///< with create: it must not exist
  bool writable = false;
  bool direct = false;  ///< O_DIRECT; where it is refused the file is buffered, with one warning a process
};

struct DirEntry {
  std::string name;
  bool is_directory = false;
  std::uint64_t size_bytes = 0;
};

struct DiskSpace {
  std::uint64_t free_bytes = 0;  ///< to an ordinary user
  std::uint64_t total_bytes = 0;
};

class Disk {
 public:
  virtual ~Disk() = default;

  // Names, immediate. Errors: not_found, no_space, io_error; messages carry the path and the system's reason.
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) = 0;
  virtual Result<std::vector<DirEntry>> list(const std::string& path) = 0;          ///< sorted by name
  virtual Result<void> make_dirs(const std::string& path) = 0;                      ///< with parents; fine if there
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;  ///< replaces `to`
  virtual Result<bool> exists(const std::string& path) = 0;
  virtual Result<DiskSpace> space(const std::string& path) = 0;

  // Asynchronous.
  virtual void sync_dir(const std::string& path, IoDone done) = 0;
  /// Removes a file or an empty directory; not_found is success.
  virtual void remove(const std::string& path, IoDone done) = 0;

  /// Submits what was queued since the last call and calls the `done`s of what has completed; returns how many.
  virtual std::size_t poll() = 0;
  /// Becomes readable when a completion waits; the loop then calls poll(). -1 where nothing needs watching.
  virtual int wake_fd() const = 0;
  /// Submits, then blocks until at least one operation under way completes, and polls. For start-up and shut-down;
  /// CHECKs that something is under way.
  virtual void wait() = 0;
  /// Operations started and not completed.
  virtual std::size_t in_flight() const = 0;
  /// "io_uring", "threads" or "simulated".
  virtual std::string_view name() const = 0;
};

/// For a sync of what must not be lost: want of space is no excuse, since the kernel may have dropped pages and would
/// say 'synced' the next time. The error as one after which the process has to exit: io_error.
Error failed_sync(Error error);

// Blocking forms for start-up and shut-down, when nothing else is under way on this Disk.
Result<std::vector<std::byte>> read_file(Disk& disk, const std::string& path, std::size_t max_bytes);
/// Reads up to `into.size()` bytes at `offset`.
Result<std::size_t> read_blocking(Disk& disk, File& file, std::uint64_t offset, MutableByteSpan into);
Result<void> write_blocking(Disk& disk, File& file, std::uint64_t offset, ByteSpan from, WriteSync sync);
Result<void> sync_blocking(Disk& disk, File& file);
Result<void> sync_dir_blocking(Disk& disk, const std::string& path);
/// Writes `path` whole and durably: temporary file, sync, rename, sync of the directory.
Result<void> replace_file(Disk& disk, const std::string& path, ByteSpan content);

struct DiskOptions {
  unsigned queue_depth = 256;
  unsigned threads = 4;  ///< of ThreadDisk at most; they are started when there is work for them
};
/// May be made on another thread than the one that will use it; files too, before its first poll() or wait().
/// Errors: unsupported, naming the cause (for example "io_uring_setup: Operation not permitted").
Result<std::unique_ptr<Disk>> make_uring_disk(const DiskOptions& options);
std::unique_ptr<Disk> make_thread_disk(const DiskOptions& options);

}  // namespace sluice::storage
