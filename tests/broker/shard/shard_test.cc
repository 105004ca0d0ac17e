#include "broker/shard/shard.h"

#include <gtest/gtest.h>

#include "tests/broker/shard/shard_machine.h"

namespace sluice::broker {
namespace {

using Strings = std::vector<std::string>;
using Producer = TestProducer;

TEST(Shard, TakesAppliesAndReadsBack) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create();
  EXPECT_EQ(m.produce("a")->base_offset, Offset(0));
  EXPECT_EQ(m.produce("b")->base_offset, Offset(1));
  EXPECT_EQ(m.values(), (Strings{"a", "b"}));
}

TEST(Shard, ManyInOneTurnShareAnEntryAndKeepTheirOrder) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create();
  const LogIndex before = m.replica().applied_index();
  std::vector<ShardMachine::Answer> answers;
  Strings expected;
  for (int i = 0; i < 50; ++i) {
    expected.push_back("record " + std::to_string(i));
    answers.push_back(m.send(expected.back()));
  }
  m.run_until([&] { return answers.back()->has_value(); });
  for (int i = 0; i < 50; ++i) EXPECT_EQ((**answers[static_cast<std::size_t>(i)])->base_offset, Offset(i));
  EXPECT_EQ(m.replica().applied_index(), before.next());
  EXPECT_EQ(m.values(), expected);
}

TEST(Shard, NothingIsAcknowledgedBeforeItsSync) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create();
  m.run();
  m.store.stall("journal", std::chrono::seconds(5));
  const auto all = m.send("a");
  const auto leader = m.send("b", {}, true);
  m.run(std::chrono::seconds(1));
  EXPECT_FALSE(all->has_value());
  EXPECT_FALSE(leader->has_value());
  EXPECT_TRUE(m.values().empty()) << "what is not committed is not shown";
  m.store.stall("journal", Nanos(0));
  m.run_until([&] { return all->has_value() && leader->has_value(); });
  EXPECT_TRUE(**all);
  EXPECT_TRUE(**leader);
}

TEST(Shard, AcknowledgedRecordsSurvivePowerLoss) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ShardMachine m(seed);
    ASSERT_TRUE(m.start());
    m.create();
    Strings kept;
    for (int life = 0; life < 3; ++life) {
      for (int i = 0; i < 20; ++i) {
        kept.push_back(std::to_string(life) + "/" + std::to_string(i) + std::string(3000, 'x'));
        ASSERT_TRUE(m.produce(kept.back()));
        if (i == 10 && m.random.one_in(2)) m.checkpoint();
      }
      ASSERT_TRUE(m.crash());
      ASSERT_EQ(m.values(), kept);
    }
  }
}

TEST(Shard, ARetryIsAnsweredWithTheFirstOffset) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create();
  const Producer producer{ProducerId(5), 0};
  EXPECT_EQ(m.produce("a", producer)->base_offset, Offset(0));
  EXPECT_EQ(m.produce("a", producer)->base_offset, Offset(0));
  ASSERT_TRUE(m.crash());
  EXPECT_EQ(m.produce("a", producer)->base_offset, Offset(0));
  EXPECT_EQ(m.values(), Strings{"a"});
  EXPECT_EQ(m.produce("c", {ProducerId(5), 2}).error().code, Errc::out_of_order_sequence);
}

TEST(Shard, ADuplicateOfWhatIsPendingSharesItsOutcome) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create();
  const Producer producer{ProducerId(5), 0};
  const auto first = m.send("a", producer);
  const auto same_turn = m.send("a", producer);
  m.store.stall("journal", std::chrono::seconds(1));
  m.run();
  const auto later_turn = m.send("a", producer);
  m.run();
  EXPECT_FALSE(first->has_value() || same_turn->has_value() || later_turn->has_value());
  m.store.stall("journal", Nanos(0));
  m.run_until([&] { return first->has_value() && same_turn->has_value() && later_turn->has_value(); });
  for (const auto& answer : {first, same_turn, later_turn}) EXPECT_EQ((**answer)->base_offset, Offset(0));
  EXPECT_EQ(m.values(), Strings{"a"});
}

