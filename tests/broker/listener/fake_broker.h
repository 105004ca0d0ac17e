// A BrokerApi that notes what it is asked, and answers when and what the test says.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "broker/service/broker_api.h"
#include "protocol/base/check.h"

namespace sluice::broker {

class FakeBroker final : public BrokerApi {
 public:
  /// One question that waits for its answer.
  template <class Request, class Outcome>
  struct Asked {
    Request request;
    UniqueFunction<void(Outcome)> done;
  };

  std::deque<Asked<ProduceRequest, std::vector<ProducePartResult>>> produces;
  std::deque<Asked<FetchRequest, std::vector<FetchPartResult>>> fetches;
  struct OffsetsQuestion {
    std::vector<ListOffsetsPart> parts;
    Isolation isolation;
  };
  std::deque<Asked<OffsetsQuestion, std::vector<ListOffsetsResult>>> offsets;
  std::deque<Asked<std::vector<CreateTopicRequest>, std::vector<CreateTopicResult>>> creates;
  std::deque<Asked<std::vector<TopicRef>, std::vector<DeleteTopicResult>>> deletes;
  std::deque<Asked<std::vector<GrowTopicRequest>, std::vector<Result<void>>>> growths;
  std::deque<Asked<std::vector<AlterTopicRequest>, std::vector<Result<void>>>> alterations;
  std::deque<Asked<std::vector<DeleteRecordsPart>, std::vector<DeleteRecordsResult>>> record_deletions;
  std::deque<Asked<std::vector<EpochEndPart>, std::vector<EpochEndResult>>> epoch_questions;
  std::deque<Asked<std::vector<DescribePartitionPart>, std::vector<PartitionDescription>>> descriptions;
  std::vector<UniqueFunction<void()>> layout_watchers;
  struct NoQuestion {};
  std::deque<Asked<NoQuestion, LogDirectory>> directory_questions;
  std::vector<NodeSetting> settings;
  std::deque<Asked<std::optional<ProducerIdentity>, Result<ProducerIdentity>>> identities;
  Millis last_timeout{0};

  ClusterView view;
  std::map<std::pair<std::string, std::int32_t>, LeaderEpoch> epochs;  ///< of partitions with a ready leader
  bool allow_auto_create = true;
  NodeId node{1};

  void add_node(std::int32_t id, std::string host, int port) {
    const NodeInfo info{.id = NodeId(id),
                        .kafka_host = host,
                        .kafka_port = port,
                        .native_host = "native." + host,
                        .native_port = port + 1000};
    CHECK(view.apply_row(node_row_key(NodeId(id)), encode_node_row(info), ++revision_));
  }
  /// A topic whose partitions are in group 1, led by `leader` (0 = nobody) with epoch 5.
  TopicInfo add_topic(const std::string& name, std::size_t partitions, std::int32_t leader = 1,
                      TopicPhase phase = TopicPhase::live, const TopicSettings& topic_settings = {}) {
    TopicInfo topic;
    topic.settings = topic_settings;
    topic.name = name;
    for (std::size_t i = 0; i < topic.id.bytes.size(); ++i) {
      topic.id.bytes[i] = static_cast<std::uint8_t>(name[i % name.size()] + static_cast<int>(i));
    }
    topic.phase = phase;
    topic.partitions.assign(partitions, {GroupId(1), LeaderEpoch(4)});
    CHECK(view.apply_row(topic_row_key(name), encode_topic_row(topic), ++revision_));
    view.set_leadership(GroupId(1), {NodeId(leader), Term(1), leader == node.value});
    for (std::size_t i = 0; leader != 0 && i < partitions; ++i) {
      epochs[{name, static_cast<std::int32_t>(i)}] = LeaderEpoch(5);
    }
    return topic;
  }

