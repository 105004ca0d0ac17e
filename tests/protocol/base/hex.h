// Hexadecimal digits to bytes, for tests that hold golden ones. Owner: the tests of protocol/base.
#pragma once

#include <string_view>
#include <vector>

#include "protocol/base/bytes.h"

namespace sluice {

inline std::vector<std::byte> from_hex(std::string_view digits) {
  const auto value = [](char digit) { return digit <= '9' ? digit - '0' : digit - 'a' + 10; };
  CHECK(digits.size() % 2 == 0);
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(value(digits[i]) * 16 + value(digits[i + 1])));
  }
  return bytes;
}

}  // namespace sluice
