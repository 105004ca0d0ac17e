// The counting operators new and delete of a test program.
#include "tests/protocol/base/counted_memory.h"

#include <cstdlib>
#include <new>

namespace {
thread_local std::size_t calls = 0;
thread_local std::size_t bytes = 0;
}  // namespace

namespace sluice {
std::size_t allocations() { return calls; }
std::size_t allocated_bytes() { return bytes; }
}  // namespace sluice

void* operator new(std::size_t size) {
  ++calls;
  bytes += size;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  std::abort();
}
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
