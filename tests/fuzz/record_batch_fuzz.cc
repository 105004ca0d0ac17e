// Fuzzes the record batch: any bytes are taken or refused, and what is taken can be walked. The CRC is mended first,
// or nothing would come past it; so are length and magic, now and then.
// Input: a byte of choices, then the batch.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "protocol/base/crc32c.h"
#include "protocol/base/record_batch.h"

namespace {

using sluice::ByteSpan;

constexpr std::size_t kMostDecompressed = std::size_t{1} << 20;

void walk(ByteSpan batch) {
  std::vector<std::byte> scratch;
  std::uint64_t sum = 0;
  std::int64_t last = -1;
  const auto header = sluice::parse_batch_header(batch);
  static_cast<void>(sluice::for_each_record(batch, scratch, kMostDecompressed, [&](const sluice::RecordView& record) {
    for (const auto& field : {record.key, record.value}) {
      if (!field) continue;
      for (std::byte byte : *field) sum += static_cast<std::uint64_t>(byte);
    }
    const std::int64_t delta = record.offset.value - header->base_offset.value;
    if (delta <= last || delta > header->last_offset_delta) std::abort();
    last = delta;
    if (auto headers = sluice::parse_record_headers(record)) sum += headers->size();
    return true;
  }));
  if (scratch.capacity() > kMostDecompressed) std::abort();
  [[maybe_unused]] volatile std::uint64_t sink = sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  std::vector<std::byte> batch(bytes + 1, bytes + size);
  const bool mend_crc = (data[0] & 1) == 0;
  const bool mend_frame = (data[0] & 2) == 0;
  if (batch.size() >= sluice::kBatchHeaderSize) {
    if (mend_frame) {
      sluice::store_be(batch.data() + 8, static_cast<std::int32_t>(batch.size() - sluice::kBatchLengthEnd));
      batch[16] = std::byte{2};
    }
    if (mend_crc) sluice::store_be(batch.data() + 17, sluice::crc32c(ByteSpan(batch).subspan(21)));
  }
  const auto header =
      sluice::validate_batch(batch, {.max_size_bytes = std::size_t{1} << 20, .now_ms = 1'700'000'000'000});
  if (header && (header->next_offset() <= header->base_offset || header->size_bytes != batch.size() ||
                 header->record_count != header->last_offset_delta + 1))
    std::abort();
  walk(batch);
  return 0;
}
