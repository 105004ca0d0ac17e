// Produce: record batches of a request become the parts of one ProduceRequest. What a version of the API forbids is
// refused here, partition by partition; all else about a batch is the service's to judge.
#include "broker/listener/handlers.h"
#include "broker/listener/leader_hints.h"
#include "protocol/base/record_batch.h"
#include "protocol/kafka/produce.h"

namespace sluice::broker {

namespace {

using kafka::ErrorCode;

constexpr std::int16_t kFirstZstdVersion = 7;

struct Refusal {
  ErrorCode code = ErrorCode::none;
  std::string message;
};

/// What forbids the request as a whole.
Refusal refusal_of(const kafka::ProduceRequest& request, std::int16_t version) {
  if (version < kafka::kFirstServedProduceVersion) {
    return {ErrorCode::unsupported_version, "message formats before record batches (magic 2) are not stored"};
  }
  if (request.transactional_id) return {ErrorCode::invalid_request, "transactions are not supported"};
  if (request.acks < -1 || request.acks > 1)
    return {ErrorCode::invalid_required_acks, "acks is one of 0, 1 and -1 (all)"};
  return {};
}

/// What this version of the API forbids in one partition's records.
Refusal refusal_of(const std::optional<ByteSpan>& records, std::int16_t version) {
  if (!records || records->empty()) return {ErrorCode::invalid_record, "there are no records"};
  const Result<BatchHeader> header = parse_batch_header(*records);
  if (!header) return {kafka::to_kafka(header.error().code, kafka::ApiKey::produce, version), header.error().message};
  if (header->size_bytes != records->size()) {
    return {ErrorCode::invalid_record, "a partition's records must be exactly one record batch"};
  }
  if (header->codec() == Codec::zstd && version < kFirstZstdVersion) {
    return {ErrorCode::unsupported_compression_type, "zstd needs Produce v7 or later"};
  }
  return {};
}

/// The reply with one entry a partition, in the order of the request, and the parts that go on to the service. Entries
/// that go on have no error yet; `parts` are in the same order.
struct Plan {
  kafka::ProduceResponse response;
  std::vector<ProducePart> parts;
};

Plan make_plan(const kafka::ProduceRequest& request, const KafkaCall& call) {
  Plan plan;
  const Refusal whole = refusal_of(request, call.version());
  for (const kafka::ProduceTopic& topic : request.topic_data) {
    kafka::ProduceTopicResponse& to = plan.response.responses.emplace_back();
    to.name = topic.name;
    for (const kafka::ProducePartition& partition : topic.partition_data) {
      kafka::ProducePartitionResponse& entry = to.partition_responses.emplace_back();
      entry.index = partition.index;
      Refusal refusal = whole.code != ErrorCode::none ? whole : refusal_of(partition.records, call.version());
      if (refusal.code != ErrorCode::none) {
        entry.error_code = refusal.code;
        entry.error_message = std::move(refusal.message);
        continue;
      }
      plan.parts.push_back({topic_named(topic.name), partition.index, share_part(call.frame(), *partition.records)});
    }
  }
  return plan;
}

void fill_in(kafka::ProduceResponse& response, const std::vector<ProducePartResult>& results, KafkaCall& call) {
  LeaderHints hints(call.broker());
  std::size_t next = 0;
  for (kafka::ProduceTopicResponse& topic : response.responses) {
    for (kafka::ProducePartitionResponse& entry : topic.partition_responses) {
      if (entry.error_code != ErrorCode::none) continue;
      CHECK(next < results.size(), "one result a part");
      const ProducePartResult& result = results[next++];
      entry.log_start_offset = result.log_start_offset;
      if (result.error) {
        entry.error_code = call.code(*result.error);
        entry.error_message = result.error->message;
        entry.current_leader = hints.hint(topic_named(topic.name), entry.index, entry.error_code);
        continue;
      }
      entry.base_offset = result.base_offset;
      entry.log_append_time_ms = result.append_time_ms;
    }
  }
  response.node_endpoints = hints.take_endpoints();
}

/// acks=0 has no reply in which an error could stand: the closed connection tells the client to look again.
void end_without_reply(KafkaCall& call, const kafka::ProduceResponse& response) {
  for (const kafka::ProduceTopicResponse& topic : response.responses) {
    for (const kafka::ProducePartitionResponse& entry : topic.partition_responses) {
      if (entry.error_code == ErrorCode::none) continue;
      call.hang_up(fmt::format("acks=0 and {} for {}-{}: {}", kafka::error_name(entry.error_code),
                               topic.name.substr(0, kMaxTopicNameSize), entry.index.value,
                               entry.error_message.value_or("")));
      return;
    }
  }
  call.reply_nothing();
}

void finish(KafkaCall& call, const kafka::ProduceResponse& response, bool wants_reply) {
  if (wants_reply) {
    call.reply(response);
  } else {
    end_without_reply(call, response);
  }
}

}  // namespace

void handle_produce(CallPtr call) {
  const auto request = call->decode<kafka::ProduceRequest>();
  if (!request) return;
  Plan plan = make_plan(*request, *call);
  const bool wants_reply = request->acks != 0;
  if (plan.parts.empty()) return finish(*call, plan.response, wants_reply);

  ProduceRequest work;
  work.acks = static_cast<Acks>(request->acks);
  work.timeout = call->bounded_wait(request->timeout_ms);
  work.parts = std::move(plan.parts);
  BrokerApi& broker = call->broker();
  broker.produce(std::move(work), [call = std::move(call), response = std::move(plan.response),
                                   wants_reply](std::vector<ProducePartResult> results) mutable {
    fill_in(response, results, *call);
    finish(*call, response, wants_reply);
  });
}

}  // namespace sluice::broker