TEST(Shard, ADuplicateOfWhatDiesGetsTheSameError) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create();
  m.store.fail_next(sim::SimOp::write, "journal");
  const Producer producer{ProducerId(5), 0};
  const auto first = m.send("a", producer);
  const auto duplicate = m.send("a", producer);
  m.run();
  ASSERT_TRUE(m.fatal_error);
  ASSERT_TRUE(first->has_value() && duplicate->has_value());
  EXPECT_FALSE(**first);
  EXPECT_EQ((**first).error().code, (**duplicate).error().code);
  EXPECT_EQ(m.send("b")->value().error().code, Errc::not_leader) << "nothing is taken after a failed write";
}

TEST(Shard, ACheckpointTrimsTheJournalAndIsWhatTheNextLifeStartsFrom) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create();
  Strings kept;
  for (int i = 0; i < 200; ++i) {
    kept.push_back(std::to_string(i) + std::string(10'000, 'y'));
    ASSERT_TRUE(m.produce(kept.back())) << i;
  }
  EXPECT_GT(m.replica().checkpoint_index(), LogIndex(100)) << "a journal of 2 MiB was checkpointed on the way";
  ASSERT_TRUE(m.crash());
  EXPECT_EQ(m.values(), kept);
  EXPECT_EQ(m.files("group-1/checkpoint-").size(), 1U);
}

TEST(Shard, RecordsAppendedWhileACheckpointIsTakenAreNotInItAndNotLost) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ShardMachine m(seed);
    ASSERT_TRUE(m.start());
    m.create();
    Strings kept;
    const auto produce = [&](int i) {
      kept.push_back(std::to_string(i));
      ASSERT_TRUE(m.produce(kept.back()));
    };
    for (int i = 0; i < 20; ++i) produce(i);
    const LogIndex at = m.replica().applied_index();
    ASSERT_TRUE(m.shard().checkpoint(ShardMachine::kGroup));
    for (int i = 20; i < 40; ++i) produce(i);
    m.run_until([&] { return m.replica().checkpoint_index() >= at; });
    EXPECT_EQ(m.replica().checkpoint_index(), at);
    ASSERT_TRUE(m.crash());
    EXPECT_EQ(m.values(), kept);
  }
}

