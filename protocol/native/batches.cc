// See batches.h.
#include "protocol/native/batches.h"

#include <fmt/core.h>

#include "protocol/base/record_batch.h"
#include "protocol/native/publish.pb.h"
#include "protocol/native/subscribe.pb.h"

namespace sluice::native {
namespace {

/// The part's bytes of the payload: at least one batch's header.
Result<SharedBytes> cut_batches(PayloadCutter& payload, std::uint32_t size) {
  if (size < kBatchHeaderSize) {
    return fail(Errc::malformed,
                fmt::format("a batch of {} bytes is shorter than a batch's header ({})", size, kBatchHeaderSize));
  }
  return payload.next(size);
}

Result<PublishedBatch> read_part(const pb::PublishPart& part, PayloadCutter& payload) {
  const Result<TopicKey> topic = to_topic(part.topic(), part.topic_id());
  if (!topic) return fail(topic.error());
  const Result<PartitionIndex> partition = to_partition(part.partition());
  if (!partition) return fail(partition.error());
  Result<SharedBytes> batch = cut_batches(payload, part.batch_bytes());
  if (!batch) return fail(batch.error());
  return PublishedBatch{*topic, *partition, std::move(*batch)};
}

Result<DeliveredPart> read_part(const pb::Deliver::Part& part, PayloadCutter& payload) {
  const Result<Offset> base = to_offset(part.base_offset());
  if (!base) return fail(base.error());
  const Result<Offset> high_watermark = to_offset(part.high_watermark());
  if (!high_watermark) return fail(high_watermark.error());
  Result<SharedBytes> batches = cut_batches(payload, part.bytes());
  if (!batches) return fail(batches.error());
  return DeliveredPart{part.handle(),      part.generation(), *base, *high_watermark, LeaderEpoch(part.leader_epoch()),
                       std::move(*batches)};
}

template <class Part, class Message>
Result<std::vector<Part>> read_parts(const Frame& frame, const Message& message) {
  if (message.parts_size() == 0) {
    return fail(Errc::malformed, fmt::format("{}: it has no part", kind_name(frame.kind)));
  }
  PayloadCutter payload(frame);
  std::vector<Part> parts;
  parts.reserve(static_cast<std::size_t>(message.parts_size()));
  for (const auto& part : message.parts()) {
    Result<Part> read = read_part(part, payload);
    if (!read) return fail(fmt::format("part {} of {}", parts.size(), kind_name(frame.kind)), read.error());
    parts.push_back(std::move(*read));
  }
  if (const Result<void> done = payload.finish(); !done) return fail(done.error());
  return parts;
}

}  // namespace

Result<std::vector<PublishedBatch>> read_publish(const Frame& frame, const pb::Publish& message) {
  return read_parts<PublishedBatch>(frame, message);
}

Result<std::vector<DeliveredPart>> read_deliver(const Frame& frame, const pb::Deliver& message) {
  return read_parts<DeliveredPart>(frame, message);
}

}  // namespace sluice::native
