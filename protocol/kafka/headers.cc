// Decoding of request headers.
#include "protocol/kafka/headers.h"

#include "protocol/kafka/reader.h"

namespace sluice::kafka {
namespace {

/// The tagged fields of request header v2 come on their own: what stands before them is classic.
struct HeaderTags {
  template <class A>
  void io(A&) {}
};

}  // namespace

Result<Request> parse_request(ByteSpan frame) {
  Request request;
  RequestHeader& header = request.header;
  Reader classic(frame, 0, false);
  classic(header.api_key);
  classic(header.api_version);
  classic(header.correlation_id);
  classic(header.client_id, nullable);
  if (classic.failed()) return fail("request header", classic.error());
  request.body = frame.subspan(classic.position());
  const ApiInfo* api = find_api(header.api_key);
  if (api && api->flexible(header.api_version)) {
    Reader tagged_section(request.body, header.api_version, true);
    HeaderTags tags;
    tagged_section.value(tags);
    if (tagged_section.failed()) return fail("request header's tagged fields", tagged_section.error());
    request.body = request.body.subspan(tagged_section.position());
  }
  return request;
}

}  // namespace sluice::kafka
