// A segment and its index of arbitrary bytes, opened as a checkpoint would name them, then read at every kind of offset
// and searched by time. Nothing may crash, hang, or read beyond what is there; whatever is handed out starts at the
// asked offset.
//
// Input: end offset (1 byte), index size (2 bytes, little endian), index, segment.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

#include "protocol/base/check.h"
#include "protocol/base/random.h"
#include "protocol/base/record_batch.h"
#include "storage/log/partition_log.h"
#include "storage/log/segment.h"
#include "tests/sim/clock/sim_clock.h"
#include "tests/sim/disk/sim_disk.h"

namespace {

using namespace sluice;
using namespace sluice::storage;

constexpr const char* kDirectory = "log";

template <class T, class Begin>
Result<T> run(sim::SimScheduler& scheduler, Begin begin) {
  std::optional<Result<T>> outcome;
  begin([&outcome](Result<T> result) { outcome = std::move(result); });
  for (int events = 0; !outcome; ++events) CHECK(events < 100'000 && scheduler.run_next(), "it never completes");
  return std::move(*outcome);
}

void check_batches(const LogRead& read, Offset asked) {
  Offset expected = asked;
  for (std::size_t i = 0; i < read.batches.size(); ++i) {
    const auto header = parse_batch_header(read.batches[i]);
    CHECK(header && header->size_bytes == read.batches[i].size());
    CHECK(i == 0 ? header->base_offset <= asked && asked < header->next_offset() : header->base_offset == expected);
    expected = header->next_offset();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const ByteSpan input(reinterpret_cast<const std::byte*>(data), size);
  const Offset end(data[0]);
  const std::size_t index_bytes = std::min<std::size_t>(load_le<std::uint16_t>(input.data() + 1), size - 3);
  const ByteSpan index = input.subspan(3, index_bytes);
  const ByteSpan segment = input.subspan(3 + index_bytes);

  SeededRandom random(1);
  sim::SimScheduler scheduler;
  sim::SimStore store;
  store.put_file(segment_path(kDirectory, Offset(0)), segment);
  if (!index.empty()) store.put_file(index_path(kDirectory, Offset(0)), index);
  sim::SimClock clock(scheduler, 1);
  sim::SimDisk disk(store, clock, random);
  PartitionLog log(
      make_file_pool(disk, 2), kDirectory,
      {.segment_bytes = 1U << 20, .index_interval_bytes = 200, .tail_bytes = 0, .max_decompressed_bytes = 1U << 20});
  log.open({.start_offset = Offset(0), .end_offset = end, .segments = {{Offset(0), segment.size(), 0}}});

  const Offset no_limit(std::numeric_limits<std::int64_t>::max());
  for (const std::int64_t offset : {std::int64_t{0}, end.value / 2, end.value - 1}) {
    for (const std::size_t max_bytes : {std::size_t{1}, std::size_t{100'000}}) {
      if (offset < 0) continue;
      const auto read =
          run<LogRead>(scheduler, [&](auto done) { log.read(Offset(offset), max_bytes, no_limit, std::move(done)); });
      if (read) check_batches(*read, Offset(offset));
    }
  }
  using Match = std::optional<TimeMatch>;
  for (const std::int64_t time : {std::int64_t{0}, std::int64_t{1000}, std::numeric_limits<std::int64_t>::max()}) {
    const auto found = run<Match>(scheduler, [&](auto done) { log.find_time(time, no_limit, std::move(done)); });
    if (found && *found) CHECK((*found)->timestamp_ms >= time && (*found)->offset < end);
  }
  const auto largest = run<Match>(scheduler, [&](auto done) { log.find_max_time(no_limit, std::move(done)); });
  if (largest && *largest) CHECK((*largest)->offset < end);

  BatchBuilder builder({});
  builder.add(1, std::nullopt, std::nullopt);
  std::vector<std::byte> batch = builder.build();
  stamp_batch(batch, end, LeaderEpoch(1));
  log.append(SharedBytes::take(std::move(batch)), 1);
  (void)run<void>(scheduler, [&](auto done) { log.spill(std::move(done)); });
  (void)run<LogState>(scheduler, [&](auto done) { log.sync(std::move(done)); });
  scheduler.run_until_idle();
  return 0;
}
