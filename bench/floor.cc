// The floor: the smallest program that does what no durable broker can avoid. It receives the load generator's bytes on
// a socket, takes their CRC, writes them once with O_DIRECT and RWF_DSYNC into a file that was written before (1 MiB
// writes, two in flight), and acknowledges. No log, no offsets, no checks. It shares no code with the broker, so that
// nothing the broker does wrong can hide in both.
//
//   bench_floor FILE [FILE_MIB]     prints `floor ready port=N`
#include <arpa/inet.h>
#include <fcntl.h>
#include <isa-l.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

namespace {

constexpr std::size_t kWrite = 1U << 20;
constexpr std::size_t kBlock = 4096;
constexpr unsigned kInFlight = 2;

struct Ack {
  int fd;
  std::uint32_t correlation;
};
struct WriteBuffer {
  unsigned char* data = nullptr;
  std::size_t used = 0;
  std::vector<Ack> acks;
  bool in_flight = false, durable = false;
};
struct Connection {
  std::vector<unsigned char> bytes = std::vector<unsigned char>(4 * kWrite);
  std::size_t begin = 0, end = 0;
};

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}
std::uint32_t load32(const unsigned char* at) {
  std::uint32_t value;
  std::memcpy(&value, at, 4);
  return ntohl(value);
}

class Floor {
 public:
  Floor(const char* path, std::uint64_t file_bytes) : file_bytes_(file_bytes) {
    file_ = ::open(path, O_RDWR | O_CREAT | O_DIRECT, 0644);
    if (file_ < 0) die(path);
    for (WriteBuffer& buffer : buffers_) {
      if (posix_memalign(reinterpret_cast<void**>(&buffer.data), 2U << 20, kWrite) != 0) die("memory");
      std::memset(buffer.data, 0, kWrite);
    }
    for (std::uint64_t at = 0; at < file_bytes_; at += kWrite)
      if (::pwrite(file_, buffers_[0].data, kWrite, static_cast<off_t>(at)) != static_cast<ssize_t>(kWrite))
        die("pwrite");
    ::fsync(file_);
    if (io_uring_queue_init(64, &ring_, 0) < 0) die("io_uring");
    event_ = ::eventfd(0, EFD_NONBLOCK);
    io_uring_register_eventfd(&ring_, event_);
    epoll_ = ::epoll_create1(0);
    watch(event_);
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) < 0 || ::listen(listener_, 64) < 0)
      die("listen");
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    watch(listener_);
    std::printf("floor ready port=%d\n", ntohs(address.sin_port));
    std::fflush(stdout);
  }

  [[noreturn]] void run() {
    epoll_event events[64];
    for (;;) {
      const int n = ::epoll_wait(epoll_, events, 64, -1);
      for (int i = 0; i < n; ++i) {
        const int fd = events[i].data.fd;
        if (fd == listener_) {
          accept();
        } else if (fd == event_) {
          std::uint64_t count;
          if (::read(event_, &count, sizeof count) < 0 && errno != EAGAIN) die("eventfd");
        } else {
          receive(fd);
        }
      }
      reap();
      submit();
    }
  }

 private:
  void watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
  void accept() {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
    if (fd < 0) return;
    const int one = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connections_[fd];
    watch(fd);
  }
  void receive(int fd) {
    Connection& connection = connections_[fd];
    if (connection.begin > 0) {
      std::memmove(connection.bytes.data(), connection.bytes.data() + connection.begin,
                   connection.end - connection.begin);
      connection.end -= connection.begin;
      connection.begin = 0;
    }
    const ssize_t n = ::recv(fd, connection.bytes.data() + connection.end, connection.bytes.size() - connection.end, 0);
    if (n <= 0) {
      if (n < 0 && errno == EAGAIN) return;
      ::close(fd);
      connections_.erase(fd);
      return;
    }
    connection.end += static_cast<std::size_t>(n);
    take_frames(fd, connection);
  }
  /// A frame: length u32, api key and version, correlation id u32, the rest. All of it is what is kept.
  void take_frames(int fd, Connection& connection) {
    while (connection.end - connection.begin >= 4) {
      unsigned char* frame = connection.bytes.data() + connection.begin;
      const std::size_t size = 4 + load32(frame);
      if (connection.end - connection.begin < size) return;
      WriteBuffer* buffer = &buffers_[filling_];
      if (buffer->in_flight || buffer->used + size > kWrite) {
        submit();
        buffer = &buffers_[filling_];
        if (buffer->in_flight || buffer->used + size > kWrite) return;  // back-pressure: looked at again after a write
      }
      crc_ ^= crc32_iscsi(frame + 4, static_cast<int>(size - 4), 0);
      std::memcpy(buffer->data + buffer->used, frame, size);
      buffer->used += size;
      buffer->acks.push_back({fd, load32(frame + 8)});
      connection.begin += size;
    }
  }
  void submit() {
    WriteBuffer& buffer = buffers_[filling_];
    if (buffer.used == 0 || buffer.in_flight || writing_ == kInFlight) return;
    const std::size_t size = (buffer.used + kBlock - 1) / kBlock * kBlock;
    if (at_ + size > file_bytes_) at_ = 0;
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    io_uring_prep_write(sqe, file_, buffer.data, static_cast<unsigned>(size), at_);
    sqe->rw_flags = RWF_DSYNC;
    io_uring_sqe_set_data(sqe, &buffer);
    io_uring_submit(&ring_);
    at_ += size;
    buffer.in_flight = true;
    ++writing_;
    filling_ = (filling_ + 1) % kBuffers;
  }
  void reap() {
    io_uring_cqe* cqe = nullptr;
    while (io_uring_peek_cqe(&ring_, &cqe) == 0) {
      if (cqe->res <= 0) die("write");
      static_cast<WriteBuffer*>(io_uring_cqe_get_data(cqe))->durable = true;
      io_uring_cqe_seen(&ring_, cqe);
      --writing_;
    }
    while (buffers_[oldest_].durable) {
      acknowledge(buffers_[oldest_]);
      oldest_ = (oldest_ + 1) % kBuffers;
    }
    for (auto& [fd, connection] : connections_) take_frames(fd, connection);
  }
  void acknowledge(WriteBuffer& buffer) {
    std::map<int, std::vector<unsigned char>> replies;
    for (const Ack& ack : buffer.acks) {
      const std::uint32_t reply[2] = {htonl(4), htonl(ack.correlation)};
      auto& out = replies[ack.fd];
      out.insert(out.end(), reinterpret_cast<const unsigned char*>(reply),
                 reinterpret_cast<const unsigned char*>(reply + 2));
    }
    for (auto& [fd, out] : replies)
      if (::send(fd, out.data(), out.size(), MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET &&
          errno != EBADF)
        die("send");
    buffer.used = 0;
    buffer.acks.clear();
    buffer.in_flight = buffer.durable = false;
  }

  static constexpr std::size_t kBuffers = 4;
  WriteBuffer buffers_[kBuffers];
  std::map<int, Connection> connections_;
  std::size_t filling_ = 0, oldest_ = 0;
  unsigned writing_ = 0;
  std::uint64_t file_bytes_, at_ = 0;
  std::uint32_t crc_ = 0;
  io_uring ring_{};
  int file_ = -1, event_ = -1, epoll_ = -1, listener_ = -1;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FILE [FILE_MIB]\n", argv[0]);
    return 2;
  }
  const std::uint64_t mib = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1024;
  Floor floor(argv[1], mib << 20);
  floor.run();
}
