// Turns a loop until something is so. The limit is there to end a broken test, not to measure anything.
#pragma once

#include <chrono>

#include "broker/net/event_loop.h"

namespace sluice::broker {

template <class Condition>
bool drive_until(EventLoop& loop, Condition condition) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    loop.poll();
  }
  return true;
}

}  // namespace sluice::broker
