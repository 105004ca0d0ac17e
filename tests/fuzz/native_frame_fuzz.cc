// Fuzzes what a native client or a node can send: a byte stream is cut into frames, and each is taken apart as far as
// that goes without a connection: prefix, header of its kind, parts, positions, patterns. Memory is bounded by
// libFuzzer's limit.
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cstdint>

#include "tests/protocol/native/take_apart.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  google::protobuf::SetLogHandler(nullptr);  // it tells of every text that is not UTF-8
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  ByteSpan left(reinterpret_cast<const std::byte*>(data), size);
  native::FrameReader frames(1 << 20);
  while (!left.empty()) {
    // In pieces, so that frames arrive cut.
    const ByteSpan piece = left.first(std::min<std::size_t>(left.size(), 37));
    left = left.subspan(piece.size());
    frames.feed(piece);
    for (;;) {
      const auto frame = frames.next();
      if (!frame) return 0;
      if (!*frame) break;
      native::take_apart(**frame);
    }
  }
  return 0;
}
