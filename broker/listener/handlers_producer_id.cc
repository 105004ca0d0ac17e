// InitProducerId: the identity of an idempotent producer. Transactions do not exist here.
#include "broker/listener/handlers.h"
#include "protocol/kafka/init_producer_id.h"

namespace sluice::broker {

namespace {
constexpr Millis kTimeout{10'000};  // the request carries none of its own
}

void handle_init_producer_id(CallPtr call) {
  const auto request = call->decode<kafka::InitProducerIdRequest>();
  if (!request) return;
  const bool has_id = request->producer_id.value >= 0;
  if (request->transactional_id || has_id != (request->producer_epoch >= 0)) {
    kafka::InitProducerIdResponse response;
    response.error_code = kafka::ErrorCode::invalid_request;
    call->reply(response);
    return;
  }
  std::optional<ProducerIdentity> current;
  if (has_id) current = ProducerIdentity{request->producer_id, request->producer_epoch};
  BrokerApi& broker = call->broker();
  broker.init_producer_id(current, kTimeout, [call = std::move(call)](Result<ProducerIdentity> identity) {
    kafka::InitProducerIdResponse response;
    if (identity) {
      response.producer_id = identity->id;
      response.producer_epoch = identity->epoch;
    } else {
      response.error_code = call->code(identity.error());
    }
    call->reply(response);
  });
}

}  // namespace sluice::broker
