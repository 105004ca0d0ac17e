// What the services of a shard count of requests that came in there, whichever listener they came from.
// Owner: ServiceContext. Thread safety: the shard's thread.
#pragma once

#include <cstdint>

#include "protocol/base/histogram.h"

namespace sluice::broker {

struct ServiceStats {
  Histogram produce_ns;  ///< from the request to its answer, by the loop's clock
  Histogram fetch_ns;    ///< of reading alone, once for each round of a fetch: waiting for records is not in it
  std::uint64_t fetched_bytes = 0;
};

}  // namespace sluice::broker
