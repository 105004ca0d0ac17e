// CreateTopics and DeleteTopics.
#include <map>
#include <set>

#include "broker/listener/handlers.h"
#include "protocol/kafka/configs.h"
#include "protocol/kafka/create_topics.h"
#include "protocol/kafka/delete_topics.h"

namespace sluice::broker {

namespace {

using kafka::ErrorCode;

struct Refusal {
  ErrorCode code = ErrorCode::none;
  std::string message;
};

/// Partitions assigned by hand must be 0, 1, 2 ... with replicas each.
bool is_whole(const std::vector<kafka::CreatableReplicaAssignment>& assignments) {
  std::set<std::int32_t> seen;
  for (const kafka::CreatableReplicaAssignment& assignment : assignments) {
    const std::set<NodeId> nodes(assignment.broker_ids.begin(), assignment.broker_ids.end());
    if (nodes.empty() || nodes.size() != assignment.broker_ids.size()) return false;
    seen.insert(assignment.partition_index.value);
  }
  return seen.size() == assignments.size() && *seen.begin() == 0 &&
         *seen.rbegin() == static_cast<std::int32_t>(seen.size()) - 1;
}

/// The shapes that the protocol forbids. Counts are the service's to judge.
Refusal refusal_of(const kafka::CreatableTopic& topic, bool repeated) {
  if (repeated) return {ErrorCode::invalid_request, "the request names this topic twice"};
  if (topic.assignments.empty()) return {};
  if (topic.num_partitions != -1 || topic.replication_factor != -1) {
    return {ErrorCode::invalid_request, "with an assignment, partitions and replication factor must be -1"};
  }
  if (!is_whole(topic.assignments)) {
    return {ErrorCode::invalid_replica_assignment, "an assignment names partitions 0, 1, 2 ... with distinct replicas"};
  }
  return {};
}

CreateTopicRequest to_internal(const kafka::CreatableTopic& topic, bool validate_only) {
  CreateTopicRequest work;
  work.name = topic.name;
  work.partitions = topic.num_partitions;
  work.replication_factor = topic.replication_factor;
  work.validate_only = validate_only;
  for (const kafka::CreatableReplicaAssignment& assignment : topic.assignments) {
    auto& [partition, nodes] = work.assignments.emplace_back();
    partition = assignment.partition_index.value;
    for (const NodeId node : assignment.broker_ids) nodes.push_back(node.value);
  }
  for (const kafka::CreatableTopicConfig& config : topic.configs) {
    auto& [name, value] = work.settings.emplace_back();
    name = config.name;
    if (config.value) value.emplace(*config.value);
  }
  return work;
}

void fill_in(kafka::CreatedTopic& entry, const CreateTopicResult& result, const KafkaCall& call) {
  if (result.error) {
    entry.error_code = call.code(*result.error);
    entry.error_message = result.error->message;
    return;
  }
  entry.topic_id = result.topic.id;
  entry.num_partitions = result.partitions;
  entry.replication_factor = result.topic.replication_factor;
  for (TopicSettingText& setting : describe_topic_settings(result.topic.settings)) {
    kafka::CreatedTopicConfig& config = entry.configs->emplace_back();
    config.name = std::move(setting.name);
    config.value = std::move(setting.value);
    const auto source = setting.is_default ? kafka::ConfigSource::default_value : kafka::ConfigSource::topic;
    config.config_source = static_cast<std::int8_t>(source);
  }
}

std::vector<TopicRef> topics_to_delete(const kafka::DeleteTopicsRequest& request) {
  std::vector<TopicRef> topics;
  topics.reserve(request.topic_names.size() + request.topics.size());
  for (const std::string_view name : request.topic_names) topics.push_back({std::string(name), {}});
  for (const kafka::DeleteTopicState& state : request.topics)
    topics.push_back({state.name ? std::string(*state.name) : std::string(), state.topic_id});
  return topics;
}

/// What forbids each of the topics, as they stand in one request.
std::vector<Refusal> refusals_of(const std::vector<TopicRef>& topics, const ClusterView& cluster) {
  using Key = std::pair<std::string_view, TopicId>;
  std::map<Key, std::size_t> named;
  std::vector<Key> keys;
  keys.reserve(topics.size());
  for (const TopicRef& topic : topics) {
    Key key{topic.name, topic.id};
    // By its name where it is known: the same topic may be named both ways.
    if (const TopicInfo* known = topic.name.empty() ? cluster.find(topic.id) : nullptr) key = {known->name, {}};
    ++named[key];
    keys.push_back(key);
  }
  std::vector<Refusal> refusals(topics.size());
  for (std::size_t i = 0; i < topics.size(); ++i) {
    if (topics[i].name.empty() == topics[i].id.is_zero())
      refusals[i] = {ErrorCode::invalid_request, "a topic is named either by its name or by its id"};
    else if (named[keys[i]] > 1)
      refusals[i] = {ErrorCode::invalid_request, "the request names this topic twice"};
  }
  return refusals;
}

}  // namespace

void handle_create_topics(CallPtr call) {
  const auto request = call->decode<kafka::CreateTopicsRequest>();
  if (!request) return;
  BrokerApi& broker = call->broker();
  std::map<std::string_view, std::size_t> named;
  for (const kafka::CreatableTopic& topic : request->topics) ++named[topic.name];
  kafka::CreateTopicsResponse response;
  std::vector<CreateTopicRequest> work;
  for (const kafka::CreatableTopic& topic : request->topics) {
    kafka::CreatedTopic& entry = response.topics.emplace_back();
    entry.name = topic.name;
    entry.configs.emplace();
    Refusal refusal = refusal_of(topic, named[topic.name] > 1);
    if (refusal.code == ErrorCode::none) {
      work.push_back(to_internal(topic, request->validate_only));
    } else {
      entry.error_code = refusal.code;
      entry.error_message = std::move(refusal.message);
    }
  }
  if (work.empty()) return call->reply(response);
  const Millis timeout = call->change_wait(request->timeout_ms);
  broker.create_topics(
      std::move(work), timeout,
      [call = std::move(call), response = std::move(response)](std::vector<CreateTopicResult> results) mutable {
        std::size_t next = 0;
        for (kafka::CreatedTopic& entry : response.topics) {
          if (entry.error_code != ErrorCode::none) continue;
          CHECK(next < results.size(), "one result a topic");
          fill_in(entry, results[next++], *call);
        }
        call->reply(response);
      });
}

void handle_delete_topics(CallPtr call) {
  const auto request = call->decode<kafka::DeleteTopicsRequest>();
  if (!request) return;
  BrokerApi& broker = call->broker();
  kafka::DeleteTopicsResponse response;
  std::vector<TopicRef> work;
  std::vector<TopicRef> topics = topics_to_delete(*request);
  std::vector<Refusal> refusals = refusals_of(topics, broker.cluster());
  for (std::size_t i = 0; i < topics.size(); ++i) {
    kafka::DeletableTopicResult& entry = response.responses.emplace_back();
    if (!topics[i].name.empty()) entry.name = topics[i].name;
    entry.topic_id = topics[i].id;
    if (refusals[i].code == ErrorCode::none) {
      work.push_back(std::move(topics[i]));
    } else {
      entry.error_code = refusals[i].code;
      entry.error_message = std::move(refusals[i].message);
    }
  }
  if (work.empty()) return call->reply(response);
  const Millis timeout = call->change_wait(request->timeout_ms);
  broker.delete_topics(
      std::move(work), timeout,
      [call = std::move(call), response = std::move(response)](std::vector<DeleteTopicResult> results) mutable {
        std::size_t next = 0;
        for (kafka::DeletableTopicResult& entry : response.responses) {
          if (entry.error_code != ErrorCode::none) continue;
          CHECK(next < results.size(), "one result a topic");
          DeleteTopicResult& result = results[next++];
          if (result.error) {
            entry.error_code = call->code(*result.error);
            entry.error_message = result.error->message;
          } else {
            entry.name = std::move(result.name);
            entry.topic_id = result.id;
          }
        }
        call->reply(response);
      });
}

}  // namespace sluice::broker
