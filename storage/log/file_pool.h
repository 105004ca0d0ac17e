// The open files of a shard's logs. A lease pins one file while an operation on it is under way; files without a lease
// stay open until the bound is reached, then the least recently used one is closed.
//
// Invariants: never more than `max_open_files` files are open; a leased file is never closed. When all are leased, who
// asks for another waits its turn, so an operation holds at most one lease at a time and never waits while it holds
// one. Also keeps the shard's loaded indexes (IndexCache), the bound on its tails
// (TailPool) and staging buffers, which share its lifetime.
// Thread safety: one shard's thread. Owner: the shard; logs and operations under way share it. The Disk outlives it.
#pragma once

#include <cstddef>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/base/error.h"
#include "protocol/base/unique_function.h"
#include "storage/io/disk.h"
#include "storage/log/index_cache.h"
#include "storage/log/partition_log.h"
#include "storage/log/tail_pool.h"

namespace sluice::storage {

class FilePool : public std::enable_shared_from_this<FilePool> {
  struct Entry;

 public:
  /// Pins an open file; move-only. Operations end with release(), which lets the next one in. A lease that is merely
  /// destroyed belongs to a disk that drops its callbacks: then nobody is called.
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&& other) noexcept;
    ~Lease() { drop(); }
    File& file() const;
    void release();

   private:
    friend class FilePool;
    Lease(std::shared_ptr<FilePool> pool, std::list<Entry>::iterator entry) : pool_(std::move(pool)), entry_(entry) {}
    void drop();
    std::shared_ptr<FilePool> pool_;
    std::list<Entry>::iterator entry_;
  };
  using Acquired = UniqueFunction<void(Result<Lease>)>;
  /// How a file is opened; one path may be open both ways.
  enum class Access : std::uint8_t {
    buffered,
    direct,  ///< O_DIRECT, where the file system takes it: see disk.h
  };

  FilePool(Disk& disk, std::size_t max_open_files, std::size_t max_tail_bytes);

  Disk& disk() { return disk_; }
  IndexCache& indexes() { return indexes_; }
  TailPool& tails() { return tails_; }
  const TailPool& tails() const { return tails_; }
  /// What logs count here; see log_stats().
  LogStats& counted() { return counted_; }
  const LogStats& counted() const { return counted_; }

  /// Opens `path` for reading and writing, or finds it open. `acquired` is called at once where possible, else when
  /// another lease ends; it is dropped, uncalled, if `*alive` has become false by then.
  /// Errors: as Disk::open.
  void acquire(std::string path, bool create, std::shared_ptr<const bool> alive, Acquired acquired,
               Access access = Access::buffered);
  /// Closes `path` now, or when its last lease ends; the next acquire() opens the name anew.
  void forget(const std::string& path);
  /// The same for all files in `directory`.
  void forget_directory(std::string_view directory);

  /// Drops the callbacks of those who wait and are not alive any more.
  void drop_dead_waiters();

  std::size_t open_files() const { return open_.size(); }
  bool is_open(std::string_view path, Access access) const { return by_path_.contains({path, access}); }
  std::size_t max_open_files() const { return max_open_files_; }

  /// A buffer for coalescing batches into one write of up to `bytes` <= kStagingBytes (of huge pages then, and small
  /// ones for the many small writes of many logs). Some are kept for reuse: memory that is new to the process is dear.
  static constexpr std::size_t kStagingBytes = std::size_t{2} << 20;
  static constexpr std::size_t kSmallStagingBytes = std::size_t{256} << 10;
  AlignedBuffer take_staging(std::size_t bytes);
  void return_staging(AlignedBuffer buffer);
  /// Frees what is kept for reuse and can be had again, open files included: for an idle shard.
  void let_go();

 private:
  static constexpr std::size_t kIdleStaging = 8;
  static constexpr std::size_t kIdleSmallStaging = 32;
  using Key = std::pair<std::string_view, Access>;
  struct Entry {
    std::string path;
    Access access = Access::buffered;
    std::unique_ptr<File> file;
    std::size_t leases = 0;
    bool forgotten = false;
  };
  struct Waiter {
    std::string path;
    bool create = false;
    std::shared_ptr<const bool> alive;
    Acquired acquired;
    Access access = Access::buffered;
  };

  /// False: all files are leased.
  bool make_room();
  void close(std::list<Entry>::iterator entry);
  void forget(std::list<Entry>::iterator entry);
  void unpin(std::list<Entry>::iterator entry);
  void serve_waiters();
  bool try_acquire(Waiter& waiter);

  Disk& disk_;
  LogStats counted_;  ///< but for what the pool itself knows
  std::size_t max_open_files_;
  std::list<Entry> open_;                              ///< most recently used first
  std::map<Key, std::list<Entry>::iterator> by_path_;  ///< of those not forgotten
  std::deque<Waiter> waiters_;
  std::vector<AlignedBuffer> staging_, small_staging_;
  IndexCache indexes_;
  TailPool tails_;
};

}  // namespace sluice::storage
