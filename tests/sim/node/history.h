// What clients saw of a node over all its lives, held against what was promised. Each method is told one observation and
// checks it against all earlier ones; the first violation is kept.
//
// Checked: nothing acknowledged or read is lost, moved or changed; one value at an offset for ever; offsets dense; a
// batch stands once; end and start offsets, leader epochs never go back; a deleted topic stays gone; a producer id is given
// once; an offset within what was ever seen is never out of range; retention takes nothing that is not due, and DeleteRecords
// nothing at or above the offset it was given. A memory topic's records end with a life of the node, and nothing of a later
// life stands at or below an offset of an earlier one.
// A batch's records carry its number, so that what is read can be told. Owner: NodeWorld. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "broker/service/broker_api.h"
#include "protocol/base/record_batch.h"

namespace sluice::broker::sim {

using BatchNumber = std::uint64_t;

struct TopicModel {
  enum class Phase : std::uint8_t { live, deleting, gone };
  std::string name;
  TopicId id;
  std::int32_t partitions = 0;        ///< that it was said to have
  std::int32_t asked_partitions = 0;  ///< more may be there: the outcome of an attempt is not known
  std::set<std::uint32_t> max_message_bytes;  ///< what its setting may be: one value, unless an outcome is not known
  TopicSettings settings;
  Phase phase = Phase::live;
  bool in_memory() const { return settings.storage == TopicStorage::memory; }
  bool keeps_all() const { return settings.retention_ms < 0 && settings.retention_bytes < 0; }
};

/// What is known of one partition.
struct PartitionModel {
  TopicModel* topic = nullptr;
  PartitionId id;
  std::map<std::int64_t, BatchNumber> known;  ///< by base offset: seen by a reader, or acknowledged
  std::int64_t end = 0;                       ///< of what was seen, or acknowledged with acks=all: readers see it
  std::int64_t kept_end = 0;                  ///< of all that was acknowledged: with acks=1 it is readable a little later
  std::int64_t start = 0;                     ///< the largest start offset that was seen
  std::int64_t delete_asked = 0;              ///< records before this were asked to be deleted: the start may be there
  int deletes_to_end = 0;                     ///< deletions up to the high watermark whose outcome is not known
  std::int64_t life_start = 0;                ///< of a memory topic: all below is of earlier lives
  std::int32_t epoch = -1;
  bool damaged = false;                       ///< a bit of its files was flipped: reads may fail
};

class History {
 public:
  /// The first violation; empty: none.
  const std::string& violation() const { return violation_; }
  void violate(std::string what);
  /// Goes into the hash by which two runs of a seed are compared.
  void note(std::uint64_t a, std::uint64_t b = 0);
  std::uint64_t hash() const { return hash_; }

  // ---- Batches ----
  /// A new batch's bytes. `value_bytes` of each of `count` records.
  std::vector<std::byte> make_batch(const PartitionModel& partition, BatchBuilder::Options options, std::int32_t count,
                                    std::size_t value_bytes, std::int64_t timestamp_ms, BatchNumber& number);
  void acknowledged(PartitionModel& partition, BatchNumber batch, Offset base, Acks acks);

  // ---- Reads ----
  /// An answer to a fetch from `asked`; returns where the reader goes on. `end_before`: the model's end when it was asked.
  Offset fetched(PartitionModel& partition, Offset asked, std::int64_t end_before, const FetchPartResult& answer);
  /// A fetch was refused as out of range; `start_now`: the start offset that the node has.
  void out_of_range(const PartitionModel& partition, Offset asked, std::int64_t end_before, std::int64_t start_now);
  void saw_end(PartitionModel& partition, std::int64_t end_before, Offset end);
  /// The end of a node where nothing is under way.
  void saw_last_end(PartitionModel& partition, Offset end) { saw_end(partition, partition.kept_end, end); }
  void saw_start(PartitionModel& partition, std::int64_t start_before, Offset start, std::int64_t wall_ms);
  /// A life of the node began, in which a memory topic's partition has these offsets; no client has asked yet.
  void life_began(PartitionModel& partition, Offset start, Offset end);
  void saw_epoch(PartitionModel& partition, LeaderEpoch epoch);
  void found_time(const PartitionModel& partition, std::int64_t start_now, std::int64_t end_before, std::int64_t asked_ms,
                  Offset found, std::int64_t found_ms);

  // ---- Names and ids ----
  TopicModel& topic_live(const TopicInfo& info);
  void topic_grew(TopicModel& topic, std::int32_t partitions);
  void topic_gone(const TopicId& id);
  /// A shard's view of the cluster, of a node that is ready.
  void saw_view(const ClusterView& view);
  void producer_id_given(ProducerId id);

  std::vector<TopicModel*> live_topics();
  PartitionModel& partition(const TopicModel& topic, std::int32_t index);
  PartitionModel* find(const PartitionId& id);
  const std::map<TopicId, TopicModel>& topics() const { return topics_; }
  std::uint64_t acknowledgements() const { return acknowledgements_; }
  std::uint64_t memory_acknowledgements() const { return memory_acknowledgements_; }
  std::uint64_t batches_read() const { return batches_read_; }

 private:
  struct Batch {
    PartitionId partition;
    std::int32_t count = 0;
    std::int64_t timestamp_ms = 0;
    std::int64_t base = -1;  ///< -1: not seen yet
  };
  void learn(PartitionModel& partition, BatchNumber number, std::int64_t base, const char* how);
  bool read_number(ByteSpan batch, BatchNumber& number);

  std::string violation_;
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
  std::vector<Batch> batches_;
  std::map<TopicId, TopicModel> topics_;
  std::map<PartitionId, PartitionModel> partitions_;
  std::map<std::pair<std::string, std::int32_t>, std::pair<TopicId, std::int32_t>> epochs_;  ///< by name and index
  std::set<std::int64_t> producer_ids_;
  std::uint64_t acknowledgements_ = 0, memory_acknowledgements_ = 0, batches_read_ = 0;
  std::vector<std::byte> scratch_;
};

}  // namespace sluice::broker::sim
