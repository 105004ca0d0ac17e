// One machine with one journal, that can be appended to, crashed, damaged and recovered, and what replay told.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/random.h"
#include "storage/journal/journal.h"
#include "tests/sim/clock/sim_clock.h"
#include "tests/sim/disk/sim_disk.h"

namespace sluice::storage {

struct Entry {
  Term term;
  std::uint8_t type = 0;
  std::string payload;
  friend bool operator==(const Entry&, const Entry&) = default;
};
struct Vote {
  Term term;
  NodeId vote;
  friend auto operator<=>(const Vote&, const Vote&) = default;
};
/// A group's log and vote, as Raft would hold them.
struct GroupLog {
  std::map<LogIndex, Entry> entries;
  Vote vote;
  void put(LogIndex index, Entry entry) {
    entries.erase(entries.lower_bound(index), entries.end());
    entries[index] = std::move(entry);
  }
};
using Logs = std::map<GroupId, GroupLog>;

class ReplayedLogs final : public JournalVisitor {
 public:
  void on_entry(const JournalEntry& entry, ByteSpan payload, const JournalPosition& position) override {
    logs[entry.group].put(entry.index, {entry.term, entry.type, std::string(as_text(payload))});
    last_position = position;
    ++entries;
  }
  void on_vote(const JournalVote& vote) override { logs[vote.group].vote = {vote.term, vote.vote}; }

  Logs logs;
  JournalPosition last_position;
  int entries = 0;
};

class JournalWorld : public JournalObserver {
 public:
  explicit JournalWorld(std::uint64_t seed = 1)
      : random(seed), journal_random(seed + 1000), store(seed), clock(scheduler, 1) {
    options.directory = "data/shard-0/journal";
    options.file_bytes = 64U << 10;
    options.capacity_bytes = 6 * options.file_bytes;
    options.flush_bytes = 16U << 10;
    options.max_entry_bytes = 200U << 10;
  }

  Result<void> recover(std::span<const JournalProof> proofs = {}) {
    journal.reset();
    disk = std::make_unique<sim::SimDisk>(store, clock, random, disk_options);
    journal = std::make_unique<Journal>(*disk, journal_random, options, *this, &clock);
    replayed = {};
    durable = 0;
    failure.reset();
    return journal->recover(replayed, proofs);
  }
  Result<void> start(std::span<const JournalVote> votes = {}) { return journal->start(votes); }
  void boot() {
    auto recovered = recover();
    ASSERT_TRUE(recovered) << recovered.error().message;
    auto started = start();
    ASSERT_TRUE(started) << started.error().message;
  }
  /// Power fails.
  void crash() {
    store.crash(random);
    journal.reset();
    disk.reset();
  }
  /// The process is killed.
  void kill() {
    store.kill();
    journal.reset();
    disk.reset();
  }
  void run() { scheduler.run_until_idle(); }

  Result<std::uint64_t> append(std::uint32_t group, std::uint64_t index, const std::string& payload,
                               std::uint64_t term = 1) {
    auto appended = journal->append_entry({GroupId(group), LogIndex(index), Term(term), 1},
                                          SharedBytes::copy_of(as_bytes(payload)));
    if (!appended) return fail(appended.error());
    EXPECT_EQ(as_text(appended->payload), payload);
    return appended->sequence;
  }
  std::uint64_t must_append(std::uint32_t group, std::uint64_t index, const std::string& payload,
                            std::uint64_t term = 1) {
    auto sequence = append(group, index, payload, term);
    EXPECT_TRUE(sequence) << sequence.error().message;
    return sequence.value_or(0);
  }
  void flush_and_run() {
    journal->flush();
    run();
  }
  std::string read(const JournalPosition& position) {
    std::string answer = "(none)";
    journal->read(position, [&](Result<SharedBytes> bytes) {
      answer = bytes ? std::string(as_text(*bytes)) : "error: " + std::string(errc_name(bytes.error().code));
    });
    run();
    return answer;
  }
  JournalPosition position(std::uint32_t group, std::uint64_t index) {
    auto found = journal->position(GroupId(group), LogIndex(index));
    EXPECT_TRUE(found) << found.error().message;
    return found.value_or(JournalPosition{});
  }
  std::string payload_of(std::uint32_t group, std::uint64_t index) {
    return replayed.logs[GroupId(group)].entries[LogIndex(index)].payload;
  }
  std::string path(std::uint64_t number) { return options.directory + "/" + name(number); }
  static std::string name(std::uint64_t number) {
    std::string digits = std::to_string(number);
    return std::string(8 - std::min<std::size_t>(8, digits.size()), '0') + digits + ".wal";
  }

  void journal_durable(std::uint64_t sequence) override {
    EXPECT_GT(sequence, durable);
    EXPECT_FALSE(failure.has_value());
    durable = sequence;
    if (on_durable) on_durable(sequence);
    if (journal->clean()) journal->mark_idle();  // as if a shard fell idle with each last flush
  }
  void journal_failed(const Error& error) override {
    EXPECT_FALSE(failure.has_value()) << "reported twice";
    failure = error;
  }

  SeededRandom random;
  SeededRandom journal_random;
  sim::SimScheduler scheduler;
  sim::SimStore store;
  sim::SimClock clock;
  sim::SimDiskOptions disk_options;
  JournalOptions options;
  std::unique_ptr<sim::SimDisk> disk;
  std::unique_ptr<Journal> journal;
  ReplayedLogs replayed;
  std::uint64_t durable = 0;
  std::optional<Error> failure;
  std::function<void(std::uint64_t)> on_durable;
};

}  // namespace sluice::storage
