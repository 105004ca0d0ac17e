// A checkpoint file of any content is decoded or refused, and what is decoded is written back the same way.
#include <cstddef>
#include <cstdint>

#include "broker/shard/checkpoint_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sluice::ByteSpan file(reinterpret_cast<const std::byte*>(data), size);
  if (auto checkpoint = sluice::broker::decode_checkpoint(file))
    CHECK(sluice::broker::decode_checkpoint(sluice::broker::encode_checkpoint(*checkpoint)).has_value());
  return 0;
}
