// The journal and a partition's log above a disk that costs nothing, and looking up where an offset lies.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <optional>

#include "bench/micro/batches.h"
#include "bench/micro/null_disk.h"
#include "protocol/base/random.h"
#include "storage/journal/journal.h"
#include "storage/log/offset_index.h"
#include "storage/log/partition_log.h"

namespace sluice::bench {
namespace {

using namespace storage;

class Durable final : public JournalObserver, public JournalVisitor {
 public:
  void journal_durable(std::uint64_t sequence) override { upto = sequence; }
  void journal_failed(const Error& error) override {
    check_failed("no error", __FILE__, __LINE__, error.message.c_str());
  }
  void on_entry(const JournalEntry&, ByteSpan, const JournalPosition&) override {}
  void on_vote(const JournalVote&) override {}
  std::uint64_t upto = 0;
};

/// One entry: reserved, filled, appended, flushed, durable. Argument: bytes of its payload.
void journal_append(benchmark::State& state) {
  NullDisk disk;
  SeededRandom random(1);
  Durable durable;
  JournalOptions options;
  options.directory = "journal";
  Journal journal(disk, random, options, durable);
  if (!journal.recover(durable) || !journal.start({})) return state.SkipWithError("the journal does not start");
  const std::vector<std::byte> payload = text_bytes(static_cast<std::size_t>(state.range(0)));
  LogIndex index{0};
  for (auto _ : state) {
    auto reserved = journal.reserve(payload.size());
    while (!reserved) {  // busy: a file is being prepared, or all of them are in use
      journal.release(GroupId(0), index);
      disk.poll();
      reserved = journal.reserve(payload.size());
    }
    std::ranges::copy(payload, reserved->bytes.begin());
    index = LogIndex(index.value + 1);
    const auto appended = journal.append_entry({GroupId(0), index, Term(1), 0}, reserved->slice);
    if (!appended) return state.SkipWithError(appended.error().message.c_str());
    journal.flush();
    while (durable.upto < appended->sequence) disk.poll();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(payload.size()) * state.iterations());
}
BENCHMARK(journal_append)->Arg(200)->Arg(1 << 10)->Arg(64 << 10)->Arg(1 << 20);

/// The last entry at or below an offset, among `range(0)` entries.
void index_lookup(benchmark::State& state) {
  SegmentIndex index(Offset(0), 4096);
  for (std::int64_t i = 0; i < state.range(0); ++i)
    index.add({Offset(i * 4), Offset(i * 4 + 4), 4096, 1'700'000'000'000 + i});
  SeededRandom random(1);
  for (auto _ : state) {
    const auto offset = static_cast<std::int64_t>(random.next() % static_cast<std::uint64_t>(state.range(0) * 4));
    benchmark::DoNotOptimize(index.floor(Offset(offset)));
  }
}
BENCHMARK(index_lookup)->Arg(1'000)->Arg(262'144);

/// A log's append of one batch, and reading it at the tail. Argument: bytes of its record.
void log_append_and_read(benchmark::State& state) {
  NullDisk disk;
  std::optional<PartitionLog> log;
  const auto begin = [&] {
    log.emplace(make_file_pool(disk, 16), "log", LogOptions{});
    log->create(Offset(0));
  };
  begin();
  std::vector<std::byte> batch = make_batch(1, static_cast<std::size_t>(state.range(0)));
  const auto shared = std::make_shared<std::vector<std::byte>>(batch);
  std::int64_t next = 0;
  for (auto _ : state) {
    stamp_batch(*shared, Offset(next), LeaderEpoch(0));
    log->append(SharedBytes(shared, *shared, shared->size()), 0);
    ++next;
    log->read(Offset(next - 1), 1 << 20, Offset(next),
              [&](Result<LogRead> read) { benchmark::DoNotOptimize(read->bytes); });
    if (log->unspilled_bytes() > (8U << 20)) {
      state.PauseTiming();
      begin();
      next = 0;
      state.ResumeTiming();
    }
  }
}
BENCHMARK(log_append_and_read)->Arg(1 << 10)->Arg(64 << 10);

}  // namespace
}  // namespace sluice::bench
