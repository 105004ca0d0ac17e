// Fuzzes recovery: any bytes in two journal files are replayed or refused, and a journal that was replayed can be
// started, appended to, and replayed again with all it told the first time. CRCs are mended first, or nothing would
// come past them. Input: a byte of choices, then the image, split in two in the middle of its blocks.
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "protocol/base/crc32c.h"
#include "protocol/base/random.h"
#include "storage/journal/journal.h"
#include "storage/journal/journal_format.h"
#include "tests/sim/clock/sim_clock.h"
#include "tests/sim/disk/sim_disk.h"

namespace {

using namespace sluice;
using namespace sluice::storage;

constexpr std::uint64_t kSalt = 0x5a17;

struct Told final : JournalVisitor, JournalObserver {
  void on_entry(const JournalEntry& entry, ByteSpan payload, const JournalPosition& position) override {
    if (position.payload_bytes != payload.size()) std::abort();
    auto& log = entries[entry.group];
    log.erase(log.lower_bound(entry.index), log.end());
    log[entry.index] = {entry.term, std::string(as_text(payload))};
  }
  void on_vote(const JournalVote& vote) override { votes[vote.group] = {vote.term, vote.vote}; }
  void journal_durable(std::uint64_t sequence) override { durable = sequence; }
  void journal_failed(const Error&) override { std::abort(); }

  std::map<GroupId, std::map<LogIndex, std::pair<Term, std::string>>> entries;
  std::map<GroupId, std::pair<Term, NodeId>> votes;
  std::uint64_t durable = 0;
};

/// Gives the file its number, a salt that all share, and CRCs that hold.
void mend(std::vector<std::byte>& file, std::uint64_t number) {
  if (file.size() < kJournalBlock) return;
  store_le(file.data(), kJournalFileMagic);
  store_le(file.data() + 4, kJournalVersion);
  store_le(file.data() + 16, number);
  store_le(file.data() + 24, kSalt);
  const std::uint32_t length = file_header_length(file);
  const std::uint64_t used =
      kFileHeaderFixed + std::uint64_t{load_le<std::uint32_t>(file.data() + 72)} * kGroupStateBytes;
  if (length != 0 && length <= file.size() && used <= length) {
    const std::uint32_t first = crc32c({file.data(), 8}, journal_crc_seed(kSalt));
    store_le(file.data() + 8, crc32c({file.data() + 12, static_cast<std::size_t>(used - 12)}, first));
  }
  for (std::size_t at = kJournalBlock; at + kFlushHeaderBytes <= file.size(); at += kJournalBlock) {
    std::byte* flush = file.data() + at;
    if (load_le<std::uint32_t>(flush) != kJournalFlushMagic) continue;
    store_le(flush + 8, kSalt);
    store_le(flush + 16, number);
    const auto payload = load_le<std::uint32_t>(flush + 48);
    if (payload <= file.size() - at - kFlushHeaderBytes) {
      store_le(flush + 56, journal_payload_crc(kSalt, {flush + kFlushHeaderBytes, payload}));
    }
    store_le(flush + 4, crc32c({flush + 8, kFlushHeaderBytes - 8}, journal_crc_seed(kSalt)));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > (256U << 10)) return 0;
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  const std::size_t split = 1 + (size - 1) / kJournalBlock / 2 * kJournalBlock;
  std::vector<std::byte> first(bytes + 1, bytes + split);
  std::vector<std::byte> second(bytes + split, bytes + size);
  if ((data[0] & 1) == 0) {
    mend(first, 1);
    mend(second, 2);
  }

  SeededRandom random(1);
  sim::SimScheduler scheduler;
  sim::SimStore store;
  sim::SimClock clock(scheduler, 1);
  if (!first.empty()) store.put_file("journal/00000001.wal", first);
  store.put_file("journal/00000002.wal", second);
  JournalOptions options;
  options.directory = "journal";
  options.file_bytes = 64U << 10;
  options.flush_bytes = 8U << 10;
  options.direct = (data[0] & 2) == 0;

  Told once;
  {
    sim::SimDisk disk(store, clock, random);
    Journal journal(disk, random, options, once);
    if (!journal.recover(once)) {
      store.kill();
      return 0;
    }
    if (!journal.start({})) std::abort();
    auto appended = journal.append_entry({GroupId(0xfffffff0), LogIndex(1), Term(1), 1}, SharedBytes());
    // The input may have told of that group.
    const bool was_there = once.entries.contains(GroupId(0xfffffff0));
    if (!appended) std::abort();
    journal.flush();
    scheduler.run_until_idle();
    if (!journal.clean() || once.durable == 0) std::abort();
    if (!was_there) once.entries[GroupId(0xfffffff0)][LogIndex(1)] = {Term(1), ""};
    store.crash(random);
    if (was_there) return 0;
  }
  Told again;
  sim::SimDisk disk(store, clock, random);
  Journal journal(disk, random, options, again);
  if (!journal.recover(again)) std::abort();
  if (again.entries != once.entries || again.votes != once.votes) std::abort();
  store.kill();
  return 0;
}
