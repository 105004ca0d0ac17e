// The narrow waist: what every listener turns its bytes into, and nothing more. One BrokerApi a shard; calls and
// callbacks on that shard's thread. Every callback is called exactly once, never inside the call itself, unless the
// BrokerApi is destroyed first. Callers may be gone by then: what a callback holds must outlive it or be weak.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/core/cluster_view.h"
#include "protocol/base/bytes.h"
#include "protocol/base/clock.h"
#include "protocol/base/error.h"
#include "protocol/base/ids.h"
#include "protocol/base/unique_function.h"

namespace sluice::broker {

/// A topic by name, or by id where `name` is empty.
struct TopicRef {
  std::string name;
  TopicId id;
};

enum class Acks : std::int8_t { none = 0, leader = 1, all = -1 };

struct ProducePart {
  TopicRef topic;
  PartitionIndex partition;
  SharedBytes batch;  ///< one record batch as it came, not validated yet
};
struct ProduceRequest {
  Acks acks = Acks::all;
  Millis timeout{30'000};
  std::vector<ProducePart> parts;
};
struct ProducePartResult {
  std::optional<Error> error;
  Offset base_offset{-1};
  std::int64_t append_time_ms = -1;  ///< only with LogAppendTime
  Offset log_start_offset{-1};
  bool memory = false;  ///< of a memory topic: the records are on no disk
};

enum class Isolation : std::uint8_t { read_uncommitted = 0, read_committed = 1 };

struct FetchPart {
  TopicRef topic;
  PartitionIndex partition;
  Offset offset;
  std::size_t max_bytes = 1U << 20;
  std::optional<LeaderEpoch> current_leader_epoch;
  std::optional<LeaderEpoch> last_fetched_epoch;
};
/// Bounds what a fetch holds in memory besides its own max_bytes: asked before each time that it reads.
class ReadBudget {
 public:
  virtual ~ReadBudget() = default;
  /// Bytes that may be read now, set aside until end_read(). 0: none now; `later` is called, not from here, when it is
  /// worth asking again.
  virtual std::size_t begin_read(UniqueFunction<void()> later) = 0;
  virtual void end_read() = 0;
};

struct FetchRequest {
  Millis max_wait{500};
  std::size_t min_bytes = 1;
  std::size_t max_bytes = 50U << 20;
  Isolation isolation = Isolation::read_uncommitted;
  std::vector<FetchPart> parts;
  std::unique_ptr<ReadBudget> budget;  ///< none: max_bytes alone bounds it
};
struct DivergingEpoch {
  LeaderEpoch epoch;
  Offset end_offset;
};
struct FetchPartResult {
  std::optional<Error> error;
  Offset high_watermark{-1};
  Offset last_stable_offset{-1};
  Offset log_start_offset{-1};
  std::optional<DivergingEpoch> diverging;
  std::vector<SharedBytes> batches;  ///< whole batches in order; the first contains the asked offset
  std::size_t bytes = 0;
};

enum class OffsetQuery : std::uint8_t { earliest, latest, max_timestamp, at_time };
struct ListOffsetsPart {
  TopicRef topic;
  PartitionIndex partition;
  OffsetQuery query = OffsetQuery::latest;
  std::int64_t timestamp_ms = 0;  ///< with at_time
  std::optional<LeaderEpoch> current_leader_epoch;
};
struct ListOffsetsResult {
  std::optional<Error> error;
  Offset offset{-1};  ///< -1 = no record matches
  std::int64_t timestamp_ms = -1;
  LeaderEpoch leader_epoch{-1};  ///< of the record at `offset`, the leader's own with `latest`; -1 = none or not known
};

struct CreateTopicRequest {
  std::string name;
  std::int32_t partitions = -1;          ///< -1 = the default
  std::int16_t replication_factor = -1;  ///< -1 = the default
  /// Explicit replicas of each partition, where the client assigned them: partition -> node ids.
  std::vector<std::pair<std::int32_t, std::vector<std::int32_t>>> assignments;
  std::vector<std::pair<std::string, std::optional<std::string>>> settings;
  bool validate_only = false;
};
struct CreateTopicResult {
  std::optional<Error> error;
  TopicInfo topic;              ///< as created; of one that was only validated, without its partitions
  std::int32_t partitions = 0;  ///< how many it has, or would have
};
struct DeleteTopicResult {
  std::optional<Error> error;
  std::string name;
  TopicId id;
};

struct GrowTopicRequest {
  std::string name;
  std::int32_t count = 0;  ///< of partitions that it shall have in all
  /// Replicas of each new partition, where the client assigned them: node ids.
  std::optional<std::vector<std::vector<std::int32_t>>> assignments;
  bool validate_only = false;
};
struct AlterTopicRequest {
  std::string name;
  std::vector<TopicSettingChange> changes;
  bool replace = false;  ///< settings that are not named go back to their defaults
  bool validate_only = false;
};

struct DeleteRecordsPart {
  TopicRef topic;
  PartitionIndex partition;
  std::optional<Offset> before;  ///< the new start; nullopt: the high watermark
};
struct DeleteRecordsResult {
  std::optional<Error> error;
  Offset log_start_offset{-1};
};

struct DescribePartitionPart {
  TopicRef topic;
  PartitionIndex partition;
};
struct PartitionDescription {
  std::optional<Error> error;
  Offset log_start_offset{-1};
  Offset high_watermark{-1};
  std::uint64_t size_bytes = 0;
};

struct EpochEndPart {
  TopicRef topic;
  PartitionIndex partition;
  LeaderEpoch asked;
  std::optional<LeaderEpoch> current_leader_epoch;
};
struct EpochEndResult {
  std::optional<Error> error;
  /// The largest known epoch that is not above the asked one, and where it ends; -1 and -1: undefined or in the future.
  LeaderEpoch epoch{-1};
  Offset end_offset{-1};
};

/// What the node keeps on disk.
struct LogDirectory {
  std::optional<Error> error;  ///< the disk can't be asked for its room
  std::string path;
  std::uint64_t total_bytes = 0;  ///< of the disk
  std::uint64_t free_bytes = 0;
  struct Entry {
    TopicId topic;
    PartitionIndex partition;
    std::uint64_t size_bytes = 0;
  };
  std::vector<Entry> partitions;  ///< in no order; those of memory topics are on no disk
};

/// One setting of the node, for descriptions.
struct NodeSetting {
  std::string name, value;
  std::string default_value;
  bool is_default = true;
  SettingType type = SettingType::text;
  std::string help;
  std::string also_named;  ///< the name under which it can be set, where `name` is only Kafka's word for it
};

struct ProducerIdentity {
  ProducerId id;
  std::int16_t epoch = 0;
};

class BrokerApi {
 public:
  virtual ~BrokerApi() = default;

