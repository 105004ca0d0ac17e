// The floor: the smallest program that does what no durable broker can avoid. It receives the load generator's bytes on
// a socket, takes the CRC of every frame, writes them once with O_DIRECT and RWF_DSYNC into a file that was written
// before (writes of up to 1 MiB, two in flight), and acknowledges. No log, no offsets, no checks. It shares no code
// with the broker, so that nothing the broker does wrong can hide in both.
//
// It is a yardstick, so it takes every short cut that such a program may: one thread, one connection at a time, bytes
// received straight into the buffer that is written (nothing is copied but by the kernel, out of the socket), buffers
// on huge pages and registered with io_uring, one system call to start writes and to wait, one send for all the
// acknowledgements of a write. A frame may end in the write behind the one that it began in.
//
//   bench_floor FILE FILE_MIB [SPIN_US]     prints `floor ready port=N`
//
// It looks for work for SPIN_US before it sleeps: 0 costs the least CPU, more the least time to an acknowledgement.
#include <arpa/inet.h>
#include <fcntl.h>
#include <isa-l.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

constexpr std::size_t kWrite = 1U << 20;
constexpr std::size_t kReceive = 256U << 10;  // at once, so that it is still in the cache when its CRC is taken
constexpr std::size_t kBlock = 4096;
constexpr std::size_t kHugePage = 2U << 20;
constexpr std::size_t kBuffers = 4;  // two being written, one being filled, one to spare
constexpr unsigned kInFlight = 2;
constexpr std::size_t kHeader = 12;  // of a frame: length u32, API and version, correlation id u32

using SteadyClock = std::chrono::steady_clock;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}
std::uint32_t load32(const unsigned char* at) {
  std::uint32_t value;
  std::memcpy(&value, at, 4);
  return ntohl(value);
}

struct Ack {
  std::uint32_t length, correlation;  // as sent: big endian
};
struct WriteBuffer {
  unsigned char* data = nullptr;
  std::size_t used = 0;
  std::vector<Ack> acks;  // of the frames that end in it
  bool in_flight = false, durable = false;
};

/// The frame that is being received.
struct Frame {
  unsigned char header[kHeader];
  std::size_t seen = 0;  // of it; its header is filled up to min(seen, kHeader)
  std::size_t size = 0;  // with its length field; known once the header is whole
  std::uint32_t crc = 0;
};

class Floor {
 public:
  Floor(const char* path, std::uint64_t file_bytes, std::chrono::microseconds spin)
      : file_bytes_(file_bytes), spin_(spin) {
    make_buffers();
    prepare_file(path);
    make_ring();
    listen();
  }

  [[noreturn]] void run() {
    auto last_work = SteadyClock::now();
    for (;;) {
      bool worked = reap();
      worked |= connection_ < 0 ? accept() : receive();
      worked |= submit();
      if (worked) {
        if (spin_.count() > 0) last_work = SteadyClock::now();
      } else if (spin_.count() == 0 || SteadyClock::now() - last_work > spin_) {
        wait();
      }
    }
  }

