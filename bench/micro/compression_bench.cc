// The four codecs over 64 KiB of text: what a time look-up or compaction pays, and what clients do.
#include <benchmark/benchmark.h>

#include "bench/micro/batches.h"
#include "protocol/base/compression.h"

namespace sluice::bench {
namespace {

constexpr std::size_t kBytes = 64 << 10;

void compress_text(benchmark::State& state, Codec codec) {
  const std::vector<std::byte> text = text_bytes(kBytes);
  for (auto _ : state) benchmark::DoNotOptimize(compress(codec, text));
  state.SetBytesProcessed(static_cast<std::int64_t>(kBytes) * state.iterations());
}

void decompress_text(benchmark::State& state, Codec codec) {
  const auto packed = compress(codec, text_bytes(kBytes));
  if (!packed) return state.SkipWithError("it can't be compressed");
  std::vector<std::byte> out;
  for (auto _ : state) {
    if (!decompress(codec, *packed, kBytes, out)) state.SkipWithError("it can't be decompressed");
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(kBytes) * state.iterations());
  state.counters["ratio"] = static_cast<double>(kBytes) / static_cast<double>(packed->size());
}

BENCHMARK_CAPTURE(compress_text, gzip, Codec::gzip);
BENCHMARK_CAPTURE(compress_text, snappy, Codec::snappy);
BENCHMARK_CAPTURE(compress_text, lz4, Codec::lz4);
BENCHMARK_CAPTURE(compress_text, zstd, Codec::zstd);
BENCHMARK_CAPTURE(decompress_text, gzip, Codec::gzip);
BENCHMARK_CAPTURE(decompress_text, snappy, Codec::snappy);
BENCHMARK_CAPTURE(decompress_text, lz4, Codec::lz4);
BENCHMARK_CAPTURE(decompress_text, zstd, Codec::zstd);

}  // namespace
}  // namespace sluice::bench
