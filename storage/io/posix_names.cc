#include "storage/io/posix_names.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "protocol/base/check.h"
#include "protocol/base/log.h"

namespace sluice::storage {
namespace {

// Asked for after the open: an open with O_DIRECT that is refused may leave a new file behind.
bool make_direct(int fd, const std::string& path) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags >= 0 && ::fcntl(fd, F_SETFL, flags | O_DIRECT) == 0) return true;
  const int reason = errno;
  static std::atomic<bool> warned{false};
  if (!warned.exchange(true)) {
    log_warn("direct I/O is refused for {} ({}): its files go through the page cache, which costs CPU and memory", path,
             std::generic_category().message(reason));
  }
  return false;
}

}  // namespace

Error posix_error(std::string_view doing, int error_number) {
  Errc code = Errc::io_error;
  if (error_number == ENOSPC || error_number == EDQUOT) code = Errc::no_space;
  if (error_number == ENOENT) code = Errc::not_found;
  return {code, std::string(doing) + ": " + std::generic_category().message(error_number)};
}

std::string describe_transfer(std::string_view verb, std::string_view path, std::uint64_t offset, std::size_t size) {
  return fmt::format("{} {} at {} ({} bytes)", verb, path, offset, size);
}

int open_directory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

void check_direct_transfer(std::uint64_t offset, const void* memory, std::size_t size) {
  CHECK(
      offset % kDiskBlock == 0 && size % kDiskBlock == 0 && reinterpret_cast<std::uintptr_t>(memory) % kDiskBlock == 0,
      "direct files are read and written in aligned blocks");
}

PosixFile::~PosixFile() {
  CHECK(in_flight == 0, "a file is closed while operations on it are under way");
  ::close(fd_);  // what matters was synced before, and its error was seen there
}

Result<void> PosixFile::truncate(std::uint64_t size) {
  CHECK(options_.writable, "the file was not opened for writing");
  while (::ftruncate(fd_, static_cast<off_t>(size)) != 0) {
    if (errno != EINTR) return fail(posix_error(fmt::format("truncate {} to {} bytes", path_, size), errno));
  }
  return {};
}

Result<std::uint64_t> PosixFile::size() {
  struct stat status{};
  if (::fstat(fd_, &status) != 0) return fail(posix_error("size of " + path_, errno));
  return static_cast<std::uint64_t>(status.st_size);
}

Result<std::unique_ptr<File>> PosixNames::open(const std::string& path, OpenOptions options) {
  int flags = O_CLOEXEC | (options.writable ? O_RDWR : O_RDONLY);
  if (options.create) flags |= O_CREAT | (options.exclusive ? O_EXCL : 0);
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags, 0640);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return fail(posix_error("open " + path, errno));
  struct stat status{};
  int error_number = ::fstat(fd, &status) != 0 ? errno : 0;
  if (error_number == 0 && S_ISDIR(status.st_mode)) error_number = EISDIR;
  if (error_number != 0) {
    ::close(fd);
    return fail(posix_error("open " + path, error_number));
  }
  options.direct = options.direct && make_direct(fd, path);
  return make_file(fd, path, options);
}

Result<std::vector<DirEntry>> PosixNames::list(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), [](DIR* d) { return ::closedir(d); });
  if (!directory) return fail(posix_error("list " + path, errno));
  std::vector<DirEntry> entries;
  for (;;) {
    errno = 0;
    const dirent* found = ::readdir(directory.get());
    if (found == nullptr) {
      if (errno != 0) return fail(posix_error("list " + path, errno));
      break;
    }
    std::string name = found->d_name;
    if (name == "." || name == "..") continue;
    struct stat status{};
    if (::fstatat(::dirfd(directory.get()), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;  // removed meanwhile
      return fail(posix_error("list " + path + ": " + name, errno));
    }
    const bool is_directory = S_ISDIR(status.st_mode);
    entries.push_back({std::move(name), is_directory, is_directory ? 0 : static_cast<std::uint64_t>(status.st_size)});
  }
  std::sort(entries.begin(), entries.end(), [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
  return entries;
}

Result<void> PosixNames::make_dirs(const std::string& path) {
  for (std::size_t end = 1; end <= path.size(); ++end) {
    if (end != path.size() && path[end] != '/') continue;
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0750) == 0) continue;
    const int error_number = errno;
    struct stat status{};
    if (::stat(part.c_str(), &status) == 0) {
      if (S_ISDIR(status.st_mode)) continue;
      return fail(posix_error("make directory " + part, ENOTDIR));
    }
    return fail(posix_error("make directory " + part, error_number));
  }
  return {};
}

Result<void> PosixNames::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return fail(posix_error("rename " + from + " to " + to, errno));
  return {};
}

Result<bool> PosixNames::exists(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return fail(posix_error("look for " + path, errno));
}

Result<DiskSpace> PosixNames::space(const std::string& path) {
  struct statvfs status{};
  if (::statvfs(path.c_str(), &status) != 0) return fail(posix_error("space of " + path, errno));
  const auto unit = static_cast<std::uint64_t>(status.f_frsize);
  return DiskSpace{unit * status.f_bavail, unit * status.f_blocks};
}

}  // namespace sluice::storage
