// A simulated machine with one partition log, and the small language that the log's tests are written in.
// What was appended is also kept here, as the journal keeps it: after a crash the test appends again what the
// checkpoint lacks. Owner: a test.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/base/record_batch.h"
#include "storage/log/file_pool.h"
#include "storage/log/partition_log.h"
#include "storage/log/segment.h"
#include "tests/sim/clock/sim_clock.h"
#include "tests/sim/disk/sim_disk.h"

namespace sluice::storage {

inline constexpr std::size_t kNoLimit = std::size_t{1} << 40;

/// A batch of `times.size()` records with these timestamps, stamped.
inline std::vector<std::byte> make_batch(Offset base, const std::vector<std::int64_t>& times, std::size_t value_bytes,
                                         Codec codec = Codec::none, LeaderEpoch epoch = LeaderEpoch(1)) {
  BatchBuilder::Options options;
  options.codec = codec;
  BatchBuilder builder(options);
  for (std::size_t i = 0; i < times.size(); ++i) {
    std::vector<std::byte> value(value_bytes, static_cast<std::byte>(base.value * 7 + static_cast<std::int64_t>(i)));
    builder.add(times[i], as_bytes("key"), ByteSpan(value));
  }
  std::vector<std::byte> batch = builder.build();
  stamp_batch(batch, base, epoch);
  return batch;
}

class LogMachine {
 public:
  struct Batch {
    Offset base, next;
    std::vector<std::byte> bytes;
    std::vector<std::int64_t> times;
    std::int64_t group_time_ms = 0;
  };

  explicit LogMachine(std::uint64_t seed = 1, LogOptions log_options = small_segments(), std::size_t open_files = 4)
      : random(seed), store(seed), clock(scheduler, 1), options(log_options), max_open_files(open_files) {
    store.make_durable_dirs(kParent);
    boot();
    log->create(Offset(0));
  }
  ~LogMachine() { shut_down(); }

  static LogOptions small_segments() {
    return {.segment_bytes = 4000, .index_interval_bytes = 400, .tail_bytes = 1500, .max_decompressed_bytes = 1U << 20};
  }
  static LogOptions no_tail() {
    LogOptions options = small_segments();
    options.tail_bytes = 0;
    return options;
  }

  // ---- Life ----
  void boot() {
    disk = std::make_unique<sim::SimDisk>(store, clock, random);
    files = make_file_pool(*disk, max_open_files);
    log = std::make_unique<PartitionLog>(files, kDirectory, options);
  }
  void shut_down() {
    log.reset();
    files.reset();
    disk.reset();
  }
  /// Power fails, or the process dies; then a start from `checkpoint`, and replay from the journal.
  void crash() {
    store.crash(random);
    restart();
  }
  void kill() {
    store.kill();
    restart();
  }
  void restart() {
    shut_down();
    boot();
    if (checkpoint) {
      log->open(*checkpoint);
    } else {
      log->create(Offset(0));
    }
    for (const Batch& batch : journal) {
      if (batch.base >= log->end_offset()) log->append(SharedBytes::copy_of(batch.bytes), batch.group_time_ms);
    }
    if (log->start_offset() < start) log->advance_start(start);
  }

  /// Runs what `begin(done)` starts to its end.
  template <class T, class Begin>
  Result<T> run(Begin begin) {
    std::optional<Result<T>> outcome;
    begin([&outcome](Result<T> result) { outcome = std::move(result); });
    while (!outcome && scheduler.run_next()) {
    }
    if (!outcome) return fail(Errc::internal, "it never completed");
    return std::move(*outcome);
  }

