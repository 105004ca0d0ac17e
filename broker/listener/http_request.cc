#include "broker/listener/http_request.h"

#include <algorithm>

namespace sluice::broker {
namespace {

constexpr std::string_view kEnd = "\r\n\r\n";

/// Characters of a method or a field's name.
bool is_token(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOthers.find(c) != std::string_view::npos;
  });
}
bool is_visible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

Result<HttpRequest> parse_line(std::string_view line) {
  const std::size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last)
    return fail(Errc::malformed, "the request line is not METHOD TARGET VERSION");
  const std::string_view method = line.substr(0, first), version = line.substr(last + 1);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  if (!is_token(method)) return fail(Errc::malformed, "the method has a character that it may not have");
  if (target.empty() || target.front() != '/' || !is_visible(target))
    return fail(Errc::malformed, "the target is not the path of a resource");
  if (!version.starts_with("HTTP/") || !is_visible(version))
    return fail(Errc::malformed, "the request line names no version of HTTP");
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    return fail(Errc::unsupported, "HTTP 1.0 and 1.1 are spoken here");
  HttpRequest request;
  request.method = method;
  const std::size_t question = target.find('?');
  request.path = target.substr(0, question);
  if (question != std::string_view::npos) request.query = target.substr(question + 1);
  request.minor_version = version.back() - '0';
  return request;
}

Result<HttpRequest> parse_head(std::string_view head) {
  const std::size_t line_end = std::min(head.find("\r\n"), head.size());
  auto request = parse_line(head.substr(0, line_end));
  if (!request) return request;
  for (std::size_t at = line_end; at < head.size();) {
    at += 2;
    const std::size_t end = std::min(head.find("\r\n", at), head.size());
    const std::string_view field = head.substr(at, end - at);
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos || !is_token(field.substr(0, colon)) ||
        field.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos)
      return fail(Errc::malformed, "a header field is not NAME: VALUE");
    at = end;
  }
  return request;
}

}  // namespace

bool query_has(std::string_view query, std::string_view name, std::string_view value) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    if (pair.size() == name.size() + 1 + value.size() && pair.starts_with(name) && pair[name.size()] == '=' &&
        pair.ends_with(value))
      return true;
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return false;
}

Result<std::optional<HttpRequest>> HttpRequestReader::feed(std::string_view bytes) {
  const std::size_t looked_at = head_.size() < kEnd.size() ? 0 : head_.size() - kEnd.size() + 1;
  const bool too_much = bytes.size() > kMostBytes - head_.size();
  head_ += bytes.substr(0, kMostBytes - head_.size());
  const std::size_t end = head_.find(kEnd, looked_at);
  if (end != std::string::npos) {
    auto request = parse_head(std::string_view(head_).substr(0, end));
    if (!request) return fail(std::move(request.error()));
    return std::optional(std::move(*request));
  }
  if (too_much || head_.size() == kMostBytes) return fail(Errc::too_large, "a request's head is at most 8 KiB here");
  // Who speaks another protocol is told so before it sends an end that it does not know.
  if (const std::size_t line_end = head_.find("\r\n"); line_end != std::string::npos)
    if (auto line = parse_line(std::string_view(head_).substr(0, line_end)); !line)
      return fail(std::move(line.error()));
  return std::nullopt;
}

}  // namespace sluice::broker
