// For tests: the foreign vectors of tests/protocol/kafka/foreign, read from their files.
// Owner: tests/protocol/kafka.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/kafka/api.h"

namespace sluice::kafka::test {

/// One frame (without its length) that foreign code wrote, and what its fields are.
struct Vector {
  bool is_request = false;
  ApiKey key{};
  std::int16_t version = 0;
  std::string variant;
  std::vector<std::byte> frame;
  std::map<std::string, std::string> values;  ///< `topics[0].name` -> what stands there

  /// "request Fetch v12 full", for messages.
  std::string name() const;
};

/// All vectors of all files, read once.
const std::vector<Vector>& foreign_vectors();

std::vector<std::byte> from_hex(std::string_view hex);
std::string to_hex(std::span<const std::byte> bytes);

}  // namespace sluice::kafka::test
