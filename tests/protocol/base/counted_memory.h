// For tests: what this thread asked operator new for. The counting operators are in counted_memory.cc and hold for the
// whole test program. Owner: the tests of protocol.
#pragma once

#include <cstddef>

namespace sluice {

/// Calls and bytes so far; freeing does not lower them.
std::size_t allocations();
std::size_t allocated_bytes();

}  // namespace sluice
