#include "storage/log/file_pool.h"

#include <utility>

#include "protocol/base/check.h"
#include "storage/log/partition_log.h"

namespace sluice::storage {

std::shared_ptr<FilePool> make_file_pool(Disk& disk, std::size_t max_open_files, std::size_t max_tail_bytes) {
  return std::make_shared<FilePool>(disk, max_open_files, max_tail_bytes);
}

void drop_tails(FilePool& pool) { pool.tails().let_all_go(); }
void let_go(FilePool& pool) { pool.let_go(); }

LogStats log_stats(const FilePool& pool) {
  LogStats stats = pool.counted();
  stats.open_files = pool.open_files();
  stats.tail_bytes = pool.tails().total_bytes();
  return stats;
}

FilePool::Lease& FilePool::Lease::operator=(Lease&& other) noexcept {
  if (this != &other) {
    drop();
    pool_ = std::move(other.pool_);
    entry_ = other.entry_;
  }
  return *this;
}

File& FilePool::Lease::file() const {
  CHECK(pool_ != nullptr, "a released lease is used");
  return *entry_->file;
}

void FilePool::Lease::drop() {
  if (const auto pool = std::move(pool_)) pool->unpin(entry_);
}

void FilePool::Lease::release() {
  if (const auto pool = std::move(pool_)) {
    pool->unpin(entry_);
    pool->serve_waiters();
  }
}

FilePool::FilePool(Disk& disk, std::size_t max_open_files, std::size_t max_tail_bytes)
    : disk_(disk), max_open_files_(max_open_files), tails_(max_tail_bytes) {
  CHECK(max_open_files > 0);
}

void FilePool::acquire(std::string path, bool create, std::shared_ptr<const bool> alive, Acquired acquired,
                       Access access) {
  Waiter waiter{std::move(path), create, std::move(alive), std::move(acquired), access};
  serve_waiters();
  if (!waiters_.empty() || !try_acquire(waiter)) waiters_.push_back(std::move(waiter));
}

bool FilePool::try_acquire(Waiter& waiter) {
  if (!*waiter.alive) return true;
  auto found = by_path_.find({waiter.path, waiter.access});
  if (found == by_path_.end()) {
    if (!make_room()) return false;
    auto file =
        disk_.open(waiter.path, {.create = waiter.create, .writable = true, .direct = waiter.access == Access::direct});
    if (!file) {
      waiter.acquired(fail(std::move(file.error())));
      return true;
    }
    open_.push_front({waiter.path, waiter.access, std::move(*file)});
    found = by_path_.emplace(Key(open_.front().path, waiter.access), open_.begin()).first;
  }
  const auto entry = found->second;
  open_.splice(open_.begin(), open_, entry);
  ++entry->leases;
  waiter.acquired(Lease(shared_from_this(), entry));
  return true;
}

bool FilePool::make_room() {
  if (open_.size() < max_open_files_) return true;
  for (auto entry = open_.end(); entry != open_.begin();) {
    --entry;
    if (entry->leases == 0) {
      close(entry);
      return true;
    }
  }
  return false;
}

void FilePool::close(std::list<Entry>::iterator entry) {
  CHECK(entry->leases == 0);
  if (!entry->forgotten) by_path_.erase({entry->path, entry->access});
  open_.erase(entry);
}

void FilePool::unpin(std::list<Entry>::iterator entry) {
  CHECK(entry->leases > 0);
  if (--entry->leases == 0 && entry->forgotten) close(entry);
}

/// A waiter's callback may end its own lease: that call finds it gone from the queue.
void FilePool::serve_waiters() {
  while (!waiters_.empty()) {
    Waiter waiter = std::move(waiters_.front());
    waiters_.pop_front();
    if (!try_acquire(waiter)) {
      waiters_.push_front(std::move(waiter));
      return;
    }
  }
}

void FilePool::forget(std::list<Entry>::iterator entry) {
  by_path_.erase({entry->path, entry->access});
  entry->forgotten = true;
  if (entry->leases == 0) close(entry);
}

void FilePool::forget(const std::string& path) {
  for (const Access access : {Access::buffered, Access::direct}) {
    const auto found = by_path_.find({path, access});
    if (found != by_path_.end()) forget(found->second);
  }
}

void FilePool::forget_directory(std::string_view directory) {
  for (auto entry = open_.begin(); entry != open_.end();) {
    const auto here = entry++;
    const std::string_view path = here->path;
    if (!here->forgotten && path.size() > directory.size() && path[directory.size()] == '/' &&
        path.starts_with(directory))
      forget(here);
  }
}

void FilePool::drop_dead_waiters() {
  std::deque<Waiter> alive, dead;  // the dead are destroyed last: their callbacks own operations
  for (Waiter& waiter : waiters_) (*waiter.alive ? alive : dead).push_back(std::move(waiter));
  waiters_ = std::move(alive);
}

void FilePool::let_go() {
  staging_.clear();
  small_staging_.clear();
  indexes_.clear();
  for (auto entry = open_.begin(); entry != open_.end();) {
    const auto here = entry++;
    if (here->leases == 0) close(here);
  }
}

AlignedBuffer FilePool::take_staging(std::size_t bytes) {
  const bool small = bytes <= kSmallStagingBytes;
  std::vector<AlignedBuffer>& kept = small ? small_staging_ : staging_;
  if (kept.empty()) return AlignedBuffer(small ? kSmallStagingBytes : kStagingBytes);
  AlignedBuffer buffer = std::move(kept.back());
  kept.pop_back();
  return buffer;
}

void FilePool::return_staging(AlignedBuffer buffer) {
  const bool small = buffer.size() == kSmallStagingBytes;
  std::vector<AlignedBuffer>& kept = small ? small_staging_ : staging_;
  if (kept.size() < (small ? kIdleSmallStaging : kIdleStaging)) kept.push_back(std::move(buffer));
}

}  // namespace sluice::storage
