// What a shard's Kafka listener counts. Owner: KafkaServer; its sessions share it. Thread safety: the shard's thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <utility>

#include "protocol/base/line_budget.h"
#include "protocol/kafka/api.h"
#include "protocol/kafka/error_codes.h"
#include "protocol/kafka/writer.h"

namespace sluice::broker {

struct KafkaStats {
  std::uint64_t connections_opened = 0;
  std::uint64_t connections_failed = 0;   ///< closed by the broker, since the client did what it may not or got stuck
  std::uint64_t connections_refused = 0;  ///< there were too many
  /// Of lines about those that failed. A client that gets it wrong comes back at once, and again.
  LineBudget failure_lines{200, std::chrono::milliseconds(100)};
  std::uint64_t received_bytes = 0, sent_bytes = 0;
  /// Started, by place in kafka::kApis.
  std::array<std::uint64_t, kafka::kApis.size()> requests{};
  /// Error codes that stood in replies. Bounded by what APIs and codes there are.
  std::map<std::pair<kafka::ApiKey, kafka::ErrorCode>, std::uint64_t> errors;

  void started(kafka::ApiKey api) {
    if (const kafka::ApiInfo* known = kafka::find_api(api))
      ++requests[static_cast<std::size_t>(known - kafka::kApis.data())];
  }
  void answered(kafka::ApiKey api, const kafka::EncodedFrame& reply) {
    for (const auto& [code, count] : reply.errors) errors[{api, code}] += count;
  }
};

}  // namespace sluice::broker
