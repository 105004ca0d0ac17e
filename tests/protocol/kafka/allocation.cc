// The counting operators new and delete of the test program.
#include "tests/protocol/kafka/allocation.h"

#include <cstdlib>
#include <new>

namespace {
thread_local std::size_t total = 0;
}  // namespace

namespace sluice::kafka::test {
std::size_t allocated_bytes() { return total; }
}  // namespace sluice::kafka::test

void* operator new(std::size_t size) {
  total += size;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  std::abort();
}
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
