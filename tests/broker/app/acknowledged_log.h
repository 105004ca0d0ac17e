// What one idempotent producer sent to one partition, in its order, and what of it has to be in the log: everything up to the
// last batch that was acknowledged or once read, each at the offset that follows from the batches before it, byte-identical
// but for what the leader stamps (base offset and leader epoch, outside the CRC). Behind that there may be more of what was sent,
// in order, and nothing else.
// Owner: the test. Every check says what is violated; empty: nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/service/broker_api.h"
#include "protocol/base/random.h"
#include "protocol/base/record_batch.h"

namespace sluice::broker {

class AcknowledgedLog {
 public:
  AcknowledgedLog() = default;
  explicit AcknowledgedLog(ProducerIdentity producer) : producer_(producer) {}

  /// Makes the next batch; returns its number. `count` records of `value_bytes` each.
  std::size_t add(Random& random, std::int32_t count, std::size_t value_bytes, std::int64_t timestamp_ms);
  const SharedBytes& batch(std::size_t number) const { return sent_[number].bytes; }
  std::size_t size() const { return sent_.size(); }

  std::string acknowledged(std::size_t number, Offset base);
  /// How many batches have to be in the log.
  std::size_t certain() const { return certain_; }

  /// Reading the log once: from a start offset through batch after batch to its end.
  std::string begin_reading(Offset start, bool may_be_cut);
  std::string read(ByteSpan batch);
  std::string end_reading(Offset end);
  Offset position() const { return position_; }

 private:
  struct Sent {
    SharedBytes bytes;
    std::int64_t base = 0;
    std::int32_t count = 0;
  };
  ProducerIdentity producer_;
  std::vector<Sent> sent_;
  std::int64_t next_base_ = 0;
  std::size_t certain_ = 0;
  std::int64_t start_ = 0;
  Offset position_{0};
  std::size_t reading_ = 0;
};

}  // namespace sluice::broker
