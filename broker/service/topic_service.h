// Topics: made, deleted, and finished after a crash. Everything runs on the controller's shard; other shards forward.
//
// Creating:  row `creating` -> a create command for each partition to its group -> row `live` -> every shard has seen
// it. Deleting:  row `deleting`, with the epoch floor raised -> a delete command for each partition -> row gone ->
// seen. Each step is idempotent. A controller that starts leading takes up every row it finds in `creating` or
// `deleting`. Owner: ShardServices.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/service/service_context.h"

namespace sluice::broker {

class TopicService {
 public:
  explicit TopicService(ServiceContext& context) : context_(context) {}

  void create(std::vector<CreateTopicRequest> topics, UniqueFunction<void(std::vector<CreateTopicResult>)> done);
  void remove(std::vector<TopicRef> topics, UniqueFunction<void(std::vector<DeleteTopicResult>)> done);

  /// On the controller's shard, when its group starts to lead: goes on with what was left half done.
  void resume();

 private:
  struct Job;
  Result<TopicInfo> plan(const CreateTopicRequest& request);
  void create_here(const CreateTopicRequest& request, UniqueFunction<void(CreateTopicResult)> done);
  void remove_here(const TopicRef& topic, UniqueFunction<void(DeleteTopicResult)> done);
  void place(TopicInfo& topic, std::size_t partitions);
  void row_made(const std::shared_ptr<Job>& job);

  void make_partitions(const std::shared_ptr<Job>& job);
  void drop_partitions(const std::shared_ptr<Job>& job);
  void command_each(const std::shared_ptr<Job>& job, void (TopicService::*then)(const std::shared_ptr<Job>&));
  void command_one(const std::shared_ptr<Job>& job, std::size_t partition,
                   void (TopicService::*then)(const std::shared_ptr<Job>&));
  void go_live(const std::shared_ptr<Job>& job);
  void forget_row(const std::shared_ptr<Job>& job);
  void write(const std::shared_ptr<Job>& job, std::vector<TableWrite> writes,
             void (TopicService::*then)(const std::shared_ptr<Job>&));
  void until_all_shards_saw(const std::shared_ptr<Job>& job);
  void finish(const std::shared_ptr<Job>& job, std::optional<Error> error);
  Command command_for(const Job& job, std::size_t partition) const;

  ServiceContext& context_;
  std::size_t planned_partitions_ = 0;          ///< placed and not in the view yet
  std::set<std::string, std::less<>> working_;  ///< topics with a job under way
};

}  // namespace sluice::broker
