// Fuzzes the reader of HTTP requests: any bytes in any pieces are taken or refused, what it keeps is bounded, and where
// the pieces end makes no difference to what is taken.
// Input: a byte that says how long pieces are, then what a client sends.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "broker/listener/http_request.h"

namespace {

using sluice::Result;
using sluice::broker::HttpRequest;
using sluice::broker::HttpRequestReader;

/// Ends with the first answer.
Result<std::optional<HttpRequest>> read(std::string_view text, std::size_t piece) {
  HttpRequestReader reader;
  Result<std::optional<HttpRequest>> answer;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    answer = reader.feed(text.substr(at, piece));
    if (!answer || *answer) break;
  }
  return answer;
}

void check(const HttpRequest& request) {
  if (request.method.empty() || request.path.empty() || request.path.front() != '/') std::abort();
  if (request.minor_version != 0 && request.minor_version != 1) std::abort();
  if (request.method.size() + request.path.size() + request.query.size() > HttpRequestReader::kMostBytes) std::abort();
  static_cast<void>(sluice::broker::query_has(request.query, "partitions", "1"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = read(text, text.size());
  const auto pieces = read(text, std::size_t{1} + data[0]);
  if (whole && *whole) check(**whole);
  if (whole.has_value() != pieces.has_value()) std::abort();
  if (!whole) return 0;
  if (whole->has_value() != pieces->has_value()) std::abort();
  if (*whole && ((*whole)->path != (*pieces)->path || (*whole)->query != (*pieces)->query)) std::abort();
  return 0;
}
