// What all engines share: aligned memory and the blocking forms of asynchronous calls.
#include "storage/io/disk.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "protocol/base/check.h"

namespace sluice::storage {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::size_t mapped_size(std::size_t size) {
  const std::size_t unit = size >= kHugePage ? kHugePage : kDiskBlock;
  return (size + unit - 1) / unit * unit;
}

// Runs one asynchronous operation to its end. Others' completions that arrive meanwhile are called as usual.
template <class T, class Start>
Result<T> run_to_end(Disk& disk, Start start) {
  std::optional<Result<T>> outcome;
  start([&outcome](Result<T> result) { outcome = std::move(result); });
  while (!outcome) disk.wait();
  return std::move(*outcome);
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

// Straight from the system, so that what a pool frees is the system's again at once: an allocator may keep it for an
// idle process for good.
AlignedBuffer::AlignedBuffer(std::size_t size) : size_(size) {
  if (size == 0) return;
  const bool huge = size >= kHugePage;
  const std::size_t whole = mapped_size(size), slack = huge ? kHugePage : 0;
  void* const mapped = ::mmap(nullptr, whole + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(mapped != MAP_FAILED, "out of memory for an aligned buffer");
  auto* const begin = static_cast<std::byte*>(mapped);
  data_ = begin;
  if (!huge) return;
  const std::size_t before = (kHugePage - reinterpret_cast<std::uintptr_t>(begin) % kHugePage) % kHugePage;
  data_ = begin + before;
  if (before > 0) ::munmap(begin, before);
  if (before < slack) ::munmap(data_ + whole, slack - before);
  ::madvise(data_, whole, MADV_HUGEPAGE);  // advice only: a refusal costs nothing
}

void AlignedBuffer::unmap() {
  if (data_ != nullptr) ::munmap(data_, mapped_size(size_));
}

AlignedBuffer::AlignedBuffer(AlignedBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

AlignedBuffer& AlignedBuffer::operator=(AlignedBuffer&& other) noexcept {
  if (this != &other) {
    unmap();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

AlignedBuffer::~AlignedBuffer() { unmap(); }

Error failed_sync(Error error) {
  if (error.code != Errc::no_space) return error;
  return {Errc::io_error, error.message + "; a sync that failed is never tried again"};
}

Result<std::size_t> read_blocking(Disk& disk, File& file, std::uint64_t offset, MutableByteSpan into) {
  return run_to_end<std::size_t>(disk, [&](ReadDone done) { file.read(offset, into, std::move(done)); });
}

Result<void> write_blocking(Disk& disk, File& file, std::uint64_t offset, ByteSpan from, WriteSync sync) {
  return run_to_end<void>(disk, [&](IoDone done) { file.write(offset, from, sync, std::move(done)); });
}

Result<void> sync_blocking(Disk& disk, File& file) {
  return run_to_end<void>(disk, [&](IoDone done) { file.sync(std::move(done)); });
}

Result<void> sync_dir_blocking(Disk& disk, const std::string& path) {
  return run_to_end<void>(disk, [&](IoDone done) { disk.sync_dir(path, std::move(done)); });
}

Result<std::vector<std::byte>> read_file(Disk& disk, const std::string& path, std::size_t max_bytes) {
  auto file = disk.open(path, {});
  if (!file) return fail(file.error());
  const auto size = (*file)->size();
  if (!size) return fail(size.error());
  if (*size > max_bytes) {
    return fail(Errc::too_large, "read " + path + ": it has " + std::to_string(*size) + " bytes and at most " +
                                     std::to_string(max_bytes) + " are taken");
  }
  std::vector<std::byte> content(*size);
  if (content.empty()) return content;
  const auto count = read_blocking(disk, **file, 0, content);
  if (!count) return fail(count.error());
  content.resize(*count);
  return content;
}

Result<void> replace_file(Disk& disk, const std::string& path, ByteSpan content) {
  const std::string temporary = path + ".tmp";
  {
    auto file = disk.open(temporary, {.create = true, .writable = true});
    if (!file) return fail(file.error());
    // Left behind by a crash or a full disk: what is longer than the new content must go.
    if (auto cut = (*file)->truncate(0); !cut) return cut;
    if (auto written = write_blocking(disk, **file, 0, content, WriteSync::none); !written) return written;
    if (auto synced = sync_blocking(disk, **file); !synced) return synced;
  }
  if (auto renamed = disk.rename(temporary, path); !renamed) return renamed;
  return sync_dir_blocking(disk, parent_of(path));
}

}  // namespace sluice::storage
