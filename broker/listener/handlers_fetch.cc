// Fetch: stored batches of partitions. Fetch sessions (KIP-227) are never opened: every reply is a full one, lists each
// requested partition exactly once and says session 0.
#include <algorithm>

#include "broker/listener/handlers.h"
#include "broker/listener/leader_hints.h"
#include "protocol/base/record_batch.h"
#include "protocol/kafka/fetch.h"

namespace sluice::broker {

namespace {

using kafka::ErrorCode;

constexpr std::int16_t kFirstZstdVersion = 10;

std::optional<LeaderEpoch> epoch_of(LeaderEpoch epoch) {
  if (epoch.value < 0) return std::nullopt;
  return epoch;
}

std::size_t bounded_size(std::int32_t size, std::size_t limit) {
  return std::min(static_cast<std::size_t>(std::max(size, 0)), limit);
}

FetchRequest to_internal(const kafka::FetchRequest& request, const KafkaCall& call) {
  const std::size_t limit = call.settings().max_fetch_bytes;
  FetchRequest work;
  work.max_wait = call.bounded_wait(request.max_wait_ms);
  work.max_bytes = bounded_size(request.max_bytes, limit);
  work.min_bytes = bounded_size(request.min_bytes, work.max_bytes);  // or it could never be met
  work.isolation = static_cast<Isolation>(request.isolation_level);
  for (const kafka::FetchTopic& topic : request.topics) {
    const TopicRef ref{std::string(topic.topic), topic.topic_id};
    for (const kafka::FetchPartition& partition : topic.partitions) {
      work.parts.push_back({ref, partition.partition, partition.fetch_offset,
                            bounded_size(partition.partition_max_bytes, limit),
                            epoch_of(partition.current_leader_epoch), epoch_of(partition.last_fetched_epoch)});
    }
  }
  return work;
}

/// Clients below v10 do not know zstd: cuts the batches before the first one that is compressed so. False when there is
/// such a batch and nothing before it.
bool cut_before_zstd(std::vector<SharedBytes>& pieces) {
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    for (std::size_t at = 0; at < pieces[i].size();) {
      const Result<BatchHeader> header = parse_batch_header(pieces[i].span().subspan(at));
      if (!header || header->codec() == Codec::zstd) {
        pieces[i] = pieces[i].slice(0, at);
        pieces.resize(i + 1);
        return i > 0 || at > 0;
      }
      at += std::min<std::size_t>(header->size_bytes, pieces[i].size() - at);
    }
  }
  return true;
}

void fill_in(kafka::FetchPartitionResponse& entry, FetchPartResult result, const KafkaCall& call) {
  entry.high_watermark = result.high_watermark;
  entry.last_stable_offset = result.last_stable_offset;
  entry.log_start_offset = result.log_start_offset;
  if (result.diverging) entry.diverging_epoch = {result.diverging->epoch, result.diverging->end_offset};
  if (result.error) {
    entry.error_code = call.code(*result.error);
  } else if (call.version() < kFirstZstdVersion && !cut_before_zstd(result.batches)) {
    entry.error_code = ErrorCode::unsupported_compression_type;
  } else {
    entry.records->pieces = std::move(result.batches);
  }
}

kafka::FetchResponse to_reply(const kafka::FetchRequest& request, std::vector<FetchPartResult> results,
                              KafkaCall& call) {
  kafka::FetchResponse response;
  LeaderHints hints(call.broker());
  std::size_t next = 0;
  for (const kafka::FetchTopic& topic : request.topics) {
    kafka::FetchTopicResponse& to = response.responses.emplace_back();
    to.topic = topic.topic;
    to.topic_id = topic.topic_id;
    for (const kafka::FetchPartition& partition : topic.partitions) {
      CHECK(next < results.size(), "one result a part");
      kafka::FetchPartitionResponse& entry = to.partitions.emplace_back();
      entry.partition_index = partition.partition;
      if (request.isolation_level == 1) entry.aborted_transactions.emplace();  // there are no transactions to abort
      fill_in(entry, std::move(results[next++]), call);
      if (entry.error_code != ErrorCode::none) {
        entry.current_leader =
            hints.hint({std::string(topic.topic), topic.topic_id}, partition.partition, entry.error_code);
      }
    }
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
  if (request->session_epoch > 0) {
    kafka::FetchResponse response;
    response.error_code = ErrorCode::fetch_session_id_not_found;
    return call->reply(response);
  }
  FetchRequest work = to_internal(*request, *call);
  BrokerApi& broker = call->broker();
  broker.fetch(std::move(work),
               [call = std::move(call), request = std::move(*request)](std::vector<FetchPartResult> results) {
                 call->reply(to_reply(request, std::move(results), *call));
               });
}

}  // namespace sluice::broker
