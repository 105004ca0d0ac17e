// DescribeConfigs, AlterConfigs, IncrementalAlterConfigs: settings of topics, and the node's own, which can only be
// read.
#include <algorithm>
#include <map>
#include <set>

#include "broker/listener/handlers.h"
#include "protocol/kafka/configs.h"

namespace sluice::broker {

namespace {

using kafka::ConfigOperation;
using kafka::ConfigResource;
using kafka::ConfigSource;
using kafka::ErrorCode;

/// A request of more is closed: replies are many times larger than what asks for them.
constexpr std::size_t kMostResources = 100'000;

struct Refusal {
  ErrorCode code = ErrorCode::none;
  std::string message;
};

using ResourceKey = std::pair<ConfigResource, std::string_view>;
/// How often each resource is named.
using ResourceCounts = std::map<ResourceKey, std::size_t>;
template <class Resource>
ResourceCounts count_resources(const std::vector<Resource>& resources) {
  ResourceCounts counts;
  for (const Resource& resource : resources) ++counts[{resource.resource_type, resource.resource_name}];
  return counts;
}

template <class Resource>
bool is_repeated(const ResourceCounts& counts, const Resource& resource) {
  return counts.at({resource.resource_type, resource.resource_name}) > 1;
}
Refusal repeated() { return {ErrorCode::invalid_request, "the request names this resource twice"}; }
Refusal unknown_type() { return {ErrorCode::invalid_request, "settings are those of topics (2) and brokers (4)"}; }

// ---- DescribeConfigs ----

/// Kafka's numbers for the types of values.
std::int8_t config_type(SettingType type) {
  switch (type) {
    case SettingType::boolean: return 1;
    case SettingType::text: return 2;
    case SettingType::int32: return 3;
    case SettingType::int64: return 5;
    case SettingType::list: return 7;
  }
  return 0;
}

/// One setting in the words of any resource.
struct Described {
  std::string_view name, value, default_value, help;
  SettingType type = SettingType::text;
  bool is_default = true;
  std::string_view also_named;  ///< what it is called where it is set, if not `name`
};

class Describer {
 public:
  explicit Describer(const kafka::DescribeConfigsRequest& request) : request_(request) {}

  bool wanted(const kafka::DescribeConfigsResource& resource, std::string_view name) const {
    if (!resource.configuration_keys || resource.configuration_keys->empty()) return true;
    const auto& keys = *resource.configuration_keys;
    return std::find(keys.begin(), keys.end(), name) != keys.end();
  }
  /// `set_as`: the source of a value that is not the default.
  kafka::DescribedConfig describe(const Described& setting, ConfigSource set_as, bool read_only) const {
    kafka::DescribedConfig config;
    config.name = setting.name;
    config.value = setting.value;
    config.read_only = read_only;
    config.is_default = setting.is_default;
    config.config_source = setting.is_default ? ConfigSource::default_value : set_as;
    config.config_type = config_type(setting.type);
    if (request_.include_documentation) config.documentation = setting.help;
    if (!request_.include_synonyms) return config;
    const std::string_view set_by = setting.also_named.empty() ? setting.name : setting.also_named;
    if (!setting.is_default) config.synonyms.push_back({std::string(set_by), std::string(setting.value), set_as});
    config.synonyms.push_back({std::string(set_by), std::string(setting.default_value), ConfigSource::default_value});
    return config;
  }