  /// Results in the order of the parts. With Acks::none `done` is called when the batches were taken or refused.
  virtual void produce(ProduceRequest request, UniqueFunction<void(std::vector<ProducePartResult>)> done) = 0;
  /// Waits up to max_wait for min_bytes; answers at once when a part has an error. Results in the order of the parts,
  /// every part exactly once, also when the budget is spent.
  virtual void fetch(FetchRequest request, UniqueFunction<void(std::vector<FetchPartResult>)> done) = 0;
  virtual void list_offsets(std::vector<ListOffsetsPart> parts, Isolation isolation, Millis timeout,
                            UniqueFunction<void(std::vector<ListOffsetsResult>)> done) = 0;

  /// This shard's picture of the cluster; changes between turns of the loop.
  virtual const ClusterView& cluster() const = 0;
  virtual const std::string& cluster_id() const = 0;
  virtual NodeId self() const = 0;
  virtual bool auto_create_allowed() const = 0;
  /// The leader epoch of a partition as this shard knows it; nullopt while there is no ready leader.
  virtual std::optional<LeaderEpoch> leader_epoch(const TopicInfo& topic, PartitionIndex partition) const = 0;

  /// Counts the changes of cluster() and of what leader_epoch() tells.
  virtual std::uint64_t layout_revision() const = 0;
  /// Calls `changed` once, after the next of these changes, or after several that came together.
  virtual void next_layout_change(UniqueFunction<void()> changed) = 0;

  virtual void create_topics(std::vector<CreateTopicRequest> topics, Millis timeout,
                             UniqueFunction<void(std::vector<CreateTopicResult>)> done) = 0;
  virtual void delete_topics(std::vector<TopicRef> topics, Millis timeout,
                             UniqueFunction<void(std::vector<DeleteTopicResult>)> done) = 0;
  /// More partitions for topics. Results in the order of the requests. Errors: unknown_topic, invalid_partitions (not
  /// more than there are), invalid_argument (assignments), limit_reached, invalid_topic (internal), not_ready.
  virtual void grow_topics(std::vector<GrowTopicRequest> topics, Millis timeout,
                           UniqueFunction<void(std::vector<Result<void>>)> done) = 0;
  /// Other settings for topics. Errors: unknown_topic, config, invalid_topic (internal), not_ready.
  virtual void alter_topics(std::vector<AlterTopicRequest> topics, Millis timeout,
                            UniqueFunction<void(std::vector<Result<void>>)> done) = 0;
  /// Moves the starts of logs. Errors: offset_out_of_range (negative, or beyond the high watermark), and what a
  /// partition that is not led here says.
  virtual void delete_records(std::vector<DeleteRecordsPart> parts, Millis timeout,
                              UniqueFunction<void(std::vector<DeleteRecordsResult>)> done) = 0;
  /// Where leader epochs end. Errors: fenced_leader_epoch, unknown_leader_epoch, and as above.
  virtual void epoch_ends(std::vector<EpochEndPart> parts, UniqueFunction<void(std::vector<EpochEndResult>)> done) = 0;
  /// How partitions stand. Errors: what a partition that is not led here says.
  virtual void describe_partitions(std::vector<DescribePartitionPart> parts, Millis timeout,
                                   UniqueFunction<void(std::vector<PartitionDescription>)> done) = 0;
  /// Sizes of all partitions of live topics on this node.
  virtual void describe_log_directory(UniqueFunction<void(LogDirectory)> done) = 0;
  virtual const std::vector<NodeSetting>& node_settings() const = 0;
  /// A new producer id with epoch 0, or, of one that the client holds already, its next epoch.
  virtual void init_producer_id(std::optional<ProducerIdentity> current, Millis timeout,
                                UniqueFunction<void(Result<ProducerIdentity>)> done) = 0;
};

}  // namespace sluice::broker
