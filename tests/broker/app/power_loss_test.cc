// Power loss on the real engines: a whole broker over io_uring or the thread pool, below which a layer forgets what was not
// synced. kill -9 keeps the page cache and so proves nothing about syncing; this does.
//
// In each of many lives producers send idempotent batches with acks=all, topics come and go, groups are checkpointed, logs are
// cut; then the power fails, in the midst of it. The next life must have every batch that was acknowledged, at its offset,
// byte-identical, and every topic. Journal files and segments are small, so that they are recycled, rolled and deleted all the
// time. Which operations are under way when the power fails is the machine's choice; all else is the seed's.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <set>

#include "tests/broker/app/acknowledged_log.h"
#include "tests/broker/app/one_thread_node.h"
#include "tests/broker/app/scratch.h"

namespace sluice::broker {
namespace {

using Format = OneThreadNode::Format;
constexpr std::uint64_t kKiB = 1024, kMiB = 1024 * kKiB;
constexpr std::uint32_t kShards = 2;
constexpr std::size_t kTopics = 3;
constexpr std::int32_t kPartitions = 2;
constexpr std::size_t kWindow = 5;  ///< batches under way of one producer: what the broker remembers of each
constexpr std::uint64_t kCutTopicBytes = 300 * kKiB;

struct PartitionOfTest {
  AcknowledgedLog log;
  std::size_t next = 0;       ///< batch to send next
  std::size_t under_way = 0;
  bool asking = false;        ///< for a producer id
  bool has_id = false;
  std::uint32_t shard = 0;    ///< whom its producer talks to in this life
};

struct TopicOfTest {
  enum class Phase : std::uint8_t { creating, live, deleting, gone };
  std::string name;
  TopicId id;
  bool cut = false;  ///< by retention
  Phase phase = Phase::creating;
  bool under_way = false;
  std::vector<PartitionOfTest> partitions = std::vector<PartitionOfTest>(kPartitions);
};

class PowerLoss : public ::testing::TestWithParam<std::tuple<const char*, bool>> {
 protected:
  PowerLoss() : random_(std::string_view(engine()) == "uring" ? 101 : 202) {}

  static const char* engine() { return std::get<0>(GetParam()); }
  static bool journal_elsewhere() { return std::get<1>(GetParam()); }
  static int lives() { return journal_elsewhere() ? 5 : 10; }

  void SetUp() override {
    if (auto made = make_engine(engine()); !made) GTEST_SKIP() << made.error().message;
    std::filesystem::create_directory(data_);
    medium_ = std::make_unique<sim::PowerLossMedium>(scratch_.path(), random_.next());
  }
  void TearDown() override {
    if (node_) die();
  }

  Settings settings();
  void bring_up();
  void die();
  void live(std::size_t acknowledgements, std::uint64_t turns);
  void check_topics();
  void read_everything();
  void read_partition(TopicOfTest& topic, std::int32_t index);

  void step();
  void topic_step();
  void take_created(TopicOfTest& topic, const CreateTopicResult& result);
  void produce_step(TopicOfTest& topic, std::int32_t index);
  void send(TopicOfTest& topic, std::int32_t index, std::size_t number);
  void housekeep();
  ShardServices& any_api() { return node_->api(static_cast<std::uint32_t>(random_.below(kShards))); }

  void violate(const std::string& what) {
    if (what.empty() || !violation_.empty()) return;
    violation_ = fmt::format("life {}: {}", life_, what);
    if (node_ && node_->fatal()) violation_ += "; the node gave up: " + node_->fatal()->message;
  }
  bool ok() const { return violation_.empty(); }

