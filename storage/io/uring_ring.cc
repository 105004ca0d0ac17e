// How completions wake the loop: the kernel signals a registered eventfd when it posts a completion or, with
// DEFER_TASKRUN, when there is work to post one. reap() lets that work run, then empties the eventfd, then takes what
// is in the ring: whatever arrives later signals again. A signal may also come late, for a completion that was already
// taken; so reap() empties the eventfd whether it expects anything or not, only not every time when idle.
#include "storage/io/uring_ring.h"

#include <fcntl.h>
#include <liburing.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "protocol/base/check.h"

namespace sluice::storage {
namespace {

constexpr unsigned kRegisteredFiles = 1024;
constexpr unsigned kIdleReaps = 64;

// By RingMode. R_DISABLED lets the ring be made on one thread and belong to the one that first submits.
constexpr std::array<unsigned, 3> kModeFlags{
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    0,
};

std::string reason(int error_number) { return std::generic_category().message(error_number); }

class KernelRing final : public Ring {
 public:
  KernelRing() = default;
  ~KernelRing() override {
    if (event_ >= 0) ::close(event_);
    if (made_) io_uring_queue_exit(&ring_);
  }

  Result<void> make(unsigned queue_depth, RingMode best) {
    int error_number = 0;
    for (std::size_t mode = static_cast<std::size_t>(best); mode < kModeFlags.size(); ++mode) {
      io_uring_params params{};
      params.flags = kModeFlags[mode] | IORING_SETUP_CLAMP;
      error_number = -io_uring_queue_init_params(queue_depth, &ring_, &params);
      if (error_number == 0) {
        made_ = true;
        disabled_ = (kModeFlags[mode] & IORING_SETUP_R_DISABLED) != 0;
        break;
      }
      if (error_number != EINVAL) break;  // EINVAL: a flag that this kernel does not know
    }
    if (!made_) return fail(Errc::unsupported, "io_uring_setup: " + reason(error_number));
    if (auto known = check_operations(); !known) return known;
    event_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event_ < 0) return fail(Errc::unsupported, "eventfd: " + reason(errno));
    if (const int result = io_uring_register_eventfd(&ring_, event_); result != 0) {
      return fail(Errc::unsupported, "io_uring_register(eventfd): " + reason(-result));
    }
    make_file_table();
    return {};
  }

