#include "bench/kafka_client.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace sluice::bench {

Arguments::Arguments(int argc, char** argv, std::string_view usage, std::vector<std::string_view> names)
    : program_(argv[0]), usage_(usage) {
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name(argv[i]);
    const bool known = name.starts_with("--") && std::ranges::find(names, name.substr(2)) != names.end();
    if (!known || i + 1 == argc) complain(fmt::format("'{}' is not known, or its value is missing", name));
    given_.emplace_back(name.substr(2), argv[i + 1]);
  }
}

std::string Arguments::text(std::string_view name, std::string_view otherwise) const {
  for (const auto& [key, value] : given_)
    if (key == name) return value;
  return std::string(otherwise);
}

std::uint64_t Arguments::number(std::string_view name, std::uint64_t otherwise) const {
  const std::string given = text(name, "");
  if (given.empty()) return otherwise;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), value);
  if (error != std::errc{} || end != given.data() + given.size())
    complain(fmt::format("--{} is a whole number, not '{}'", name, given));
  return value;
}

void Arguments::complain(std::string_view what) const {
  fmt::print(stderr, "{}: {}\nusage: {} {}\n", program_, what, program_, usage_);
  std::exit(2);
}

Connection::Connection(std::uint64_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
    std::perror("connect");
    std::exit(1);
  }
  const int one = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

Connection::~Connection() { ::close(fd_); }

void Connection::send(ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) {
      std::perror("send");
      std::exit(1);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

std::size_t Connection::receive(MutableByteSpan into) {
  const ssize_t n = ::recv(fd_, into.data(), into.size(), 0);
  if (n <= 0) {
    fmt::print(stderr, "the server closed the connection\n");
    std::exit(1);
  }
  return static_cast<std::size_t>(n);
}

bool Connection::readable() const {
  pollfd wanted{fd_, POLLIN, 0};
  return ::poll(&wanted, 1, 0) > 0;
}

Frames::Frames(Connection& connection, std::size_t capacity) : connection_(connection), bytes_(capacity) {}

ByteSpan Frames::next() {
  if (begin_ == end_) begin_ = end_ = 0;
  while (!whole()) {
    const std::size_t wanted = end_ - begin_ < 4 ? 4 : 4 + size();
    if (begin_ + wanted > bytes_.size()) {  // to the front: a frame lies in one piece
      std::copy(bytes_.begin() + static_cast<std::ptrdiff_t>(begin_),
                bytes_.begin() + static_cast<std::ptrdiff_t>(end_), bytes_.begin());
      end_ -= begin_;
      begin_ = 0;
      if (wanted > bytes_.size()) bytes_.resize(wanted);
    }
    end_ += connection_.receive(MutableByteSpan(bytes_).subspan(end_));
  }
  const ByteSpan frame = ByteSpan(bytes_).subspan(begin_ + 4, size());
  begin_ += 4 + frame.size();
  return frame;
}

bool Frames::ready() const { return whole() || connection_.readable(); }

bool Frames::whole() const { return end_ - begin_ >= 4 && end_ - begin_ >= 4 + size(); }

std::size_t Frames::size() const { return load_be<std::uint32_t>(bytes_.data() + begin_); }

void put_string(ByteWriter& out, std::string_view text) {
  out.be(static_cast<std::int16_t>(text.size()));
  out.raw(as_bytes(text));
}

ByteWriter begin_request(std::int16_t api, std::int16_t version) {
  ByteWriter out;
  out.be(std::int32_t{0});
  out.be(api);
  out.be(version);
  out.be(std::int32_t{0});
  put_string(out, "bench");
  return out;
}

std::vector<std::byte> end_request(ByteWriter request) {
  store_be(request.at(0), static_cast<std::int32_t>(request.size() - 4));
  return request.take();
}

}  // namespace sluice::bench
