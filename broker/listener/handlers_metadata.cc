// Metadata: nodes, topics, partitions and their leaders, from this shard's picture of the cluster. Topics that are
// named, missing and allowed to be created are created first.
#include <map>
#include <set>

#include "broker/listener/authorized_operations.h"
#include "broker/listener/handlers.h"
#include "broker/listener/leader_hints.h"
#include "protocol/kafka/metadata.h"

namespace sluice::broker {

namespace {

/// Topics that one request makes by naming them.
constexpr std::size_t kMostCreatedAtOnce = 100;

using kafka::ErrorCode;

constexpr std::int16_t kFirstTopicIdLookUp = 12;

/// Each topic once, however often it is asked for: a small request must not make a huge reply.
std::vector<kafka::MetadataRequestTopic> without_repeats(std::vector<kafka::MetadataRequestTopic> topics) {
  std::set<std::pair<std::string_view, TopicId>> seen;
  std::erase_if(topics, [&](const auto& topic) {
    return !seen.emplace(topic.name.value_or(std::string_view()), topic.topic_id).second;
  });
  return topics;
}

kafka::MetadataResponsePartition describe_partition(const BrokerApi& broker, const TopicInfo& topic,
                                                    PartitionIndex index) {
  kafka::MetadataResponsePartition entry;
  entry.partition_index = index;
  const kafka::LeaderIdAndEpoch leader = known_leader(broker, topic, index);
  if (leader.leader_id.value < 0) {
    entry.error_code = ErrorCode::leader_not_available;
    entry.replica_nodes = {broker.self()};
    return entry;
  }
  entry.leader_id = leader.leader_id;
  entry.leader_epoch = leader.leader_epoch;
  entry.replica_nodes = {leader.leader_id};
  entry.isr_nodes = {leader.leader_id};
  return entry;
}

kafka::MetadataResponseTopic describe_topic(const BrokerApi& broker, const TopicInfo& topic) {
  kafka::MetadataResponseTopic entry;
  entry.name = topic.name;
  entry.topic_id = topic.id;
  entry.is_internal = topic.internal;
  if (topic.phase == TopicPhase::creating) {
    entry.error_code = ErrorCode::leader_not_available;
    return entry;
  }
  for (std::size_t i = 0; i < topic.partitions.size(); ++i) {
    entry.partitions.push_back(describe_partition(broker, topic, PartitionIndex(static_cast<std::int32_t>(i))));
  }
  return entry;
}

void tell_operations(const kafka::MetadataRequest& request, kafka::MetadataResponse& response) {
  if (request.include_cluster_authorized_operations) response.cluster_authorized_operations = kClusterOperations;
  if (!request.include_topic_authorized_operations) return;
  for (kafka::MetadataResponseTopic& topic : response.topics) {
    if (topic.error_code != ErrorCode::none) continue;
    topic.topic_authorized_operations = topic.is_internal ? kInternalTopicOperations : kTopicOperations;
  }
}

kafka::MetadataResponseTopic missing(const kafka::MetadataRequestTopic& asked, ErrorCode code) {
  kafka::MetadataResponseTopic entry;
  entry.error_code = code;
  if (asked.name) entry.name = *asked.name;
  entry.topic_id = asked.topic_id;
  return entry;
}

bool is_there(const TopicInfo* topic) { return topic && topic->phase != TopicPhase::deleting; }

/// `failure` is why the topic could not be created, where that was tried.
kafka::MetadataResponseTopic answer_one(const kafka::MetadataRequestTopic& asked, const std::optional<Error>& failure,
                                        const KafkaCall& call, const BrokerApi& broker) {
  const ClusterView& cluster = broker.cluster();
  if (!asked.topic_id.is_zero() || !asked.name) {
    if (call.version() < kFirstTopicIdLookUp) return missing(asked, ErrorCode::invalid_request);
    const TopicInfo* topic = cluster.find(asked.topic_id);
    return is_there(topic) ? describe_topic(broker, *topic) : missing(asked, ErrorCode::unknown_topic_id);
  }
  if (const TopicInfo* topic = cluster.find(*asked.name); is_there(topic)) return describe_topic(broker, *topic);
  if (!check_topic_name(*asked.name)) return missing(asked, ErrorCode::invalid_topic);
  if (!failure) return missing(asked, ErrorCode::unknown_topic_or_partition);
  // It exists by now, or is about to: the client asks again.
  if (failure->code == Errc::topic_exists) return missing(asked, ErrorCode::leader_not_available);
  return missing(asked, call.code(*failure));
}

/// What is created, and what came of it, by topic name.
using Created = std::map<std::string, std::optional<Error>, std::less<>>;

kafka::MetadataResponse make_reply(const kafka::MetadataRequest& request, const Created& created, const KafkaCall& call,
                                   const BrokerApi& broker) {
  kafka::MetadataResponse response;
  const ClusterView& cluster = broker.cluster();
  for (const auto& [id, node] : cluster.nodes()) {
    response.brokers.push_back({id, node.kafka_host, node.kafka_port, std::nullopt});
  }
  response.cluster_id = broker.cluster_id();
  response.controller_id = broker.self();  // any node passes controller requests on
  if (request.asks_for_all(call.version())) {
    // Internal topics are told to who names them: a subscription by pattern is not to swallow the broker's own tables.
    for (const auto& [name, topic] : cluster.topics()) {
      if (is_there(&topic) && !topic.internal) response.topics.push_back(describe_topic(broker, topic));
    }
    tell_operations(request, response);
    return response;
  }
  for (const kafka::MetadataRequestTopic& asked : *request.topics) {
    std::optional<Error> failure;
    if (asked.name) {
      // Created, but this shard has not heard of it yet: not ready says so.
      const auto found = created.find(*asked.name);
      if (found != created.end()) failure = found->second.value_or(Error{Errc::not_ready, "being created"});
    }
    response.topics.push_back(answer_one(asked, failure, call, broker));
  }
  tell_operations(request, response);
  return response;
}

std::vector<CreateTopicRequest> topics_to_create(const kafka::MetadataRequest& request, const KafkaCall& call,
                                                 const BrokerApi& broker) {
  std::vector<CreateTopicRequest> wanted;
  if (!request.allow_auto_topic_creation || !broker.auto_create_allowed()) return wanted;
  if (request.asks_for_all(call.version())) return wanted;
  for (const kafka::MetadataRequestTopic& asked : *request.topics) {
    if (!asked.name || !asked.topic_id.is_zero() || broker.cluster().find(*asked.name)) continue;
    if (!check_topic_name(*asked.name) || asked.name->starts_with('_')) continue;
    wanted.emplace_back().name = *asked.name;
  }
  return wanted;
}

}  // namespace

void handle_metadata(CallPtr call) {
  auto request = call->decode<kafka::MetadataRequest>();
  if (!request) return;
  if (request->topics) request->topics = without_repeats(std::move(*request->topics));
  BrokerApi& broker = call->broker();
  std::vector<CreateTopicRequest> wanted = topics_to_create(*request, *call, broker);
  if (wanted.empty()) return call->reply(make_reply(*request, {}, *call, broker));

  std::vector<std::string> names;
  for (const CreateTopicRequest& topic : wanted) names.push_back(topic.name);
  // The rest is told to ask again, and is made then.
  if (wanted.size() > kMostCreatedAtOnce) wanted.resize(kMostCreatedAtOnce);
  const Millis timeout = call->settings().auto_create_timeout;
  broker.create_topics(std::move(wanted), timeout,
                       [call = std::move(call), request = std::move(*request),
                        names = std::move(names)](std::vector<CreateTopicResult> results) {
                         CHECK(results.size() <= names.size(), "one result a topic");
                         Created outcome;
                         for (std::size_t i = 0; i < names.size(); ++i)
                           outcome[names[i]] = i < results.size() ? results[i].error : std::nullopt;
                         call->reply(make_reply(request, outcome, *call, call->broker()));
                       });
}

}  // namespace sluice::broker
