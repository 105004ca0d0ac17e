// The Stream and Listener seams: a connection's bytes, and where connections come from. Real ones are TCP
// (tcp.h), simulated ones are in tests/sim. All calls and callbacks on the owning shard's thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/error.h"
#include "protocol/base/unique_function.h"

namespace sluice::broker {

/// A connection. At most one read and one write are under way at a time. Callbacks are never called inside the call
/// that started them. After close(), or destruction, no callback is called any more.
class Stream {
 public:
  virtual ~Stream() = default;
  /// Calls `done` with the number of bytes put into `into` (>= 1), or 0 when the peer has closed its side.
  virtual void read_some(MutableByteSpan into, UniqueFunction<void(Result<std::size_t>)> done) = 0;
  /// Writes all of the pieces in order; each is kept alive until `done`.
  virtual void write(std::vector<SharedBytes> pieces, UniqueFunction<void(Result<void>)> done) = 0;
  /// Bytes of the write under way that the system has not taken.
  virtual std::size_t unsent_bytes() const = 0;
  /// Copies them out of buffers that they share with others, which a peer that takes nothing would keep from being
  /// used.
  virtual void own_unsent() = 0;
  virtual void close() = 0;
  /// `host:port` of the peer, for logs.
  virtual const std::string& peer() const = 0;
};

class Listener {
 public:
  virtual ~Listener() = default;
  /// Calls `accepted` for each new connection until the listener is destroyed.
  virtual void start(UniqueFunction<void(std::unique_ptr<Stream>)> accepted) = 0;
  /// Stops and resumes accepting, for example at the connection limit.
  virtual void pause(bool paused) = 0;
  virtual const std::string& host() const = 0;
  virtual int port() const = 0;
};

}  // namespace sluice::broker
