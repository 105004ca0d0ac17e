#include "storage/journal/journal.h"

#include <algorithm>

#include "protocol/base/crc32c.h"
#include "storage/journal/journal_format.h"
#include "tests/storage/journal/journal_world.h"

namespace sluice::storage {
namespace {

using sim::SimOp;

struct JournalTest : ::testing::Test, JournalWorld {
  void restart() { crash(), boot(); }
  /// Fills files with entries of group 9 until `file` is the current one; returns the last index.
  std::uint64_t fill_until(std::uint64_t file, std::uint64_t from = 1) {
    for (std::uint64_t index = from;; ++index) {
      must_append(9, index, std::string(7000, 'f'));
      flush_and_run();
      if (HasFatalFailure() || HasNonfatalFailure() || position(9, index).file >= file) return index;
    }
  }
};

TEST_F(JournalTest, StartsEmptyAndReplaysWhatWasAppended) {
  boot();
  EXPECT_EQ(replayed.entries, 0);
  EXPECT_NE(journal->id(), 0U);
  const std::uint64_t id = journal->id();
  must_append(1, 1, "one");
  must_append(2, 1, "");
  must_append(1, 2, std::string(5000, 'x'));
  ASSERT_TRUE(journal->append_vote({GroupId(1), Term(7), NodeId(3)}));
  EXPECT_FALSE(journal->clean());
  flush_and_run();
  EXPECT_TRUE(journal->clean());
  EXPECT_EQ(durable, 4U);
  restart();
  EXPECT_EQ(journal->id(), id);
  EXPECT_EQ(replayed.entries, 3);
  EXPECT_EQ(payload_of(1, 1), "one");
  EXPECT_EQ(payload_of(1, 2), std::string(5000, 'x'));
  EXPECT_EQ(replayed.logs[GroupId(1)].vote, (Vote{Term(7), NodeId(3)}));
  EXPECT_EQ(read(position(1, 1)), "one");
}

TEST_F(JournalTest, NothingIsReportedBeforeItsSync) {
  options.sync = JournalSync::fdatasync;
  boot();
  run();
  disk_options.sync_latency = {};
  must_append(1, 1, "a");
  store.reset_counters();
  journal->flush();
  while (durable == 0) {
    ASSERT_TRUE(scheduler.run_next());
    if (durable != 0) {
      EXPECT_EQ(store.counters().syncs, 1U);
      EXPECT_EQ(store.counters().writes, 1U);
    }
  }
  const auto content = store.read_durable(path(1));
  ASSERT_TRUE(content);
  EXPECT_NE(as_text(*content).find("SLWF", 4096), std::string::npos);
}

TEST_F(JournalTest, CountsItsWritesAndTheirTimes) {
  boot();
  run();
  scheduler.run_for(std::chrono::seconds(100));  // or a time since the beginning would pass for one since the write
  const JournalStats before = journal->stats();
  store.stall("journal", std::chrono::seconds(3));
  must_append(1, 1, std::string(5000, 'x'));
  flush_and_run();
  const JournalStats& after = journal->stats();
  EXPECT_EQ(after.flushes - before.flushes, 2U) << "the entry's, and the marker behind it";
  EXPECT_EQ(after.bytes - before.bytes, 8192U + 4096U);
  EXPECT_EQ(after.write_ns.count() - before.write_ns.count(), 2U);
  EXPECT_EQ(after.write_ns.count_to_power(31) - before.write_ns.count_to_power(31), 0U) << "both took over 2.1 s";
  EXPECT_GE(after.write_ns.quantile(1), 3'000'000'000U);
  EXPECT_LE(after.write_ns.sum() - before.write_ns.sum(), 13'000'000'000U) << "a write and a sync each";
}

TEST_F(JournalTest, TheSecondFlushIsNotReportedBeforeTheFirst) {
  boot();
  run();
  store.stall(path(1), std::chrono::seconds(1));
  const std::uint64_t first = must_append(1, 1, "slow");
  journal->flush();
  store.stall(path(1), Nanos(0));
  const std::uint64_t second = must_append(1, 2, "fast");
  journal->flush();
  std::vector<std::uint64_t> reports;
  on_durable = [&](std::uint64_t sequence) { reports.push_back(sequence); };
  scheduler.run_for(std::chrono::milliseconds(500));
  EXPECT_TRUE(reports.empty());
  EXPECT_EQ(disk->in_flight(), 1U) << "the second was written";
  run();
  EXPECT_EQ(reports, std::vector<std::uint64_t>{second});
  EXPECT_LT(first, second);
}

TEST_F(JournalTest, CoalescesOnCompletion) {
  boot();
  run();
  store.reset_counters();
  for (std::uint64_t index = 1; index <= 50; ++index) {
    must_append(1, index, "small");
    journal->flush();
  }
  EXPECT_EQ(store.counters().writes, 0U);
  EXPECT_EQ(disk->in_flight(), 2U);
  run();
  EXPECT_EQ(durable, 50U);
  EXPECT_EQ(store.counters().writes, 4U) << "two at once, the rest together, and a marker";
}

TEST_F(JournalTest, WritesOneMarkerWhenIdle) {
  boot();
  run();
  store.reset_counters();
  must_append(1, 1, "a");
  flush_and_run();
  EXPECT_EQ(store.counters().writes, 2U);
  journal->flush();
  run();
  EXPECT_EQ(store.counters().writes, 2U);
}

TEST_F(JournalTest, AReservationIsWrittenInPlace) {
  boot();
  auto reserved = journal->reserve(100);
  ASSERT_TRUE(reserved);
  std::memcpy(reserved->bytes.data(), "in place", 8);
  const SharedBytes slice = journal->shrink(*reserved, 8);
  auto appended = journal->append_entry({GroupId(1), LogIndex(1), Term(1), 1}, slice);
  ASSERT_TRUE(appended);
  EXPECT_EQ(appended->payload.data(), reserved->bytes.data());
  must_append(1, 2, "behind");
  flush_and_run();
  restart();
  EXPECT_EQ(payload_of(1, 1), "in place");
  EXPECT_EQ(payload_of(1, 2), "behind");
}

TEST_F(JournalTest, AForgottenReservationLeavesNothing) {
  boot();
  ASSERT_TRUE(journal->reserve(100));
  ASSERT_TRUE(journal->reserve(12000));
  ASSERT_TRUE(journal->reserve(60000));
  must_append(1, 1, "a");
  flush_and_run();
  restart();
  EXPECT_EQ(replayed.entries, 1);
}

TEST_F(JournalTest, AnEntryLargerThanAFlushOrAFile) {
  boot();
  const std::string large(30000, 'l');
  const std::string giant(150000, 'g');
  must_append(1, 1, "small");
  must_append(1, 2, large);
  must_append(1, 3, giant);
  must_append(1, 4, "behind");
  auto refused = append(1, 5, std::string(options.max_entry_bytes + 1, 'x'));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::too_large);
  flush_and_run();
  EXPECT_TRUE(journal->clean());
  EXPECT_GT(position(1, 3).file, position(1, 2).file);
  restart();
  EXPECT_EQ(payload_of(1, 2), large);
  EXPECT_EQ(payload_of(1, 3), giant);
  EXPECT_EQ(payload_of(1, 4), "behind");
}

TEST_F(JournalTest, FlushBuffersAreBoundedAndComeBack) {
  options.buffer_bytes = 4 * options.flush_bytes;
  boot();
  std::vector<SharedBytes> tail;
  Errc refused = Errc::internal;
  for (std::uint64_t index = 1; index < 100; ++index) {
    auto appended = journal->append_entry({GroupId(1), LogIndex(index), Term(1), 1},
                                          SharedBytes::copy_of(as_bytes(std::string(9000, 't'))));
    if (!appended) {
      refused = appended.error().code;
      break;
    }
    tail.push_back(appended->payload);
    flush_and_run();
  }
  EXPECT_EQ(refused, Errc::busy);
  EXPECT_GE(tail.size(), 3U);
  for (const SharedBytes& slice : tail) EXPECT_EQ(as_text(slice), std::string(9000, 't'));
  const std::uint64_t next = tail.size() + 1;
  tail.clear();
  must_append(1, next, "again");
}

TEST_F(JournalTest, SmallFlushesShareABuffer) {
  options.buffer_bytes = 4 * options.flush_bytes;
  boot();
  std::vector<SharedBytes> tail;
  for (std::uint64_t index = 1; index <= 6; ++index) {
    auto appended =
        journal->append_entry({GroupId(1), LogIndex(index), Term(1), 1}, SharedBytes::copy_of(as_bytes("small")));
    ASSERT_TRUE(appended) << "entry " << index;
    tail.push_back(appended->payload);
    flush_and_run();
  }
  EXPECT_EQ(tail[0].owner(), tail[1].owner());
}

TEST_F(JournalTest, ReadsFromMemoryAndFromTheFile) {
  boot();
  {
    auto appended = journal->append_entry({GroupId(1), LogIndex(1), Term(1), 1}, SharedBytes::copy_of(as_bytes("mem")));
    ASSERT_TRUE(appended);
    EXPECT_EQ(read(position(1, 1)), "mem") << "not even flushed";
    flush_and_run();
  }
  must_append(1, 2, std::string(15000, 'x'));
  flush_and_run();
  journal->trim_memory();
  store.reset_counters();
  EXPECT_EQ(read(position(1, 1)), "mem");
  EXPECT_GT(store.counters().reads, 0U);
  store.flip_bit(path(position(1, 1).file), position(1, 1).offset + 70, 1);
  journal->trim_memory();  // what was read back lives as long as its buffer
  EXPECT_EQ(read(position(1, 1)), "error: corrupt");
  JournalPosition elsewhere = position(1, 1);
  elsewhere.file = 77;
  EXPECT_EQ(read(elsewhere), "error: not_found");
}

TEST_F(JournalTest, AnIndexThatGoesBackReplaces) {
  boot();
  for (std::uint64_t index = 1; index <= 5; ++index) must_append(1, index, "old");
  must_append(1, 3, "new", 2);
  EXPECT_FALSE(journal->position(GroupId(1), LogIndex(4)));
  flush_and_run();
  restart();
  const auto& entries = replayed.logs[GroupId(1)].entries;
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries.at(LogIndex(3)), (Entry{Term(2), 1, "new"}));
}

TEST_F(JournalTest, ReleasedFilesAreRecycledUnderTheNextNumber) {
  boot();
  std::uint64_t index = 1;
  for (std::uint64_t file = 2; file <= 30; ++file) {
    index = fill_until(file, index + 1);
    ASSERT_FALSE(HasFailure());
    journal->release(GroupId(9), LogIndex(index));
  }
  EXPECT_LE(store.files().size(), 6U);
  EXPECT_EQ(std::ranges::count(store.files(), path(1)), 0);
  EXPECT_LE(journal->usage().used_bytes, options.capacity_bytes);
  restart();
  EXPECT_EQ(journal->position(GroupId(9), LogIndex(index)).value().file, 30U);
}

TEST_F(JournalTest, AFullJournalSaysSoAndRecoversByRelease) {
  boot();
  must_append(3, 1, "pins the first file");
  std::uint64_t index = 1;
  Errc refused = Errc::internal;
  for (;; ++index) {
    auto appended = append(9, index, std::string(7000, 'f'));
    flush_and_run();
    if (appended) continue;
    refused = appended.error().code;
    break;
  }
  EXPECT_EQ(refused, Errc::busy);
  EXPECT_FALSE(failure);
  EXPECT_TRUE(journal->clean());
  EXPECT_LT(journal->append_room(), 20000U);
  EXPECT_EQ(journal->usage().oldest_pinned_by, (std::vector<GroupId>{GroupId(3), GroupId(9)}));
  journal->release(GroupId(9), LogIndex(index - 1));
  ASSERT_FALSE(append(9, index, std::string(7000, 'f'))) << "group 3 pins the first file";
  EXPECT_EQ(journal->usage().oldest_pinned_by, std::vector<GroupId>{GroupId(3)});
  journal->release(GroupId(3), LogIndex(1));
  must_append(9, index, std::string(7000, 'f'));
  flush_and_run();
  EXPECT_TRUE(journal->clean());
  EXPECT_GT(journal->append_room(), 4 * options.file_bytes);
  restart();
  EXPECT_EQ(payload_of(9, index), std::string(7000, 'f'));
}

TEST_F(JournalTest, AForgottenGroupPinsNothing) {
  boot();
  must_append(3, 1, "pins");
  std::uint64_t index = fill_until(3);
  journal->release(GroupId(9), LogIndex(index));
  EXPECT_EQ(journal->usage().oldest_pinned_by, std::vector<GroupId>{GroupId(3)});
  journal->forget(GroupId(3));
  EXPECT_TRUE(journal->usage().oldest_pinned_by.empty());
}

// The vote is appended when the next file's header, with its table, has been written already; then the power fails at
// each step of all that follows, while its file is recycled.
TEST_F(JournalTest, AVoteOutlivesItsFile) {
  boot();
  run();
  std::uint64_t index = 1;
  must_append(9, index, "x");
  while (store.files().size() < 2) {  // the second file is prepared
    must_append(9, ++index, std::string(7000, 'f'));
    flush_and_run();
  }
  ASSERT_EQ(position(9, index).file, 1U);
  ASSERT_TRUE(journal->append_vote({GroupId(5), Term(42), NodeId(2)}));
  flush_and_run();
  std::uint64_t crashes = 0;
  const auto check = [&] {
    const std::unique_ptr<sim::SimStore> other = store.clone();
    SeededRandom other_random(++crashes);
    other->crash(other_random);
    sim::SimScheduler other_scheduler;
    sim::SimClock other_clock(other_scheduler, 1);
    sim::SimDisk other_disk(*other, other_clock, other_random);
    Journal copy(other_disk, other_random, options, *this);
    ReplayedLogs logs;
    auto recovered = copy.recover(logs);
    ASSERT_TRUE(recovered) << recovered.error().message;
    ASSERT_EQ(logs.logs[GroupId(5)].vote, (Vote{Term(42), NodeId(2)})) << "crash " << crashes;
  };
  while (position(9, index).file < 7 && !HasFatalFailure()) {
    must_append(9, ++index, std::string(7000, 'f'));
    journal->flush();
    do {
      for (int i = 0; i < 3 && !HasFatalFailure(); ++i) check();
    } while (scheduler.run_next());
    journal->release(GroupId(9), LogIndex(index - 1));
  }
  EXPECT_EQ(std::ranges::count(store.files(), path(1)), 0) << "it was recycled";
  EXPECT_GT(crashes, 100U);
}

TEST_F(JournalTest, VotesGivenAtStartAreDurable) {
  ASSERT_TRUE(recover());
  const JournalVote vote{GroupId(4), Term(3), NodeId(1)};
  ASSERT_TRUE(start({&vote, 1}));
  crash();
  ASSERT_TRUE(recover());
  EXPECT_EQ(replayed.logs[GroupId(4)].vote, (Vote{Term(3), NodeId(1)}));
}

// Replaced entries stay until what replaces them is durable.
TEST_F(JournalTest, AnUnwrittenTruncationFreesNothing) {
  boot();
  must_append(1, 1, "old");
  std::uint64_t index = fill_until(3);
  journal->release(GroupId(9), LogIndex(index));
  store.stall("journal", std::chrono::seconds(10));
  must_append(1, 1, "new", 2);
  journal->flush();
  const std::uint64_t used = journal->usage().used_bytes;
  EXPECT_GE(used, 2 * options.file_bytes) << "the first file is pinned";
  run();
  EXPECT_LT(journal->usage().used_bytes, used);
}

TEST_F(JournalTest, AFailureIsReportedOnceAndNothingIsAcknowledgedAfterIt) {
  for (SimOp op : {SimOp::write, SimOp::sync}) {
    options.sync = JournalSync::fdatasync;
    options.directory = "data/op-" + std::to_string(static_cast<int>(op));
    boot();
    must_append(1, 1, "a");
    flush_and_run();
    store.fail_next(op, options.directory);
    must_append(1, 2, "lost");
    journal->flush();
    must_append(1, 3, "lost too");
    journal->flush();
    run();
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->code, Errc::io_error);
    EXPECT_NE(failure->message.find(".wal"), std::string::npos);
    EXPECT_EQ(durable, 1U);
    EXPECT_FALSE(journal->clean());
    auto refused = append(1, 4, "x");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::io_error);
    run();
    EXPECT_EQ(durable, 1U);
  }
}

