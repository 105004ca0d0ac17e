// One shard of one node in virtual time, without services: what the tests of this folder talk to. Reads as a small
// language: create(p), produce(p, "a"), run(), crash(), values(p).
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/core/table_feed.h"
#include "broker/shard/shard.h"
#include "tests/sim/clock/sim_clock.h"
#include "tests/sim/disk/sim_disk.h"

namespace sluice::broker {

/// Who sends a batch; by default nobody in particular.
struct TestProducer {
  ProducerId id{-1};
  std::int32_t sequence = -1;
};

class ShardMachine : public ApplyObserver {
 public:
  static constexpr GroupId kGroup{1};
  static constexpr std::size_t kMemoryTopicBytes = 1U << 20;

  explicit ShardMachine(std::uint64_t seed = 1) : random(seed), store(seed) { store.make_durable_dirs("data"); }
  ~ShardMachine() override {
    store.kill();  // whatever is under way
    end();
  }

  /// Begins a life; formats at the first.
  Result<void> start() {
    owner_ = scheduler.new_owner();
    fatal_error.reset();
    clock_ = std::make_unique<sim::SimClock>(scheduler, owner_, sim::SimClockOptions{.wall_skew = wall_skew});
    disk_ = std::make_unique<sim::SimDisk>(store, *clock_, random);
    ShardOptions options;
    options.id = ShardId(0);
    options.node = NodeId(1);
    options.cluster_id = "test";
    options.data_directory = "data";
    options.groups = groups;
    options.journal.directory = journal_directory;
    options.journal.file_bytes = 256U << 10;
    options.journal.capacity_bytes = 2U << 20;
    options.journal.flush_bytes = 64U << 10;
    options.journal.buffer_bytes = 1U << 20;
    options.journal.max_entry_bytes = 128U << 10;
    options.spill_bytes = 32U << 10;
    options.checkpoint_logs_at_once = 1;
    options.max_memory_topic_bytes = kMemoryTopicBytes;
    options.min_free_bytes = 256U << 10;
    options.reserve_bytes = 64U << 10;
    shard_ = std::make_unique<Shard>(
        options, ShardSeams{*disk_, *clock_, random, *this, make_producer_budget(100), [this] { wake(); },
                            [this](const Error& error) { fatal_error = error; }});
    if (auto formatted = shard_->format(); !formatted) return formatted;
    if (auto recovered = shard_->recover(); !recovered) return recovered;
    run_until([this] { return shard_->ready(); });
    return {};
  }
  /// Power fails, and a new life begins.
  Result<void> crash() {
    store.crash(random);
    end();
    return start();
  }
  void end() {
    scheduler.cancel_owner(owner_);
    turn_due_ = false;
    shard_.reset();
    disk_.reset();
    clock_.reset();
  }

  template <class Condition>
  void run_until(Condition condition) {
    for (int i = 0; i < 200'000; ++i) {
      if (condition() || fatal_error) return;
      if (!scheduler.run_next()) break;
    }
    ADD_FAILURE() << "nothing led there";
  }
  void run(Nanos time = std::chrono::milliseconds(50)) { scheduler.run_for(time); }

  Shard& shard() { return *shard_; }
  Replica& replica() { return *shard_->replica(kGroup); }
  static PartitionId partition(int nth = 0) {
    PartitionId id;
    id.topic.bytes[0] = 7;
    id.index = PartitionIndex(nth);
    return id;
  }
  Result<std::uint64_t> command(Command command) {
    std::optional<Result<std::uint64_t>> answer;
    replica().submit(std::move(command), [&](Result<std::uint64_t> result) { answer = std::move(result); });
    run_until([&] { return answer.has_value(); });
    if (!answer) return fail(Errc::internal, "no answer");
    return *answer;
  }
  void create(TopicSettings settings = {}, int nth = 0) {
    ASSERT_TRUE(command(CreatePartitionCommand{partition(nth), LeaderEpoch(0), settings}));
  }

