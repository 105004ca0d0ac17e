// CRC, batch validation, and walking over records: what every produced byte goes through.
#include <benchmark/benchmark.h>

#include "bench/micro/batches.h"
#include "protocol/base/crc32c.h"

namespace sluice::bench {
namespace {

void count_bytes(benchmark::State& state, std::size_t bytes) {
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
}

void crc(benchmark::State& state) {
  const std::vector<std::byte> bytes = text_bytes(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(crc32c(bytes));
  count_bytes(state, bytes.size());
}
BENCHMARK(crc)->Arg(100)->Arg(1 << 10)->Arg(64 << 10)->Arg(1 << 20);

/// Arguments: records, bytes of each.
void validate(benchmark::State& state) {
  const auto batch = make_batch(static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(1)));
  for (auto _ : state) benchmark::DoNotOptimize(validate_batch(batch, {}));
  count_bytes(state, batch.size());
}
BENCHMARK(validate)->Args({1, 200})->Args({1, 1024})->Args({64, 1024})->Args({1000, 100});

void parse_header(benchmark::State& state) {
  const auto batch = make_batch(1, 1024);
  for (auto _ : state) benchmark::DoNotOptimize(parse_batch_header(batch));
}
BENCHMARK(parse_header);

void walk_records(benchmark::State& state) {
  const auto batch = make_batch(1000, 100, {.codec = static_cast<Codec>(state.range(0))});
  std::vector<std::byte> scratch;
  for (auto _ : state) {
    std::int64_t sum = 0;
    const auto walked = for_each_record(batch, scratch, 1 << 20, [&sum](const RecordView& record) {
      sum += record.offset.value;
      return true;
    });
    if (!walked) state.SkipWithError("the batch can't be read");
    benchmark::DoNotOptimize(sum);
  }
}
BENCHMARK(walk_records)->ArgName("codec")->DenseRange(0, 4);

}  // namespace
}  // namespace sluice::bench
