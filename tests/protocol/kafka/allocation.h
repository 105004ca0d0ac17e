// For tests: how many bytes this thread asked operator new for. The counting operators are in allocation.cc and hold
// for the whole test program. Owner: tests/protocol/kafka.
#pragma once

#include <cstddef>

namespace sluice::kafka::test {

/// Bytes allocated by this thread so far; freeing does not lower it.
std::size_t allocated_bytes();

}  // namespace sluice::kafka::test
