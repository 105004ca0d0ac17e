// The little of HTTP/1.1 (RFC 9112) that an operator's GET needs: the head of one request, out of bytes that come in
// pieces. Bodies and everything in the header fields but their form are ignored.
//
//   GET /metrics?partitions=1 HTTP/1.1 CRLF
//   Host: broker:9100 CRLF
//   CRLF
//
// Invariants: keeps at most kMostBytes. Pure. Owner: HttpSession.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/error.h"

namespace sluice::broker {

struct HttpRequest {
  std::string method;
  std::string path;   ///< as it came, without the query
  std::string query;  ///< what stands behind the '?', or nothing
  int minor_version = 1;
};

/// Whether `query` has `name` with `value` among its &-separated pairs. Percent signs are not decoded.
bool query_has(std::string_view query, std::string_view name, std::string_view value);

class HttpRequestReader {
 public:
  static constexpr std::size_t kMostBytes = 8192;

  /// Takes bytes. The request once its head is whole; what comes behind is ignored. Errors: malformed; too_large (no
  /// end of the head within kMostBytes); unsupported (another version of HTTP).
  Result<std::optional<HttpRequest>> feed(std::string_view bytes);

 private:
  std::string head_;
};

}  // namespace sluice::broker
