// Fetch: stored batches of partitions. Which partitions a request means, and which of them its reply lists, is decided
// by the shard's fetch sessions (KIP-227); a full reply lists each requested partition exactly once.
#include <algorithm>

#include "broker/listener/handlers.h"
#include "broker/listener/leader_hints.h"
#include "protocol/kafka/fetch.h"

namespace sluice::broker {

namespace {

using kafka::ErrorCode;

std::optional<LeaderEpoch> epoch_of(LeaderEpoch epoch) {
  if (epoch.value < 0) return std::nullopt;
  return epoch;
}

std::size_t bounded_size(std::int32_t size, std::size_t limit) {
  return std::min(static_cast<std::size_t>(std::max(size, 0)), limit);
}

FetchRequest to_internal(const kafka::FetchRequest& request, const FetchPlan& plan, const KafkaCall& call) {
  const std::size_t limit = call.settings().max_fetch_bytes;
  FetchRequest work;
  work.budget = call.fetch_budget();
  work.max_wait = call.bounded_wait(request.max_wait_ms);
  work.max_bytes = bounded_size(request.max_bytes, limit);
  work.min_bytes = bounded_size(request.min_bytes, work.max_bytes);  // or it could never be met
  work.isolation = static_cast<Isolation>(request.isolation_level);
  work.parts.reserve(plan.parts.size());
  for (const FetchPlan::Part& part : plan.parts) {
    const kafka::FetchPartition& partition = part.partition;
    TopicRef topic = part.topic->name.empty() ? *part.topic : topic_named(part.topic->name);
    work.parts.push_back({std::move(topic), partition.partition, partition.fetch_offset,
                          bounded_size(partition.partition_max_bytes, limit), epoch_of(partition.current_leader_epoch),
                          epoch_of(partition.last_fetched_epoch)});
  }
  return work;
}

void fill_in(kafka::FetchPartitionResponse& entry, FetchPartResult result, const KafkaCall& call) {
  entry.high_watermark = result.high_watermark;
  entry.last_stable_offset = result.last_stable_offset;
  entry.log_start_offset = result.log_start_offset;
  if (result.diverging) entry.diverging_epoch = {result.diverging->epoch, result.diverging->end_offset};
  if (result.error) {
    entry.error_code = call.code(*result.error);
  } else {
    // Whatever the version: clients that fetch by an old one may well know zstd (kafka-python 2, rskafka), and Kafka
    // itself gives it to them.
    entry.records->pieces = std::move(result.batches);
  }
}

bool same_topic(const TopicRef& a, const TopicRef& b) { return &a == &b || (a.id == b.id && a.name == b.name); }

kafka::FetchResponse to_reply(const FetchPlan& plan, Isolation isolation, std::vector<FetchPartResult> results,
                              KafkaCall& call) {
  CHECK(results.size() == plan.parts.size(), "one result a part");
  kafka::FetchResponse response;
  FetchSessions::Reply reply = call.fetch_sessions()->reply(plan, call.now());
  response.error_code = reply.error();
  response.session_id = reply.session_id();
  LeaderHints hints(call.broker());
  const TopicRef* last_topic = nullptr;
  for (std::size_t nth = 0; nth < results.size(); ++nth) {
    const FetchPlan::Part& part = plan.parts[nth];
    kafka::FetchPartitionResponse entry;
    entry.partition_index = part.partition.partition;
    // There are no transactions to abort.
    if (isolation == Isolation::read_committed) entry.aborted_transactions.emplace();
    fill_in(entry, std::move(results[nth]), call);
    if (!reply.lists(entry)) continue;
    if (entry.error_code != ErrorCode::none) {
      entry.current_leader = hints.hint(*part.topic, entry.partition_index, entry.error_code);
    }
    if (last_topic == nullptr || !same_topic(*part.topic, *last_topic)) {
      last_topic = part.topic.get();
      kafka::FetchTopicResponse& topic = response.responses.emplace_back();
      topic.topic = last_topic->name;
      topic.topic_id = last_topic->id;
    }
    response.responses.back().partitions.push_back(std::move(entry));
  }
  response.node_endpoints = hints.take_endpoints();
  return response;
}

}  // namespace

void handle_fetch(CallPtr call) {
  auto request = call->decode<kafka::FetchRequest>();
  if (!request) return;
  if (request->isolation_level < 0 || request->isolation_level > 1) {
    return call->refuse("the isolation level is neither 0 nor 1");
  }
  FetchPlan plan = call->fetch_sessions()->plan(*request, call->version(), call->connection(), call->now());
  if (plan.error != ErrorCode::none) {
    kafka::FetchResponse response;
    response.error_code = plan.error;
    return call->reply(response);
  }
  FetchRequest work = to_internal(*request, plan, *call);
  const Isolation isolation = work.isolation;
  BrokerApi& broker = call->broker();
  broker.fetch(std::move(work),
               [call = std::move(call), plan = std::move(plan), isolation](std::vector<FetchPartResult> results) {
                 call->reply(to_reply(plan, isolation, std::move(results), *call));
               });
}

}  // namespace sluice::broker
