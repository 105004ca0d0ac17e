// FindCoordinator. There are no consumer groups and no transactions yet; the API is here because librdkafka turns LZ4
// off in brokers that lack it.
#include "broker/listener/handlers.h"
#include "protocol/kafka/find_coordinator.h"

namespace sluice::broker {

namespace {
constexpr int kLastKeyType = 1;  // 0 group, 1 transaction
}

void handle_find_coordinator(CallPtr call) {
  const auto request = call->decode<kafka::FindCoordinatorRequest>();
  if (!request) return;
  const bool known_type = request->key_type >= 0 && request->key_type <= kLastKeyType;
  const auto code = known_type ? kafka::ErrorCode::coordinator_not_available : kafka::ErrorCode::invalid_request;
  const std::string message = known_type ? "no coordinator is available on this broker" : "unknown key type";

  kafka::FindCoordinatorResponse response;
  response.error_code = code;
  response.error_message = message;
  if (call->version() >= 4) {
    for (const std::string_view key : request->coordinator_keys) {
      kafka::Coordinator& coordinator = response.coordinators.emplace_back();
      coordinator.key = key;
      coordinator.error_code = code;
      coordinator.error_message = message;
    }
  }
  call->reply(response);
}

}  // namespace sluice::broker
