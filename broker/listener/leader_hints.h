// What replies tell of leaders: in Metadata, and along with errors that mean 'ask elsewhere' (KIP-951), so that the
// client needs no Metadata request to find the right node. Owner: broker/listener.
#pragma once

#include <vector>

#include "broker/service/broker_api.h"
#include "protocol/kafka/shared_parts.h"

namespace sluice::broker {

/// The partition's leader and leader epoch; -1 and -1 unless both are known and the leader's address is too.
kafka::LeaderIdAndEpoch known_leader(const BrokerApi& broker, const TopicInfo& topic, PartitionIndex partition);

/// Whether an error tells the client to look for another leader.
bool sends_elsewhere(kafka::ErrorCode code);

/// Collects hints for one reply.
class LeaderHints {
 public:
  explicit LeaderHints(const BrokerApi& broker) : broker_(broker) {}
  /// The leader of the partition, whose address then is in endpoints(); the default when there is nothing to tell.
  kafka::LeaderIdAndEpoch hint(const TopicRef& topic, PartitionIndex partition, kafka::ErrorCode code);
  std::vector<kafka::NodeEndpoint> take_endpoints() { return std::move(endpoints_); }

 private:
  const BrokerApi& broker_;
  std::vector<kafka::NodeEndpoint> endpoints_;
};

}  // namespace sluice::broker
