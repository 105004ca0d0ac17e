// What the load generators share: a blocking connection, frames of it, and requests built by hand once and sent many
// times. As little as it takes, so that a generator on one core keeps up with a broker on another. Ends the process
// with a message when the server does not answer. Thread safety: one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/bytes.h"

namespace sluice::bench {

/// `--name value` pairs; ends the process with `usage` when one is unknown or left over.
class Arguments {
 public:
  Arguments(int argc, char** argv, std::string_view usage, std::vector<std::string_view> names);
  std::string text(std::string_view name, std::string_view otherwise) const;
  std::uint64_t number(std::string_view name, std::uint64_t otherwise) const;

 private:
  [[noreturn]] void complain(std::string_view what) const;
  std::string program_, usage_;
  std::vector<std::pair<std::string, std::string>> given_;
};

class Connection {
 public:
  explicit Connection(std::uint64_t port);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void send(ByteSpan bytes);
  /// At least one byte, at most as many as `into` has.
  std::size_t receive(MutableByteSpan into);
  /// Whether something can be received now.
  bool readable() const;

 private:
  int fd_;
};

/// Cuts frames from what a connection receives.
class Frames {
 public:
  explicit Frames(Connection& connection, std::size_t capacity);
  /// The next frame without its length field; valid until the next call.
  ByteSpan next();
  /// Whether next() would not wait.
  bool ready() const;

 private:
  bool whole() const;
  std::size_t size() const;
  Connection& connection_;
  std::vector<std::byte> bytes_;
  std::size_t begin_ = 0, end_ = 0;
};

void put_string(ByteWriter& out, std::string_view text);
/// Begins a request with a classic header; the correlation id is at kCorrelationAt.
ByteWriter begin_request(std::int16_t api, std::int16_t version);
/// Fills in the length field.
std::vector<std::byte> end_request(ByteWriter request);
inline constexpr std::size_t kCorrelationAt = 8;

}  // namespace sluice::bench
