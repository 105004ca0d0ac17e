#include "storage/log/partition_log.h"

#include <gtest/gtest.h>

#include "tests/storage/log/log_machine.h"

namespace sluice::storage {
namespace {

TEST(PartitionLog, IsReadFromMemoryAtOnce) {
  LogMachine m;
  m.append({1, 2, 3});
  m.append({4});
  bool called = false;
  m.log->read(Offset(1), kNoLimit, Offset(100), [&](Result<LogRead> read) {
    called = true;
    ASSERT_TRUE(read);
    ASSERT_EQ(read->batches.size(), 2U);
    m.check_read(*read, Offset(1), kNoLimit, Offset(100));
  });
  EXPECT_TRUE(called);
  EXPECT_TRUE(m.store.files().empty());
  EXPECT_EQ(m.log->end_offset(), Offset(4));
}

TEST(PartitionLog, IsReadFromSegmentsByteForByte) {
  LogMachine m(1, LogMachine::no_tail());
  for (int i = 0; i < 40; ++i) m.append({i, i + 1, i + 2}, 10 + static_cast<std::size_t>(i) * 20);
  ASSERT_TRUE(m.spill());
  EXPECT_EQ(m.log->memory_charge(), 0U);
  EXPECT_GT(m.log->segments().size(), 4U);
  for (const std::size_t max_bytes : {1UL, 500UL, 3000UL, kNoLimit}) m.check_all(max_bytes);
}

TEST(PartitionLog, RollsAtSegmentBytes) {
  LogMachine m;
  m.append_many(100);
  ASSERT_TRUE(m.spill());
  const auto segments = m.log->segments();
  ASSERT_GT(segments.size(), 2U);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    EXPECT_LE(segments[i].size_bytes, m.options.segment_bytes);
    EXPECT_EQ(segments[i].next, i + 1 < segments.size() ? segments[i + 1].base : Offset(100));
    EXPECT_EQ(m.store.read_view(m.segment(segments[i].base.value))->size(), segments[i].size_bytes);
    EXPECT_EQ(segments[i].max_timestamp_ms, segments[i].next.value - 1);
  }
}

TEST(PartitionLog, RollsAtSegmentTime) {
  LogOptions options = LogMachine::small_segments();
  options.segment_ms = 100;
  LogMachine m(1, options);
  const auto append_at = [&](std::int64_t group_time_ms) { m.append({7}, 20, Codec::none, group_time_ms); };
  const auto bases = [&] {
    std::vector<std::int64_t> all;
    for (const auto& segment : m.log->segments()) all.push_back(segment.base.value);
    return all;
  };
  // The records' own times are all the same: it is when they came that counts.
  for (const std::int64_t time : {1000, 1100, 1101, 1150, 1201, 1202}) append_at(time);
  ASSERT_TRUE(m.spill());
  EXPECT_EQ(bases(), (std::vector<std::int64_t>{0, 2, 5}));
  append_at(1302);
  m.take_checkpoint();
  m.kill();
  append_at(1302);
  append_at(1303);
  ASSERT_TRUE(m.spill());
  EXPECT_EQ(bases(), (std::vector<std::int64_t>{0, 2, 5, 8})) << "a restart does not make it younger";
  m.log->set_segment_limits(options.segment_bytes, 10);
  append_at(1314);
  ASSERT_TRUE(m.spill());
  EXPECT_EQ(bases(), (std::vector<std::int64_t>{0, 2, 5, 8, 9}));
  m.check_all();
}

TEST(PartitionLog, ABatchLargerThanASegmentGetsItsOwn) {
  LogMachine m(1, LogMachine::no_tail());
  m.append({1}, 100);
  m.append({2}, 9000);
  m.append({3}, 100);
  ASSERT_TRUE(m.spill());
  EXPECT_EQ(m.log->segments().size(), 3U);
  m.check_all();
}

TEST(PartitionLog, LargeBatchesAreReadWhole) {
  LogOptions options = LogMachine::no_tail();
  options.segment_bytes = 16U << 20;
  LogMachine m(1, options);
  m.append({1}, 100);
  m.append({2}, 3U << 20);
  m.append({3}, 100);
  m.append({4}, 2U << 20);
  ASSERT_TRUE(m.spill());
  EXPECT_EQ(m.log->segments().size(), 1U);
  m.check_all(1);
  m.check_all(1U << 20);
}

TEST(PartitionLog, NothingAtOrBeyondTheLimitIsRead) {
  LogMachine m(1, LogMachine::no_tail());
  for (int i = 0; i < 10; ++i) m.append({1, 2, 3});
  for (int pass = 0; pass < 2; ++pass) {
    auto read = m.read(Offset(4), kNoLimit, Offset(9));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->batches.size(), 2U);
    EXPECT_TRUE(m.read(Offset(9), kNoLimit, Offset(9))->batches.empty());
    EXPECT_TRUE(m.read(Offset(7), kNoLimit, Offset(8))->batches.empty());
    EXPECT_TRUE(m.read(Offset(30))->batches.empty());
    EXPECT_EQ(m.read(Offset(31)).error().code, Errc::offset_out_of_range);
    ASSERT_TRUE(m.spill());
  }
}

