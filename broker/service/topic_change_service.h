// Topics that are there already: more partitions, other settings. What may be asked for; the steps are TopicJobs'.
// Everything runs on the controller's shard; other shards forward. Changes of one topic wait for each other.
// Owner: ShardServices.
#pragma once

#include <vector>

#include "broker/service/service_context.h"
#include "broker/service/topic_jobs.h"

namespace sluice::broker {

class TopicChangeService {
 public:
  TopicChangeService(ServiceContext& context, TopicJobs& jobs) : context_(context), jobs_(jobs) {}

  void grow(std::vector<GrowTopicRequest> topics, Millis limit, UniqueFunction<void(std::vector<Result<void>>)> done);
  void alter(std::vector<AlterTopicRequest> topics, Millis limit, UniqueFunction<void(std::vector<Result<void>>)> done);

 private:
  using Answer = UniqueFunction<void(Result<void>)>;
  Result<TopicInfo> live_topic(const std::string& name) const;
  Result<TopicInfo> plan_growth(const GrowTopicRequest& request) const;
  Result<TopicInfo> plan_settings(const AlterTopicRequest& request) const;
  template <class Request>
  void change_here(Request request, Result<TopicInfo> (TopicChangeService::*plan)(const Request&) const, Answer answer);

  ServiceContext& context_;
  TopicJobs& jobs_;
};

}  // namespace sluice::broker
