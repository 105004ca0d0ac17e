// For tests: a gather list as one run of bytes.
// Owner: tests/protocol/kafka.
#pragma once

#include <vector>

#include "protocol/base/bytes.h"

namespace sluice::kafka::test {

inline std::vector<std::byte> flatten(const std::vector<SharedBytes>& pieces) {
  std::vector<std::byte> bytes;
  for (const SharedBytes& piece : pieces) bytes.insert(bytes.end(), piece.data(), piece.data() + piece.size());
  return bytes;
}

}  // namespace sluice::kafka::test
