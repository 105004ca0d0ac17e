// The four codecs of Kafka's record batches. Snappy comes raw (librdkafka) or in xerial's framing (Java):
// both are read, xerial's is written. Contexts are kept for each thread and reused.
#pragma once

#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/error.h"
#include "protocol/base/record_batch.h"

namespace sluice {

/// Errors: internal (the library refused).
Result<std::vector<std::byte>> compress(Codec codec, ByteSpan plain);
/// Decompresses into `out` (replaced). Never allocates more than `max_bytes` however much the input claims.
/// Errors: corrupt, too_large (more than `max_bytes`), unsupported (codec).
Result<void> decompress(Codec codec, ByteSpan compressed, std::size_t max_bytes, std::vector<std::byte>& out);

}  // namespace sluice
