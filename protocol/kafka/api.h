// The Kafka APIs that Sluice speaks: one constexpr table drives dispatch, header versions and what ApiVersions tells.
// Invariants: the table ascends by key; a range is advertised only when it is served, and every advertised
// (API, version) is covered by bytes that foreign code made (tests/protocol/kafka/foreign).
// Owner: protocol/kafka. Source of the numbers: the public message definitions of Apache Kafka.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sluice::kafka {

enum class ApiKey : std::int16_t {
  produce = 0,
  fetch = 1,
  list_offsets = 2,
  metadata = 3,
  find_coordinator = 10,
  api_versions = 18,
  create_topics = 19,
  delete_topics = 20,
  delete_records = 21,
  init_producer_id = 22,
  offset_for_leader_epoch = 23,
  describe_configs = 32,
  alter_configs = 33,
  describe_log_dirs = 35,
  create_partitions = 37,
  incremental_alter_configs = 44,
  describe_cluster = 60,
};

/// What is known of one API. `min` to `max` are the versions that our messages can express.
struct ApiInfo {
  ApiKey key;
  std::int16_t min;
  std::int16_t max;
  std::int16_t first_flexible;  ///< from here on: compact lengths, tagged fields, request header v2
  std::string_view name;
  bool served;  ///< false: the codec is there, a service is not; such an API is not advertised

  constexpr bool supports(std::int16_t version) const { return version >= min && version <= max; }
  constexpr bool flexible(std::int16_t version) const { return version >= first_flexible; }
};

inline constexpr std::array kApis = {
    ApiInfo{ApiKey::produce, 0, 11, 9, "Produce", true},  // 0-2 are only advertised: see kFirstServedProduceVersion
    ApiInfo{ApiKey::fetch, 4, 16, 12, "Fetch", true},
    ApiInfo{ApiKey::list_offsets, 1, 8, 6, "ListOffsets", true},
    ApiInfo{ApiKey::metadata, 0, 12, 9, "Metadata", true},
    ApiInfo{ApiKey::find_coordinator, 0, 6, 3, "FindCoordinator", true},
    ApiInfo{ApiKey::api_versions, 0, 4, 3, "ApiVersions", true},
    ApiInfo{ApiKey::create_topics, 2, 7, 5, "CreateTopics", true},
    ApiInfo{ApiKey::delete_topics, 1, 6, 4, "DeleteTopics", true},
    ApiInfo{ApiKey::delete_records, 0, 2, 2, "DeleteRecords", true},
    ApiInfo{ApiKey::init_producer_id, 0, 5, 2, "InitProducerId", true},
    ApiInfo{ApiKey::offset_for_leader_epoch, 2, 4, 4, "OffsetForLeaderEpoch", true},
    ApiInfo{ApiKey::describe_configs, 0, 4, 4, "DescribeConfigs", true},
    ApiInfo{ApiKey::alter_configs, 0, 2, 2, "AlterConfigs", true},
    ApiInfo{ApiKey::describe_log_dirs, 1, 4, 2, "DescribeLogDirs", true},
    ApiInfo{ApiKey::create_partitions, 0, 3, 2, "CreatePartitions", true},
    ApiInfo{ApiKey::incremental_alter_configs, 0, 1, 1, "IncrementalAlterConfigs", true},
    ApiInfo{ApiKey::describe_cluster, 0, 2, 0, "DescribeCluster", true},
};

/// Produce below 3 carries message formats that Sluice does not store, and is answered with `unsupported_version` for
/// every partition. It is advertised all the same: librdkafka before 2.11.1 turns compression off when it is missing.
inline constexpr std::int16_t kFirstServedProduceVersion = 3;

namespace detail {
constexpr bool ascends_by_key() {
  for (std::size_t i = 1; i < kApis.size(); ++i) {
    if (kApis[i - 1].key >= kApis[i].key) return false;
  }
  return true;
}
}  // namespace detail
static_assert(detail::ascends_by_key());

/// The API of that key, or nullptr when its messages are not known here.
constexpr const ApiInfo* find_api(ApiKey key) {
  for (const ApiInfo& api : kApis) {
    if (api.key == key) return &api;
  }
  return nullptr;
}
/// Like find_api, for a key that is known to be in the table.
constexpr const ApiInfo& api_info(ApiKey key) { return *find_api(key); }

}  // namespace sluice::kafka
