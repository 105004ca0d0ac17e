// Kafka's frames: a length, a big-endian int32 that counts what is behind it, then a request or a reply.
#pragma once

#include "protocol/base/frame_reader.h"

namespace sluice::kafka {

/// The length rule of Kafka's frames. Errors: malformed (negative), too_large; the message guesses where somebody
/// speaks another protocol.
Result<std::size_t> frame_length(const std::byte* field, std::size_t max_frame_bytes);

class FrameReader : public sluice::FrameReader {
 public:
  explicit FrameReader(std::size_t max_frame_bytes) : sluice::FrameReader(frame_length, max_frame_bytes) {}
};

}  // namespace sluice::kafka
