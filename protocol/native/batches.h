// Frames that carry record batches, PUBLISH and DELIVER, taken apart into strong types and slices. Owner:
// protocol/native.
#pragma once

#include <vector>

#include "protocol/native/values.h"

namespace sluice::native {

namespace pb {
class Publish;
class Deliver;
}  // namespace pb

/// Views point into the message.
struct PublishedBatch {
  TopicKey topic;
  PartitionIndex partition;
  SharedBytes batch;  ///< kBatchHeaderSize bytes or more; not validated further
};
/// The parts of a PUBLISH. Errors: invalid_argument, malformed (no part, a batch shorter than its header, lengths that
/// do not add up to the payload).
Result<std::vector<PublishedBatch>> read_publish(const Frame& frame, const pb::Publish& message);

struct DeliveredPart {
  std::uint32_t handle = 0;
  std::uint32_t generation = 0;
  Offset base_offset;  ///< of the first batch
  Offset high_watermark;
  LeaderEpoch leader_epoch;
  SharedBytes batches;  ///< one or more, not looked at
};
/// The parts of a DELIVER. Errors: as above.
Result<std::vector<DeliveredPart>> read_deliver(const Frame& frame, const pb::Deliver& message);

}  // namespace sluice::native
