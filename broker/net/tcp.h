// TCP behind the Stream and Listener seams.
//
// A write is tried at once with one gathering sendmsg of up to 64 pieces, and waits for the socket only for what did
// not fit; Asio's own async_write would send 16 buffers a call. A read is tried at once by Asio and else waits.
// Invariants: callbacks run on the loop, never inside the call that started them, and none after close() or
// destruction. Sockets never outlive their loop.
// Thread safety: the loop's thread. Owner: broker/net.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "broker/net/event_loop.h"
#include "broker/net/stream.h"

namespace sluice::broker {

struct TcpListenOptions {
  std::string host;        ///< a name or an address; empty = every IPv4 interface
  int port = 0;            ///< 0 = any free one; see Listener::port()
  bool reuse_port = true;  ///< several listeners, one a shard, share the port; the kernel spreads connections
  int backlog = 1024;
  /// How long to wait when the process has no descriptor (or memory) left for another connection.
  Millis retry_accept_after{100};
};

/// Opens a listening socket. A host name is resolved here, blocking: call it at start-up.
/// Errors: config (a host that does not resolve), in_use (someone else listens there), io_error.
Result<std::unique_ptr<Listener>> listen_tcp(EventLoop& loop, const TcpListenOptions& options);

/// Connects to a numeric address. `done` is called once, on the loop, unless the loop is destroyed first.
/// Errors: config (not an address), io_error.
void connect_tcp(EventLoop& loop, std::string_view address, int port,
                 UniqueFunction<void(Result<std::unique_ptr<Stream>>)> done);

}  // namespace sluice::broker
