// The answer to ApiVersions, made from the table.
#include "protocol/kafka/api_versions.h"

namespace sluice::kafka {

ApiVersionsAnswer answer_api_versions(std::int16_t requested_version) {
  ApiVersionsAnswer answer;
  if (api_info(ApiKey::api_versions).supports(requested_version)) {
    answer.version = requested_version;
  } else {
    answer.response.error_code = ErrorCode::unsupported_version;
  }
  for (const ApiInfo& api : kApis) {
    if (api.served) answer.response.api_keys.push_back({api.key, api.min, api.max});
  }
  return answer;
}

}  // namespace sluice::kafka
