// The thread-pool engine: blocking system calls on a few threads of its own. For systems that forbid io_uring.
//
// Invariants: an operation is on exactly one of waiting_ (not yet given to the threads), Pool::jobs, a worker's hands,
// Pool::completed, ready_. Only `jobs`, `completed`, `signaled` and `stopping` are shared, under the pool's mutex.
// The eventfd is readable if and only if `signaled` is set, which holds whenever `completed` is not empty.
// Owner: the shard; its thread calls everything, and all callbacks.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "protocol/base/check.h"
#include "storage/io/blocking_job.h"
#include "storage/io/disk.h"
#include "storage/io/posix_names.h"

namespace sluice::storage {
namespace {

using JobPtr = std::unique_ptr<BlockingJob>;

// The threads, and what they share with the disk's.
class Pool {
 public:
  explicit Pool(unsigned max_threads) : max_threads_(max_threads), event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    CHECK(max_threads > 0, "a pool has at least one thread");
    CHECK(event_ >= 0, "out of file descriptors for an eventfd");
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() { ::close(event_); }

  /// Ends the threads, with what they have in hand. `into` gets all jobs that are here, done or not.
  void stop(std::deque<JobPtr>& into) {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    for (JobPtr& job : jobs_) into.push_back(std::move(job));
    for (JobPtr& job : completed_) into.push_back(std::move(job));
  }

  void submit(std::deque<JobPtr>& from) {
    const std::size_t count = from.size();
    std::size_t to_start = 0;
    {
      const std::lock_guard lock(mutex_);
      while (!from.empty()) {
        jobs_.push_back(std::move(from.front()));
        from.pop_front();
      }
      if (jobs_.size() > idle_) to_start = std::min<std::size_t>(jobs_.size() - idle_, max_threads_ - threads_.size());
    }
    for (std::size_t i = 0; i < count && i < max_threads_; ++i) wake_.notify_one();
    for (; to_start > 0; --to_start) threads_.emplace_back([this] { work(); });
  }

  void take_completed(std::deque<JobPtr>& into) {
    if (!signaled_.load(std::memory_order_acquire)) return;
    const std::lock_guard lock(mutex_);
    std::uint64_t count = 0;
    CHECK(::read(event_, &count, sizeof count) == sizeof count);
    signaled_.store(false, std::memory_order_relaxed);
    for (JobPtr& job : completed_) into.push_back(std::move(job));
    completed_.clear();
  }

  void wait_completed() const {
    pollfd watched{.fd = event_, .events = POLLIN, .revents = 0};
    while (::poll(&watched, 1, -1) < 0) CHECK(errno == EINTR);
  }

  int event() const { return event_; }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      ++idle_;
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      --idle_;
      if (stopping_) return;
      JobPtr job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job->run();
      lock.lock();
      completed_.push_back(std::move(job));
      if (signaled_.load(std::memory_order_relaxed)) continue;
      signaled_.store(true, std::memory_order_release);
      const std::uint64_t one = 1;
      CHECK(::write(event_, &one, sizeof one) == sizeof one);
    }
  }

  const unsigned max_threads_;
  const int event_;
  std::vector<std::thread> threads_;  // of the disk's thread
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<JobPtr> jobs_;
  std::vector<JobPtr> completed_;
  std::size_t idle_ = 0;
  bool stopping_ = false;
  std::atomic<bool> signaled_{false};
};

class ThreadDisk final : public PosixNames {
 public:
  explicit ThreadDisk(const DiskOptions& options) : pool_(options.threads) {}

  // What is under way ends without being told: nobody is left to hear it.
  ~ThreadDisk() override {
    pool_.stop(ready_);
    for (std::deque<JobPtr>* jobs : {&ready_, &waiting_}) {
      for (const JobPtr& job : *jobs) {
        if (job->file != nullptr) --job->file->in_flight;
      }
    }
  }

  void start(JobPtr job) {
    if (job->file != nullptr) ++job->file->in_flight;
    ++in_flight_;
    waiting_.push_back(std::move(job));
  }

