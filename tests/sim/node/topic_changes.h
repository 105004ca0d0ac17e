// Clients of a simulated node that change topics which are there: more partitions, another max.message.bytes, records
// deleted up to an offset. They call the BrokerApi of random shards, tell History what they saw, and look at every
// shard's view and at the groups' partitions. They outlive the node: a change under way when it died is asked for again
// in the next life, and a deletion counts as done and not done.
//
// Checked, besides what History does: a partition that a view shows is served; neither partitions nor settings that
// were acknowledged go back; a topic shows nothing that nobody asked for; in the end nothing is left half done. Owner:
// NodeWorld. One thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/sim/node/history.h"
#include "tests/sim/node/node_life.h"

namespace sluice::broker::sim {

/// Small segments, so that they roll and are cut often: smaller than clients may ask for. While no other settings are on
/// their way to the topic.
void shrink_segments(NodeLife& life, const TopicInfo& topic, Random& random);

class TopicChanges {
 public:
  TopicChanges(SimScheduler& scheduler, History& history, std::uint64_t seed);

  /// The node serves.
  void node_up(NodeLife& life);
  /// It died or stops; called before it is destroyed.
  void node_down();
  /// No new changes; one under way is brought to its end.
  void wind_down() { winding_down_ = true; }
  /// Nothing waits for an answer, and no topic is half changed; otherwise `why` says what is.
  bool settled(std::string& why);

  std::uint64_t grown() const { return grown_; }
  std::uint64_t altered() const { return altered_; }
  std::uint64_t deletions() const { return deletions_; }

 private:
  struct Change {
    TopicId topic;
    std::int32_t partitions = 0;          ///< to grow to; 0: settings are altered
    std::uint32_t max_message_bytes = 0;  ///< to alter to
    bool under_way = false;
  };

  bool up() const { return life_ != nullptr; }
  ShardServices& any_api() { return life_->api(static_cast<std::uint32_t>(random_.below(life_->shard_count()))); }
  template <class F>
  void after(Nanos delay, F run);
  TopicModel* live(const TopicId& id);

  void look_step();
  void look();
  void look_at(TopicModel& topic, const TopicInfo& seen);
  void change_step();
  void choose_change();
  void ask();
  void answered(const Result<void>& result);
  void changed(TopicModel& topic);
  void delete_step();
  void delete_records(const PartitionId& id, std::optional<Offset> before);
  void deleted(const PartitionId& id, std::optional<Offset> before, std::int64_t start_before, std::int64_t end_before,
               const DeleteRecordsResult& result);

  SimScheduler& scheduler_;
  History& history_;
  SeededRandom random_;
  NodeLife* life_ = nullptr;
  std::uint64_t life_number_ = 0;
  bool winding_down_ = false;
  std::optional<Change> change_;
  std::vector<PartitionId> to_the_end_;  ///< deletions up to the high watermark without an answer
  std::size_t calls_ = 0;                ///< deletions of this life without an answer
  std::uint64_t grown_ = 0, altered_ = 0, deletions_ = 0;
};

}  // namespace sluice::broker::sim
