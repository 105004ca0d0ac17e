// A batch's way through a shard above a disk that costs nothing: packed into an entry, journal, commit, apply, answer;
// with the spill and the checkpoints that come of it. And the partition's state alone.
#include <benchmark/benchmark.h>

#include "bench/micro/batches.h"
#include "bench/micro/null_disk.h"
#include "broker/net/event_loop.h"
#include "broker/shard/shard.h"

namespace sluice::bench {
namespace {

using namespace broker;

constexpr GroupId kGroup{1};

class Nobody final : public ApplyObserver {
 public:
  void partition_moved(const PartitionId&, bool) override {}
  void table_row_changed(const std::string&, const std::string&, const std::optional<std::string>&,
                         std::uint64_t) override {}
  void leadership_changed(GroupId, const GroupLeadership&) override {}
};

PartitionId partition(std::int32_t index) {
  PartitionId id;
  id.topic.bytes[0] = 7;
  id.index = PartitionIndex(index);
  return id;
}

class OneShard {
 public:
  explicit OneShard(std::int32_t partitions) {
    CHECK(shard_.format() && shard_.recover(), "a new shard starts");
    turn_until([this] { return shard_.ready(); });
    std::int32_t made = 0;
    for (std::int32_t i = 0; i < partitions; ++i)
      replica().submit(CreatePartitionCommand{partition(i), LeaderEpoch(0), TopicSettings{}},
                       [&made](Result<std::uint64_t> result) { made += result ? 1 : 0; });
    turn_until([&] { return made == partitions; });
  }
  Replica& replica() { return *shard_.replica(kGroup); }
  template <class Condition>
  void turn_until(Condition condition) {
    while (!condition()) {
      shard_.turn();
      if (++turns_ % 256 == 0) loop_.poll();  // timers
    }
  }

 private:
  static ShardOptions options() {
    ShardOptions options;
    options.node = NodeId(1);
    options.cluster_id = "bench";
    options.data_directory = "data";
    options.groups = {GroupId(0), kGroup};
    options.journal.directory = "data/shard-0/journal";
    return options;
  }
  NullDisk disk_;
  EventLoop loop_;
  SeededRandom random_{1};
  Nobody nobody_;
  std::uint64_t turns_ = 0;
  Shard shard_{options(), ShardSeams{disk_, loop_, random_, nobody_, make_producer_budget(100), [] {},
                                     [](const Error& error) {
                                       check_failed("no error", __FILE__, __LINE__, error.message.c_str());
                                     }}};
};

/// Arguments: bytes of a batch's record, batches that arrive in one turn, partitions they go to round robin.
void shard_append(benchmark::State& state) {
  const auto turn_batches = static_cast<std::int32_t>(state.range(1));
  const auto partitions = static_cast<std::int32_t>(state.range(2));
  OneShard shard(partitions);
  const SharedBytes batch = SharedBytes::take(make_batch(1, static_cast<std::size_t>(state.range(0))));
  const BatchHeader header = *parse_batch_header(batch);
  std::int32_t next = 0;
  for (auto _ : state) {
    std::int32_t answered = 0;
    for (std::int32_t i = 0; i < turn_batches; ++i, next = (next + 1) % partitions) {
      shard.replica().append({partition(next), header, batch, false, [&answered](Result<AppendResult> result) {
                                CHECK(result, "the shard takes it");
                                ++answered;
                              }});
    }
    shard.turn_until([&] { return answered == turn_batches; });
  }
  state.SetItemsProcessed(turn_batches * state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(batch.size()) * turn_batches * state.iterations());
}
BENCHMARK(shard_append)
    ->ArgNames({"bytes", "a_turn", "partitions"})
    ->Args({1024, 1, 1})
    ->Args({1024, 64, 1})
    ->Args({1024, 64, 1000})
    ->Args({64 << 10, 16, 1})
    ->Args({64 << 10, 16, 1000});

/// What the state of a partition does for one batch of an idempotent producer: checked, submitted, applied.
void partition_apply(benchmark::State& state) {
  PartitionState partition_state(partition(0), LeaderEpoch(0), TopicSettings{}, make_producer_budget(100));
  BatchHeader header =
      *parse_batch_header(make_batch(10, 100, {.producer_id = ProducerId(1), .producer_epoch = 0, .base_sequence = 0}));
  header.leader_epoch = LeaderEpoch(0);
  for (auto _ : state) {
    const auto verdict = partition_state.check(header);
    CHECK(verdict.outcome == PartitionState::Outcome::append);
    header.base_offset = verdict.offset;
    partition_state.submitted(header);
    CHECK(partition_state.apply_append(header, 1'700'000'000'000));
    header.base_sequence =
        header.last_sequence() == std::numeric_limits<std::int32_t>::max() ? 0 : header.last_sequence() + 1;
  }
}
BENCHMARK(partition_apply);

}  // namespace
}  // namespace sluice::bench
