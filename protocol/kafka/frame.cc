// See frame.h.
#include "protocol/kafka/frame.h"

#include <fmt/core.h>

namespace sluice::kafka {
namespace {

/// People point browsers and TLS clients at this port; what they send first reads as a huge length.
std::string_view guess(std::uint32_t length) {
  if (length >> 8 == 0x160301 || length >> 8 == 0x160303) return " (this looks like TLS on a plaintext listener)";
  if (length == 0x47455420 || length == 0x504f5354 || length == 0x48454144 || length == 0x50555420) {
    return " (this looks like HTTP)";
  }
  return "";
}

}  // namespace

Result<std::size_t> frame_length(const std::byte* field, std::size_t max_frame_bytes) {
  const auto length = load_be<std::int32_t>(field);
  if (length < 0) return fail(Errc::malformed, fmt::format("a request claims {} bytes", length));
  const auto size = static_cast<std::size_t>(length);
  if (size > max_frame_bytes) {
    return fail(Errc::too_large, fmt::format("a request claims {} bytes and {} are allowed{}", size, max_frame_bytes,
                                             guess(static_cast<std::uint32_t>(length))));
  }
  return size;
}

}  // namespace sluice::kafka
