// CreatePartitions and DeleteRecords: more partitions for a topic, and less in them.
#include <map>
#include <set>

#include "broker/listener/handlers.h"
#include "protocol/kafka/create_partitions.h"
#include "protocol/kafka/delete_records.h"

namespace sluice::broker {

namespace {

using kafka::ErrorCode;

constexpr Offset kHighWatermark{-1};

/// Replicas of a new partition, by hand: at least one, each once.
bool is_whole(const std::vector<kafka::CreatePartitionsAssignment>& assignments) {
  for (const kafka::CreatePartitionsAssignment& assignment : assignments) {
    const std::set<NodeId> nodes(assignment.broker_ids.begin(), assignment.broker_ids.end());
    if (nodes.empty() || nodes.size() != assignment.broker_ids.size()) return false;
  }
  return true;
}

GrowTopicRequest to_internal(const kafka::CreatePartitionsTopic& topic, bool validate_only) {
  GrowTopicRequest work;
  work.name = topic.name;
  work.count = topic.count;
  work.validate_only = validate_only;
  if (!topic.assignments) return work;
  work.assignments.emplace();
  for (const kafka::CreatePartitionsAssignment& assignment : *topic.assignments) {
    std::vector<std::int32_t>& nodes = work.assignments->emplace_back();
    for (const NodeId node : assignment.broker_ids) nodes.push_back(node.value);
  }
  return work;
}

}  // namespace

void handle_create_partitions(CallPtr call) {
  const auto request = call->decode<kafka::CreatePartitionsRequest>();
  if (!request) return;
  std::map<std::string_view, std::size_t> named;
  for (const kafka::CreatePartitionsTopic& topic : request->topics) ++named[topic.name];
  kafka::CreatePartitionsResponse response;
  std::vector<GrowTopicRequest> work;
  for (const kafka::CreatePartitionsTopic& topic : request->topics) {
    kafka::CreatePartitionsTopicResult& entry = response.results.emplace_back();
    entry.name = topic.name;
    if (named[topic.name] > 1) {
      entry.error_code = ErrorCode::invalid_request;
      entry.error_message = "the request names this topic twice";
    } else if (topic.assignments && !is_whole(*topic.assignments)) {
      entry.error_code = ErrorCode::invalid_replica_assignment;
      entry.error_message = "an assignment gives every new partition distinct replicas";
    } else {
      work.push_back(to_internal(topic, request->validate_only));
    }
  }
  if (work.empty()) return call->reply(response);
  const Millis timeout = call->change_wait(request->timeout_ms);
  BrokerApi& broker = call->broker();
  broker.grow_topics(
      std::move(work), timeout,
      [call = std::move(call), response = std::move(response)](std::vector<Result<void>> results) mutable {
        std::size_t next = 0;
        for (kafka::CreatePartitionsTopicResult& entry : response.results) {
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

void handle_delete_records(CallPtr call) {
  const auto request = call->decode<kafka::DeleteRecordsRequest>();
  if (!request) return;
  kafka::DeleteRecordsResponse response;
  std::vector<DeleteRecordsPart> parts;
  for (const kafka::DeleteRecordsTopic& topic : request->topics) {
    kafka::DeleteRecordsTopicResult& to = response.topics.emplace_back();
    to.name = topic.name;
    for (const kafka::DeleteRecordsPartition& partition : topic.partitions) {
      to.partitions.emplace_back().partition_index = partition.partition_index;
      DeleteRecordsPart part{topic_named(topic.name), partition.partition_index, std::nullopt};
      if (partition.offset != kHighWatermark) part.before = partition.offset;
      parts.push_back(std::move(part));
    }
  }
  if (parts.empty()) return call->reply(response);
  const Millis timeout = call->change_wait(request->timeout_ms);
  BrokerApi& broker = call->broker();
  broker.delete_records(
      std::move(parts), timeout,
      [call = std::move(call), response = std::move(response)](std::vector<DeleteRecordsResult> results) mutable {
        std::size_t next = 0;
        for (kafka::DeleteRecordsTopicResult& topic : response.topics) {
          for (kafka::DeleteRecordsPartitionResult& entry : topic.partitions) {
            CHECK(next < results.size(), "one result a part");
            const DeleteRecordsResult& result = results[next++];
            if (result.error)
              entry.error_code = call->code(*result.error);
            else
              entry.low_watermark = result.log_start_offset;
          }
        }
        call->reply(response);
      });
}

}  // namespace sluice::broker
