// DescribeLogDirs: what the node's partitions take on disk, gathered from all shards. Owner: ShardServices.
#pragma once

#include "broker/service/service_context.h"

namespace sluice::broker {

class LogDirectoryService {
 public:
  explicit LogDirectoryService(ServiceContext& context) : context_(context) {}

  void describe(UniqueFunction<void(LogDirectory)> done);

 private:
  /// Forgets what is no partition of a live topic, as this shard knows them.
  void keep_live(std::vector<LogDirectory::Entry>& entries) const;

  ServiceContext& context_;
};

}  // namespace sluice::broker
