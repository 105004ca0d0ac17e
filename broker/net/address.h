// `host:port` as people write it. Pure. Owner: broker/net.
#pragma once

#include <string>
#include <string_view>

#include "protocol/base/error.h"

namespace sluice::broker {

struct HostPort {
  std::string host;  ///< a name, an IPv4 address or an IPv6 address without brackets; empty = every interface
  int port = 0;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

/// Reads `name:9092`, `10.0.0.1:9092`, `[::1]:9092`, `:9092`. Errors: config, with what was given and what is expected.
Result<HostPort> parse_host_port(std::string_view text);

/// The inverse: an IPv6 address gets its brackets.
std::string host_port_text(std::string_view host, int port);

}  // namespace sluice::broker
