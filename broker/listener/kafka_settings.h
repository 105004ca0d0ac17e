// What bounds a shard's Kafka listener and each of its connections. Owner: broker/listener.
#pragma once

#include <cstddef>

#include "broker/listener/fetch_sessions.h"
#include "protocol/base/clock.h"

namespace sluice::broker {

struct KafkaSettings {
  std::size_t max_request_bytes = 64U << 20;  ///< kafka.max_request_bytes
  std::size_t max_connections = 10'000;       ///< where there is no ConnectionLimit of the node

  // Memory of all connections together. Past it what grows waits until something was answered or taken.
  std::size_t max_requests_memory = 64U << 20;  ///< receive buffers, and requests until they are answered
  std::size_t max_replies_memory = 32U << 20;   ///< replies that clients have not taken yet
  /// For a request to go on coming, and a reply to go on being taken, while others wait for their memory.
  Nanos stalled_under_pressure = std::chrono::seconds(1);
  Nanos pressed_sweep_interval = std::chrono::milliseconds(250);  ///< how often that is looked at then

  // A connection. Past any of these no request is started and nothing is read until some are answered.
  std::size_t max_requests_in_progress = 64;
  std::size_t max_bytes_in_progress = 16U << 20;  ///< of requests; one alone may be larger
  std::size_t max_output_bytes = 8U << 20;        ///< of replies that the client has not taken yet
  /// What one Fetch may bring back, however much the client asks for (a first batch may be larger).
  std::size_t max_fetch_bytes = 16U << 20;

  FetchSessionLimits fetch_sessions = {};  ///< of a shard

  Nanos idle_timeout = std::chrono::minutes(10);   ///< without a request under way; also for a reply that is not taken
  Nanos frame_timeout = std::chrono::seconds(60);  ///< for a whole request, and a second more for each 64 KiB of it
  Nanos sweep_interval = std::chrono::seconds(5);  ///< how often these two are looked at
  Millis max_wait{5 * 60 * 1000};                  ///< bound on waits and time-outs that clients choose
  Millis alter_timeout{30'000};                    ///< for AlterConfigs, which carries none of its own
  Millis auto_create_timeout{2000};                ///< how long Metadata waits for topics that it creates
};

}  // namespace sluice::broker