  Scratch scratch_;
  const std::string data_ = scratch_ / "data";
  SeededRandom random_;
  std::unique_ptr<sim::PowerLossMedium> medium_;
  std::unique_ptr<OneThreadNode> node_;
  std::deque<TopicOfTest> topics_;
  std::set<std::int64_t> producer_ids_;
  int life_ = 0;
  bool draining_ = false;
  std::string violation_;
  std::uint64_t acknowledgements_ = 0, lost_unacknowledged_ = 0, deleted_ = 0, checkpoints_ = 0;
  std::uint64_t next_deletion_ = 200, next_housekeeping_ = 10;  ///< acknowledgements
  std::uint64_t rolled_ = 0;  ///< partition directories that had several segments, over all lives
};

Settings PowerLoss::settings() {
  Settings settings;
  settings.data_dir = data_;
  if (journal_elsewhere()) settings.journal_dir = scratch_ / "fast/journals";
  settings.journal_file_bytes = kMiB;
  settings.journal_capacity_bytes = 4 * kMiB;
  settings.journal_direct = !random_.one_in(3);
  settings.journal_sync = random_.one_in(3) ? "dsync" : random_.one_in(2) ? "fdatasync" : "auto";
  settings.kafka_max_request_bytes = 512 * kKiB;
  settings.memory_budget_bytes = 64 * kMiB;
  settings.memory_spill_bytes = 128 * kKiB;
  settings.memory_max_unspilled_bytes = 512 * kKiB;
  settings.log_max_open_files = 8;
  settings.log_direct_bytes = 16 * kKiB;
  settings.disk_min_free_bytes = 0;
  settings.disk_reserve_bytes = 64 * kKiB;
  settings.checkpoint_idle_ms = 100;
  settings.retention_check_ms = 100;
  return settings;
}

// ---- Life and death ----

void PowerLoss::bring_up() {
  node_ = std::make_unique<OneThreadNode>(*medium_, engine(), settings(), random_.next());
  if (auto started = node_->start(kShards); !started) return violate("it does not start: " + started.error().message);
  for (TopicOfTest& topic : topics_) {
    topic.under_way = false;
    for (PartitionOfTest& partition : topic.partitions) {
      partition.under_way = 0;
      partition.asking = false;
      partition.shard = static_cast<std::uint32_t>(random_.below(kShards));
    }
  }
}

void PowerLoss::die() {
  if (auto lost = medium_->lose_power(random_); !lost) violate(lost.error().message);
  node_.reset();
  draining_ = false;
}

/// Until so many more batches are acknowledged, and some turns on.
void PowerLoss::live(std::size_t acknowledgements, std::uint64_t turns) {
  const std::uint64_t enough = acknowledgements_ + acknowledgements;
  const bool came = node_->turn_until([&] {
    step();
    return acknowledgements_ >= enough || !ok();
  });
  if (ok() && !came)
    return violate("acknowledgements do not come");
  for (std::uint64_t turn = 0; turn < turns && ok() && !node_->fatal(); ++turn) {
    step();
    node_->turn();
  }
}

// ---- What a life finds ----

void PowerLoss::check_topics() {
  if (!node_->turn_until([&] { return node_->ready(); }))
    return violate("its groups do not come up");
  const auto expected = [&](const ClusterView& view) -> std::string {
    for (const TopicOfTest& topic : topics_) {
      const TopicInfo* const found = view.find(topic.name);
      const bool there = found != nullptr && found->phase == TopicPhase::live;
      if (topic.phase == TopicOfTest::Phase::live && (!there || found->id != topic.id || found->partitions.size() != kPartitions))
        return fmt::format("topic {} was acknowledged and is missing", topic.name);
      if (topic.phase == TopicOfTest::Phase::gone && found != nullptr) return fmt::format("topic {} was deleted and is back", topic.name);
    }
    return {};
  };
  violate(expected(node_->api(0).cluster()));  // the controller's shard: it applied its table before it became ready
  for (std::uint32_t shard = 1; shard < kShards && ok(); ++shard)
    if (!node_->turn_until([&] { return expected(node_->api(shard).cluster()).empty(); }))
      violate(fmt::format("shard {}: {}", shard, expected(node_->api(shard).cluster())));
}

void PowerLoss::read_everything() {
  for (TopicOfTest& topic : topics_)
    for (std::int32_t index = 0; index < kPartitions && ok(); ++index)
      if (topic.phase == TopicOfTest::Phase::live) read_partition(topic, index);
}

void PowerLoss::read_partition(TopicOfTest& topic, std::int32_t index) {
  const auto violate_here = [&](const std::string& what) {
    if (!what.empty()) violate(fmt::format("{}-{}: {}", topic.name, index, what));
  };
  PartitionOfTest& partition = topic.partitions[static_cast<std::size_t>(index)];
  const std::size_t sent = partition.log.size();
  std::optional<std::vector<ListOffsetsResult>> range;
  const ListOffsetsPart first{{"", topic.id}, PartitionIndex(index), OffsetQuery::earliest, 0, std::nullopt};
  ListOffsetsPart last = first;
  last.query = OffsetQuery::latest;
  any_api().list_offsets({first, last}, Isolation::read_uncommitted, Millis(30'000),
                         [&range](std::vector<ListOffsetsResult> results) { range = std::move(results); });
  if (!node_->turn_until([&] { return range.has_value(); })) return violate_here("list_offsets is not answered");
  for (const ListOffsetsResult& result : *range)
    if (result.error) return violate_here("list_offsets: " + result.error->message);
  violate_here(partition.log.begin_reading((*range)[0].offset, topic.cut));
  const Offset end = (*range)[1].offset;
  while (ok() && partition.log.position() < end) {
    FetchRequest request;
    request.max_wait = Millis(0);
    request.parts.push_back({{"", topic.id}, PartitionIndex(index), partition.log.position(), 256 * kKiB, std::nullopt, std::nullopt});
    std::optional<FetchPartResult> answer;
    any_api().fetch(std::move(request), [&answer](std::vector<FetchPartResult> results) { answer = std::move(results[0]); });
    if (!node_->turn_until([&] { return answer.has_value(); })) return violate_here("fetch is not answered");
    if (answer->error) return violate_here(fmt::format("fetch from {}: {}", partition.log.position().value, answer->error->message));
    if (answer->batches.empty()) return violate_here(fmt::format("nothing is at offset {}", partition.log.position().value));
    for (const SharedBytes& batch : answer->batches)
      if (ok()) violate_here(partition.log.read(batch));
  }
  if (!ok()) return;
  violate_here(partition.log.end_reading(end));
  lost_unacknowledged_ += sent - partition.log.certain();
  // The last ones are sent again though they are there: the broker has to know them as duplicates.
  partition.next = partition.log.certain() - std::min(partition.log.certain(), kWindow - 2);
  if (topic.cut) partition.next = partition.log.certain();  // retention may have taken them
}

// ---- What a life does ----

void PowerLoss::step() {
  topic_step();
  for (TopicOfTest& topic : topics_)
    for (std::int32_t index = 0; index < kPartitions; ++index)
      if (topic.phase == TopicOfTest::Phase::live) produce_step(topic, index);
  if (acknowledgements_ < next_housekeeping_) return;
  next_housekeeping_ = acknowledgements_ + random_.below(30);
  housekeep();
}

void PowerLoss::topic_step() {
  std::size_t kept = 0;
  for (TopicOfTest& topic : topics_) {
    kept += topic.phase == TopicOfTest::Phase::live || topic.phase == TopicOfTest::Phase::creating;
    if (topic.under_way) return;
    if (topic.phase == TopicOfTest::Phase::creating) {
      topic.under_way = true;
      CreateTopicRequest request;
      request.name = topic.name;
      request.partitions = kPartitions;
      request.settings = {{"segment.bytes", std::to_string(kMiB)}, {"retention.ms", "-1"}};
      if (topic.cut) request.settings.push_back({"retention.bytes", std::to_string(kCutTopicBytes)});
      return any_api().create_topics({request}, Millis(30'000), [this, &topic](const std::vector<CreateTopicResult>& results) {
        take_created(topic, results[0]);
      });
    }
    if (topic.phase == TopicOfTest::Phase::deleting) {
      topic.under_way = true;
      return any_api().delete_topics({{topic.name, {}}}, Millis(30'000), [this, &topic](const std::vector<DeleteTopicResult>& results) {
        topic.under_way = false;
        const auto& error = results[0].error;
        if (error && (draining_ || error->code == Errc::not_ready)) return;  // what an earlier life began is still being done
        if (error && error->code != Errc::unknown_topic) return violate("delete_topics: " + error->message);
        topic.phase = TopicOfTest::Phase::gone;
        ++deleted_;
      });
    }
  }
  if (kept < kTopics) {
    topics_.emplace_back();
    topics_.back().name = fmt::format("topic-{}", topics_.size());
    topics_.back().cut = topics_.size() % kTopics == 0;
  } else if (acknowledgements_ >= next_deletion_) {
    next_deletion_ = acknowledgements_ + 100 + random_.below(300);
    const auto oldest = std::ranges::find(topics_, TopicOfTest::Phase::live, &TopicOfTest::phase);
    if (oldest != topics_.end()) oldest->phase = TopicOfTest::Phase::deleting;
  }
}

void PowerLoss::take_created(TopicOfTest& topic, const CreateTopicResult& result) {
  topic.under_way = false;
  TopicInfo info = result.topic;
  if (result.error) {
    if (draining_) return;
    // An attempt of an earlier life made it, or is about to.
    if (result.error->code != Errc::topic_exists) return violate("create_topics: " + result.error->message);
    const TopicInfo* const found = node_->api(0).cluster().find(topic.name);
    if (found == nullptr || found->phase != TopicPhase::live) return;
    info = *found;
  }
  topic.id = info.id;
  topic.phase = TopicOfTest::Phase::live;
  // Smaller segments than clients may ask for, so that they roll often.
  info.settings.segment_bytes = 64 * kKiB;
  for (std::size_t index = 0; index < info.partitions.size(); ++index)
    node_->replica(info.partitions[index].group)
        .submit(AlterPartitionCommand{{info.id, PartitionIndex(static_cast<std::int32_t>(index))}, info.settings},
                [](const Result<std::uint64_t>&) {});
}

void PowerLoss::produce_step(TopicOfTest& topic, std::int32_t index) {
  PartitionOfTest& partition = topic.partitions[static_cast<std::size_t>(index)];
  if (!partition.has_id) {
    if (std::exchange(partition.asking, true)) return;
    return node_->api(partition.shard).init_producer_id(std::nullopt, Millis(30'000), [this, &partition](Result<ProducerIdentity> id) {
      partition.asking = false;
      if (!id) return violate("init_producer_id: " + id.error().message);
      if (!producer_ids_.insert(id->id.value).second) return violate(fmt::format("producer id {} was given twice", id->id.value));
      partition.log = AcknowledgedLog(*id);
      partition.has_id = true;
    });
  }
  while (partition.under_way < kWindow) {
    if (partition.next == partition.log.size()) {
      const bool large = random_.one_in(25);
      partition.log.add(random_, static_cast<std::int32_t>(1 + random_.below(4)), large ? 60 * kKiB : 100 + random_.below(9'000),
                        node_->wall().count());
    }
    send(topic, index, partition.next++);
  }
}

void PowerLoss::send(TopicOfTest& topic, std::int32_t index, std::size_t number) {
  PartitionOfTest& partition = topic.partitions[static_cast<std::size_t>(index)];
  ++partition.under_way;
  ProduceRequest request;
  request.parts.push_back({{"", topic.id}, PartitionIndex(index), partition.log.batch(number)});
  node_->api(partition.shard).produce(std::move(request), [this, &topic, &partition, index, number](const std::vector<ProducePartResult>& results) {
    --partition.under_way;
    const auto where = fmt::format("{}-{}", topic.name, index);
    if (!results[0].error) {
      ++acknowledgements_;
      const std::string wrong = partition.log.acknowledged(number, results[0].base_offset);
      if (!wrong.empty()) violate(where + ": " + wrong);
    } else if (topic.phase == TopicOfTest::Phase::live && !draining_) {
      violate(fmt::format("{}: produce of batch {}: {} {}", where, number, errc_name(results[0].error->code), results[0].error->message));
    }
  });
}

void PowerLoss::housekeep() {
  const auto groups = all_groups(kShards);
  const GroupId group = groups[random_.below(groups.size())];
  if (random_.one_in(2))
    node_->replica(group).enforce_retention();
  else
    checkpoints_ += node_->shard(group.value % kShards).checkpoint(group);
}

// ---- The tests ----

std::uint64_t highest_journal_file(const std::string& directory) {
  std::uint64_t highest = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored))
    if (entry.path().extension() == ".wal") highest = std::max<std::uint64_t>(highest, std::stoull(entry.path().stem()));
  return highest;
}

/// Partitions whose logs have several segments now.
std::uint64_t rolled_logs(const std::string& data) {
  std::map<std::string, int> segments;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data))
    if (entry.path().extension() == ".log") ++segments[entry.path().parent_path()];
  return static_cast<std::uint64_t>(std::ranges::count_if(segments, [](const auto& log) { return log.second > 1; }));
}