 private:
  const kafka::DescribeConfigsRequest& request_;
};

Refusal describe_topic(const BrokerApi& broker, const Describer& describer,
                       const kafka::DescribeConfigsResource& resource, std::vector<kafka::DescribedConfig>& configs) {
  const TopicInfo* const topic = broker.cluster().find(resource.resource_name);
  if (topic == nullptr || topic->phase == TopicPhase::deleting) {
    if (auto legal = check_topic_name(resource.resource_name); !legal)
      return {ErrorCode::invalid_topic, legal.error().message};
    return {ErrorCode::unknown_topic_or_partition, "there is no such topic"};
  }
  for (const TopicSettingText& setting : describe_topic_settings(topic->settings)) {
    if (!describer.wanted(resource, setting.name)) continue;
    configs.push_back(describer.describe(
        {setting.name, setting.value, setting.default_value, setting.help, setting.type, setting.is_default, {}},
        ConfigSource::topic, false));
  }
  return {};
}

Refusal describe_node(const BrokerApi& broker, const Describer& describer,
                      const kafka::DescribeConfigsResource& resource, std::vector<kafka::DescribedConfig>& configs) {
  // The empty name stands for what is set for all brokers while they run: nothing.
  if (resource.resource_name.empty()) return {};
  // One spelling alone: replies are far larger than what asks for them, and what is named twice is refused.
  const std::string self = std::to_string(broker.self().value);
  if (resource.resource_name != self)
    return {ErrorCode::invalid_request, "a broker describes its own settings: this is broker " + self};
  for (const NodeSetting& setting : broker.node_settings()) {
    if (!describer.wanted(resource, setting.name)) continue;
    configs.push_back(describer.describe({setting.name, setting.value, setting.default_value, setting.help,
                                          setting.type, setting.is_default, setting.also_named},
                                         ConfigSource::static_broker, true));
  }
  return {};
}

// ---- AlterConfigs, IncrementalAlterConfigs ----

TopicSettingChange to_internal(const kafka::AlterableConfig& config) {
  TopicSettingChange change;
  change.name = config.name;
  if (config.value) change.value.emplace(*config.value);
  return change;
}
TopicSettingChange to_internal(const kafka::IncrementalAlterableConfig& config) {
  using Operation = TopicSettingChange::Operation;
  TopicSettingChange change;
  change.name = config.name;
  if (config.value) change.value.emplace(*config.value);
  switch (config.config_operation) {
    case ConfigOperation::set: break;
    case ConfigOperation::remove: change.operation = Operation::remove; break;
    case ConfigOperation::append: change.operation = Operation::append; break;
    case ConfigOperation::subtract: change.operation = Operation::subtract; break;
  }
  return change;
}

bool is_known_operation(const kafka::AlterableConfig&) { return true; }
bool is_known_operation(const kafka::IncrementalAlterableConfig& config) {
  return config.config_operation >= ConfigOperation::set && config.config_operation <= ConfigOperation::subtract;
}

/// What is refused whatever topics there are.
template <class Resource>
Refusal refusal_of(const Resource& resource, bool is_repeated) {
  if (is_repeated) return repeated();
  if (resource.resource_type == ConfigResource::broker)
    return {ErrorCode::invalid_config,
            "a broker's settings are read when it starts, and can't be altered while it runs"};
  if (resource.resource_type != ConfigResource::topic) return unknown_type();
  std::set<std::string_view> names;
  for (const auto& config : resource.configs) {
    if (!names.insert(config.name).second)
      return {ErrorCode::invalid_request, "the request names '" + std::string(config.name) + "' twice"};
    if (!is_known_operation(config))
      return {ErrorCode::invalid_request, "an operation is 0 (set), 1 (delete), 2 (append) or 3 (subtract)"};
  }
  return {};
}

template <class Request, class Response>
void alter(CallPtr call, bool replace) {
  const auto request = call->decode<Request>();
  if (!request) return;
  if (request->resources.size() > kMostResources) return call->refuse("it names too many resources");
  const ResourceCounts counts = count_resources(request->resources);
  Response response;
  std::vector<AlterTopicRequest> work;
  for (const auto& resource : request->resources) {
    kafka::AlterConfigsResourceResponse& entry = response.responses.emplace_back();
    entry.resource_type = resource.resource_type;
    entry.resource_name = resource.resource_name;
    Refusal refusal = refusal_of(resource, is_repeated(counts, resource));
    if (refusal.code != ErrorCode::none) {
      entry.error_code = refusal.code;
      entry.error_message = std::move(refusal.message);
      continue;
    }
    AlterTopicRequest& topic = work.emplace_back();
    topic.name = resource.resource_name;
    topic.replace = replace;
    topic.validate_only = request->validate_only;
    for (const auto& config : resource.configs) topic.changes.push_back(to_internal(config));
  }
  if (work.empty()) return call->reply(response);
  const Millis timeout = call->settings().alter_timeout;
  BrokerApi& broker = call->broker();
  broker.alter_topics(
      std::move(work), timeout,
      [call = std::move(call), response = std::move(response)](std::vector<Result<void>> results) mutable {
        std::size_t next = 0;
        for (kafka::AlterConfigsResourceResponse& entry : response.responses) {
          if (entry.error_code != ErrorCode::none) continue;
          CHECK(next < results.size(), "one result a topic");
          const Result<void>& result = results[next++];
          if (result) continue;
          entry.error_code = call->code(result.error());
          entry.error_message = result.error().message;
        }
        call->reply(response);
      });
}

}  // namespace

void handle_describe_configs(CallPtr call) {
  const auto request = call->decode<kafka::DescribeConfigsRequest>();
  if (!request) return;
  if (request->resources.size() > kMostResources) return call->refuse("it names too many resources");
  const BrokerApi& broker = call->broker();
  const Describer describer(*request);
  const ResourceCounts counts = count_resources(request->resources);
  kafka::DescribeConfigsResponse response;
  for (const kafka::DescribeConfigsResource& resource : request->resources) {
    kafka::DescribeConfigsResult& entry = response.results.emplace_back();
    entry.resource_type = resource.resource_type;
    entry.resource_name = resource.resource_name;
    const Refusal refusal =
        is_repeated(counts, resource)                      ? repeated()
        : resource.resource_type == ConfigResource::topic  ? describe_topic(broker, describer, resource, entry.configs)
        : resource.resource_type == ConfigResource::broker ? describe_node(broker, describer, resource, entry.configs)
                                                           : unknown_type();
    entry.error_code = refusal.code;
    if (refusal.code != ErrorCode::none) entry.error_message = refusal.message;
  }
  call->reply(response);
}

void handle_alter_configs(CallPtr call) {
  alter<kafka::AlterConfigsRequest, kafka::AlterConfigsResponse>(std::move(call), true);
}

void handle_incremental_alter_configs(CallPtr call) {
  alter<kafka::IncrementalAlterConfigsRequest, kafka::IncrementalAlterConfigsResponse>(std::move(call), false);
}

}  // namespace sluice::broker
