// The clients of a simulated node: idempotent and plain producers, readers that follow a log's end, readers of random
// offsets, and one who makes and deletes topics. They call the BrokerApi of random shards and tell History what they
// saw. They outlive the node: what was under way when it died is of unknown outcome, and is sent again in the next life.
// Owner: NodeWorld. One thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/node/history.h"
#include "tests/sim/node/node_life.h"

namespace sluice::broker::sim {

class Workload {
 public:
  Workload(SimScheduler& scheduler, History& history, std::uint64_t seed);

  /// The node serves.
  void node_up(NodeLife& life);
  /// It died or stops; called before it is destroyed.
  void node_down();
  /// Device errors were injected into this life: reads and appends may fail.
  void expect_io_errors() { io_errors_ = true; }
  /// No new batches and topics; what is unacknowledged is still sent.
  void wind_down() { winding_down_ = true; }
  /// Nothing waits for an answer; otherwise `why` says what does.
  bool settled(std::string& why) const;

  /// Reads every live partition from its start to its end; `done` when all were read.
  void read_all();
  bool reading_all() const { return readers_of_all_ > 0; }

  std::uint64_t topics_made() const { return topics_made_; }
  std::uint64_t topics_deleted() const { return topics_deleted_; }

 private:
  struct Pending {
    BatchNumber number = 0;
    SharedBytes bytes;
    int under_way = 0;
    bool acknowledged = false;
  };
  /// One producer's batches to one partition.
  struct Stream {
    std::size_t nth = 0;
    PartitionId partition;
    bool idempotent = false;
    Acks acks = Acks::all;
    std::optional<ProducerId> id;
    bool asking_id = false;
    std::int32_t next_sequence = 0;
    std::deque<Pending> window;
    /// The broker takes any first sequence of a producer it does not know (Kafka's rule), so until it does there is one batch
    /// under way: were the first of two refused, the second would be taken before it.
    bool known = false;
    bool resend = false;  ///< an attempt failed: drain, then send all again in order
    SteadyTime not_before{0};
    std::uint32_t shard = 0;
  };
  struct Tail {
    std::size_t nth = 0;
    std::optional<PartitionId> partition;
    Offset position{0};
    bool under_way = false;
  };
  struct PendingTopic {
    std::string name;
    CreateTopicRequest request;
    bool deleting = false;
    TopicId id;  ///< when deleting
    bool under_way = false;
  };

  Millis wall() const { return Millis(1'700'000'000'000) + std::chrono::duration_cast<Millis>(scheduler_.now()); }
  bool up() const { return life_ != nullptr; }
  ShardServices& any_api() { return life_->api(static_cast<std::uint32_t>(random_.below(life_->shard_count()))); }
  template <class F>
  void after(Nanos delay, F run);
  Nanos between(std::int64_t least_us, std::int64_t most_us);
  std::optional<PartitionId> random_partition();
  bool gone(const PartitionId& id);
  void may_fail(const PartitionModel& partition, const Error& error, const char* what);
  std::int64_t start_now(const PartitionId& id);

  void stream_step(Stream& stream);
  void ask_id(Stream& stream);
  void make_batch(Stream& stream);
  void send(Stream& stream, Pending& pending);
  void produced(Stream& stream, BatchNumber number, bool was_head, const ProducePartResult& result);
  void tail_step(Tail& tail);
  void probe_step();
  void fetch_random(const PartitionId& id);
  void list_offsets(const PartitionId& id);
  void topics_step();
  void create_topic();
  void created(const CreateTopicResult& result);
  void delete_topic(TopicModel& topic);
  void ask_delete();
  void deleted(const DeleteTopicResult& result);
  void adopt(const TopicInfo& info);
  void view_step();
  void read_on(const PartitionId& id, Offset from, Offset until);

  SimScheduler& scheduler_;
  History& history_;
  SeededRandom random_;
  NodeLife* life_ = nullptr;
  std::uint64_t life_number_ = 0;
  bool io_errors_ = false;
  bool winding_down_ = false;
  std::vector<Stream> streams_;
  std::vector<Tail> tails_;
  std::optional<PendingTopic> topic_;
  std::size_t readers_of_all_ = 0;
  std::size_t calls_ = 0;  ///< requests of this life without an answer
  std::uint64_t topics_made_ = 0, topics_deleted_ = 0;
};

}  // namespace sluice::broker::sim
