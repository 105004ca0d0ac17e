// DescribeCluster and DescribeLogDirs: what nodes there are, and what is on this one's disk.
#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "broker/listener/authorized_operations.h"
#include "broker/listener/handlers.h"
#include "protocol/kafka/describe_cluster.h"
#include "protocol/kafka/describe_log_dirs.h"

namespace sluice::broker {

namespace {

using kafka::ErrorCode;

enum EndpointType : std::int8_t { kBrokers = 1, kControllers = 2 };

std::int64_t as_signed(std::uint64_t bytes) {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  return static_cast<std::int64_t>(std::min(bytes, kMost));
}

/// Which partitions are asked for: by topic, each once. None: all.
using Wanted = std::optional<std::map<std::string, std::set<PartitionIndex>, std::less<>>>;

Wanted wanted_by(const kafka::DescribeLogDirsRequest& request) {
  if (!request.topics) return std::nullopt;
  Wanted wanted(std::in_place);
  for (const kafka::DescribableLogDirTopic& topic : *request.topics)
    (*wanted)[std::string(topic.topic)].insert(topic.partitions.begin(), topic.partitions.end());
  return wanted;
}

kafka::DescribeLogDirsResult describe(const LogDirectory& directory, const Wanted& wanted, const ClusterView& cluster) {
  kafka::DescribeLogDirsResult entry;
  entry.log_dir = directory.path;
  if (directory.error) {
    entry.error_code = ErrorCode::kafka_storage_error;
    return entry;
  }
  entry.total_bytes = as_signed(directory.total_bytes);
  entry.usable_bytes = as_signed(directory.free_bytes);
  std::map<std::string_view, std::map<PartitionIndex, std::uint64_t>> sizes;
  for (const LogDirectory::Entry& partition : directory.partitions) {
    const TopicInfo* const topic = cluster.find(partition.topic);
    if (topic == nullptr) continue;
    if (wanted) {
      const auto asked = wanted->find(topic->name);
      if (asked == wanted->end() || !asked->second.contains(partition.partition)) continue;
    }
    sizes[topic->name][partition.partition] = partition.size_bytes;
  }
  for (const auto& [name, partitions] : sizes) {
    kafka::DescribeLogDirsTopic& topic = entry.topics.emplace_back();
    topic.name = name;
    for (const auto& [index, size] : partitions) topic.partitions.push_back({index, as_signed(size), 0, false});
  }
  return entry;
}

}  // namespace

void handle_describe_cluster(CallPtr call) {
  const auto request = call->decode<kafka::DescribeClusterRequest>();
  if (!request) return;
  const BrokerApi& broker = call->broker();
  kafka::DescribeClusterResponse response;
  response.endpoint_type = request->endpoint_type;
  if (request->endpoint_type != kBrokers) {
    const bool known = request->endpoint_type == kControllers;
    response.error_code = known ? ErrorCode::mismatched_endpoint_type : ErrorCode::unsupported_endpoint_type;
    response.error_message = known ? "this is the address of brokers: there is none of controllers alone"
                                   : "the endpoint type is neither 1 (brokers) nor 2 (controllers)";
    return call->reply(response);
  }
  response.cluster_id = broker.cluster_id();
  response.controller_id = broker.self();  // any node passes controller requests on
  for (const auto& [id, node] : broker.cluster().nodes())
    response.brokers.push_back({id, node.kafka_host, node.kafka_port, std::nullopt, false});
  if (request->include_cluster_authorized_operations) response.cluster_authorized_operations = kClusterOperations;
  call->reply(response);
}

void handle_describe_log_dirs(CallPtr call) {
  const auto request = call->decode<kafka::DescribeLogDirsRequest>();
  if (!request) return;
  BrokerApi& broker = call->broker();
  broker.describe_log_directory([call = std::move(call), wanted = wanted_by(*request)](LogDirectory directory) {
    kafka::DescribeLogDirsResponse response;
    response.results.push_back(describe(directory, wanted, call->broker().cluster()));
    call->reply(response);
  });
}

}  // namespace sluice::broker
