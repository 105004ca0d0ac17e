// DescribeConfigs, AlterConfigs, IncrementalAlterConfigs: settings of topics and nodes (APIs 32, 33, 44). Source:
// Apache Kafka's public message definitions of that name. Owner: protocol/kafka.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/kafka/shared_parts.h"

namespace sluice::kafka {

/// `resource_type` of the three APIs.
enum class ConfigResource : std::int8_t { unknown = 0, topic = 2, broker = 4, broker_logger = 8, group = 32 };
/// `config_operation`: what IncrementalAlterConfigs does with a value.
enum class ConfigOperation : std::int8_t { set = 0, remove = 1, append = 2, subtract = 3 };
/// `config_source`: where a value comes from.
enum class ConfigSource : std::int8_t {
  unknown = 0,
  topic = 1,
  dynamic_broker = 2,
  dynamic_default_broker = 3,
  static_broker = 4,
  default_value = 5,
};

struct DescribeConfigsResource {
  ConfigResource resource_type{};
  std::string_view resource_name;
  std::optional<std::vector<std::string_view>> configuration_keys;  ///< null: all

  template <class A>
  void io(A& a) {
    a(resource_type);
    a(resource_name);
    a(configuration_keys, nullable);
  }
};
struct DescribeConfigsRequest {
  static constexpr ApiKey kApi = ApiKey::describe_configs;
  std::vector<DescribeConfigsResource> resources;
  bool include_synonyms = false;
  bool include_documentation = false;

  template <class A>
  void io(A& a) {
    a(resources);
    a(include_synonyms, since(1));
    a(include_documentation, since(3));
  }
};

struct DescribeConfigsSynonym {
  std::string name;
  std::optional<std::string> value;
  ConfigSource source{};

  template <class A>
  void io(A& a) {
    a(name);
    a(value, nullable);
    a(source);
  }
};
struct DescribedConfig {
  std::string name;
  std::optional<std::string> value;
  bool read_only = false;
  bool is_default = false;         ///< v0, where there is no source
  ConfigSource config_source{-1};  ///< v1
  bool is_sensitive = false;
  std::vector<DescribeConfigsSynonym> synonyms;
  std::int8_t config_type = 0;
  std::optional<std::string> documentation;

  template <class A>
  void io(A& a) {
    a(name);
    a(value, nullable);
    a(read_only);
    a(is_default, until(0));
    a(config_source, since(1));
    a(is_sensitive);
    a(synonyms, since(1));
    a(config_type, since(3));
    a(documentation, since(3), nullable);
  }
};
struct DescribeConfigsResult {
  ErrorCode error_code = ErrorCode::none;
  std::optional<std::string> error_message;
  ConfigResource resource_type{};
  std::string resource_name;
  std::vector<DescribedConfig> configs;

  template <class A>
  void io(A& a) {
    a(error_code);
    a(error_message, nullable);
    a(resource_type);
    a(resource_name);
    a(configs);
  }
};
struct DescribeConfigsResponse {
  static constexpr ApiKey kApi = ApiKey::describe_configs;
  std::int32_t throttle_time_ms = 0;
  std::vector<DescribeConfigsResult> results;

  template <class A>
  void io(A& a) {
    a(throttle_time_ms);
    a(results);
  }
};

struct AlterableConfig {
  std::string_view name;
  std::optional<std::string_view> value;

  template <class A>
  void io(A& a) {
    a(name);
    a(value, nullable);
  }
};
struct AlterConfigsResource {
  ConfigResource resource_type{};
  std::string_view resource_name;
  std::vector<AlterableConfig> configs;

  template <class A>
  void io(A& a) {
    a(resource_type);
    a(resource_name);
    a(configs);
  }
};
struct AlterConfigsRequest {
  static constexpr ApiKey kApi = ApiKey::alter_configs;
  std::vector<AlterConfigsResource> resources;
  bool validate_only = false;

  template <class A>
  void io(A& a) {
    a(resources);
    a(validate_only);
  }
};

struct IncrementalAlterableConfig {
  std::string_view name;
  ConfigOperation config_operation{};
  std::optional<std::string_view> value;

  template <class A>
  void io(A& a) {
    a(name);
    a(config_operation);
    a(value, nullable);
  }
};
struct IncrementalAlterConfigsResource {
  ConfigResource resource_type{};
  std::string_view resource_name;
  std::vector<IncrementalAlterableConfig> configs;

  template <class A>
  void io(A& a) {
    a(resource_type);
    a(resource_name);
    a(configs);
  }
};
struct IncrementalAlterConfigsRequest {
  static constexpr ApiKey kApi = ApiKey::incremental_alter_configs;
  std::vector<IncrementalAlterConfigsResource> resources;
  bool validate_only = false;

  template <class A>
  void io(A& a) {
    a(resources);
    a(validate_only);
  }
};

struct AlterConfigsResourceResponse {
  ErrorCode error_code = ErrorCode::none;
  std::optional<std::string> error_message;
  ConfigResource resource_type{};
  std::string resource_name;

  template <class A>
  void io(A& a) {
    a(error_code);
    a(error_message, nullable);
    a(resource_type);
    a(resource_name);
  }
};
/// The same for both ways to alter.
template <ApiKey Api>
struct AlteredConfigs {
  static constexpr ApiKey kApi = Api;
  std::int32_t throttle_time_ms = 0;
  std::vector<AlterConfigsResourceResponse> responses;

  template <class A>
  void io(A& a) {
    a(throttle_time_ms);
    a(responses);
  }
};
using AlterConfigsResponse = AlteredConfigs<ApiKey::alter_configs>;
using IncrementalAlterConfigsResponse = AlteredConfigs<ApiKey::incremental_alter_configs>;

}  // namespace sluice::kafka
