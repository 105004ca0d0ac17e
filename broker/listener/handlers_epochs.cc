// OffsetForLeaderEpoch: where the log of a leader epoch ends.
#include "broker/listener/handlers.h"
#include "protocol/kafka/offset_for_leader_epoch.h"

namespace sluice::broker {

void handle_offset_for_leader_epoch(CallPtr call) {
  const auto request = call->decode<kafka::OffsetForLeaderEpochRequest>();
  if (!request) return;
  kafka::OffsetForLeaderEpochResponse response;
  std::vector<EpochEndPart> parts;
  for (const kafka::OffsetForLeaderTopic& topic : request->topics) {
    kafka::OffsetForLeaderTopicResponse& to = response.topics.emplace_back();
    to.topic = topic.topic;
    for (const kafka::OffsetForLeaderPartition& partition : topic.partitions) {
      to.partitions.emplace_back().partition = partition.partition;
      EpochEndPart part{topic_named(topic.topic), partition.partition, partition.leader_epoch, std::nullopt};
      if (partition.current_leader_epoch.value >= 0) part.current_leader_epoch = partition.current_leader_epoch;
      parts.push_back(std::move(part));
    }
  }
  if (parts.empty()) return call->reply(response);
  BrokerApi& broker = call->broker();
  broker.epoch_ends(std::move(parts), [call = std::move(call),
                                       response = std::move(response)](std::vector<EpochEndResult> results) mutable {
    std::size_t next = 0;
    for (kafka::OffsetForLeaderTopicResponse& topic : response.topics) {
      for (kafka::OffsetForLeaderPartitionResponse& entry : topic.partitions) {
        CHECK(next < results.size(), "one result a part");
        const EpochEndResult& result = results[next++];
        if (result.error) {
          entry.error_code = call->code(*result.error);
        } else {
          entry.leader_epoch = result.epoch;
          entry.end_offset = result.end_offset;
        }
      }
    }
    call->reply(response);
  });
}

}  // namespace sluice::broker
