// The journal against a model, over random seeds: random appends, truncating indexes, votes, releases, recycled files,
// failing disks, crashes that tear and lose what was not synced, kills, crashes while recovering, and rot. After each
// crash: everything reported durable is there and what is there is a prefix of what was appended; or, after rot only,
// recovery refuses. SLUICE_SIM_SEEDS: how many seeds (200); SLUICE_SIM_SEED: that one only.
#include <cstdlib>

#include "tests/storage/journal/journal_world.h"

namespace sluice::storage {
namespace {

class Model {
 public:
  explicit Model(std::uint64_t seed) : world_(seed * 7919 + 3), random_(seed) {
    world_.options.flush_bytes = random_.one_in(2) ? 16U << 10 : 8U << 10;
    world_.options.file_bytes = (8 + random_.below(12)) * 4096;
    world_.options.capacity_bytes = (4 + random_.below(4)) * world_.options.file_bytes;
    world_.options.flushes_in_flight = 1 + static_cast<std::uint32_t>(random_.below(3));
    world_.options.sync = static_cast<JournalSync>(random_.below(3));
    world_.options.direct = !random_.one_in(4);
    world_.on_durable = [this](std::uint64_t sequence) { settle(sequence); };
  }

  void run() {
    boot();
    for (int life = 0; life < 6 && !::testing::Test::HasFailure(); ++life) {
      const std::uint64_t steps = random_.below(120);
      for (std::uint64_t i = 0; i < steps && !::testing::Test::HasFailure(); ++i) step();
      const bool rot = random_.one_in(3);
      if (rot) {
        world_.journal->flush();
        world_.run();  // the marker is durable too
        EXPECT_TRUE(pending_.empty() || world_.failure) << "everything was flushed";
      }
      const bool quiet = rot && !world_.failure;
      random_.one_in(3) ? world_.kill() : world_.crash();
      if (quiet) survive_rot();
      boot();
    }
  }

 private:
  struct Change {
    std::uint64_t sequence = 0;
    GroupId group;
    std::optional<Vote> vote;
    LogIndex index;
    Entry entry;
  };

  static void apply(Logs& logs, const Change& change) {
    GroupLog& log = logs[change.group];
    if (change.vote) {
      log.vote = *change.vote;
    } else {
      log.put(change.index, change.entry);
    }
  }
  void settle(std::uint64_t sequence) {
    while (!pending_.empty() && pending_.front().sequence <= sequence) {
      apply(durable_, pending_.front());
      pending_.erase(pending_.begin());
    }
  }

