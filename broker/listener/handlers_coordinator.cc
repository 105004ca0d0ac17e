// FindCoordinator. There are no consumer groups and no transactions yet; the API is here because librdkafka turns LZ4
// off in brokers that lack it. A group's coordinator is 'not available', which clients retry in silence: librdkafka's
// looks for one as soon as it has a group id, though it may only ever assign. A transactional producer can do nothing
// at all without one, so it is told what its client takes as final: nobody may use a transactional id here.
#include "broker/listener/handlers.h"
#include "protocol/kafka/find_coordinator.h"

namespace sluice::broker {

namespace {

enum KeyType : std::int8_t { kGroup = 0, kTransaction = 1 };

struct Refusal {
  kafka::ErrorCode code;
  std::string_view message;
};
Refusal refusal_of(std::int8_t key_type) {
  using kafka::ErrorCode;
  if (key_type == kGroup) return {ErrorCode::coordinator_not_available, "there are no consumer groups on this broker"};
  if (key_type == kTransaction)
    return {ErrorCode::transactional_id_authorization_failed, "transactions are not supported by this broker"};
  return {ErrorCode::invalid_request, "unknown key type"};
}

}  // namespace

void handle_find_coordinator(CallPtr call) {
  const auto request = call->decode<kafka::FindCoordinatorRequest>();
  if (!request) return;
  const auto [code, message] = refusal_of(request->key_type);

  kafka::FindCoordinatorResponse response;
  response.error_code = code;
  response.error_message.emplace(message);
  if (call->version() >= 4) {
    for (const std::string_view key : request->coordinator_keys) {
      kafka::Coordinator& coordinator = response.coordinators.emplace_back();
      coordinator.key = key;
      coordinator.error_code = code;
      coordinator.error_message.emplace(message);
    }
  }
  call->reply(response);
}

}  // namespace sluice::broker