TEST_F(JournalTest, AShortDsyncWriteIsAFailure) {
  options.sync = JournalSync::dsync;
  boot();
  run();
  store.inject({.op = SimOp::write, .path_contains = ".wal", .short_write = true});
  must_append(1, 1, "short");
  flush_and_run();
  EXPECT_TRUE(failure);
  EXPECT_EQ(durable, 0U);
}

TEST_F(JournalTest, WaitsForSpaceAndGoesOn) {
  boot();
  std::uint64_t index = 0;
  const auto fault = store.inject(
      {.op = SimOp::open, .path_contains = path(2), .error = Errc::no_space, .times = sim::SimFault::kAlways});
  Errc refused = Errc::internal;
  while (true) {
    auto appended = append(9, index + 1, std::string(7000, 'f'));
    flush_and_run();
    if (appended) {
      ++index;
      continue;
    }
    refused = appended.error().code;
    break;
  }
  EXPECT_EQ(refused, Errc::no_space);
  EXPECT_FALSE(failure);
  EXPECT_TRUE(journal->clean()) << "what was taken is durable";
  store.clear_fault(fault);
  journal->flush();
  run();
  must_append(9, index + 1, std::string(7000, 'f'));
  flush_and_run();
  EXPECT_TRUE(journal->clean());
  EXPECT_EQ(position(9, index + 1).file, 2U);
}

