#include "storage/io/blocking_job.h"

#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

namespace sluice::storage {

void BlockingJob::run_read() {
  while (count < size) {
    const ssize_t n = ::pread(fd, memory + count, size - count, static_cast<off_t>(offset + count));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      error_number = errno;
      return;
    }
    count += static_cast<std::size_t>(n);
    // A direct read that ends within a sector has met the end of the file, and could not go on anyway.
    if (n == 0 || (file->direct() && count % 512 != 0)) return;
  }
}

void BlockingJob::run_write() {
  bool dsync_flag = dsync;
  while (count < size) {
    const iovec part{memory + count, size - count};
    const ssize_t n = ::pwritev2(fd, &part, 1, static_cast<off_t>(offset + count), dsync_flag ? RWF_DSYNC : 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && dsync_flag && (errno == EOPNOTSUPP || errno == ENOSYS)) {
      dsync_flag = false;
      continue;
    }
    if (n <= 0) {
      error_number = n < 0 ? errno : EIO;
      return;
    }
    count += static_cast<std::size_t>(n);
    if (dsync && count < size) {
      short_dsync = true;
      return;
    }
  }
  if (dsync && !dsync_flag && ::fdatasync(fd) != 0) error_number = errno;
}

void BlockingJob::run_sync_dir() {
  const int directory = open_directory(path);
  if (directory < 0) {
    error_number = -directory;
    return;
  }
  if (::fsync(directory) != 0) error_number = errno;
  ::close(directory);
}

void BlockingJob::run_remove() {
  if (::unlink(path.c_str()) == 0) return;
  // Linux says EISDIR for a directory, POSIX EPERM.
  if ((errno == EISDIR || errno == EPERM) && ::rmdir(path.c_str()) == 0) return;
  if (errno != ENOENT) error_number = errno;
}

// A failed sync is never tried again: the kernel may have dropped what it could not write.
void BlockingJob::run() {
  switch (kind) {
    case Kind::read: return run_read();
    case Kind::write: return run_write();
    case Kind::sync:
      if (::fdatasync(fd) != 0) error_number = errno;
      return;
    case Kind::sync_dir: return run_sync_dir();
    case Kind::remove: return run_remove();
  }
}

std::string BlockingJob::describe() const {
  switch (kind) {
    case Kind::read: return describe_transfer("read", file->path(), offset, size);
    case Kind::write: return describe_transfer("write", file->path(), offset, size);
    case Kind::sync: return "sync " + file->path();
    case Kind::sync_dir: return "sync directory " + path;
    case Kind::remove: return "remove " + path;
  }
  return {};
}

Result<void> BlockingJob::outcome() const {
  if (short_dsync) {
    return fail(Errc::io_error, describe() + ": only " + std::to_string(count) + " bytes were written, none durably");
  }
  if (error_number != 0) return fail(posix_error(describe(), error_number));
  return {};
}

}  // namespace sluice::storage
