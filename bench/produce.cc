// The load generator: sends Produce requests (v3, acks=all, one batch built beforehand) over one connection with a
// fixed number in flight, and takes each one's time. The same bytes go to the broker and to the floor.
//
//   bench_produce PORT TOPIC RECORD_BYTES RECORDS_A_BATCH IN_FLIGHT TOTAL_MIB [PARTITIONS]
//
// Prints one line of JSON: bytes of batches, seconds, MB/s, latency percentiles in microseconds, errors.
#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/record_batch.h"

namespace {

using SteadyClock = std::chrono::steady_clock;
using namespace sluice;

struct Load {
  int port;
  std::string topic;
  std::size_t record_bytes, records, in_flight;
  std::uint64_t total_bytes;
  int partitions;
};

std::vector<std::byte> build_batch(const Load& load) {
  BatchBuilder builder({});
  std::vector<std::byte> value(load.record_bytes);
  std::uint64_t state = 88172645463325252ULL;
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  for (std::size_t i = 0; i < load.records; ++i) {
    for (std::byte& byte : value) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      byte = static_cast<std::byte>(state);
    }
    builder.add(now.count(), std::nullopt, ByteSpan(value));
  }
  return builder.build();
}

void put_string(ByteWriter& out, std::string_view text) {
  out.be(static_cast<std::int16_t>(text.size()));
  out.raw(as_bytes(text));
}

/// The whole frame; the correlation id is at byte 8.
std::vector<std::byte> build_frame(const Load& load, ByteSpan batch, int partition) {
  ByteWriter out;
  out.be(std::int32_t{0});
  out.be(std::int16_t{0});  // Produce
  out.be(std::int16_t{3});
  out.be(std::int32_t{0});
  put_string(out, "bench");
  out.be(std::int16_t{-1});  // no transactional id
  out.be(std::int16_t{-1});  // acks=all
  out.be(std::int32_t{30'000});
  out.be(std::int32_t{1});
  put_string(out, load.topic);
  out.be(std::int32_t{1});
  out.be(std::int32_t{partition});
  out.be(static_cast<std::int32_t>(batch.size()));
  out.raw(batch);
  store_be(out.at(0), static_cast<std::int32_t>(out.size() - 4));
  return out.take();
}

int connect_to(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
    std::perror("connect");
    std::exit(1);
  }
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

void send_all(int fd, ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) {
      std::perror("send");
      std::exit(1);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

/// Reads replies, in order, and tells whether each carries an error.
class Replies {
 public:
  explicit Replies(int fd) : fd_(fd), bytes_(1U << 20) {}
  bool next(std::size_t topic_bytes) {
    while (end_ - begin_ < 4 || end_ - begin_ < 4 + size()) fill();
    const std::size_t size_now = size();
    // correlation 4, topics 4, name 2 + n, partitions 4, partition 4, then the error code; the floor sends 4 bytes
    // alone
    const std::size_t error_at = 4 + 4 + 4 + 2 + topic_bytes + 4 + 4;
    const bool error = size_now > 4 && load_be<std::int16_t>(bytes_.data() + begin_ + error_at) != 0;
    begin_ += 4 + size_now;
    return !error;
  }

 private:
  std::size_t size() const { return static_cast<std::size_t>(load_be<std::int32_t>(bytes_.data() + begin_)); }
  void fill() {
    if (begin_ > 0) {
      std::copy(bytes_.begin() + static_cast<std::ptrdiff_t>(begin_),
                bytes_.begin() + static_cast<std::ptrdiff_t>(end_), bytes_.begin());
      end_ -= begin_;
      begin_ = 0;
    }
    const ssize_t n = ::recv(fd_, bytes_.data() + end_, bytes_.size() - end_, 0);
    if (n <= 0) {
      std::fprintf(stderr, "the server closed the connection\n");
      std::exit(1);
    }
    end_ += static_cast<std::size_t>(n);
  }
  int fd_;
  std::vector<std::byte> bytes_;
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) {
    std::fprintf(stderr, "usage: %s PORT TOPIC RECORD_BYTES RECORDS_A_BATCH IN_FLIGHT TOTAL_MIB [PARTITIONS]\n",
                 argv[0]);
    return 2;
  }
  const auto number = [&](int i) { return std::strtoull(argv[i], nullptr, 10); };
  const Load load{static_cast<int>(number(1)),
                  argv[2],
                  number(3),
                  number(4),
                  number(5),
                  number(6) << 20,
                  argc > 7 ? static_cast<int>(number(7)) : 1};
  const std::vector<std::byte> batch = build_batch(load);
  std::vector<std::vector<std::byte>> frames;
  for (int partition = 0; partition < load.partitions; ++partition)
    frames.push_back(build_frame(load, batch, partition));
  const int fd = connect_to(load.port);
  Replies replies(fd);
  const std::uint64_t requests = std::max<std::uint64_t>(1, load.total_bytes / batch.size());
  std::vector<double> latencies_us;
  latencies_us.reserve(requests);
  std::deque<SteadyClock::time_point> sent;
  std::uint64_t started = 0, errors = 0;
  const auto begin = SteadyClock::now();
  for (std::uint64_t answered = 0; answered < requests; ++answered) {
    while (started < requests && sent.size() < load.in_flight) {
      auto& frame = frames[started % frames.size()];
      store_be(frame.data() + 8, static_cast<std::int32_t>(started));
      sent.push_back(SteadyClock::now());
      send_all(fd, frame);
      ++started;
    }
    if (!replies.next(load.topic.size())) ++errors;
    latencies_us.push_back(std::chrono::duration<double, std::micro>(SteadyClock::now() - sent.front()).count());
    sent.pop_front();
  }
  const double seconds = std::chrono::duration<double>(SteadyClock::now() - begin).count();
  ::close(fd);
  std::sort(latencies_us.begin(), latencies_us.end());
  const auto at = [&](double q) {
    return latencies_us[static_cast<std::size_t>(q * static_cast<double>(latencies_us.size() - 1))];
  };
  const double bytes = static_cast<double>(requests) * static_cast<double>(batch.size());
  fmt::print(
      "{{\"bytes\": {:.0f}, \"seconds\": {:.4f}, \"mb_per_s\": {:.1f}, \"p50_us\": {:.1f}, \"p99_us\": {:.1f}, "
      "\"max_us\": {:.1f}, \"errors\": {}}}\n",
      bytes, seconds, bytes / seconds / 1e6, at(0.5), at(0.99), latencies_us.back(), errors);
  return errors == 0 ? 0 : 1;
}
