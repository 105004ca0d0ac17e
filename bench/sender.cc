// The plain socket sender: what a consumer's bytes cost at the least. It sends memory on a socket, as fast as that
// goes, and does nothing else.
//
//   bench_sender MEMORY_MIB     prints `sender ready port=N`
//
// MEMORY_MIB: how much memory it goes round in: a little is in the processor's cache, as a log's tail is; as much as a
// consumer reads is not, as files in the page cache aren't. A connection says how many bytes it wants (u64, big
// endian), gets them, and may ask again. One connection at a time.
#include <arpa/inet.h>
#include <endian.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr std::size_t kSend = 1U << 20;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

int listen_on_any_port() {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) < 0 || ::listen(listener, 8) < 0) die("listen");
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  std::printf("sender ready port=%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return listener;
}

/// False when the connection ended.
bool serve(int connection, const std::vector<unsigned char>& memory, std::size_t& at) {
  std::uint64_t wanted = 0;
  if (::recv(connection, &wanted, sizeof wanted, MSG_WAITALL) != sizeof wanted) return false;
  for (std::uint64_t left = be64toh(wanted); left > 0;) {
    const std::size_t size = std::min({kSend, memory.size() - at, static_cast<std::size_t>(left)});
    const ssize_t sent = ::send(connection, memory.data() + at, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    left -= static_cast<std::uint64_t>(sent);
    at = (at + static_cast<std::size_t>(sent)) % memory.size();
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t mib = argc == 2 ? std::strtoull(argv[1], nullptr, 10) : 0;
  if (mib == 0) {
    std::fprintf(stderr, "usage: %s MEMORY_MIB\n", argv[0]);
    return 2;
  }
  std::vector<unsigned char> memory(mib << 20, 0x5a);
  std::size_t at = 0;
  const int listener = listen_on_any_port();
  for (;;) {
    const int connection = ::accept(listener, nullptr, nullptr);
    if (connection < 0) continue;
    const int one = 1;
    ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    while (serve(connection, memory, at)) continue;
    ::close(connection);
  }
}
