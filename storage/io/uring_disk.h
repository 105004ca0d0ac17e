// The io_uring engine. Operations wait in a queue of our own until there is room in the ring, so none ever fails for
// being one too many; interrupted and short ones go back to the head of the queue.
//
// Invariants: an operation is in exactly one of waiting_ (to be pushed), the ring, and ready_ (to be told); at most
// `queue_depth` are in the ring. An operation's path and buffers stay put while it is in the ring.
// Owner: the shard; its thread makes all calls.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "storage/io/disk.h"
#include "storage/io/posix_names.h"
#include "storage/io/uring_ring.h"

namespace sluice::storage {

class UringFile;

struct UringOperation {
  enum class Kind : std::uint8_t { read, write, sync, sync_dir, remove };
  Kind kind = Kind::read;
  bool dsync = false;
  bool sync_apart = false;  ///< a dsync write where the file system has no RWF_DSYNC: written, now fdatasync
  bool short_dsync = false;
  bool is_directory = false;  ///< of remove, once unlink has said so
  int error_number = 0;
  UringFile* file = nullptr;
  int directory = -1;  ///< descriptor of sync_dir
  std::uint64_t offset = 0;
  std::byte* memory = nullptr;
  std::size_t size = 0;
  std::size_t count = 0;  ///< bytes done
  std::string path;
  IoDone done;
  ReadDone read_done;
};

class UringDisk final : public PosixNames {
 public:
  UringDisk(std::unique_ptr<Ring> ring, unsigned queue_depth);
  /// What is under way ends without being told.
  ~UringDisk() override;

  void sync_dir(const std::string& path, IoDone done) override;
  void remove(const std::string& path, IoDone done) override;
  std::size_t poll() override;
  int wake_fd() const override { return ring_->wake_fd(); }
  void wait() override;
  std::size_t in_flight() const override { return in_flight_; }
  std::string_view name() const override { return "io_uring"; }

 private:
  friend class UringFile;

  std::unique_ptr<File> make_file(int fd, const std::string& path, OpenOptions options) override;
  UringOperation* new_operation(UringOperation::Kind kind);
  void start(UringOperation* operation);
  void submit();
  void reap();
  /// Whether the operation has ended; otherwise it has to be pushed again.
  bool advance(UringOperation& operation, int result) const;
  std::size_t deliver();
  void end(std::unique_ptr<UringOperation> operation);

  std::shared_ptr<Ring> ring_;  // Files hold it too, to give their slot back
  const unsigned queue_depth_;
  std::deque<UringOperation*> waiting_;
  std::deque<UringOperation*> ready_;
  std::vector<std::unique_ptr<UringOperation>> free_;  // for reuse
  std::vector<RingCompletion> completions_;
  std::size_t in_ring_ = 0;
  std::size_t in_flight_ = 0;
};

}  // namespace sluice::storage
