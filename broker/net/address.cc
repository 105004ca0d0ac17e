#include "broker/net/address.h"

#include <fmt/core.h>

#include <charconv>

namespace sluice::broker {

namespace {

tl::unexpected<Error> unreadable(std::string_view text, std::string_view why) {
  return fail(Errc::config,
              fmt::format("address '{}' {}; expected host:port, for example 0.0.0.0:9092 or [::1]:9092", text, why));
}

}  // namespace

Result<HostPort> parse_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return unreadable(text, "has no port");
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return unreadable(text, "has a '[' without its ']'");
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string_view::npos) return unreadable(text, "has brackets around what is not IPv6");
  } else if (host.find(':') != std::string_view::npos) {
    return unreadable(text, "has several ':': an IPv6 address needs brackets");
  }
  for (const char c : host) {
    if (c <= ' ' || c == '[' || c == ']' || c == '/') return unreadable(text, "has an illegal character in its host");
  }
  int port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port < 0 || port > 65535) {
    return unreadable(text, "has no port between 0 and 65535");
  }
  return HostPort{std::string(host), port};
}

std::string host_port_text(std::string_view host, int port) {
  if (host.find(':') != std::string_view::npos) return fmt::format("[{}]:{}", host, port);
  return fmt::format("{}:{}", host, port);
}

}  // namespace sluice::broker
