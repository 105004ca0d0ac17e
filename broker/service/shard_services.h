// All services of one shard, as the one object that listeners call (BrokerApi) and that the shard tells of what it
// applied (ApplyObserver). Each service is a class of its own; this one wires them, keeps the shard's ClusterView, and
// knows the way to the services of the other shards.
//
// A request comes in on the shard of its connection (its origin), is split by the shards that own the partitions'
// groups, and is put together again at the origin. Shards share nothing: all of that goes through mailboxes. Owner:
// Node (broker/app). Thread safety: the shard's thread; other shards reach it through post() only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "broker/service/broker_api.h"
#include "broker/service/delete_records_service.h"
#include "broker/service/fetch_service.h"
#include "broker/service/log_directory_service.h"
#include "broker/service/offset_service.h"
#include "broker/service/partition_info_service.h"
#include "broker/service/produce_service.h"
#include "broker/service/producer_id_service.h"
#include "broker/service/service_context.h"
#include "broker/service/topic_change_service.h"
#include "broker/service/topic_jobs.h"
#include "broker/service/topic_service.h"

namespace sluice::broker {

class ShardServices final : public BrokerApi, public ApplyObserver {
 public:
  ShardServices(ServiceOptions options, ShardId id, unsigned shard_count, Clock& clock, Random& random);
  ~ShardServices() override;

  /// Wires this shard to its Shard and to all shards' services, itself included. Before any request.
  void connect(Shard& shard, std::vector<ShardServices*> peers, std::vector<Mailbox*> mailboxes);
  /// Tells every shard what the tables hold after recovery, and begins housekeeping. On the shard's thread.
  void start();
  /// New requests are refused, waiting fetches are answered.
  void drain();

  // BrokerApi
  void produce(ProduceRequest request, UniqueFunction<void(std::vector<ProducePartResult>)> done) override;
  void fetch(FetchRequest request, UniqueFunction<void(std::vector<FetchPartResult>)> done) override;
  void list_offsets(std::vector<ListOffsetsPart> parts, Isolation isolation, Millis timeout,
                    UniqueFunction<void(std::vector<ListOffsetsResult>)> done) override;
  const ClusterView& cluster() const override { return context_.view; }
  const std::string& cluster_id() const override { return context_.options.cluster_id; }
  NodeId self() const override { return context_.options.node; }
  bool auto_create_allowed() const override { return context_.options.auto_create_topics; }
  std::optional<LeaderEpoch> leader_epoch(const TopicInfo& topic, PartitionIndex partition) const override;
  std::uint64_t layout_revision() const override { return layout_revision_; }
  void next_layout_change(UniqueFunction<void()> changed) override { layout_watchers_.push_back(std::move(changed)); }
  void create_topics(std::vector<CreateTopicRequest> topics, Millis timeout,
                     UniqueFunction<void(std::vector<CreateTopicResult>)> done) override;
  void delete_topics(std::vector<TopicRef> topics, Millis timeout,
                     UniqueFunction<void(std::vector<DeleteTopicResult>)> done) override;
  void grow_topics(std::vector<GrowTopicRequest> topics, Millis timeout,
                   UniqueFunction<void(std::vector<Result<void>>)> done) override;
  void alter_topics(std::vector<AlterTopicRequest> topics, Millis timeout,
                    UniqueFunction<void(std::vector<Result<void>>)> done) override;
  void delete_records(std::vector<DeleteRecordsPart> parts, Millis timeout,
                      UniqueFunction<void(std::vector<DeleteRecordsResult>)> done) override;
  void epoch_ends(std::vector<EpochEndPart> parts, UniqueFunction<void(std::vector<EpochEndResult>)> done) override;
  void describe_partitions(std::vector<DescribePartitionPart> parts, Millis timeout,
                           UniqueFunction<void(std::vector<PartitionDescription>)> done) override;
  void describe_log_directory(UniqueFunction<void(LogDirectory)> done) override;
  const std::vector<NodeSetting>& node_settings() const override { return context_.options.node_settings; }
  void init_producer_id(std::optional<ProducerIdentity> current, Millis timeout,
                        UniqueFunction<void(Result<ProducerIdentity>)> done) override;

  // ApplyObserver
  void partition_moved(const PartitionId& partition, bool gone) override;
  void table_row_changed(const std::string& table, const std::string& key, const std::optional<std::string>& value,
                         std::uint64_t revision) override;
  void leadership_changed(GroupId group, const GroupLeadership& leadership) override;

  // For the services of all shards, on this shard's thread.
  ProduceService& produce_service() { return produce_; }
  FetchService& fetch_service() { return fetch_; }
  OffsetService& offset_service() { return offsets_; }
  TopicService& topic_service() { return topics_; }
  TopicChangeService& topic_changes() { return topic_changes_; }
  ProducerIdService& producer_ids() { return producer_ids_; }
  void take_row(const std::string& key, const std::optional<std::string>& value, std::uint64_t revision);
  void take_leadership(GroupId group, const GroupLeadership& leadership);
  Shard& shard() { return *context_.shard; }
  const ServiceStats& stats() const { return context_.stats; }
  void post(ShardId to, UniqueFunction<void(ShardServices&)> work) { context_.post(to, std::move(work)); }

 private:
  void arm_sweep();
  void layout_moved();

  ServiceContext context_;
  ProduceService produce_;
  FetchService fetch_;
  OffsetService offsets_;
  DeleteRecordsService delete_records_;
  LogDirectoryService log_directory_;
  PartitionInfoService partition_info_;
  TopicJobs topic_jobs_;
  TopicService topics_;
  TopicChangeService topic_changes_;
  ProducerIdService producer_ids_;
  std::uint64_t layout_revision_ = 1;
  std::vector<UniqueFunction<void()>> layout_watchers_;
  bool telling_layout_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace sluice::broker
