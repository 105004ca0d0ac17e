// What broker/core decodes from journals and checkpoints. The first byte chooses: 0 an entry, 1 a partition, 2 a table.
// Whatever is accepted must be usable, and must come back from its own encoding.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <variant>
#include <vector>

#include "broker/core/commands.h"
#include "broker/core/partition_state.h"
#include "broker/core/table_state.h"

namespace sluice::broker {
namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void fuzz_entry(ByteSpan bytes) {
  auto reader = EntryReader::open(bytes);
  if (!reader) return;
  TableState table("table", {.max_rows = 100, .max_bytes = 1U << 16, .max_row_bytes = 1U << 12});
  while (!reader->done()) {
    auto next = reader->next();
    if (!next) return;
    if (const auto* append = std::get_if<AppendCommand>(&*next)) {
      require(append->batch.data() == bytes.data() + append->batch_offset);
      require(append->batch_offset + append->batch.size() <= bytes.size());
      continue;
    }
    const auto& command = std::get<Command>(*next);
    const auto encoded = encode_entry(command, reader->group_time_ms());
    auto again = EntryReader::open(encoded);
    require(again.has_value());
    auto same = again->next();
    require(same.has_value() && again->done());
    require(encode_entry(std::get<Command>(*same), reader->group_time_ms()) == encoded);
    if (const auto* write = std::get_if<WriteTableCommand>(&command)) static_cast<void>(table.apply(*write));
  }
  require(TableState::decode(table.encode(100)).has_value());
}

void fuzz_partition(std::string_view bytes) {
  const auto budget = make_producer_budget(4);
  {
    auto state = PartitionState::decode(bytes, budget);
    if (!state) return;
    BatchHeader header;
    header.base_offset = state->end_offset();
    header.leader_epoch = LeaderEpoch(0x7fffffff);
    header.last_offset_delta = 2;
    header.record_count = 3;
    header.producer_id = ProducerId(40);
    header.producer_epoch = 1;
    header.base_sequence = 6;
    if (state->check(header).outcome == PartitionState::Outcome::append) {
      state->discard_speculation();
      static_cast<void>(state->apply_append(header, 5));
    }
    state->apply_advance_start(Offset(7));
    state->apply_expire_producers(1);
    static_cast<void>(state->epoch_end(LeaderEpoch(5), LeaderEpoch(9)));
    const std::string encoded = state->encode();
    const auto again = PartitionState::decode(encoded, budget);
    require(again.has_value());
    require(again->encode() == encoded);
  }
  require(budget->used() == 0);
}

void fuzz_table(std::string_view bytes) {
  // Two chunks, cut where the input says.
  if (bytes.empty()) return;
  const std::size_t cut = static_cast<unsigned char>(bytes[0]) % bytes.size();
  const std::vector<std::string> chunks = {std::string(bytes.substr(1, cut)), std::string(bytes.substr(1 + cut))};
  const auto table = TableState::decode(chunks, {.max_rows = 50, .max_bytes = 1U << 14, .max_row_bytes = 1U << 12});
  if (!table) return;
  const auto encoded = table->encode(64);
  const auto again = TableState::decode(encoded);
  require(again.has_value());
  require(again->encode(64) == encoded);
}

}  // namespace
}  // namespace sluice::broker

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const sluice::ByteSpan bytes(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  switch (data[0]) {
    case 0: sluice::broker::fuzz_entry(bytes); break;
    case 1: sluice::broker::fuzz_partition(sluice::as_text(bytes)); break;
    case 2: sluice::broker::fuzz_table(sluice::as_text(bytes)); break;
    default: break;
  }
  return 0;
}
