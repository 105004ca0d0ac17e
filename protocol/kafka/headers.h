// Request and response headers, and the length before them.
//
//   request:  i32 length | i16 api key | i16 version | i32 correlation id | nullable string client id | v2: tagged
//   fields response: i32 length | i32 correlation id | v1: tagged fields
//
// Request header v2 and response header v1 go exactly with the flexible versions of an API, with two exceptions: the
// client id keeps its classic length, and ApiVersions is always answered under header v0, since the client that asks
// does not know yet what the broker understands.
// Owner: protocol/kafka.
#pragma once

#include <optional>
#include <string_view>

#include "protocol/base/error.h"
#include "protocol/kafka/api.h"
#include "protocol/kafka/writer.h"

namespace sluice::kafka {

struct RequestHeader {
  ApiKey api_key{};  ///< as sent: it may be one that find_api does not know
  std::int16_t api_version = 0;
  std::int32_t correlation_id = 0;
  std::optional<std::string_view> client_id;  ///< a view into the frame
};

struct Request {
  RequestHeader header;
  ByteSpan body;  ///< a view into the frame
};

/// Splits a frame (without its length) into header and body. An unknown API or version is no error here: the header's
/// first three fields are the same in all of them; the body of an unknown API begins where a v1 header would end.
/// Errors: malformed.
Result<Request> parse_request(ByteSpan frame);

struct ResponseHeader {
  std::int32_t correlation_id = 0;
  int version = 0;
};

/// Which header a response of that version has: 0 or 1.
constexpr int response_header_version(const ApiInfo& api, std::int16_t version) {
  return api.key != ApiKey::api_versions && api.flexible(version) ? 1 : 0;
}

template <class Sink>
void write_response_header(Sink& sink, const ResponseHeader& header) {
  Emitter<Sink> a(sink, 0, false);
  a.number(header.correlation_id);
  if (header.version > 0) a.varint(0);
}

template <class Sink>
void write_request_header(Sink& sink, const RequestHeader& header) {
  Emitter<Sink> a(sink, 0, false);
  a.value(header.api_key);
  a.number(header.api_version);
  a.number(header.correlation_id);
  a.value(header.client_id);
  const ApiInfo* api = find_api(header.api_key);
  if (api && api->flexible(header.api_version)) a.varint(0);
}

namespace detail {

/// Runs `emit` twice, to count and to write, and puts the length in front.
template <class Emit>
EncodedFrame encode_frame(const Emit& emit) {
  CountingSink size;
  emit(size);
  CHECK(size.total() < std::numeric_limits<std::int32_t>::max(), "responses are bounded far below 2 GiB");
  FillingSink filled(sizeof(std::int32_t) + size.copied());
  Writer(filled, 0, false).number(static_cast<std::int32_t>(size.total()));
  emit(filled);
  EncodedFrame frame = filled.finish();
  frame.errors = size.take_errors();
  return frame;
}

}  // namespace detail

}  // namespace sluice::kafka