TEST(PartitionLog, TheStateIsWhatWasSpilled) {
  LogMachine m;
  EXPECT_EQ(m.log->spilled_state(), LogState{});
  m.append_many(3);
  EXPECT_EQ(m.log->spilled_state(), LogState{});
  EXPECT_FALSE(m.log->needs_sync());
  m.take_checkpoint();
  EXPECT_FALSE(m.log->needs_sync());
  m.append_many(1);
  ASSERT_EQ(m.checkpoint->segments.size(), 1U);
  EXPECT_EQ(m.checkpoint->end_offset, Offset(3));
  EXPECT_EQ(m.checkpoint->segments[0].size_bytes, 3 * m.journal[0].bytes.size());
  EXPECT_EQ(m.checkpoint->segments[0].max_timestamp_ms, 2);
}

TEST(PartitionLog, ATimeAheadCountsAsTheGroupsTime) {
  LogMachine m;
  m.append({5'000'000}, 10, Codec::none, 1000);
  m.take_checkpoint();
  EXPECT_EQ(m.log->segments()[0].max_timestamp_ms, 1000);
  EXPECT_EQ(m.find_time(4'000'000)->value().offset, Offset(0));
  m.crash();  // now the index has to tell
  EXPECT_EQ(m.find_time(4'000'000)->value().offset, Offset(0));
}

TEST(PartitionLog, SurvivesACrashAsFarAsItWasSynced) {
  LogMachine m;
  m.append_many(50);
  m.take_checkpoint();
  m.append_many(50);
  ASSERT_TRUE(m.spill());
  m.append_many(3);
  m.crash();
  EXPECT_EQ(m.log->end_offset(), Offset(103));
  m.check_all();
  m.take_checkpoint();
  m.kill();
  m.check_all();
}

TEST(PartitionLog, OpenTouchesNoFile) {
  LogMachine m;
  m.append_many(100);
  m.take_checkpoint();
  m.crash();
  EXPECT_EQ(m.disk->counters().reads, 0U);
  EXPECT_EQ(m.files->open_files(), 0U);
  EXPECT_EQ(m.log->size_bytes(), 100 * m.journal[0].bytes.size());
}

TEST(PartitionLog, CutsAndRemovesWhatACrashLeft) {
  LogMachine m;
  m.append_many(10);
  m.take_checkpoint();
  m.append_many(100);
  ASSERT_TRUE(m.spill());
  const auto files = m.store.files().size();
  m.store.put_file(std::string(LogMachine::kDirectory) + "/notes.txt", as_bytes("kept"));
  m.journal.resize(10);
  m.kill();
  m.check_all();
  EXPECT_LT(m.store.files().size(), files);
  EXPECT_EQ(m.store.read_view(m.segment(0))->size(), m.checkpoint->segments[0].size_bytes);
  EXPECT_TRUE(m.store.read_view(std::string(LogMachine::kDirectory) + "/notes.txt"));
}

TEST(PartitionLog, FewerBytesThanTheCheckpointSaysIsCorruption) {
  LogMachine m;
  m.append_many(100);
  m.take_checkpoint();
  m.checkpoint->segments.back().size_bytes += 1;
  m.crash();
  EXPECT_EQ(m.read(Offset(0)).error().code, Errc::corrupt);
  m.append_many(1);
  EXPECT_EQ(m.spill().error().code, Errc::corrupt);
  m.checkpoint->segments.back().size_bytes -= 1;
  m.checkpoint->segments.front().base = Offset(1);
  m.crash();
  const auto read = m.read(Offset(0));
  EXPECT_EQ(read.error().code, Errc::corrupt);
  EXPECT_NE(read.error().message.find("00000000000000000001.log"), std::string::npos) << read.error().message;
}

