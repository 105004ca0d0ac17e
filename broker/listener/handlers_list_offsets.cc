// ListOffsets: the offset that belongs to a time, or to an end of the log.
#include <set>

#include "broker/listener/handlers.h"
#include "protocol/kafka/list_offsets.h"

namespace sluice::broker {

namespace {

using kafka::ErrorCode;

constexpr Millis kTimeout{10'000};  // versions below 10 carry none of their own
constexpr std::int16_t kFirstMaxTimestampVersion = 7;
constexpr std::int16_t kFirstLocalStartVersion = 8;

/// What a timestamp asks for; none when this version has no such question.
std::optional<OffsetQuery> query_of(std::int64_t timestamp, std::int16_t version) {
  if (timestamp >= 0) return OffsetQuery::at_time;
  if (timestamp == kafka::kLatestTimestamp) return OffsetQuery::latest;
  if (timestamp == kafka::kEarliestTimestamp) return OffsetQuery::earliest;
  if (timestamp == kafka::kMaxTimestamp && version >= kFirstMaxTimestampVersion) return OffsetQuery::max_timestamp;
  // Everything is local here, so the local start is the start.
  if (timestamp == kafka::kEarliestLocalTimestamp && version >= kFirstLocalStartVersion) return OffsetQuery::earliest;
  return std::nullopt;
}

using Key = std::pair<std::string_view, PartitionIndex>;
/// What the request names more than once. As in Kafka that is refused: each would be a search of its own.
std::set<Key> repeated_in(const kafka::ListOffsetsRequest& request) {
  std::set<Key> seen, repeated;
  for (const kafka::ListOffsetsTopic& topic : request.topics) {
    for (const kafka::ListOffsetsPartition& partition : topic.partitions) {
      const Key key{cut_topic_name(topic.name), partition.partition_index};
      if (!seen.insert(key).second) repeated.insert(key);
    }
  }
  return repeated;
}

/// The reply with one entry a partition, and the parts for the service: those whose entry has no error.
struct Plan {
  kafka::ListOffsetsResponse response;
  std::vector<ListOffsetsPart> parts;
};

Plan make_plan(const kafka::ListOffsetsRequest& request, std::int16_t version) {
  Plan plan;
  const std::set<Key> repeated = repeated_in(request);
  for (const kafka::ListOffsetsTopic& topic : request.topics) {
    kafka::ListOffsetsTopicResponse& to = plan.response.topics.emplace_back();
    to.name = topic.name;
    for (const kafka::ListOffsetsPartition& partition : topic.partitions) {
      kafka::ListOffsetsPartitionResponse& entry = to.partitions.emplace_back();
      entry.partition_index = partition.partition_index;
      if (repeated.contains({cut_topic_name(topic.name), partition.partition_index})) {
        entry.error_code = ErrorCode::invalid_request;
        continue;
      }
      const std::optional<OffsetQuery> query = query_of(partition.timestamp, version);
      if (!query) {
        entry.error_code = ErrorCode::unsupported_version;
        continue;
      }
      ListOffsetsPart part{topic_named(topic.name), partition.partition_index, *query, 0, std::nullopt};
      if (*query == OffsetQuery::at_time) part.timestamp_ms = partition.timestamp;
      if (partition.current_leader_epoch.value >= 0) part.current_leader_epoch = partition.current_leader_epoch;
      plan.parts.push_back(std::move(part));
    }
  }
  return plan;
}

void fill_in(kafka::ListOffsetsResponse& response, const std::vector<ListOffsetsResult>& results,
             const KafkaCall& call) {
  std::size_t next = 0;
  for (kafka::ListOffsetsTopicResponse& topic : response.topics) {
    for (kafka::ListOffsetsPartitionResponse& entry : topic.partitions) {
      if (entry.error_code != ErrorCode::none) continue;
      CHECK(next < results.size(), "one result a part");
      const ListOffsetsResult& result = results[next++];
      if (result.error) {
        entry.error_code = call.code(*result.error);
        continue;
      }
      entry.offset = result.offset;
      entry.timestamp = result.timestamp_ms;
      entry.leader_epoch = result.leader_epoch;
    }
  }
}

}  // namespace

void handle_list_offsets(CallPtr call) {
  const auto request = call->decode<kafka::ListOffsetsRequest>();
  if (!request) return;
  if (request->isolation_level < 0 || request->isolation_level > 1) {
    return call->refuse("the isolation level is neither 0 nor 1");
  }
  Plan plan = make_plan(*request, call->version());
  if (plan.parts.empty()) return call->reply(plan.response);
  BrokerApi& broker = call->broker();
  broker.list_offsets(
      std::move(plan.parts), static_cast<Isolation>(request->isolation_level), kTimeout,
      [call = std::move(call), response = std::move(plan.response)](std::vector<ListOffsetsResult> results) mutable {
        fill_in(response, results, *call);
        call->reply(response);
      });
}

}  // namespace sluice::broker