TEST_P(PowerLoss, NothingAcknowledgedIsLost) {
  for (life_ = 1; life_ <= lives() && ok(); ++life_) {
    bring_up();
    if (ok()) check_topics();
    if (ok()) read_everything();
    if (ok() && random_.one_in(6)) {  // at once again: recovery itself is what is interrupted
      live(0, random_.below(20));
    } else if (ok()) {
      live(40 + random_.below(140), random_.below(40));
    }
    rolled_ += rolled_logs(data_);
    if (ok() && life_ % 4 == 0) {  // it is asked to stop, and may or may not come to an end of it
      draining_ = true;
      node_->drain();
      const std::uint64_t most = random_.one_in(2) ? 1'000'000'000 : random_.below(60);
      for (std::uint64_t turn = 0; turn < most && !node_->drained() && !node_->fatal(); ++turn) node_->turn();
    }
    if (node_->fatal()) violate("there was no error of the disk");
    die();
  }
  bring_up();
  if (ok()) check_topics();
  if (ok()) read_everything();
  EXPECT_EQ(violation_, "");
  // The test did what it is for.
  EXPECT_GT(lost_unacknowledged_, 0U) << "nothing was under way when the power failed";
  EXPECT_GT(checkpoints_, 0U);
  EXPECT_GT(deleted_, 0U);
  EXPECT_GT(rolled_, 0U);
  std::uint64_t journal_files = 0;
  for (std::uint32_t shard = 0; shard < kShards; ++shard)
    journal_files += highest_journal_file(journal_elsewhere() ? fmt::format("{}/fast/journals/shard-{}", scratch_.path(), shard)
                                                              : fmt::format("{}/shard-{}/journal", data_, shard));
  EXPECT_GT(journal_files, kShards * static_cast<std::uint64_t>(lives()) + 4) << "more than each life's own: files were recycled";
  fmt::print("{} acknowledgements, {} unacknowledged batches lost, {} topics deleted, {} checkpoints asked for, {} journal files\n",
             acknowledgements_, lost_unacknowledged_, deleted_, checkpoints_, journal_files);
}

TEST_P(PowerLoss, NewDirectoryWhoseMakingIsInterrupted) {
  for (const Format until : {Format::identity, Format::identity, Format::shards, Format::shards}) {
    node_ = std::make_unique<OneThreadNode>(*medium_, engine(), settings(), random_.next());
    const auto started = node_->start(kShards, until);
    ASSERT_TRUE(started) << started.error().message;
    die();
  }
  for (life_ = 1; life_ <= 2 && ok(); ++life_) {
    bring_up();
    if (ok()) check_topics();
    if (ok()) read_everything();
    if (ok()) live(10, 0);
    die();
  }
  EXPECT_EQ(violation_, "");
}

INSTANTIATE_TEST_SUITE_P(Engines, PowerLoss, ::testing::Combine(::testing::Values("uring", "threads"), ::testing::Bool()),
                         [](const auto& tested) {
                           return fmt::format("{}_journal_{}", std::get<0>(tested.param), std::get<1>(tested.param) ? "elsewhere" : "inside");
                         });

}  // namespace
}  // namespace sluice::broker