  bool push(const RingRequest& request) override {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    if (sqe == nullptr) return false;
    const bool fixed = request.slot >= 0;
    const int fd = fixed ? request.slot : request.fd;
    switch (request.op) {
      case RingRequest::Op::read: io_uring_prep_read(sqe, fd, request.memory, request.size, request.offset); break;
      case RingRequest::Op::write:
        io_uring_prep_write(sqe, fd, request.memory, request.size, request.offset);
        if (request.dsync) sqe->rw_flags = RWF_DSYNC;
        break;
      case RingRequest::Op::fdatasync: io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC); break;
      case RingRequest::Op::fsync: io_uring_prep_fsync(sqe, fd, 0); break;
      case RingRequest::Op::unlink: io_uring_prep_unlinkat(sqe, AT_FDCWD, request.path, 0); break;
      case RingRequest::Op::rmdir: io_uring_prep_unlinkat(sqe, AT_FDCWD, request.path, AT_REMOVEDIR); break;
    }
    if (fixed) sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, request.user_data);
    return true;
  }

  void submit() override {
    enable();
    while (io_uring_sq_ready(&ring_) > 0) {
      const int result = io_uring_submit(&ring_);
      if (result == -EINTR || result > 0) continue;
      // Short of memory, or of room for completions: the loop comes again.
      CHECK(result == 0 || result == -EAGAIN || result == -EBUSY || result == -ENOMEM,
            "io_uring_enter failed: is the ring used by another thread?");
      wake();
      return;
    }
  }

  void reap(std::vector<RingCompletion>& into) override {
    if (disabled_) return;
    const std::size_t before = into.size();
    // Emptied before anything is looked for, so that what comes later leaves it readable. Completions come in bursts, each of
    // which may signal: the first reap without any empties it, and each 64th after that, since a signal may come late.
    if (idle_reaps_ % kIdleReaps == 0) empty_event();
    if (deferred_work() || io_uring_cq_has_overflow(&ring_)) io_uring_get_events(&ring_);
    take_completions(into);
    idle_reaps_ = into.size() != before ? 0 : idle_reaps_ + 1;
  }

  void wait() override {
    enable();
    while (io_uring_cq_ready(&ring_) == 0) {
      const int result = io_uring_submit_and_wait(&ring_, 1);
      CHECK(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY || result == -ENOMEM,
            "io_uring_enter failed: is the ring used by another thread?");
    }
  }

  int wake_fd() const override { return event_; }

  void wake() override {
    const std::uint64_t one = 1;
    CHECK(::write(event_, &one, sizeof one) == sizeof one || errno == EAGAIN);
    idle_reaps_ = 0;
  }

  int register_file(int fd) override {
    if (free_slots_.empty()) return -1;
    const int slot = free_slots_.back();
    if (io_uring_register_files_update(&ring_, static_cast<unsigned>(slot), &fd, 1) != 1) return -1;
    free_slots_.pop_back();
    return slot;
  }

  void unregister_file(int slot) override {
    const int none = -1;
    if (io_uring_register_files_update(&ring_, static_cast<unsigned>(slot), &none, 1) == 1) free_slots_.push_back(slot);
  }

 private:
  Result<void> check_operations() {
    io_uring_probe* probe = io_uring_get_probe_ring(&ring_);
    if (probe == nullptr) return fail(Errc::unsupported, "io_uring_register(probe): this kernel is older than 5.6");
    bool known = true;
    for (const int op : {IORING_OP_READ, IORING_OP_WRITE, IORING_OP_FSYNC, IORING_OP_UNLINKAT}) {
      known = known && io_uring_opcode_supported(probe, op) != 0;
    }
    io_uring_free_probe(probe);
    if (!known) return fail(Errc::unsupported, "io_uring has no UNLINKAT: this kernel is older than 5.11");
    return {};
  }

  // Without a table files are used by their descriptors, at a little more CPU.
  void make_file_table() {
    if (io_uring_register_files_sparse(&ring_, kRegisteredFiles) != 0) {
      const std::vector<int> none(kRegisteredFiles, -1);
      if (io_uring_register_files(&ring_, none.data(), kRegisteredFiles) != 0) return;
    }
    free_slots_.reserve(kRegisteredFiles);
    for (int slot = kRegisteredFiles; slot-- > 0;) free_slots_.push_back(slot);
  }

  void enable() {
    if (!disabled_) return;
    // liburing 2.3 declares io_uring_enable_rings() and does not export it.
    CHECK(::syscall(__NR_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) == 0);
    disabled_ = false;
  }

  bool deferred_work() const { return (IO_URING_READ_ONCE(*ring_.sq.kflags) & IORING_SQ_TASKRUN) != 0; }

  void empty_event() {
    std::uint64_t count = 0;
    CHECK(::read(event_, &count, sizeof count) == sizeof count || errno == EAGAIN || errno == EINTR);
  }

  void take_completions(std::vector<RingCompletion>& into) {
    unsigned head = 0;
    unsigned count = 0;
    io_uring_cqe* cqe = nullptr;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      into.push_back({cqe->user_data, cqe->res});
      ++count;
    }
    io_uring_cq_advance(&ring_, count);
  }

  io_uring ring_{};
  bool made_ = false;
  bool disabled_ = false;
  int event_ = -1;
  unsigned idle_reaps_ = 0;
  std::vector<int> free_slots_;
};

}  // namespace

Result<std::unique_ptr<Ring>> make_kernel_ring(unsigned queue_depth, RingMode best) {
  auto ring = std::make_unique<KernelRing>();
  if (auto made = ring->make(queue_depth, best); !made) return fail(made.error());
  return ring;
}

}  // namespace sluice::storage
