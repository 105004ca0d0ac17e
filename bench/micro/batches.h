// Record batches for the microbenchmarks. Their values are words with repetitions, so that codecs find something to do.
#pragma once

#include <vector>

#include "protocol/base/record_batch.h"

namespace sluice::bench {

/// Text that compresses about as logs do.
std::vector<std::byte> text_bytes(std::size_t size);
std::vector<std::byte> make_batch(std::size_t records, std::size_t value_bytes, BatchBuilder::Options options = {});

}  // namespace sluice::bench