  void produce(ProduceRequest request, UniqueFunction<void(std::vector<ProducePartResult>)> done) override {
    produces.push_back({std::move(request), std::move(done)});
  }
  void fetch(FetchRequest request, UniqueFunction<void(std::vector<FetchPartResult>)> done) override {
    fetches.push_back({std::move(request), std::move(done)});
  }
  void list_offsets(std::vector<ListOffsetsPart> parts, Isolation isolation, Millis timeout,
                    UniqueFunction<void(std::vector<ListOffsetsResult>)> done) override {
    last_timeout = timeout;
    offsets.push_back({{std::move(parts), isolation}, std::move(done)});
  }
  const ClusterView& cluster() const override { return view; }
  const std::string& cluster_id() const override { return cluster_id_; }
  NodeId self() const override { return node; }
  bool auto_create_allowed() const override { return allow_auto_create; }
  std::optional<LeaderEpoch> leader_epoch(const TopicInfo& topic, PartitionIndex partition) const override {
    const auto found = epochs.find({topic.name, partition.value});
    if (found == epochs.end()) return std::nullopt;
    return found->second;
  }
  void create_topics(std::vector<CreateTopicRequest> topics, Millis timeout,
                     UniqueFunction<void(std::vector<CreateTopicResult>)> done) override {
    last_timeout = timeout;
    creates.push_back({std::move(topics), std::move(done)});
  }
  void delete_topics(std::vector<TopicRef> topics, Millis timeout,
                     UniqueFunction<void(std::vector<DeleteTopicResult>)> done) override {
    last_timeout = timeout;
    deletes.push_back({std::move(topics), std::move(done)});
  }
  void grow_topics(std::vector<GrowTopicRequest> topics, Millis timeout,
                   UniqueFunction<void(std::vector<Result<void>>)> done) override {
    last_timeout = timeout;
    growths.push_back({std::move(topics), std::move(done)});
  }
  void alter_topics(std::vector<AlterTopicRequest> topics, Millis timeout,
                    UniqueFunction<void(std::vector<Result<void>>)> done) override {
    last_timeout = timeout;
    alterations.push_back({std::move(topics), std::move(done)});
  }
  void delete_records(std::vector<DeleteRecordsPart> parts, Millis timeout,
                      UniqueFunction<void(std::vector<DeleteRecordsResult>)> done) override {
    last_timeout = timeout;
    record_deletions.push_back({std::move(parts), std::move(done)});
  }
  void epoch_ends(std::vector<EpochEndPart> parts, UniqueFunction<void(std::vector<EpochEndResult>)> done) override {
    epoch_questions.push_back({std::move(parts), std::move(done)});
  }
  std::uint64_t layout_revision() const override { return revision_; }
  void next_layout_change(UniqueFunction<void()> changed) override { layout_watchers.push_back(std::move(changed)); }
  void describe_partitions(std::vector<DescribePartitionPart> parts, Millis timeout,
                           UniqueFunction<void(std::vector<PartitionDescription>)> done) override {
    last_timeout = timeout;
    descriptions.push_back({std::move(parts), std::move(done)});
  }
  void describe_log_directory(UniqueFunction<void(LogDirectory)> done) override {
    directory_questions.push_back({{}, std::move(done)});
  }
  const std::vector<NodeSetting>& node_settings() const override { return settings; }
  void init_producer_id(std::optional<ProducerIdentity> current, Millis timeout,
                        UniqueFunction<void(Result<ProducerIdentity>)> done) override {
    last_timeout = timeout;
    identities.push_back({current, std::move(done)});
  }

  /// Tells those who wait for a change of the layout.
  void tell_layout_changed() {
    ++revision_;
    for (auto& changed : std::exchange(layout_watchers, {})) changed();
  }

  /// Answers the oldest question of a queue.
  template <class Request, class Outcome>
  static void answer(std::deque<Asked<Request, Outcome>>& questions, Outcome outcome) {
    CHECK(!questions.empty(), "nothing was asked");
    auto done = std::move(questions.front().done);
    questions.pop_front();
    done(std::move(outcome));
  }

 private:
  std::string cluster_id_ = "fake-cluster";
  std::uint64_t revision_ = 0;
};

}  // namespace sluice::broker