TEST(Shard, ACheckpointOfManyTurnsIsTheGroupAtOneIndex) {
  // What is appended, cut, altered, made and deleted while partitions are taken one by one is not in the checkpoint,
  // and is done again by the next life; power may fail at any moment of it.
  constexpr int kPartitions = 12;
  std::uint64_t taken = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ShardMachine m(seed);
    ASSERT_TRUE(m.start());
    std::vector<Strings> kept(kPartitions);
    std::vector<bool> deleted(kPartitions);
    const auto produce = [&](int nth) {
      kept[static_cast<std::size_t>(nth)].push_back(std::to_string(m.random.below(1000)));
      ASSERT_TRUE(m.produce(kept[static_cast<std::size_t>(nth)].back(), {}, nth));
    };
    const auto any = [&] { return static_cast<int>(m.random.below(kPartitions)); };
    for (int nth = 0; nth < kPartitions; ++nth) {
      if (nth % 4 == 3) continue;  // made later
      m.create({}, nth);
      for (int i = 0; i < 3; ++i) produce(nth);
    }
    m.checkpoint();  // they have files
    produce(0);
    const LogIndex at = m.replica().applied_index();
    ASSERT_TRUE(m.shard().checkpoint(ShardMachine::kGroup));
    for (std::uint64_t left = 2 + m.random.below(40); left > 0; --left) {
      const int nth = any();
      const auto n = static_cast<std::size_t>(nth);
      if (deleted[n]) continue;
      if (m.replica().find(m.partition(nth)) == nullptr) m.create({}, nth);
      const std::uint64_t what = m.random.below(8);
      if (what == 0) {
        ASSERT_TRUE(m.command(DeletePartitionCommand{m.partition(nth)}));
        deleted[n] = true;
      } else if (what == 1 && !kept[n].empty()) {
        ASSERT_TRUE(m.command(
            AdvanceStartCommand{m.partition(nth), m.replica().find(m.partition(nth))->state.start_offset().plus(1)}));
        kept[n].erase(kept[n].begin());
      } else if (what == 2) {
        TopicSettings settings;
        settings.retention_ms = static_cast<std::int64_t>(seed);
        ASSERT_TRUE(m.command(AlterPartitionCommand{m.partition(nth), settings}));
      } else {
        produce(nth);
      }
    }
    if (seed % 3 != 0) m.run_until([&] { return m.replica().checkpoint_index() >= at; });
    ASSERT_TRUE(m.crash());
    taken += m.replica().checkpoint_index() == at ? 1U : 0U;
    for (int nth = 0; nth < kPartitions; ++nth) {
      const auto n = static_cast<std::size_t>(nth);
      if (deleted[n] || m.replica().find(m.partition(nth)) == nullptr) {
        EXPECT_TRUE(deleted[n] || kept[n].empty()) << "partition " << nth;
        EXPECT_EQ(m.replica().find(m.partition(nth)), nullptr) << "partition " << nth;
      } else {
        EXPECT_EQ(m.values(nth), kept[n]) << "partition " << nth;
      }
    }
    m.checkpoint();
    m.run();
    for (int nth = 0; nth < kPartitions; ++nth)
      if (deleted[static_cast<std::size_t>(nth)])
        EXPECT_TRUE(m.files(m.partition(nth).text() + "/").empty()) << "partition " << nth;
  }
  EXPECT_GT(taken, 35U);
}

TEST(Shard, ATableThatChangesWhileItsCheckpointIsTakenIsTheOneOfItsIndex) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    ShardMachine m(seed);
    ASSERT_TRUE(m.start());
    const auto write = [&](int key, std::string value) {
      std::optional<Result<std::uint64_t>> answer;
      m.shard()
          .replica(kControllerGroup)
          ->submit(WriteTableCommand{std::string(kClusterTable), {{"key" + std::to_string(key), std::move(value), {}}}},
                   [&](Result<std::uint64_t> result) { answer = std::move(result); });
      m.run_until([&] { return answer.has_value(); });
      ASSERT_TRUE(answer && *answer);
    };
    for (int key = 0; key < 30; ++key) write(key, std::string(20'000, 'a'));
    Replica& controller = *m.shard().replica(kControllerGroup);
    const LogIndex at = controller.applied_index();
    m.run_until([&] { return m.shard().checkpoint(kControllerGroup); });
    for (int key = 29; key >= 0; --key) write(key, "b" + std::to_string(key));
    m.run_until([&] { return m.shard().replica(kControllerGroup)->checkpoint_index() >= at; });
    ASSERT_TRUE(m.crash()) << "seed " << seed;
    const TableState* const table = m.shard().replica(kControllerGroup)->table(kClusterTable);
    ASSERT_EQ(table->rows().size(), 30U);
    for (int key = 0; key < 30; ++key)
      EXPECT_EQ(table->find("key" + std::to_string(key))->value, "b" + std::to_string(key));
  }
}

