// A disk that keeps next to nothing: every operation succeeds at the next poll(). For measuring what our own code costs
// above the Disk seam. Files know how long they are and keep their first kKept bytes, which is enough to start a shard
// on; behind that they read as zeros. Thread safety: one thread.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "storage/io/disk.h"

namespace sluice::bench {

class NullDisk final : public storage::Disk {
 public:
  Result<std::unique_ptr<storage::File>> open(const std::string& path, storage::OpenOptions options) override;
  Result<std::vector<storage::DirEntry>> list(const std::string& path) override;
  Result<void> make_dirs(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<bool> exists(const std::string& path) override {
    return path == "." || directories_.contains(path) || files_.contains(path);
  }
  Result<storage::DiskSpace> space(const std::string&) override { return storage::DiskSpace{1ULL << 40, 1ULL << 40}; }
  void sync_dir(const std::string&, storage::IoDone done) override { later(std::move(done)); }
  void remove(const std::string& path, storage::IoDone done) override;
  std::size_t poll() override;
  int wake_fd() const override { return -1; }
  void wait() override { poll(); }
  std::size_t in_flight() const override { return waiting_.size(); }
  std::string_view name() const override { return "null"; }

 private:
  static constexpr std::uint64_t kKept = 64U << 10;
  struct Content {
    std::uint64_t size = 0;
    std::vector<std::byte> front;
  };
  class NullFile;
  void later(storage::IoDone done) {
    waiting_.emplace_back([done = std::move(done)]() mutable { done({}); });
  }
  std::set<std::string> directories_;
  std::map<std::string, std::shared_ptr<Content>> files_;
  std::vector<UniqueFunction<void()>> waiting_, due_;
};

}  // namespace sluice::bench
