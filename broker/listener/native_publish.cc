// PUBLISH and INIT_PRODUCER. Batches go on to the service as slices of the frame.
#include <limits>

#include "broker/listener/native_handlers.h"
#include "protocol/native/batches.h"
#include "protocol/native/publish.pb.h"

namespace sluice::broker {
namespace {

using native::FrameKind;

constexpr Millis kProducerTimeout{10'000};
/// Messages of more parts than this are not kept for the next question.
constexpr int kMostPartsKept = 256;

std::optional<Acks> acks_of(native::pb::Acks acks) {
  switch (acks) {
    case native::pb::ACKS_ALL: return Acks::all;
    case native::pb::ACKS_LEADER: return Acks::leader;
    case native::pb::ACKS_NONE: return Acks::none;
    default: return std::nullopt;
  }
}

/// Who a part was for, for its answer.
struct Target {
  TopicRef topic;
  PartitionIndex partition;
};

void fill_part(const NativeCall& call, const Target& target, const ProducePartResult& result,
               native::pb::PublishedPart& to) {
  const ClusterView& cluster = call.broker().cluster();
  const TopicInfo* const topic =
      target.topic.name.empty() ? cluster.find(target.topic.id) : cluster.find(target.topic.name);
  if (result.error) {
    call.fill(*to.mutable_error(), *result.error);
    to.mutable_error()->set_topic(topic ? topic->name : target.topic.name);
    to.mutable_error()->set_partition(target.partition.value);
    return;
  }
  to.set_base_offset(result.base_offset.value);
  to.set_memory(result.memory);
  if (result.append_time_ms >= 0) to.set_append_time_ms(result.append_time_ms);
  const auto epoch = topic ? call.broker().leader_epoch(*topic, target.partition) : std::nullopt;
  to.set_leader_epoch(epoch ? epoch->value : -1);
}

void answer(NativeCall& call, const std::vector<Target>& targets, const std::vector<ProducePartResult>& results) {
  CHECK(results.size() == targets.size(), "one result a part");
  native::pb::Published& reply = call.context().published;
  reply.Clear();
  for (std::size_t i = 0; i < results.size(); ++i) fill_part(call, targets[i], results[i], *reply.add_parts());
  call.reply(FrameKind::published, reply);
  if (reply.parts_size() > kMostPartsKept) reply = {};
}

/// Nobody waits: only what failed is told.
void end_silently(NativeCall& call, const std::vector<Target>& targets, const std::vector<ProducePartResult>& results) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].error) call.note(*results[i].error, targets[i].topic.name);
  }
  call.finish();
}

}  // namespace

void handle_publish(NativeCallPtr call) {
  native::pb::Publish& message = call->context().publish;
  if (!call->parse(message)) return;
  const std::optional<Acks> acks = acks_of(message.acks());
  if (!acks)
    return call->fail(Errc::invalid_argument, "PUBLISH: acks is ACKS_ALL (0), ACKS_LEADER (1) or ACKS_NONE (2)");
  if (*acks != Acks::none && call->frame().id == 0)
    return call->fail(Errc::invalid_argument, "PUBLISH: with an acknowledgement it needs an id other than 0");
  const auto parts = native::read_publish(call->frame(), message);
  if (!parts) return call->fail(parts.error());

  ProduceRequest work;
  work.acks = *acks;
  work.timeout = call->timeout(message.timeout_ms());
  work.parts.reserve(parts->size());
  std::vector<Target> targets;
  targets.reserve(parts->size());
  for (const native::PublishedBatch& part : *parts) {
    targets.push_back({{std::string(part.topic.name), part.topic.id}, part.partition});
    work.parts.push_back({targets.back().topic, part.partition, part.batch});
  }
  if (message.parts_size() > kMostPartsKept) message = {};
  BrokerApi& broker = call->broker();
  broker.produce(std::move(work), [call = std::move(call), targets = std::move(targets),
                                   silent = *acks == Acks::none](std::vector<ProducePartResult> results) {
    silent ? end_silently(*call, targets, results) : answer(*call, targets, results);
  });
}

void handle_init_producer(NativeCallPtr call) {
  const auto asked = call->parse<native::pb::InitProducer>();
  if (!asked) return;
  std::optional<ProducerIdentity> current;
  if (asked->has_producer_id() != asked->has_producer_epoch())
    return call->fail(Errc::invalid_argument, "INIT_PRODUCER: producer_id and producer_epoch come both or not at all");
  if (asked->has_producer_id()) {
    if (asked->producer_id() < 0 || asked->producer_epoch() < 0 ||
        asked->producer_epoch() > std::numeric_limits<std::int16_t>::max())
      return call->fail(Errc::invalid_argument, "INIT_PRODUCER: an id is 0 or more, an epoch 0 to 32767");
    current = ProducerIdentity{ProducerId(asked->producer_id()), static_cast<std::int16_t>(asked->producer_epoch())};
  }
  BrokerApi& broker = call->broker();
  broker.init_producer_id(current, kProducerTimeout, [call = std::move(call)](Result<ProducerIdentity> identity) {
    if (!identity) return call->fail(identity.error());
    native::pb::Producer reply;
    reply.set_producer_id(identity->id.value);
    reply.set_producer_epoch(identity->epoch);
    call->reply(FrameKind::producer, reply);
  });
}

}  // namespace sluice::broker
