// Batch headers as PartitionState sees them, without the batches.
#pragma once

#include "protocol/base/record_batch.h"

namespace sluice::broker {

inline BatchHeader plain_batch(std::int32_t records, std::int64_t base = 0, std::int32_t leader_epoch = 1) {
  BatchHeader header;
  header.base_offset = Offset(base);
  header.size_bytes = 100;
  header.leader_epoch = LeaderEpoch(leader_epoch);
  header.last_offset_delta = records - 1;
  header.record_count = records;
  return header;
}

inline BatchHeader producer_batch(std::int64_t producer, std::int16_t epoch, std::int32_t sequence,
                                  std::int32_t records, std::int64_t base = 0, std::int32_t leader_epoch = 1) {
  BatchHeader header = plain_batch(records, base, leader_epoch);
  header.producer_id = ProducerId(producer);
  header.producer_epoch = epoch;
  header.base_sequence = sequence;
  return header;
}

}  // namespace sluice::broker