TEST_F(JournalTest, AWriteWithoutSpaceWaitsAndIsWrittenAgain) {
  boot();
  run();
  must_append(1, 1, "durable");
  flush_and_run();
  const std::uint64_t before = durable;
  const auto fault = store.inject(
      {.op = SimOp::write, .path_contains = ".wal", .error = Errc::no_space, .times = sim::SimFault::kAlways});
  must_append(1, 2, "refused");
  flush_and_run();
  EXPECT_TRUE(journal->write_refused());
  EXPECT_EQ(durable, before) << "nothing is told before it is written";
  EXPECT_EQ(append(1, 3, "later").error().code, Errc::no_space);
  journal->retry_refused();
  flush_and_run();
  EXPECT_TRUE(journal->write_refused()) << "there is still no room";
  store.clear_fault(fault);
  journal->retry_refused();
  run();
  EXPECT_FALSE(journal->write_refused());
  EXPECT_TRUE(journal->clean());
  must_append(1, 3, "later");
  flush_and_run();
  EXPECT_FALSE(failure);
  kill();
  ASSERT_TRUE(recover());
  EXPECT_EQ(payload_of(1, 1), "durable");
  EXPECT_EQ(payload_of(1, 2), "refused");
  EXPECT_EQ(payload_of(1, 3), "later");
}