  // ---- Verbs ----
  Batch& append(const std::vector<std::int64_t>& times, std::size_t value_bytes = 20, Codec codec = Codec::none,
                std::int64_t group_time_ms = 1'000'000, LeaderEpoch epoch = LeaderEpoch(1)) {
    const Offset base = log->end_offset();
    Batch batch{base, base.plus(static_cast<std::int64_t>(times.size())),
                make_batch(base, times, value_bytes, codec, epoch), times, group_time_ms};
    journal.push_back(std::move(batch));
    log->append(SharedBytes::copy_of(journal.back().bytes), group_time_ms);
    return journal.back();
  }
  /// `count` batches of one record each; their times are their offsets.
  void append_many(int count, std::size_t value_bytes = 100) {
    for (int i = 0; i < count; ++i) append({log->end_offset().value}, value_bytes);
  }
  Result<void> spill() {
    return run<void>([&](auto done) { log->spill(std::move(done)); });
  }
  Result<LogState> sync() {
    return run<LogState>([&](auto done) { log->sync(std::move(done)); });
  }
  /// Spill, sync, and remember: what a checkpoint does.
  void take_checkpoint() {
    log->mark();
    auto state = sync();
    ASSERT_TRUE(state) << state.error().message;
    checkpoint = *state;
  }
  Result<LogRead> read(Offset offset, std::size_t max_bytes = kNoLimit,
                       Offset limit = Offset(std::numeric_limits<std::int64_t>::max())) {
    return run<LogRead>([&](auto done) { log->read(offset, max_bytes, limit, std::move(done)); });
  }
  Result<std::optional<TimeMatch>> find_time(std::int64_t time,
                                             Offset limit = Offset(std::numeric_limits<std::int64_t>::max())) {
    return run<std::optional<TimeMatch>>([&](auto done) { log->find_time(time, limit, std::move(done)); });
  }
  Result<std::optional<TimeMatch>> find_max_time(Offset limit = Offset(std::numeric_limits<std::int64_t>::max())) {
    return run<std::optional<TimeMatch>>([&](auto done) { log->find_max_time(limit, std::move(done)); });
  }
  void advance_start(Offset to) {
    start = std::max(start, to);
    log->advance_start(to);
  }

  // ---- What the model says ----
  const Batch* batch_with(Offset offset) const {
    for (const Batch& batch : journal) {
      if (batch.base <= offset && offset < batch.next) return &batch;
    }
    return nullptr;
  }
  std::optional<TimeMatch> expected_time(std::int64_t time, Offset limit) const {
    for (const Batch& batch : journal) {
      for (std::size_t i = 0; i < batch.times.size(); ++i) {
        const Offset offset = batch.base.plus(static_cast<std::int64_t>(i));
        if (offset >= start && batch.next <= limit && batch.times[i] >= time) return TimeMatch{offset, batch.times[i]};
      }
    }
    return std::nullopt;
  }
  std::optional<TimeMatch> expected_max(Offset limit) const {
    std::optional<TimeMatch> best;
    for (const Batch& batch : journal) {
      for (std::size_t i = 0; i < batch.times.size(); ++i) {
        const Offset offset = batch.base.plus(static_cast<std::int64_t>(i));
        if (offset < start || batch.next > limit || (best && best->timestamp_ms >= batch.times[i])) continue;
        best = TimeMatch{offset, batch.times[i]};
      }
    }
    return best;
  }
  /// A read's answer must be whole batches of the model, from the one with `offset` on.
  void check_read(const LogRead& answer, Offset offset, std::size_t max_bytes, Offset limit) const {
    const Batch* batch = batch_with(offset);
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < answer.batches.size(); ++i) {
      ASSERT_TRUE(batch != nullptr && batch->next <= limit) << "beyond the limit, from offset " << offset.value;
      ASSERT_TRUE(std::ranges::equal(batch->bytes, answer.batches[i].span()))
          << "other bytes than were appended at " << batch->base.value;
      bytes += batch->bytes.size();
      ASSERT_TRUE(i == 0 || bytes <= max_bytes);
      batch = batch_with(batch->next);
    }
    ASSERT_EQ(bytes, answer.bytes);
    if (answer.batches.empty()) {
      ASSERT_TRUE(batch == nullptr || batch->next > limit || offset >= limit) << "nothing at offset " << offset.value;
    }
  }
  /// Reads at every offset that may be read.
  void check_all(std::size_t max_bytes = 1000) {
    for (Offset offset = log->start_offset(); offset < log->end_offset(); offset = offset.next()) {
      auto answer = read(offset, max_bytes);
      ASSERT_TRUE(answer) << "offset " << offset.value << ": " << answer.error().message;
      check_read(*answer, offset, max_bytes, log->end_offset());
    }
  }

  std::string segment(std::int64_t base) const { return segment_path(kDirectory, Offset(base)); }
  std::string index(std::int64_t base) const { return index_path(kDirectory, Offset(base)); }

  static constexpr const char* kParent = "data/group-1";
  static constexpr const char* kDirectory = "data/group-1/topic-0";
  SeededRandom random;
  sim::SimScheduler scheduler;
  sim::SimStore store;
  sim::SimClock clock;
  LogOptions options;
  std::size_t max_open_files;
  std::unique_ptr<sim::SimDisk> disk;
  std::shared_ptr<FilePool> files;
  std::unique_ptr<PartitionLog> log;
  std::vector<Batch> journal;
  Offset start;
  std::optional<LogState> checkpoint;
};

}  // namespace sluice::storage
