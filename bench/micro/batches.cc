#include "bench/micro/batches.h"

#include <array>
#include <string>
#include <string_view>

namespace sluice::bench {

std::vector<std::byte> text_bytes(std::size_t size) {
  constexpr std::array<std::string_view, 8> kWords{"order ",   "accepted ",  "customer=", "payment ",
                                                   "shipped ", "warehouse=", "error ",    "retry "};
  std::string text;
  std::uint64_t state = 88172645463325252ULL;
  while (text.size() < size) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    text += kWords[state % kWords.size()];
    text += std::to_string(state % 10'000) + ' ';
  }
  const ByteSpan bytes = as_bytes(std::string_view(text).substr(0, size));
  return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> make_batch(std::size_t records, std::size_t value_bytes, BatchBuilder::Options options) {
  BatchBuilder builder(options);
  const std::vector<std::byte> text = text_bytes(records * value_bytes);
  for (std::size_t i = 0; i < records; ++i)
    builder.add(1'700'000'000'000, std::nullopt, ByteSpan(text).subspan(i * value_bytes, value_bytes));
  return builder.build();
}

}  // namespace sluice::bench