TEST_F(JournalTest, ASyncWithoutSpaceIsAFailure) {
  options.sync = JournalSync::fdatasync;
  boot();
  run();
  store.inject({.op = SimOp::sync, .path_contains = ".wal", .error = Errc::no_space});
  must_append(1, 1, "lost in the page cache");
  flush_and_run();
  EXPECT_TRUE(failure) << "the kernel tells it once, and may mean another flush's pages";
}

TEST_F(JournalTest, RotInWhatWasDurableIsCorruption) {
  boot();
  must_append(1, 1, "durable");
  flush_and_run();
  const JournalPosition place = position(1, 1);
  kill();
  for (std::uint64_t offset : {place.offset + 1, place.offset + 30, place.offset + place.payload_offset}) {
    store.flip_bit(path(place.file), offset, 3);
    auto recovered = recover();
    ASSERT_FALSE(recovered) << "bit at " << offset;
    EXPECT_EQ(recovered.error().code, Errc::corrupt);
    EXPECT_NE(recovered.error().message.find(name(place.file) + " at " + std::to_string(place.offset)),
              std::string::npos)
        << recovered.error().message;
    kill();
    store.flip_bit(path(place.file), offset, 3);
  }
  ASSERT_TRUE(recover());
  EXPECT_EQ(payload_of(1, 1), "durable");
}