TEST(PartitionLog, GarbageIsRemovedOnlyWhenAsked) {
  LogMachine m;
  m.append_many(100);
  m.take_checkpoint();
  const auto segments = m.log->segments();
  m.advance_start(segments[2].base.next());
  EXPECT_TRUE(m.log->has_garbage());
  EXPECT_EQ(m.log->segments().front().base, segments[2].base);
  EXPECT_TRUE(m.store.read_view(m.segment(0)));
  m.crash();  // the checkpoint doesn't know of the new start yet
  m.check_all();
  EXPECT_TRUE(m.store.read_view(m.segment(0)));
  m.take_checkpoint();
  EXPECT_TRUE(m.run<void>([&](auto done) { m.log->remove_garbage(std::move(done)); }));
  EXPECT_FALSE(m.log->has_garbage());
  EXPECT_FALSE(m.store.read_view(m.segment(0)));
  m.crash();
  m.check_all();
  EXPECT_EQ(m.read(Offset(0)).error().code, Errc::offset_out_of_range);
}

TEST(PartitionLog, CutToItsEndItKeepsNoFile) {
  LogMachine m;
  m.append_many(10);
  m.take_checkpoint();
  m.advance_start(Offset(10));
  EXPECT_EQ(m.log->size_bytes(), 0U);
  m.take_checkpoint();
  EXPECT_TRUE(m.checkpoint->segments.empty());
  ASSERT_TRUE(m.run<void>([&](auto done) { m.log->remove_garbage(std::move(done)); }));
  EXPECT_TRUE(m.store.files().empty());
  m.append_many(10);
  m.take_checkpoint();
  m.crash();
  EXPECT_EQ(m.log->start_offset(), Offset(10));
  m.check_all();
}

TEST(PartitionLog, RemoveAllLeavesNothing) {
  LogMachine m;
  m.append_many(100);
  m.take_checkpoint();
  m.append_many(20);
  bool spilled = false;
  m.log->spill([&](Result<void> result) {
    spilled = true;
    EXPECT_FALSE(result);
  });
  ASSERT_TRUE(m.run<void>([&](auto done) { m.log->remove_all(std::move(done)); }));
  EXPECT_TRUE(spilled);
  EXPECT_TRUE(m.store.files().empty());
  EXPECT_FALSE(*m.disk->exists(LogMachine::kDirectory));
  EXPECT_EQ(m.read(Offset(0)).error().code, Errc::not_found);
}

TEST(PartitionLog, AReadUnderWaySurvivesEverything) {
  LogMachine m(1, LogMachine::no_tail());
  m.append_many(100);
  m.take_checkpoint();
  int answered = 0;
  const auto read = [&](std::int64_t offset) {
    m.log->read(Offset(offset), 1, Offset(1000), [&, offset](Result<LogRead> result) {
      ++answered;
      if (result) {
        m.check_read(*result, Offset(offset), 1, Offset(1000));
      } else {
        EXPECT_TRUE(result.error().code == Errc::offset_out_of_range) << result.error().message;
      }
    });
  };
  for (std::int64_t offset = 0; offset < 100; offset += 7) read(offset);
  m.append_many(30);
  m.log->spill([](Result<void> result) { EXPECT_TRUE(result); });
  m.advance_start(Offset(80));
  m.log->mark();
  m.log->remove_garbage([](Result<void> result) { EXPECT_TRUE(result); });
  m.scheduler.run_until_idle();
  EXPECT_EQ(answered, 15);
  for (std::int64_t offset = 80; offset < 130; ++offset) read(offset);
  m.log.reset();  // nothing is called any more
  m.scheduler.run_until_idle();
  EXPECT_EQ(answered, 15);
  EXPECT_LE(m.files->open_files(), m.max_open_files);
}

