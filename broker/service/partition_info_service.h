// How partitions stand, for descriptions: asked of their leaders. Owner: ShardServices.
#pragma once

#include <vector>

#include "broker/service/service_context.h"

namespace sluice::broker {

class PartitionInfoService {
 public:
  explicit PartitionInfoService(ServiceContext& context) : context_(context) {}
  /// See BrokerApi::describe_partitions().
  void describe(std::vector<DescribePartitionPart> parts, Millis limit,
                UniqueFunction<void(std::vector<PartitionDescription>)> done);

 private:
  ServiceContext& context_;
};

}  // namespace sluice::broker
