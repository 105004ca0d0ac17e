// Topics made and deleted: what may be asked for. The steps are TopicJobs'. Everything runs on the controller's shard;
// other shards forward. Owner: ShardServices.
#pragma once

#include <vector>

#include "broker/service/service_context.h"
#include "broker/service/topic_jobs.h"

namespace sluice::broker {

/// Checks that replicas assigned by hand name partitions `first` to `first` + size - 1 once each, and nodes that the
/// cluster has. Errors: invalid_argument.
Result<void> check_assignments(const ServiceOptions& options, std::int64_t first,
                               const std::vector<std::pair<std::int32_t, std::vector<std::int32_t>>>& assignments);

class TopicService {
 public:
  TopicService(ServiceContext& context, TopicJobs& jobs) : context_(context), jobs_(jobs) {}

  void create(std::vector<CreateTopicRequest> topics, Millis limit,
              UniqueFunction<void(std::vector<CreateTopicResult>)> done);
  void remove(std::vector<TopicRef> topics, Millis limit, UniqueFunction<void(std::vector<DeleteTopicResult>)> done);

 private:
  Result<std::int32_t> count_partitions(const CreateTopicRequest& request) const;
  Result<CreateTopicResult> plan(const CreateTopicRequest& request);
  void create_here(const CreateTopicRequest& request, UniqueFunction<void(CreateTopicResult)> done);
  void remove_now(const TopicRef& ref, UniqueFunction<void(DeleteTopicResult)> done);
  void remove_here(const TopicRef& topic, UniqueFunction<void(DeleteTopicResult)> done);

  ServiceContext& context_;
  TopicJobs& jobs_;
};

}  // namespace sluice::broker
