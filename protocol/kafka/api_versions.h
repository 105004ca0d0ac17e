// ApiVersions: what this broker speaks (API 18), the first thing that most clients ask. Source: Apache Kafka's public
// ApiVersionsRequest and ApiVersionsResponse.
// Owner: protocol/kafka.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/kafka/shared_parts.h"

namespace sluice::kafka {

struct ApiVersionsRequest {
  static constexpr ApiKey kApi = ApiKey::api_versions;
  std::string_view client_software_name;
  std::string_view client_software_version;

  template <class A>
  void io(A& a) {
    a(client_software_name, since(3));
    a(client_software_version, since(3));
  }
};

struct ApiVersion {
  ApiKey api_key{};
  std::int16_t min_version = 0;
  std::int16_t max_version = 0;

  template <class A>
  void io(A& a) {
    a(api_key);
    a(min_version);
    a(max_version);
  }
};
struct SupportedFeature {
  std::string name;
  std::int16_t min_version = 0;
  std::int16_t max_version = 0;

  friend bool operator==(const SupportedFeature&, const SupportedFeature&) = default;
  template <class A>
  void io(A& a) {
    a(name);
    a(min_version);
    a(max_version);
  }
};
struct FinalizedFeature {
  std::string name;
  std::int16_t max_version_level = 0;
  std::int16_t min_version_level = 0;

  friend bool operator==(const FinalizedFeature&, const FinalizedFeature&) = default;
  template <class A>
  void io(A& a) {
    a(name);
    a(max_version_level);
    a(min_version_level);
  }
};
struct ApiVersionsResponse {
  static constexpr ApiKey kApi = ApiKey::api_versions;
  ErrorCode error_code = ErrorCode::none;
  std::vector<ApiVersion> api_keys;
  std::int32_t throttle_time_ms = 0;
  std::vector<SupportedFeature> supported_features;
  std::int64_t finalized_features_epoch = -1;  ///< -1: unknown, and then without finalized features
  std::vector<FinalizedFeature> finalized_features;
  bool zk_migration_ready = false;

  template <class A>
  void io(A& a) {
    a(error_code);
    a(api_keys);
    a(throttle_time_ms, since(1));
    a(supported_features, since(3), tagged<0>);
    a(finalized_features_epoch, since(3), tagged<1>, omit_if(-1));
    a(finalized_features, since(3), tagged<2>);
    a(zk_migration_ready, since(3), tagged<3>);
  }
};

/// An answer to ApiVersions, and the version in which to encode it.
struct ApiVersionsAnswer {
  std::int16_t version = 0;
  ApiVersionsResponse response;
};
/// The answer to a request of that version: every served API of the table. A version that is not known here is answered
/// in v0 with `unsupported_version` and the keys filled in, so that the client can come back with one that is.
ApiVersionsAnswer answer_api_versions(std::int16_t requested_version);

}  // namespace sluice::kafka
