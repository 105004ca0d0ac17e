// Whole messages <-> bytes. A message type names its API (`kApi`); the table in api.h says from which version on it is
// flexible. Decoded messages hold views into the frame; encoded ones are gather lists (see writer.h).
// Owner: protocol/kafka.
#pragma once

#include <fmt/core.h>

#include "protocol/kafka/api.h"
#include "protocol/kafka/headers.h"
#include "protocol/kafka/reader.h"
#include "protocol/kafka/writer.h"

namespace sluice::kafka {

/// Reads a message's body. With an `owner` the `Records` in it keep the frame alive; all other views live as long as
/// `body`. The version must be one of the API's range: the caller has looked.
/// Errors: malformed, naming the byte within the body.
template <class Message>
Result<Message> decode(ByteSpan body, std::int16_t version, DecodeLimits limits = {},
                       std::shared_ptr<const void> owner = nullptr) {
  const ApiInfo& api = api_info(Message::kApi);
  CHECK(api.supports(version), "versions are checked before a body is decoded");
  Reader reader(body, version, api.flexible(version), limits, std::move(owner));
  Message message;
  reader.value(message);
  if (!reader.failed()) return message;
  return fail(fmt::format("{} v{}", api.name, version), reader.error());
}

/// Writes a whole response frame: length, response header, body.
template <class Response>
EncodedFrame encode_response(std::int32_t correlation_id, std::int16_t version, const Response& response) {
  const ApiInfo& api = api_info(Response::kApi);
  CHECK(api.supports(version));
  const ResponseHeader header{correlation_id, response_header_version(api, version)};
  const auto emit = [&](auto& sink) {
    write_response_header(sink, header);
    Emitter(sink, version, api.flexible(version)).value(response);
  };
  return detail::encode_frame(emit);
}

/// Writes a whole request frame, as clients and tests do: length, request header, body.
template <class Request>
EncodedFrame encode_request(std::int32_t correlation_id, std::optional<std::string_view> client_id,
                            std::int16_t version, const Request& request) {
  const ApiInfo& api = api_info(Request::kApi);
  CHECK(api.supports(version));
  const RequestHeader header{api.key, version, correlation_id, client_id};
  const auto emit = [&](auto& sink) {
    write_request_header(sink, header);
    Emitter(sink, version, api.flexible(version)).value(request);
  };
  return detail::encode_frame(emit);
}

}  // namespace sluice::kafka
