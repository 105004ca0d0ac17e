// The half of a Disk that the two real engines share: names, which are immediate system calls, and how the system's
// errors become ours. An engine derives from PosixNames and adds data and durability.
// Thread safety: the members belong to the disk's thread; the free functions are for any.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/io/disk.h"

namespace sluice::storage {

/// ENOSPC and EDQUOT are no_space, ENOENT is not_found, all else is io_error. The message ends with the system's
/// reason: "sync /data/a: Input/output error".
Error posix_error(std::string_view doing, int error_number);

/// "write /data/a at 4096 (512 bytes)"
std::string describe_transfer(std::string_view verb, std::string_view path, std::uint64_t offset, std::size_t size);

/// Opens a directory for reading (to sync it); the descriptor, or -errno.
int open_directory(const std::string& path);

/// CHECKs that a transfer of a direct file is aligned to kDiskBlock.
void check_direct_transfer(std::uint64_t offset, const void* memory, std::size_t size);

/// An open descriptor and its file; closes it. Base of both engines' files.
class PosixFile : public File {
 public:
  PosixFile(int fd, std::string path, OpenOptions options) : fd_(fd), path_(std::move(path)), options_(options) {}
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;
  /// CHECKs that nothing is under way.
  ~PosixFile() override;

  Result<void> truncate(std::uint64_t size) final;
  Result<std::uint64_t> size() final;
  bool direct() const final { return options_.direct; }
  const std::string& path() const final { return path_; }

  int fd() const { return fd_; }
  bool writable() const { return options_.writable; }
  /// Engines count the operations under way here.
  std::size_t in_flight = 0;

 private:
  int fd_;
  std::string path_;
  OpenOptions options_;  // `direct` says what is in force
};

class PosixNames : public Disk {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) final;
  Result<std::vector<DirEntry>> list(const std::string& path) final;
  Result<void> make_dirs(const std::string& path) final;
  Result<void> rename(const std::string& from, const std::string& to) final;
  Result<bool> exists(const std::string& path) final;
  Result<DiskSpace> space(const std::string& path) final;

 private:
  virtual std::unique_ptr<File> make_file(int fd, const std::string& path, OpenOptions options) = 0;
};

}  // namespace sluice::storage