TEST(Shard, FilesBelowTheStartGoOnlyAfterACheckpointThatKnowsIt) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  TopicSettings settings;
  settings.segment_bytes = 16U << 10;
  m.create(settings);
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(m.produce(std::to_string(i) + std::string(2000, 'z')));
  m.checkpoint();
  const std::size_t before = m.files(".log").size();
  ASSERT_GT(before, 3U);
  // The start moves while a checkpoint is under way that does not know of it.
  ASSERT_TRUE(m.command(AdvanceStartCommand{m.partition(), Offset(1)}));
  ASSERT_TRUE(m.shard().checkpoint(ShardMachine::kGroup));
  ASSERT_TRUE(m.command(AdvanceStartCommand{m.partition(), Offset(30)}));
  const LogIndex advanced = m.replica().applied_index();
  m.run_until([&] { return m.replica().checkpoint_index() >= LogIndex(advanced.value - 1); });
  m.run();
  EXPECT_EQ(m.files(".log").size(), before) << "the durable checkpoint still counts them in";
  ASSERT_TRUE(m.crash());
  EXPECT_EQ(m.values().size(), 10U);
  m.checkpoint();
  m.run();
  EXPECT_LT(m.files(".log").size(), before);
  ASSERT_TRUE(m.crash());
  EXPECT_EQ(m.values().size(), 10U);
}

TEST(Shard, ADeletedPartitionsFilesGoAfterACheckpointThatSaysSo) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create();
  ASSERT_TRUE(m.produce("a"));
  m.checkpoint();
  ASSERT_TRUE(m.command(DeletePartitionCommand{m.partition()}));
  EXPECT_TRUE(m.gone_seen);
  EXPECT_EQ(m.produce("b").error().code, Errc::unknown_topic);
  EXPECT_FALSE(m.files(m.partition().text()).empty());
  ASSERT_TRUE(m.crash());
  EXPECT_EQ(m.values(), Strings{"(no partition)"}) << "a deleted partition does not come back";
  m.checkpoint();
  m.run_until([&] { return m.files(m.partition().text()).empty(); });
  EXPECT_FALSE(m.command(CreatePartitionCommand{m.partition(), LeaderEpoch(0), {}}).has_value() &&
               m.replica().find(m.partition()) == nullptr);
}

TEST(Shard, ADeletedDirectoryThatAPowerFailureBringsBackIsStillRemoved) {
  // The removal is not durable when the next checkpoint, which has nothing to say of it any more, is on its way.
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    ShardMachine m(seed);
    ASSERT_TRUE(m.start());
    m.create();
    m.create({}, 1);
    ASSERT_TRUE(m.produce("a"));
    m.checkpoint();
    ASSERT_TRUE(m.command(DeletePartitionCommand{m.partition()}));
    m.checkpoint();
    ASSERT_TRUE(m.produce("b", {}, 1));
    m.checkpoint();
    ASSERT_TRUE(m.crash()) << "seed " << seed;
    ASSERT_TRUE(m.produce("c", {}, 1));
    m.checkpoint();
    m.run();
    EXPECT_TRUE(m.files(m.partition().text()).empty()) << "seed " << seed;
  }
}

TEST(Shard, ADeletionWhileItsLogIsSpilledIsNoError) {
  // A spill over many segments, and a checkpoint that knows of the deletion before the spill is through.
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    ShardMachine m(seed);
    ASSERT_TRUE(m.start());
    TopicSettings small;
    small.segment_bytes = kMinRawSegmentBytes;
    m.create(small);
    m.create({}, 1);
    ShardMachine::Answer last;
    for (int i = 0; i < 40; ++i) last = m.send(std::string(6'000, 'x'));
    m.run_until([&] { return last->has_value(); });
    ASSERT_TRUE(m.command(DeletePartitionCommand{ShardMachine::partition()}));
    m.checkpoint();
    m.run();
    ASSERT_FALSE(m.fatal_error) << "seed " << seed << ": " << m.fatal_error->message;
    EXPECT_TRUE(m.produce("the others go on", {}, 1));
    EXPECT_TRUE(m.files(ShardMachine::partition().text()).empty()) << "seed " << seed;
  }
}

TEST(Shard, AnAppendBehindADeleteIsRefusedNotFatal) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create();
  bool deleted = false;
  m.replica().submit(DeletePartitionCommand{m.partition()},
                     [&](const Result<std::uint64_t>& r) { deleted = r.has_value(); });
  const auto behind = m.send("late");
  m.run_until([&] { return behind->has_value(); });
  EXPECT_TRUE(deleted);
  EXPECT_EQ((**behind).error().code, Errc::unknown_topic);
  EXPECT_FALSE(m.fatal_error);
}