TEST_F(JournalTest, ATornTailEndsTheLog) {
  boot();
  must_append(1, 1, "whole");
  flush_and_run();
  must_append(1, 2, "torn");
  flush_and_run();
  const JournalPosition place = position(1, 2);
  kill();
  // Neither the flush nor the marker behind it was written.
  store.overwrite(path(place.file), place.offset, std::vector<std::byte>(8192));
  ASSERT_TRUE(recover());
  EXPECT_EQ(replayed.entries, 1);
  ASSERT_TRUE(start());
  must_append(1, 2, "other");
  flush_and_run();
  // The second life's file says where the first one's ends: its torn tail is no corruption, whatever comes behind.
  restart();
  EXPECT_EQ(payload_of(1, 2), "other");
}

TEST_F(JournalTest, WhatALaterStartCountedMustBeThere) {
  boot();
  must_append(1, 1, "counted");
  flush_and_run();
  const JournalPosition place = position(1, 1);
  restart();
  run();
  kill();
  store.overwrite(path(place.file), place.offset, std::vector<std::byte>(8192));
  auto recovered = recover();
  ASSERT_FALSE(recovered);
  EXPECT_EQ(recovered.error().code, Errc::corrupt);
}

TEST_F(JournalTest, ACheckpointProvesWhatTheJournalCannot) {
  boot();
  must_append(1, 1, "a");
  flush_and_run();
  must_append(1, 2, "b");
  flush_and_run();
  const JournalProof proof{GroupId(1), LogIndex(2), position(1, 2)};
  kill();
  ASSERT_TRUE(recover({&proof, 1}));
  kill();
  store.overwrite(path(1), proof.position.offset, std::vector<std::byte>(8192));
  auto recovered = recover({&proof, 1});
  ASSERT_FALSE(recovered);
  EXPECT_EQ(recovered.error().code, Errc::corrupt);
  EXPECT_NE(recovered.error().message.find("group 1 proves that entry 2"), std::string::npos)
      << recovered.error().message;
  kill();
  ASSERT_TRUE(recover()) << "without it, it looks like a torn write";
}