  void step() {
    switch (random_.below(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4: return append();
      case 5: return vote();
      case 6: return release();
      case 7: return read();
      case 8:
        // Slow at times, so that crashes strike while files are prepared.
        if (random_.one_in(3)) world_.store.stall("journal", std::chrono::microseconds(random_.below(4) * 1500));
        if (random_.one_in(40)) world_.store.fail_next(random_fault(), "journal");
        return;
      case 9: world_.journal->flush(); return;
      default:
        world_.journal->flush();
        world_.scheduler.run_for(std::chrono::microseconds(random_.below(random_.one_in(4) ? 20000 : 800)));
    }
  }
  sim::SimOp random_fault() {
    constexpr sim::SimOp kOps[] = {sim::SimOp::write, sim::SimOp::sync, sim::SimOp::sync_dir, sim::SimOp::rename,
                                   sim::SimOp::open};
    return kOps[random_.below(5)];
  }

  GroupId random_group() { return GroupId(static_cast<std::uint32_t>(random_.below(4))); }

  void append() {
    const GroupId group = random_group();
    GroupLog& log = now_[group];
    const LogIndex released = released_[group];
    LogIndex index = log.entries.empty() ? released.next() : log.entries.rbegin()->first.next();
    if (random_.one_in(8) && index > released.next()) {  // a new leader truncates
      index = LogIndex(released.value + 1 + random_.below(index.value - released.value));
      log.vote.term = log.vote.term.next();
    }
    std::uint64_t size = random_.below(600);
    if (random_.one_in(6)) size = random_.below(9000);
    if (random_.one_in(60)) size = random_.below(world_.options.max_entry_bytes + 1);
    Entry entry{Term(1 + log.vote.term.value), static_cast<std::uint8_t>(1 + random_.below(3)),
                std::string(size, '\0')};
    for (std::size_t i = 0; i < entry.payload.size(); i += 1 + random_.below(64)) {
      entry.payload[i] = static_cast<char>(random_.next());
    }
    const JournalEntry header{group, index, entry.term, entry.type};
    Result<Journal::Appended> appended;
    if (random_.one_in(2)) {
      auto reserved = world_.journal->reserve(size + random_.below(50));
      if (!reserved) return check_refusal(reserved.error());
      std::memcpy(reserved->bytes.data(), entry.payload.data(), size);
      appended = world_.journal->append_entry(header, world_.journal->shrink(*reserved, size));
    } else {
      appended = world_.journal->append_entry(header, SharedBytes::copy_of(as_bytes(entry.payload)));
    }
    if (!appended) return check_refusal(appended.error());
    EXPECT_EQ(as_text(appended->payload), entry.payload);
    if (random_.one_in(3)) tail_.push_back(appended->payload);
    if (tail_.size() > 20) tail_.erase(tail_.begin(), tail_.begin() + 15);
    changed({appended->sequence, group, std::nullopt, index, std::move(entry)});
  }
  void vote() {
    const GroupId group = random_group();
    Vote vote = now_[group].vote;
    vote.term = vote.term.next();
    vote.vote = NodeId(static_cast<std::int32_t>(random_.below(4)));
    auto sequence = world_.journal->append_vote({group, vote.term, vote.vote});
    if (!sequence) return check_refusal(sequence.error());
    changed({*sequence, group, vote, LogIndex(), {}});
  }
  void changed(Change change) {
    apply(now_, change);
    pending_.push_back(std::move(change));
    ASSERT_EQ(world_.journal->clean(), false);
  }
  void check_refusal(const Error& error) {
    if (world_.failure) {
      EXPECT_EQ(error.code, Errc::io_error);
      return;
    }
    EXPECT_TRUE(error.code == Errc::no_space || error.code == Errc::busy || error.code == Errc::too_large)
        << error.message;
    if (error.code != Errc::too_large && random_.one_in(2)) release();
  }

  /// A checkpoint up to some durable entry that nothing pending replaces.
  void release() {
    const GroupId group = random_group();
    const auto& entries = durable_[group].entries;
    if (entries.empty()) return;
    LogIndex last = entries.rbegin()->first;
    for (const Change& change : pending_) {
      if (change.group == group && !change.vote && change.index <= last) last = LogIndex(change.index.value - 1);
    }
    const LogIndex released = released_[group];
    if (last <= released) return;
    const LogIndex upto(random_.one_in(2) ? last.value
                                          : released.value + 1 + random_.below(last.value - released.value));
    auto position = world_.journal->position(group, upto);
    ASSERT_TRUE(position);
    EXPECT_NE(position->flush_bytes, 0U);
    proofs_[group] = {group, upto, *position};
    released_[group] = upto;
    world_.journal->release(group, upto);
    EXPECT_FALSE(world_.journal->position(group, upto));
  }
  void read() {
    const GroupId group = random_group();
    const auto& entries = now_[group].entries;
    if (entries.empty() || entries.rbegin()->first <= released_[group]) return;
    const LogIndex index(released_[group].value + 1 +
                         random_.below(entries.rbegin()->first.value - released_[group].value));
    auto position = world_.journal->position(group, index);
    ASSERT_TRUE(position);
    const std::string expected = entries.at(index).payload;
    world_.journal->read(*position, [expected](Result<SharedBytes> bytes) {
      if (bytes) {
        EXPECT_EQ(as_text(*bytes), expected);
      } else {
        EXPECT_TRUE(bytes.error().code == Errc::not_found || bytes.error().code == Errc::shutting_down)
            << bytes.error().message;
      }
    });
  }

  std::vector<JournalProof> proofs() const {
    std::vector<JournalProof> proofs;
    for (const auto& [group, proof] : proofs_) proofs.push_back(proof);
    return proofs;
  }

  /// Of one group: what must be there, `logs` cut to what is not released.
  std::map<LogIndex, Entry> needed(const Logs& logs, GroupId group) {
    std::map<LogIndex, Entry> result;
    const auto found = logs.find(group);
    if (found == logs.end()) return result;
    for (const auto& [index, entry] : found->second.entries) {
      if (index > released_[group]) result.emplace(index, entry);
    }
    return result;
  }
  bool same_entries(const Logs& a, const Logs& b) {
    for (std::uint32_t group = 0; group < 4; ++group) {
      if (needed(a, GroupId(group)) != needed(b, GroupId(group))) return false;
    }
    return true;
  }

  /// The replayed logs are the durable ones with a prefix of the pending changes; returns them, or fails.
  std::optional<Logs> explain(Logs& replayed) {
    Logs expected = durable_;
    std::size_t taken = 0;
    while (!same_entries(replayed, expected)) {
      if (taken == pending_.size()) return std::nullopt;
      apply(expected, pending_[taken++]);
    }
    for (std::uint32_t i = 0; i < 4; ++i) {
      const GroupId group(i);
      // A file prepared ahead may have kept a vote that was not reported; never is one older than the reported.
      const Vote vote = replayed[group].vote;
      bool known = vote == durable_[group].vote;
      for (const Change& change : pending_) known = known || (change.group == group && change.vote == vote);
      if (!known || vote.term < durable_[group].vote.term) return std::nullopt;
      expected[group].vote = vote;
    }
    return expected;
  }

  void boot() {
    tail_.clear();
    for (int attempt = 0;; ++attempt) {
      world_.store.clear_faults();
      const bool faulty = attempt < 2 && random_.one_in(3);
      if (faulty) world_.store.inject({.op = random_fault(), .path_contains = "journal", .skip = random_.below(6)});
      auto recovered = world_.recover(proofs());
      if (recovered) {
        auto expected = explain(world_.replayed.logs);
        ASSERT_TRUE(expected) << "what was durable is not what was replayed";
        durable_ = now_ = *expected;
        pending_.clear();
        for (auto& [group, log] : now_) log.vote.term = std::max(log.vote.term, last_term(log));
        const bool early = random_.one_in(2);
        if (early) release_again();
        recovered = world_.start();
        if (recovered && !early) release_again();
      } else {
        ASSERT_NE(recovered.error().code, Errc::corrupt) << recovered.error().message;
      }
      if (recovered) return;
      ASSERT_TRUE(faulty) << recovered.error().message;
      random_.one_in(2) ? world_.crash() : world_.kill();
    }
  }
  static Term last_term(const GroupLog& log) {
    return log.entries.empty() ? Term() : Term(log.entries.rbegin()->second.term.value - 1);
  }
  void release_again() {
    for (const auto& [group, index] : released_) world_.journal->release(group, index);
  }

  /// Flips bits where things were durable, and looks whether recovery is fooled; puts them back.
  void survive_rot() {
    world_.store.clear_faults();
    for (int i = 0; i < 6; ++i) {
      const auto files = world_.store.files();
      ASSERT_FALSE(files.empty());
      const std::string path = files[random_.below(files.size())];
      const std::uint64_t size = world_.store.read_view(path)->size();
      if (size == 0) continue;
      const std::uint64_t block = random_.below(size) / 4096 * 4096;
      const std::uint64_t offset = std::min(size - 1, block + random_.below(random_.one_in(2) ? 100 : 4096));
      const unsigned bit = static_cast<unsigned>(random_.below(8));
      world_.store.flip_bit(path, offset, bit);
      auto recovered = world_.recover(random_.one_in(2) ? proofs() : std::vector<JournalProof>());
      if (recovered) {
        Logs& replayed = world_.replayed.logs;
        EXPECT_TRUE(same_entries(replayed, durable_)) << "rot in " << path << " at " << offset << " lost entries";
        for (auto& [group, log] : durable_) {
          EXPECT_EQ(replayed[group].vote, log.vote) << "rot in " << path << " at " << offset << " lost a vote";
        }
      } else {
        ++refused_;
        EXPECT_TRUE(recovered.error().code == Errc::corrupt || recovered.error().code == Errc::unsupported)
            << recovered.error().message;
        EXPECT_NE(recovered.error().message.find(".wal"), std::string::npos) << recovered.error().message;
      }
      world_.kill();
      world_.store.flip_bit(path, offset, bit);
    }
  }

 public:
  int refused_ = 0;

 private:
  JournalWorld world_;
  SeededRandom random_;
  Logs durable_;                 ///< what was reported durable
  Logs now_;                     ///< with all that was appended
  std::vector<Change> pending_;  ///< appended and not reported
  std::map<GroupId, LogIndex> released_;
  std::map<GroupId, JournalProof> proofs_;
  std::vector<SharedBytes> tail_;
};

TEST(JournalModel, NothingDurableIsEverLost) {
  const char* one = std::getenv("SLUICE_SIM_SEED");
  const char* many = std::getenv("SLUICE_SIM_SEEDS");
  const std::uint64_t first = one ? std::strtoull(one, nullptr, 10) : 1;
  const std::uint64_t seeds = one ? 1 : many ? std::strtoull(many, nullptr, 10) : 200;
  int refused = 0;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    SCOPED_TRACE("SLUICE_SIM_SEED=" + std::to_string(seed));
    Model model(seed);
    model.run();
    refused += model.refused_;
    if (HasFailure()) {
      FAIL() << "failed with SLUICE_SIM_SEED=" << seed;
    }
  }
  if (seeds >= 100) {
    EXPECT_GT(refused, 0) << "no rot was ever found";
  }
}

}  // namespace
}  // namespace sluice::storage