  void sync_dir(const std::string& path, IoDone done) override {
    start_named(BlockingJob::Kind::sync_dir, path, std::move(done));
  }
  void remove(const std::string& path, IoDone done) override {
    start_named(BlockingJob::Kind::remove, path, std::move(done));
  }

  std::size_t poll() override {
    submit();
    pool_.take_completed(ready_);
    const std::size_t count = deliver();
    submit();  // what the callbacks started
    return count;
  }

  void wait() override {
    CHECK(in_flight_ > 0, "wait() with nothing under way");
    submit();
    while (ready_.empty()) {
      pool_.wait_completed();
      pool_.take_completed(ready_);
    }
    poll();
  }

  int wake_fd() const override { return pool_.event(); }
  std::size_t in_flight() const override { return in_flight_; }
  std::string_view name() const override { return "threads"; }

 private:
  std::unique_ptr<File> make_file(int fd, const std::string& path, OpenOptions options) override;

  void start_named(BlockingJob::Kind kind, const std::string& path, IoDone done) {
    auto job = std::make_unique<BlockingJob>();
    job->kind = kind;
    job->path = path;
    job->done = std::move(done);
    start(std::move(job));
  }

  void submit() {
    if (!waiting_.empty()) pool_.submit(waiting_);
  }

  // Takes one by one: a callback may wait() for what stands behind it.
  std::size_t deliver() {
    std::size_t count = 0;
    while (!ready_.empty()) {
      const JobPtr job = std::move(ready_.front());
      ready_.pop_front();
      --in_flight_;
      ++count;
      Result<void> outcome = job->outcome();
      if (job->file != nullptr) --job->file->in_flight;
      if (job->kind != BlockingJob::Kind::read) {
        job->done(std::move(outcome));
      } else if (outcome) {
        job->read_done(job->count);
      } else {
        job->read_done(fail(std::move(outcome.error())));
      }
    }
    return count;
  }

  Pool pool_;
  std::deque<JobPtr> waiting_;
  std::deque<JobPtr> ready_;
  std::size_t in_flight_ = 0;
};

class ThreadFile final : public PosixFile {
 public:
  ThreadFile(ThreadDisk& disk, int fd, std::string path, OpenOptions options)
      : PosixFile(fd, std::move(path), options), disk_(disk) {}

  void read(std::uint64_t offset, MutableByteSpan into, ReadDone done) override {
    JobPtr job = transfer(BlockingJob::Kind::read, offset, into.data(), into.size());
    job->read_done = std::move(done);
    disk_.start(std::move(job));
  }
  void write(std::uint64_t offset, ByteSpan from, WriteSync sync, IoDone done) override {
    CHECK(writable(), "the file was not opened for writing");
    JobPtr job = transfer(BlockingJob::Kind::write, offset, const_cast<std::byte*>(from.data()), from.size());
    job->dsync = sync == WriteSync::dsync;
    job->done = std::move(done);
    disk_.start(std::move(job));
  }
  void sync(IoDone done) override {
    JobPtr job = std::make_unique<BlockingJob>();
    job->kind = BlockingJob::Kind::sync;
    job->file = this;
    job->fd = fd();
    job->done = std::move(done);
    disk_.start(std::move(job));
  }

 private:
  JobPtr transfer(BlockingJob::Kind kind, std::uint64_t offset, std::byte* memory, std::size_t size) {
    if (direct()) check_direct_transfer(offset, memory, size);
    JobPtr job = std::make_unique<BlockingJob>();
    job->kind = kind;
    job->file = this;
    job->fd = fd();
    job->offset = offset;
    job->memory = memory;
    job->size = size;
    return job;
  }

  ThreadDisk& disk_;
};

std::unique_ptr<File> ThreadDisk::make_file(int fd, const std::string& path, OpenOptions options) {
  return std::make_unique<ThreadFile>(*this, fd, path, options);
}

}  // namespace

std::unique_ptr<Disk> make_thread_disk(const DiskOptions& options) { return std::make_unique<ThreadDisk>(options); }

}  // namespace sluice::storage
