// For tests: the bytes of a gather list in one vector.
#pragma once

#include <vector>

#include "protocol/base/bytes.h"

namespace sluice::native {

inline std::vector<std::byte> flatten(const std::vector<SharedBytes>& pieces) {
  std::vector<std::byte> bytes;
  for (const SharedBytes& piece : pieces) bytes.insert(bytes.end(), piece.data(), piece.data() + piece.size());
  return bytes;
}

}  // namespace sluice::native
