#include "broker/listener/kafka_call.h"

#include <fmt/core.h>

#include <algorithm>

namespace sluice::broker {

std::string call_name(kafka::ApiKey api, std::int16_t version) {
  const kafka::ApiInfo* known = kafka::find_api(api);
  if (known) return fmt::format("{} v{}", known->name, version);
  return fmt::format("api {} v{}", static_cast<std::int16_t>(api), version);
}

void KafkaCall::refuse(std::string_view reason) { refuse_text(fmt::format("{}: {}", name(), reason)); }

Millis KafkaCall::bounded_wait(std::int32_t ms) const { return std::clamp(Millis(ms), Millis(0), settings().max_wait); }

}  // namespace sluice::broker