TEST_F(JournalTest, AProofOfAReleasedFileIsNoComplaint) {
  boot();
  must_append(1, 1, "a");
  flush_and_run();
  const JournalProof proof{GroupId(1), LogIndex(1), position(1, 1)};
  journal->release(GroupId(1), LogIndex(1));
  std::uint64_t index = 1;
  for (std::uint64_t file = 2; file < 10; ++file) {
    index = fill_until(file, index + 1);
    journal->release(GroupId(9), LogIndex(index));
  }
  kill();
  auto recovered = recover({&proof, 1});
  EXPECT_TRUE(recovered) << recovered.error().message;
}

TEST_F(JournalTest, ALostFileIsCorruption) {
  boot();
  fill_until(4);
  kill();
  for (std::uint64_t file : {1U, 2U, 3U}) {
    const auto other = store.clone();
    {
      sim::SimDisk remover(*other, clock, random);
      remover.remove(path(file), [](Result<void>) {});
      remover.wait();
      other->kill();
    }
    sim::SimDisk other_disk(*other, clock, random);
    Journal copy(other_disk, journal_random, options, *this);
    ReplayedLogs logs;
    auto recovered = copy.recover(logs);
    ASSERT_FALSE(recovered) << "file " << file;
    EXPECT_EQ(recovered.error().code, Errc::corrupt);
    EXPECT_NE(recovered.error().message.find(name(file)), std::string::npos) << recovered.error().message;
  }
}

