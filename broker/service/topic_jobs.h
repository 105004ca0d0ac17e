// Topics on their way from one state to the next: the steps, and their end after a crash. On the controller's shard
// alone. Which topics, and whether they may, is decided before (TopicService, TopicChangeService).
//
//   create   row `creating`                    -> a create command for each partition to its group  -> row `live`
//   change   row with `growing` and `altering` -> a create command for each new partition, an alter
//                                                 command for each old one                          -> row without
//   remove   row `deleting`, epoch floor up    -> a delete command for each partition               -> no row
//
// and then every shard has seen it. Each step is idempotent: a controller that starts leading takes up every row it
// finds in between. What clients see as a topic's partitions are those whose commands were applied. Invariants: one job
// a topic; the row is written only at the revision that was seen. Owner: ShardServices.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/service/service_context.h"

namespace sluice::broker {

class TopicJobs {
 public:
  explicit TopicJobs(ServiceContext& context) : context_(context) {}

  /// Told when every shard has seen the end of it, or what stands in the way. Errors: busy, when the row was changed by
  /// somebody else; not_leader, shutting_down and what a command to the controller meets.
  using Done = UniqueFunction<void(std::optional<Error>)>;

  /// Errors: not_ready, while the controller starts; not_leader.
  Result<void> controller_ready() const;
  bool busy(std::string_view topic) const { return working_.contains(topic); }
  /// Calls `work` once no job of that topic is under way: now, or when it ends. Errors: busy, when too many wait.
  void when_free(const std::string& topic, UniqueFunction<void(Result<void>)> work);

  /// Errors: limit_reached, when the node may not have `count` more partitions.
  Result<void> has_room_for(std::size_t count) const;
  /// Groups and epoch bases for `count` more partitions. Errors: limit_reached; not_ready, while there is no group.
  Result<std::vector<PartitionPlacement>> place(std::size_t count) const;

  // Begin a job; the topic must not be busy. A new topic, then two as the view has them.
  void create(TopicInfo topic, Done done);
  /// `topic.growing` and `topic.altering` say what is to be done.
  void change(TopicInfo topic, Done done);
  void remove(TopicInfo topic, Done done);

  /// When the controller's group starts to lead: goes on with what was left half done.
  void resume();

 private:
  enum class Kind : std::uint8_t { create, change, remove };
  struct Job {
    Kind kind = Kind::create;
    TopicInfo topic;          ///< as its row is now
    std::size_t planned = 0;  ///< partitions that were placed and are not in the view yet
    std::size_t waiting = 0;
    Done done;
  };
  using JobPtr = std::shared_ptr<Job>;
  /// What one partition's group is told.
  struct Step {
    GroupId group;
    Command command;
  };
  static std::size_t step_count(const Job& job);
  static Step step_of(const Job& job, std::size_t nth);

  JobPtr begin(Kind kind, TopicInfo topic, std::size_t planned, Done done);
  void write(const JobPtr& job, std::vector<TableWrite> writes, void (TopicJobs::*then)(const JobPtr&));
  TableWrite row_of(const Job& job) const;
  void send_commands(const JobPtr& job);
  void send_command(const JobPtr& job, std::size_t nth);
  void write_end(const JobPtr& job);
  void write_last(const JobPtr& job, const TableWrite& row);
  void until_all_shards_saw(const JobPtr& job);
  void finish(const JobPtr& job, std::optional<Error> error);
  void wake_waiting(const std::string& topic);

  ServiceContext& context_;
  std::size_t planned_partitions_ = 0;          ///< placed and not in the view yet
  std::set<std::string, std::less<>> working_;  ///< topics with a job under way
  std::map<std::string, std::deque<UniqueFunction<void(Result<void>)>>, std::less<>> waiting_;  ///< bounded for each
};

}  // namespace sluice::broker