TEST(Shard, ADamagedCheckpointWithoutAnotherIsRefusedWithItsName) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create();
  ASSERT_TRUE(m.produce("a"));
  m.checkpoint();
  m.run();
  ASSERT_EQ(m.files("group-1/checkpoint-").size(), 1U);
  const std::string file = m.files("group-1/checkpoint-").at(0);
  m.store.kill();  // a crash could bring the replaced checkpoint back, which the journal still continues
  m.end();
  m.store.flip_bit(file, 30, 3);
  auto started = m.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::corrupt);
  EXPECT_NE(started.error().message.find("checkpoint-"), std::string::npos) << started.error().message;
}

TEST(Shard, ADamagedCheckpointIsReplacedByOneThatTheJournalContinues) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create();
  ASSERT_TRUE(m.produce("a"));
  const std::string first_path = m.files("group-1/checkpoint-").at(0);
  const auto first = *m.store.read_view(first_path);
  m.checkpoint();
  m.run();
  ASSERT_TRUE(m.produce("b"));
  m.store.kill();
  m.end();
  m.store.flip_bit(m.files("group-1/checkpoint-").at(0), 30, 3);
  m.store.put_file(first_path, first);
  ASSERT_TRUE(m.start());
  EXPECT_EQ(m.values(), (Strings{"a", "b"}));
}