TEST_F(JournalTest, AnEmptiedDirectoryContradictsACheckpoint) {
  boot();
  must_append(1, 1, "a");
  flush_and_run();
  const JournalProof proof{GroupId(1), LogIndex(1), position(1, 1)};
  kill();
  store.wipe();
  auto recovered = recover({&proof, 1});
  ASSERT_FALSE(recovered);
  EXPECT_EQ(recovered.error().code, Errc::corrupt);
}

// A recycled file is full of flushes that were good once, right where the next ones are looked for.
TEST_F(JournalTest, StaleFlushesOfARecycledFileDoNotCount) {
  boot();
  std::uint64_t index = 1;
  for (std::uint64_t file = 2; file <= 14; ++file) {
    index = fill_until(file, index + 1);
    journal->release(GroupId(9), LogIndex(index - 1));
    const std::unique_ptr<sim::SimStore> other = store.clone();
    other->kill();
    sim::SimDisk other_disk(*other, clock, random);
    Journal copy(other_disk, journal_random, options, *this);
    ReplayedLogs logs;
    auto recovered = copy.recover(logs);
    ASSERT_TRUE(recovered) << recovered.error().message;
    ASSERT_FALSE(logs.logs[GroupId(9)].entries.empty());
    EXPECT_EQ(logs.logs[GroupId(9)].entries.rbegin()->first, LogIndex(index));
  }
}

TEST_F(JournalTest, RecycledFilesAreWrittenWithDsync) {
  boot();
  std::uint64_t index = 1;
  for (std::uint64_t file = 2; file <= 14; ++file) {
    index = fill_until(file, index + 1);
    journal->release(GroupId(9), LogIndex(index));
  }
  store.reset_counters();
  must_append(9, ++index, "x");
  flush_and_run();
  EXPECT_EQ(store.counters().dsync_writes, 2U) << "the entry and the marker";
  EXPECT_EQ(store.counters().syncs, 0U);
}

TEST_F(JournalTest, ANewerVersionsFileIsRefused) {
  boot();
  kill();
  auto content = store.read_view(path(1)).value();
  const auto salt = load_le<std::uint64_t>(content.data() + 24);
  const std::size_t used = kFileHeaderFixed + load_le<std::uint32_t>(content.data() + 72) * kGroupStateBytes;
  store_le(content.data() + 4, std::uint16_t{9});
  store_le(content.data() + 8,
           crc32c({content.data() + 12, used - 12}, crc32c({content.data(), 8}, journal_crc_seed(salt))));
  store.put_file(path(1), content);
  auto recovered = recover();
  ASSERT_FALSE(recovered);
  EXPECT_EQ(recovered.error().code, Errc::unsupported);
  EXPECT_NE(recovered.error().message.find(name(1)), std::string::npos) << recovered.error().message;
}

TEST_F(JournalTest, StrangeFilesAreLeftAlone) {
  store.put_file(options.directory + "/notes.txt", as_bytes("mine"));
  store.put_file(options.directory + "/000000001.wal", as_bytes("mine too"));
  boot();
  must_append(1, 1, "a");
  flush_and_run();
  restart();
  EXPECT_EQ(payload_of(1, 1), "a");
  EXPECT_TRUE(store.read_view(options.directory + "/notes.txt"));
  EXPECT_TRUE(store.read_view(options.directory + "/000000001.wal"));
}

TEST_F(JournalTest, SlicesOutliveTheJournal) {
  boot();
  auto appended = journal->append_entry({GroupId(1), LogIndex(1), Term(1), 1}, SharedBytes::copy_of(as_bytes("kept")));
  ASSERT_TRUE(appended);
  SharedBytes kept = appended->payload;
  appended->payload = {};
  flush_and_run();
  journal.reset();
  EXPECT_EQ(as_text(kept), "kept");
}

}  // namespace
}  // namespace sluice::storage
