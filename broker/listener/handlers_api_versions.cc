// ApiVersions: what this broker speaks.
#include "broker/listener/handlers.h"
#include "protocol/kafka/api_versions.h"

namespace sluice::broker {

void handle_api_versions(CallPtr call) {
  const kafka::ApiVersionsAnswer answer = kafka::answer_api_versions(call->version());
  // The body of a version that is not known can't be read, and need not be.
  if (answer.response.error_code == kafka::ErrorCode::none && !call->decode<kafka::ApiVersionsRequest>()) return;
  call->reply(answer.response, answer.version);
}

}  // namespace sluice::broker