TEST(Shard, AJournalThatDoesNotContinueTheCheckpointIsRefused) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create();
  const std::string first_path = m.files("group-1/checkpoint-").at(0);
  const auto first = *m.store.read_view(first_path);
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(m.produce(std::to_string(i) + std::string(10'000, 'q')));
  m.checkpoint();
  for (const std::string& path : m.files("group-1/checkpoint-")) m.store.flip_bit(path, 30, 3);
  m.store.put_file(first_path, first);  // an old one, whose continuation the journal has let go of
  auto started = m.crash();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::corrupt);
}

TEST(Shard, AFullDiskRefusesProducingAndRecoversByItself) {
  ShardMachine m;
  m.store.set_capacity(8U << 20);
  ASSERT_TRUE(m.start());
  m.create();
  ASSERT_TRUE(m.produce("before"));
  m.store.set_capacity(m.store.used_bytes() + (100U << 10));
  m.run(std::chrono::seconds(2));
  EXPECT_TRUE(m.shard().disk_full());
  EXPECT_EQ(m.values(), Strings{"before"}) << "reads go on";
  EXPECT_TRUE(m.command(AdvanceStartCommand{m.partition(), Offset(1)})) << "control commands go on";
  m.store.set_capacity(16U << 20);
  m.run(std::chrono::seconds(3));
  EXPECT_FALSE(m.shard().disk_full());
  EXPECT_TRUE(m.produce("after"));
  EXPECT_FALSE(m.fatal_error);
}

TEST(Shard, AJournalThatCheckpointsDoNotEmptyTakesCommandsStillAndLosesNothing) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create();
  m.store.stall("group-1/checkpoint", std::chrono::seconds(60));
  std::vector<ShardMachine::Answer> answers;
  for (int i = 0; i < 80; ++i) answers.push_back(m.send(std::to_string(i) + std::string(50'000, 'j')));
  m.run(std::chrono::seconds(5));
  const auto kept = [&] {
    return std::ranges::count_if(answers, [](const auto& answer) { return answer->has_value(); });
  };
  const auto before = kept();
  EXPECT_GT(before, 20);
  EXPECT_LT(before, 60) << "what does not fit waits";
  const ShardReport full = m.shard().report();
  EXPECT_GT(full.journal_used_bytes, full.journal_capacity_bytes / 2);
  EXPECT_LT(full.journal_used_bytes, full.journal_capacity_bytes);
  m.create({}, 1);
  EXPECT_TRUE(m.replica().find(ShardMachine::partition(1)) != nullptr) << "the last of it is for commands";
  EXPECT_EQ(kept(), before);
  m.store.stall("group-1/checkpoint", Nanos(0));
  m.run_until([&] { return kept() == 80; });
  for (int i = 0; i < 80; ++i) ASSERT_TRUE(**answers[static_cast<std::size_t>(i)]) << i;
  EXPECT_EQ(m.values().size(), 80U);
  EXPECT_FALSE(m.fatal_error);
}

TEST(Shard, AWriteThatNeverEndsEndsTheNode) {
  for (const int stall_s : {12, 120}) {  // of the write, and of its sync
    ShardMachine m;
    ASSERT_TRUE(m.start());
    m.create();
    m.store.stall("journal", std::chrono::seconds(stall_s));
    const auto answer = m.send("late");
    m.run(std::chrono::seconds(20));
    EXPECT_FALSE(m.fatal_error);
    m.run(std::chrono::seconds(20));
    EXPECT_EQ(m.fatal_error.has_value(), stall_s > 30);
    if (m.fatal_error) {
      EXPECT_NE(m.fatal_error->message.find("does not answer"), std::string::npos) << m.fatal_error->message;
      EXPECT_TRUE(answer->has_value() && !**answer) << "nothing is acknowledged";
    } else {
      m.run_until([&] { return answer->has_value(); });
      EXPECT_TRUE(**answer);
    }
  }
}

TEST(Shard, TailsOfManyPartitionsNeverStarveTheJournalOfBuffers) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  constexpr int kPartitions = 100;  // each would keep a flush buffer of its own: more than there are
  for (int i = 0; i < kPartitions; ++i) m.create({}, i);
  for (int round = 0; round < 2; ++round)
    for (int i = 0; i < kPartitions; ++i)
      ASSERT_TRUE(m.produce(std::string(60'000, 'w'), {}, i)) << "round " << round << " partition " << i;
}

TEST(Shard, ARestartLeadsInALaterTerm) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  const Term first = m.leaderships[ShardMachine::kGroup].term;
  ASSERT_TRUE(m.crash());
  EXPECT_GT(m.leaderships[ShardMachine::kGroup].term, first);
  EXPECT_TRUE(m.leaderships[ShardMachine::kGroup].ready);
}

TEST(Shard, DrainLeavesNothingForTheJournal) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  m.create();
  ASSERT_TRUE(m.produce("a"));
  bool drained = false;
  m.shard().drain([&] { drained = true; });
  m.run_until([&] { return drained; });
  EXPECT_EQ(m.replica().entries_since_checkpoint(), 0U);
  m.store.kill();
  m.end();
  ASSERT_TRUE(m.start());
  EXPECT_EQ(m.values(), Strings{"a"});
}

TEST(Shard, TableWritesAreConditionalAndSurvive) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  std::optional<Result<std::uint64_t>> first, second;
  const auto write = [&](std::string value, std::optional<std::uint64_t> expected, auto& answer) {
    m.shard()
        .replica(kControllerGroup)
        ->submit(WriteTableCommand{std::string(kClusterTable), {{"k", std::move(value), expected}}},
                 [&](Result<std::uint64_t> result) { answer = std::move(result); });
    m.run_until([&] { return answer.has_value(); });
  };
  write("one", 0, first);
  write("two", 0, second);
  ASSERT_TRUE(*first);
  EXPECT_EQ(second->error().code, Errc::busy);
  EXPECT_EQ(m.rows["k"], "one");
  ASSERT_TRUE(m.crash());
  EXPECT_EQ(m.shard().replica(kControllerGroup)->table(kClusterTable)->find("k")->value, "one");
}

TEST(Shard, ATablesFeedTellsEveryWriteOnceWhateverIsLost) {
  ShardMachine m(7);
  ASSERT_TRUE(m.start());
  const PartitionId feed = table_feed_partition(kClusterTable);
  for (int life = 0; life < 4; ++life) {
    for (int nth = 0; nth < 20; ++nth) {
      std::optional<Result<std::uint64_t>> answer;
      const std::string key = "k" + std::to_string(m.random.below(5));
      auto value = m.random.below(4) == 0 ? std::nullopt : std::optional(std::to_string(life * 100 + nth));
      m.shard()
          .replica(kControllerGroup)
          ->submit(WriteTableCommand{std::string(kClusterTable), {{key, std::move(value), std::nullopt}}},
                   [&](Result<std::uint64_t> result) { answer = std::move(result); });
      m.run_until([&] { return answer.has_value(); });
      ASSERT_TRUE(*answer);
    }
    // Some lives go on from a checkpoint and some from the journal alone.
    if (life % 2 == 0) m.checkpoint(kControllerGroup);
    ASSERT_TRUE(m.crash());
    const auto records = m.records(feed, kControllerGroup);
    EXPECT_EQ(records.size(), 20U * (static_cast<std::size_t>(life) + 1));
    std::map<std::string, std::string> map;
    for (const auto& [key, value] : records) value ? map[key] = *value : (map.erase(key), std::string());
    std::map<std::string, std::string> rows;
    for (const auto& [key, row] : m.shard().replica(kControllerGroup)->table(kClusterTable)->rows())
      rows[key] = row.value;
    EXPECT_EQ(map, rows);
  }
}

TEST(Shard, NobodyAppendsToATablesFeed) {
  ShardMachine m;
  ASSERT_TRUE(m.start());
  std::optional<Result<AppendResult>> answer;
  const SharedBytes bytes = SharedBytes::take(ShardMachine::batch("forged"));
  m.shard()
      .replica(kControllerGroup)
      ->append({table_feed_partition(kClusterTable), *parse_batch_header(bytes), bytes, false,
                [&](Result<AppendResult> result) { answer = std::move(result); }});
  m.run_until([&] { return answer.has_value(); });
  EXPECT_EQ(answer->error().code, Errc::invalid_topic);
}

TEST(Shard, AGroupWithMuchToWriteCostsAnotherAboutAFlush) {
  ShardMachine m;
  constexpr GroupId kSmall{2};
  m.groups.push_back(kSmall);
  ASSERT_TRUE(m.start());
  m.create();
  std::optional<Result<std::uint64_t>> made;
  m.shard().replica(kSmall)->submit(CreatePartitionCommand{m.partition(1), LeaderEpoch(0), {}},
                                    [&](Result<std::uint64_t> result) { made = std::move(result); });
  m.run_until([&] { return made.has_value(); });
  for (int turn = 0; turn < 9; ++turn) {  // whichever group a turn begins with
    std::vector<ShardMachine::Answer> much;
    for (int i = 0; i < 30; ++i) much.push_back(m.send(std::string(30'000, 'x')));
    const auto little = m.send("small", {}, false, 1, kSmall);
    m.run_until([&] { return little->has_value(); });
    ASSERT_TRUE(**little);
    const auto answered = std::ranges::count_if(much, [](const auto& answer) { return answer->has_value(); });
    EXPECT_LE(answered, 8) << "a flush takes two of them";
    m.run_until([&] { return much.back()->has_value(); });
    for (const auto& answer : much) EXPECT_TRUE(**answer);
    m.run(std::chrono::microseconds(turn));
  }
}

}  // namespace
}  // namespace sluice::broker
