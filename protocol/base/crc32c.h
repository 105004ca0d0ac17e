// CRC-32C (Castagnoli, RFC 3720 appendix B.4; reflected polynomial 0x82F63B78).
#pragma once

#include <cstdint>

#include "protocol/base/bytes.h"

namespace sluice {

/// The CRC of `bytes`; pass an earlier result as `seed` to continue it over further bytes.
/// crc32c("123456789") == 0xE3069283.
std::uint32_t crc32c(ByteSpan bytes, std::uint32_t seed = 0);

}  // namespace sluice