 private:
  void make_buffers() {
    const std::size_t size = kBuffers * kWrite;
    void* memory = ::mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) die("mmap");
    const auto at = (reinterpret_cast<std::uintptr_t>(memory) + kHugePage - 1) / kHugePage * kHugePage;
    auto* aligned = reinterpret_cast<unsigned char*>(at);
    ::madvise(aligned, size, MADV_HUGEPAGE);
    std::memset(aligned, 0, size);
    for (std::size_t i = 0; i < kBuffers; ++i) {
      buffers_[i].data = aligned + i * kWrite;
      buffers_[i].acks.reserve(kWrite / kBlock);
    }
  }
  void prepare_file(const char* path) {
    file_ = ::open(path, O_RDWR | O_CREAT | O_DIRECT, 0644);
    if (file_ < 0) die(path);
    for (std::uint64_t at = 0; at < file_bytes_; at += kWrite)
      if (::pwrite(file_, buffers_[0].data, kWrite, static_cast<off_t>(at)) != static_cast<ssize_t>(kWrite))
        die("pwrite");
    if (::fsync(file_) < 0) die("fsync");
  }
  void make_ring() {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    if (io_uring_queue_init_params(16, &ring_, &params) < 0) {
      params = {};
      if (io_uring_queue_init_params(16, &ring_, &params) < 0) die("io_uring");
    }
    iovec spans[kBuffers];
    for (std::size_t i = 0; i < kBuffers; ++i) spans[i] = {buffers_[i].data, kWrite};
    registered_ = io_uring_register_buffers(&ring_, spans, kBuffers) == 0;
  }
  void listen() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) < 0 || ::listen(listener_, 64) < 0)
      die("listen");
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    std::printf("floor ready port=%d\n", ntohs(address.sin_port));
    std::fflush(stdout);
  }

  bool accept() {
    connection_ = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
    if (connection_ < 0) return false;
    const int one = 1;
    ::setsockopt(connection_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    frame_ = {};
    return true;
  }
  /// Into the buffer that is being filled, if that is free.
  bool receive() {
    WriteBuffer& buffer = buffers_[filling_];
    if (buffer.in_flight || buffer.used == kWrite) return false;
    unsigned char* const at = buffer.data + buffer.used;
    const ssize_t n = ::recv(connection_, at, std::min(kReceive, kWrite - buffer.used), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n <= 0) {
      hang_up();
      return true;
    }
    buffer.used += static_cast<std::size_t>(n);
    take(buffer, at, static_cast<std::size_t>(n));
    return true;
  }
  void hang_up() {
    ::close(connection_);
    connection_ = -1;
    for (WriteBuffer& each : buffers_) each.acks.clear();
  }
  void take(WriteBuffer& buffer, const unsigned char* at, std::size_t left) {
    while (left > 0) {
      if (frame_.seen < kHeader) {
        const std::size_t n = std::min(left, kHeader - frame_.seen);
        std::memcpy(frame_.header + frame_.seen, at, n);
        if (frame_.seen + n == kHeader) frame_.size = std::max<std::size_t>(4 + load32(frame_.header), kHeader);
      }
      const std::size_t known = frame_.size == 0 ? kHeader : frame_.size;
      const std::size_t n = std::min(left, known - frame_.seen);
      frame_.crc = crc32_iscsi(const_cast<unsigned char*>(at), static_cast<int>(n), frame_.crc);
      frame_.seen += n;
      at += n;
      left -= n;
      if (frame_.size == 0 || frame_.seen < frame_.size) continue;
      buffer.acks.push_back({htonl(4), htonl(load32(frame_.header + 8))});
      crc_ ^= frame_.crc;
      frame_ = {};
    }
  }
  /// What was received is written at once when fewer than two writes are under way; else it waits and grows.
  bool submit() {
    WriteBuffer& buffer = buffers_[filling_];
    const bool worth_it = !buffer.acks.empty() || buffer.used == kWrite;
    if (!worth_it || buffer.in_flight || writing_ == kInFlight) return false;
    const std::size_t size = (buffer.used + kBlock - 1) / kBlock * kBlock;
    if (at_ + size > file_bytes_) at_ = 0;
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    if (registered_)
      io_uring_prep_write_fixed(sqe, file_, buffer.data, static_cast<unsigned>(size), at_, static_cast<int>(filling_));
    else
      io_uring_prep_write(sqe, file_, buffer.data, static_cast<unsigned>(size), at_);
    sqe->rw_flags = RWF_DSYNC;
    io_uring_sqe_set_data(sqe, &buffer);
    if (io_uring_submit(&ring_) < 0) die("io_uring_submit");
    at_ += size;
    buffer.in_flight = true;
    ++writing_;
    filling_ = (filling_ + 1) % kBuffers;
    return true;
  }
  bool reap() {
    bool any = false;
    io_uring_cqe* cqe = nullptr;
    while (io_uring_peek_cqe(&ring_, &cqe) == 0) {
      any = true;
      if (auto* buffer = static_cast<WriteBuffer*>(io_uring_cqe_get_data(cqe))) {
        if (cqe->res <= 0) die("write");
        buffer->durable = true;
        --writing_;
      } else {
        polling_ = false;
      }
      io_uring_cqe_seen(&ring_, cqe);
    }
    while (buffers_[oldest_].durable) {
      acknowledge(buffers_[oldest_]);
      oldest_ = (oldest_ + 1) % kBuffers;
    }
    return any;
  }
  void acknowledge(WriteBuffer& buffer) {
    if (connection_ >= 0 && !buffer.acks.empty()) send_all(buffer.acks.data(), buffer.acks.size() * sizeof(Ack));
    buffer.used = 0;
    buffer.acks.clear();
    buffer.in_flight = buffer.durable = false;
  }
  /// Nearly always one call; the kernel may want an acknowledgement of its own first.
  void send_all(const void* data, std::size_t size) {
    const auto* at = static_cast<const unsigned char*>(data);
    while (size > 0) {
      const ssize_t sent = ::send(connection_, at, size, MSG_NOSIGNAL);
      if (sent > 0) {
        at += sent;
        size -= static_cast<std::size_t>(sent);
      } else if (errno == EAGAIN) {
        pollfd writable{connection_, POLLOUT, 0};
        ::poll(&writable, 1, -1);
      } else if (errno == EPIPE || errno == ECONNRESET) {
        return;
      } else if (errno != EINTR) {
        die("send");
      }
    }
  }
  /// Sleeps until a write completes or something can be received where there is room for it.
  void wait() {
    const bool room = !buffers_[filling_].in_flight && buffers_[filling_].used < kWrite;
    if (room && !polling_) {
      io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
      io_uring_prep_poll_add(sqe, connection_ < 0 ? listener_ : connection_, POLLIN);
      io_uring_sqe_set_data(sqe, nullptr);
      polling_ = true;
    }
    const int done = io_uring_submit_and_wait(&ring_, 1);
    if (done < 0 && done != -EINTR) die("io_uring_submit_and_wait");
  }

  WriteBuffer buffers_[kBuffers];
  std::size_t filling_ = 0, oldest_ = 0;
  unsigned writing_ = 0;
  Frame frame_;
  std::uint64_t file_bytes_, at_ = 0;
  std::chrono::microseconds spin_;
  volatile std::uint32_t crc_ = 0;
  io_uring ring_{};
  bool registered_ = false, polling_ = false;
  int file_ = -1, listener_ = -1, connection_ = -1;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s FILE FILE_MIB [SPIN_US]\n", argv[0]);
    return 2;
  }
  const std::uint64_t mib = std::strtoull(argv[2], nullptr, 10);
  const std::uint64_t spin_us = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 0;
  if (mib < 4) {
    std::fprintf(stderr, "%s: FILE_MIB is at least 4\n", argv[0]);
    return 2;
  }
  Floor floor(argv[1], mib << 20, std::chrono::microseconds(spin_us));
  floor.run();
}
