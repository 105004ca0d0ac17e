#include "storage/io/uring_disk.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "protocol/base/check.h"

namespace sluice::storage {
namespace {

using Kind = UringOperation::Kind;

constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;  // the kernel takes a little less than 2 GiB
constexpr std::size_t kKeptOperations = 1024;

}  // namespace

class UringFile final : public PosixFile {
 public:
  UringFile(UringDisk& disk, int fd, std::string path, OpenOptions options)
      : PosixFile(fd, std::move(path), options), disk_(disk), ring_(disk.ring_), slot_(ring_->register_file(fd)) {}
  ~UringFile() override {
    if (slot_ >= 0) ring_->unregister_file(slot_);
  }

  void read(std::uint64_t offset, MutableByteSpan into, ReadDone done) override {
    UringOperation* operation = transfer(Kind::read, offset, into.data(), into.size());
    operation->read_done = std::move(done);
    disk_.start(operation);
  }
  void write(std::uint64_t offset, ByteSpan from, WriteSync sync, IoDone done) override {
    CHECK(writable(), "the file was not opened for writing");
    UringOperation* operation = transfer(Kind::write, offset, const_cast<std::byte*>(from.data()), from.size());
    operation->dsync = sync == WriteSync::dsync;
    operation->done = std::move(done);
    disk_.start(operation);
  }
  void sync(IoDone done) override {
    UringOperation* operation = disk_.new_operation(Kind::sync);
    operation->file = this;
    operation->done = std::move(done);
    disk_.start(operation);
  }

  int slot() const { return slot_; }

 private:
  UringOperation* transfer(Kind kind, std::uint64_t offset, std::byte* memory, std::size_t size) {
    if (direct()) check_direct_transfer(offset, memory, size);
    UringOperation* operation = disk_.new_operation(kind);
    operation->file = this;
    operation->offset = offset;
    operation->memory = memory;
    operation->size = size;
    return operation;
  }

