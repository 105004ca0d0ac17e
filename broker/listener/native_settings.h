// What bounds a shard's native listener and each of its connections. Owner: broker/listener.
#pragma once

#include <cstddef>
#include <string>

#include "broker/listener/connection.h"
#include "protocol/native/frame.h"

namespace sluice::broker {

struct NativeSettings {
  std::string software = "sluiced";  ///< told in WELCOME
  std::size_t max_frame_bytes = native::kDefaultMaxFrameBytes;
  std::size_t max_header_bytes = native::kMaxClientHeaderBytes;
  std::size_t max_connections = 10'000;  ///< where there is no ConnectionLimit of the node

  // A connection. Past any of these no frame is started and nothing is read until something was answered or taken.
  std::size_t max_requests_in_flight = 256;
  std::size_t most_publish_window_bytes = 16U << 20;  ///< of requests under way; one alone may be larger
  std::size_t least_publish_window_bytes = 256U << 10;
  std::size_t publish_memory = 64U << 20;  ///< what the windows of all connections share
  std::size_t max_output_bytes = 8U << 20;

  ConnectionLimits limits = {.idle_timeout = std::chrono::minutes(2)};
  Nanos sweep_interval = std::chrono::seconds(5);
  Millis usual_timeout{30'000};    ///< where a request says none
  Millis most_timeout{3'600'000};  ///< bound on what clients choose
  Millis drain_grace{5'000};       ///< told in GOAWAY
};

}  // namespace sluice::broker