TEST(PartitionLog, ASyncReturnsTheStateAtTheMark) {
  LogMachine m;
  m.append_many(60);
  ASSERT_TRUE(m.spill());
  m.append_many(30);
  m.log->mark();
  m.append_many(40);
  m.advance_start(Offset(100));  // its garbage is still part of what was marked
  const auto state = m.sync();
  ASSERT_TRUE(state);
  EXPECT_EQ(state->start_offset, Offset(0));
  EXPECT_EQ(state->end_offset, Offset(90));
  EXPECT_EQ(state->segments.front().base, Offset(0));
  ASSERT_TRUE(m.log->has_garbage());
  ASSERT_TRUE(m.run<void>([&](auto done) { m.log->remove_garbage(std::move(done)); }));
  EXPECT_TRUE(m.log->has_garbage());
  m.checkpoint = *state;
  m.start = Offset(0);
  m.crash();
  m.check_all();
}

TEST(PartitionLog, SyncsAskedForMeanwhileWaitTheirTurn) {
  LogMachine m;
  m.append_many(5);
  ASSERT_TRUE(m.spill());
  std::vector<Offset> ends;
  const auto sync = [&] {
    m.log->sync([&](Result<LogState> state) {
      ASSERT_TRUE(state);
      ends.push_back(state->end_offset);
    });
  };
  sync();
  m.append_many(5);
  m.log->spill([&](Result<void>) { sync(); });
  sync();
  m.scheduler.run_until_idle();
  ASSERT_EQ(ends.size(), 3U);
  EXPECT_EQ(ends[0], Offset(5));
  EXPECT_EQ(ends[2], Offset(10));
}

TEST(PartitionLog, ManyIdleOnesCostLittle) {
  LogMachine m;
  std::vector<std::unique_ptr<PartitionLog>> logs;
  for (int i = 0; i < 1000; ++i) {
    logs.push_back(std::make_unique<PartitionLog>(m.files, "data/group-1/many-" + std::to_string(i), m.options));
    logs.back()->create(Offset(0));
    logs.back()->append(SharedBytes::take(make_batch(Offset(0), {1}, 10)), 1);
    std::optional<Result<void>> spilled;
    logs.back()->spill([&](Result<void> result) { spilled = std::move(result); });
    while (!spilled && m.scheduler.run_next()) {
    }
    ASSERT_TRUE(spilled && *spilled);
    logs.back()->drop_tail();
    EXPECT_EQ(logs.back()->memory_charge(), 0U);
    EXPECT_LE(m.files->open_files(), m.max_open_files);
  }
  // All at once: they take turns with the few files.
  int answered = 0;
  for (auto& log : logs) {
    log->read(Offset(0), 100, Offset(1), [&](Result<LogRead> read) {
      ASSERT_TRUE(read) << read.error().message;
      EXPECT_EQ(read->batches.size(), 1U);
      EXPECT_LE(m.files->open_files(), m.max_open_files);
      ++answered;
    });
  }
  m.scheduler.run_until_idle();
  EXPECT_EQ(answered, 1000);
  EXPECT_LE(m.files->open_files(), m.max_open_files);
}

TEST(PartitionLog, LargeRunsGoPastThePageCacheAndMeetAtEveryAlignment) {
  LogOptions options;
  options.direct_run_bytes = 8192;
  options.tail_bytes = 0;
  options.segment_bytes = 300'000;
  LogMachine m(1, options);
  // Sizes around a block, so that runs that begin or end at a block, before it and behind it all occur. The bytes of the
  // last block are kept with the tail; once that is let go of they are read back.
  for (int nth = 0; nth < 300; ++nth) {
    m.append({1000 + nth}, static_cast<std::size_t>(nth % 3 == 0 ? 4096 - 80 + nth % 20 : 2000 + nth * 13 % 5000));
    if (nth % 4 == 3) ASSERT_TRUE(m.spill());
    if (nth % 12 == 7) m.log->drop_tail();
    if (nth == 7) EXPECT_TRUE(m.files->is_open(m.segment(0), FilePool::Access::direct));
    if (nth < 30) EXPECT_FALSE(m.files->is_open(m.segment(0), FilePool::Access::buffered)) << "not a byte but past it";
  }
  m.check_all();
  m.take_checkpoint();
  m.crash();
  m.check_all();
  m.append({3000}, 10'000);
  ASSERT_TRUE(m.spill());
  m.check_all();
}

}  // namespace
}  // namespace sluice::storage