  UringDisk& disk_;
  std::shared_ptr<Ring> ring_;
  int slot_;
};

namespace {

RingRequest request_for(UringOperation& operation) {
  RingRequest request;
  request.user_data = reinterpret_cast<std::uint64_t>(&operation);
  if (operation.file != nullptr) {
    request.fd = operation.file->fd();
    request.slot = operation.file->slot();
  }
  switch (operation.kind) {
    case Kind::read:
    case Kind::write:
      if (operation.sync_apart && operation.count == operation.size) {
        request.op = RingRequest::Op::fdatasync;
        break;
      }
      request.op = operation.kind == Kind::read ? RingRequest::Op::read : RingRequest::Op::write;
      request.dsync = operation.dsync && !operation.sync_apart;
      request.offset = operation.offset + operation.count;
      request.memory = operation.memory + operation.count;
      request.size = static_cast<std::uint32_t>(std::min(operation.size - operation.count, kMostAtOnce));
      break;
    case Kind::sync: request.op = RingRequest::Op::fdatasync; break;
    case Kind::sync_dir:
      request.op = RingRequest::Op::fsync;
      request.fd = operation.directory;
      break;
    case Kind::remove:
      request.op = operation.is_directory ? RingRequest::Op::rmdir : RingRequest::Op::unlink;
      request.path = operation.path.c_str();
      break;
  }
  return request;
}

std::string describe(const UringOperation& operation) {
  switch (operation.kind) {
    case Kind::read: return describe_transfer("read", operation.file->path(), operation.offset, operation.size);
    case Kind::write: return describe_transfer("write", operation.file->path(), operation.offset, operation.size);
    case Kind::sync: return "sync " + operation.file->path();
    case Kind::sync_dir: return "sync directory " + operation.path;
    case Kind::remove: return "remove " + operation.path;
  }
  return {};
}

Result<void> outcome_of(const UringOperation& operation) {
  if (operation.short_dsync) {
    return fail(Errc::io_error, describe(operation) + ": only " + std::to_string(operation.count) +
                                    " bytes were written, none durably");
  }
  if (operation.error_number != 0) return fail(posix_error(describe(operation), operation.error_number));
  return {};
}

}  // namespace

UringDisk::UringDisk(std::unique_ptr<Ring> ring, unsigned queue_depth)
    : ring_(std::move(ring)), queue_depth_(queue_depth) {
  CHECK(queue_depth > 0);
}

UringDisk::~UringDisk() {
  // The kernel may still write into the buffers of what it was given.
  while (in_ring_ > 0) {
    ring_->wait();
    completions_.clear();
    ring_->reap(completions_);
    for (const RingCompletion& completion : completions_) {
      --in_ring_;
      ready_.push_back(reinterpret_cast<UringOperation*>(completion.user_data));
    }
  }
  for (std::deque<UringOperation*>* operations : {&ready_, &waiting_}) {
    while (!operations->empty()) {
      std::unique_ptr<UringOperation> dropped(operations->front());
      operations->pop_front();
      if (dropped->file != nullptr) --dropped->file->in_flight;
      if (dropped->directory >= 0) ::close(dropped->directory);
    }
  }
}

std::unique_ptr<File> UringDisk::make_file(int fd, const std::string& path, OpenOptions options) {
  return std::make_unique<UringFile>(*this, fd, path, options);
}

UringOperation* UringDisk::new_operation(Kind kind) {
  if (free_.empty()) free_.push_back(std::make_unique<UringOperation>());
  UringOperation* operation = free_.back().release();
  free_.pop_back();
  operation->kind = kind;
  return operation;
}

void UringDisk::start(UringOperation* operation) {
  ++in_flight_;
  if (operation->file != nullptr) ++operation->file->in_flight;
  waiting_.push_back(operation);
}

void UringDisk::sync_dir(const std::string& path, IoDone done) {
  UringOperation* operation = new_operation(Kind::sync_dir);
  operation->path = path;
  operation->done = std::move(done);
  const int fd = open_directory(path);
  if (fd >= 0) {
    operation->directory = fd;
    start(operation);
    return;
  }
  operation->error_number = -fd;
  ++in_flight_;
  ready_.push_back(operation);
  ring_->wake();
}

void UringDisk::remove(const std::string& path, IoDone done) {
  UringOperation* operation = new_operation(Kind::remove);
  operation->path = path;
  operation->done = std::move(done);
  start(operation);
}

void UringDisk::submit() {
  while (!waiting_.empty() && in_ring_ < queue_depth_) {
    if (!ring_->push(request_for(*waiting_.front()))) break;
    waiting_.pop_front();
    ++in_ring_;
  }
  if (in_ring_ > 0) ring_->submit();
}

void UringDisk::reap() {
  completions_.clear();
  ring_->reap(completions_);
  for (const RingCompletion& completion : completions_) {
    --in_ring_;
    auto* operation = reinterpret_cast<UringOperation*>(completion.user_data);
    if (advance(*operation, completion.result)) {
      ready_.push_back(operation);
    } else {
      waiting_.push_front(operation);
    }
  }
}

bool UringDisk::advance(UringOperation& operation, int result) const {
  if (result == -EINTR || result == -EAGAIN) return false;
  const bool transfers = operation.kind == Kind::read || operation.kind == Kind::write;
  if (result == -EOPNOTSUPP && operation.kind == Kind::write && operation.dsync && !operation.sync_apart) {
    operation.sync_apart = true;
    return false;
  }
  if (operation.kind == Kind::remove) {
    // Linux says EISDIR for a directory, POSIX EPERM.
    if (!operation.is_directory && (result == -EISDIR || result == -EPERM)) {
      operation.is_directory = true;
      return false;
    }
    if (result == -ENOENT) return true;
  }
  if (result < 0) {
    operation.error_number = -result;
    return true;
  }
  if (!transfers || operation.count == operation.size) return true;
  operation.count += static_cast<std::size_t>(result);
  if (operation.count == operation.size) return !operation.sync_apart;
  if (operation.kind == Kind::read) {
    // A direct read that ends within a sector has met the end of the file, and could not go on anyway.
    return result == 0 || (operation.file->direct() && operation.count % 512 != 0);
  }
  if (operation.dsync) {
    operation.short_dsync = true;
    return true;
  }
  if (result == 0) operation.error_number = EIO;
  return result == 0;
}

std::size_t UringDisk::deliver() {
  std::size_t count = 0;
  // One by one: a callback may wait() for what stands behind it.
  for (std::size_t left = ready_.size(); left > 0 && !ready_.empty(); --left, ++count) {
    std::unique_ptr<UringOperation> operation(ready_.front());
    ready_.pop_front();
    end(std::move(operation));
  }
  if (!ready_.empty()) ring_->wake();
  return count;
}

void UringDisk::end(std::unique_ptr<UringOperation> operation) {
  --in_flight_;
  if (operation->directory >= 0) ::close(operation->directory);
  Result<void> outcome = outcome_of(*operation);
  if (operation->file != nullptr) --operation->file->in_flight;
  const Kind kind = operation->kind;
  const std::size_t count = operation->count;
  IoDone done = std::move(operation->done);
  ReadDone read_done = std::move(operation->read_done);
  if (free_.size() < kKeptOperations) {
    *operation = {};
    free_.push_back(std::move(operation));
  }
  if (kind != Kind::read) {
    done(std::move(outcome));
  } else if (outcome) {
    read_done(count);
  } else {
    read_done(fail(std::move(outcome.error())));
  }
}

std::size_t UringDisk::poll() {
  submit();
  reap();
  const std::size_t count = deliver();
  submit();  // what the callbacks started, and what has room now
  return count;
}

void UringDisk::wait() {
  CHECK(in_flight_ > 0, "wait() with nothing under way");
  while (ready_.empty()) {
    submit();
    ring_->wait();
    reap();
  }
  deliver();
  submit();
}

Result<std::unique_ptr<Disk>> make_uring_disk(const DiskOptions& options) {
  auto ring = make_kernel_ring(options.queue_depth);
  if (!ring) return fail(ring.error());
  return std::make_unique<UringDisk>(std::move(*ring), options.queue_depth);
}

}  // namespace sluice::storage
