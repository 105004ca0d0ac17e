// Fuzzes what a Kafka client can send: a byte stream is cut into frames, each frame's header is read, and its body is
// decoded as the request and as the response of its API. What decodes is written again, decoded again, and must then
// give the same bytes. Memory is bounded by libFuzzer's own limit.
#include <algorithm>
#include <cstdint>

#include "protocol/kafka/codec.h"
#include "protocol/kafka/frame.h"
#include "protocol/kafka/messages.h"

namespace sluice::kafka {
namespace {

std::vector<std::byte> body_of(const EncodedFrame& frame, std::size_t header_size) {
  std::vector<std::byte> bytes;
  for (const SharedBytes& piece : frame.pieces) bytes.insert(bytes.end(), piece.data(), piece.data() + piece.size());
  CHECK(bytes.size() == frame.size_bytes);
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(header_size));
  return bytes;
}

template <class Message>
void try_message(const ApiInfo& api, std::int16_t version, ByteSpan body) {
  const Result<Message> message = decode<Message>(body, version);
  if (!message) return;
  const std::size_t header_size = 4 + 4 + static_cast<std::size_t>(response_header_version(api, version));
  const std::vector<std::byte> once = body_of(encode_response(1, version, *message), header_size);
  const Result<Message> again = decode<Message>(once, version);
  CHECK(again, "what the writer wrote can be read");
  CHECK(body_of(encode_response(1, version, *again), header_size) == once);
}

void try_frame(ByteSpan frame) {
  const Result<Request> request = parse_request(frame);
  if (!request) return;
  const ApiInfo* api = find_api(request->header.api_key);
  const std::int16_t version = request->header.api_version;
  if (!api || !api->supports(version)) return;
  visit_messages(api->key, [&](auto messages) {
    using Api = decltype(messages);
    try_message<typename Api::Request>(*api, version, request->body);
    try_message<typename Api::Response>(*api, version, request->body);
  });
}

}  // namespace
}  // namespace sluice::kafka

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  ByteSpan left(reinterpret_cast<const std::byte*>(data), size);
  kafka::FrameReader frames(1 << 20);
  while (!left.empty()) {
    // In pieces, so that frames arrive cut.
    const ByteSpan piece = left.first(std::min<std::size_t>(left.size(), 37));
    left = left.subspan(piece.size());
    frames.feed(piece);
    for (;;) {
      const auto frame = frames.next();
      if (!frame) return 0;
      if (!*frame) break;
      kafka::try_frame(**frame);
    }
  }
  return 0;
}