  static std::vector<std::byte> batch(std::string_view value, TestProducer producer = {}) {
    BatchBuilder builder({.producer_id = producer.id,
                          .producer_epoch = static_cast<std::int16_t>(producer.id.value < 0 ? -1 : 0),
                          .base_sequence = producer.sequence});
    builder.add(1'700'000'000'000, std::nullopt, as_bytes(value));
    return builder.build();
  }
  using Answer = std::shared_ptr<std::optional<Result<AppendResult>>>;
  /// Hands a batch of one record in; the answer comes later.
  Answer send(std::string_view value, TestProducer producer = {}, bool when_durable = false, int nth = 0,
              GroupId group = kGroup) {
    auto answer = std::make_shared<std::optional<Result<AppendResult>>>();
    const SharedBytes bytes = SharedBytes::take(batch(value, producer));
    shard_->replica(group)->append(
        {partition(nth), *parse_batch_header(bytes), bytes, when_durable, [answer](Result<AppendResult> result) {
           EXPECT_FALSE(answer->has_value()) << "answered twice";
           *answer = std::move(result);
         }});
    return answer;
  }
  /// Sends, and waits until it is acknowledged.
  Result<AppendResult> produce(std::string_view value, TestProducer producer = {}, int nth = 0) {
    auto answer = send(value, producer, false, nth);
    run_until([&] { return answer->has_value(); });
    if (!answer->has_value()) return fail(Errc::internal, "no answer");
    return **answer;
  }
  /// Keys and values of all records of a partition, from its start.
  using Records = std::vector<std::pair<std::string, std::optional<std::string>>>;
  Records records(const PartitionId& id, GroupId group) {
    Records all;
    Replica& owner = *shard_->replica(group);
    Partition* const found = owner.find(id);
    if (found == nullptr) return {{"", "(no partition)"}};
    Offset at = found->state.start_offset();
    while (at < found->state.end_offset()) {
      std::optional<Result<ReadResult>> read;
      owner.read(id, at, 1U << 20, [&](Result<ReadResult> result) { read = std::move(result); });
      run_until([&] { return read.has_value(); });
      if (!read || !*read || (*read)->batches.empty()) return {{"", "(unreadable)"}};
      std::vector<std::byte> scratch;
      const auto text = [](const auto& bytes) {
        return bytes ? std::optional(std::string(as_text(*bytes))) : std::nullopt;
      };
      for (const SharedBytes& each : (*read)->batches) {
        EXPECT_TRUE(batch_crc_holds(each));
        EXPECT_TRUE(for_each_record(each, scratch, 1U << 20, [&](const RecordView& record) {
          if (record.offset >= at) all.emplace_back(text(record.key).value_or(""), text(record.value));
          return true;
        }));
        at = parse_batch_header(each)->next_offset();
      }
    }
    return all;
  }
  /// All records of a partition, as text, from its start.
  std::vector<std::string> values(int nth = 0) {
    std::vector<std::string> all;
    for (auto& [key, value] : records(partition(nth), kGroup)) all.push_back(value.value_or("(null)"));
    return all;
  }
  void checkpoint(GroupId group = kGroup) {
    Replica& replica = *shard_->replica(group);
    const LogIndex target = replica.applied_index();
    run_until([&] { return shard_->checkpoint(group) || replica.checkpoint_index() == target; });
    run_until([&] { return replica.checkpoint_index() >= target; });
  }
  /// Files below the group's directory whose path contains `part`.
  std::vector<std::string> files(std::string_view part) const {
    std::vector<std::string> found;
    for (const std::string& path : store.files())
      if (path.find(part) != std::string::npos) found.push_back(path);
    return found;
  }

  // ApplyObserver
  void partition_moved(const PartitionId&, bool gone) override { gone_seen |= gone; }
  void table_row_changed(const std::string&, const std::string& key, const std::optional<std::string>& value,
                         std::uint64_t) override {
    rows[key] = value.value_or("(deleted)");
  }
  void leadership_changed(GroupId group, const GroupLeadership& leadership) override {
    leaderships[group] = leadership;
  }

  sim::SimScheduler scheduler;
  SeededRandom random;
  sim::SimStore store;
  std::optional<Error> fatal_error;
  bool gone_seen = false;
  std::vector<GroupId> groups{GroupId(0), kGroup};  ///< of the next life
  // Of the next life.
  std::string journal_directory = "data/shard-0/journal";
  Millis wall_skew{0};
  std::map<std::string, std::string> rows;
  std::map<GroupId, GroupLeadership> leaderships;

 private:
  void wake() {
    if (std::exchange(turn_due_, true)) return;
    scheduler.schedule_after(Nanos(1), owner_, [this] {
      turn_due_ = false;
      if (shard_ && shard_->turn()) wake();
    });
  }

  sim::OwnerId owner_ = 0;
  bool turn_due_ = false;
  std::unique_ptr<sim::SimClock> clock_;
  std::unique_ptr<sim::SimDisk> disk_;
  std::unique_ptr<Shard> shard_;
};

}  // namespace sluice::broker
