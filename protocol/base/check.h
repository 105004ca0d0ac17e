// CHECK guards our own invariants: it stays on in release builds and ends the process when one does
// not hold, because a broker that no longer knows what is true must not acknowledge anything.
// Data that came from a peer or a disk is never CHECKed; it gets a Result (see error.h).
#pragma once

namespace sluice {

/// Prints `file:line: CHECK(condition) failed: message` to stderr and aborts.
[[noreturn]] void check_failed(const char* condition, const char* file, int line, const char* message);

}  // namespace sluice

/// CHECK(condition) or CHECK(condition, "why this always holds"): aborts when condition is false.
#define CHECK(condition, ...) \
  (static_cast<bool>(condition) ? void(0) : ::sluice::check_failed(#condition, __FILE__, __LINE__, "" __VA_ARGS__))
