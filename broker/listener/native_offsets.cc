// OFFSETS and DELETE_RECORDS: questions to the leaders of partitions, part by part. A part that can't be understood has
// its own error; the others go on.
#include <utility>

#include "broker/listener/native_handlers.h"
#include "protocol/native/topics.pb.h"

namespace sluice::broker {
namespace {

using native::FrameKind;
using native::Position;

constexpr Millis kTimeout{10'000};

/// Parts for the service, and which part of the question each of them is.
template <class Part>
struct Plan {
  std::vector<Part> parts;
  std::vector<int> places;
};

Result<PartitionIndex> partition_of(const std::string& name, const std::string& id, std::int32_t partition,
                                    TopicRef& topic) {
  auto ref = topic_ref(name, id);
  if (!ref) return fail(ref.error());
  topic = std::move(*ref);
  return native::to_partition(partition);
}

Result<ListOffsetsPart> read_part(const native::pb::Offsets::Part& part) {
  ListOffsetsPart out;
  const auto partition = partition_of(part.topic(), part.topic_id(), part.partition(), out.topic);
  if (!partition) return fail(partition.error());
  out.partition = *partition;
  const Result<Position> position = native::to_position(part.position());
  if (!position) return fail(position.error());
  switch (position->at) {
    case Position::At::start: out.query = OffsetQuery::earliest; break;
    case Position::At::end: out.query = OffsetQuery::latest; break;
    case Position::At::max_time: out.query = OffsetQuery::max_timestamp; break;
    case Position::At::time:
      out.query = OffsetQuery::at_time;
      out.timestamp_ms = position->value;
      break;
    case Position::At::offset:
      return fail(Errc::invalid_argument, "OFFSETS looks positions up: AT_OFFSET is one already");
  }
  return out;
}

Result<DeleteRecordsPart> read_part(const native::pb::DeleteRecords::Part& part) {
  DeleteRecordsPart out;
  const auto partition = partition_of(part.topic(), part.topic_id(), part.partition(), out.topic);
  if (!partition) return fail(partition.error());
  out.partition = *partition;
  if (!part.has_before()) return out;
  const Result<Offset> before = native::to_offset(part.before());
  if (!before) return fail(before.error());
  out.before = *before;
  return out;
}

/// Adds one part to the answer for each of the question; those that can't be understood get their error at once.
template <class Part, class Asked, class Reply>
Plan<Part> make_plan(const NativeCall& call, const Asked& asked, Reply& reply) {
  Plan<Part> plan;
  for (int i = 0; i < asked.parts_size(); ++i) {
    auto& entry = *reply.add_parts();
    Result<Part> part = read_part(asked.parts(i));
    if (part) {
      plan.parts.push_back(std::move(*part));
      plan.places.push_back(i);
    } else {
      call.fill(*entry.mutable_error(), part.error());
    }
  }
  return plan;
}

}  // namespace

void handle_offsets(NativeCallPtr call) {
  const auto asked = call->parse<native::pb::Offsets>();
  if (!asked) return;
  native::pb::OffsetsReply reply;
  auto plan = make_plan<ListOffsetsPart>(*call, *asked, reply);
  if (plan.parts.empty()) return call->reply(FrameKind::offsets_reply, reply);
  BrokerApi& broker = call->broker();
  broker.list_offsets(std::move(plan.parts), Isolation::read_committed, kTimeout,
                      [call = std::move(call), reply = std::move(reply),
                       places = std::move(plan.places)](std::vector<ListOffsetsResult> results) mutable {
                        CHECK(results.size() == places.size(), "one result a part");
                        for (std::size_t i = 0; i < results.size(); ++i) {
                          auto& entry = *reply.mutable_parts(places[i]);
                          if (results[i].error) {
                            call->fill(*entry.mutable_error(), *results[i].error);
                            continue;
                          }
                          entry.set_offset(results[i].offset.value);
                          entry.set_timestamp_ms(results[i].timestamp_ms);
                          entry.set_leader_epoch(results[i].leader_epoch.value);
                        }
                        call->reply(FrameKind::offsets_reply, reply);
                      });
}

void handle_delete_records(NativeCallPtr call) {
  const auto asked = call->parse<native::pb::DeleteRecords>();
  if (!asked) return;
  native::pb::RecordsDeleted reply;
  auto plan = make_plan<DeleteRecordsPart>(*call, *asked, reply);
  if (plan.parts.empty()) return call->reply(FrameKind::records_deleted, reply);
  const Millis timeout = call->timeout(asked->timeout_ms());
  BrokerApi& broker = call->broker();
  broker.delete_records(std::move(plan.parts), timeout,
                        [call = std::move(call), reply = std::move(reply),
                         places = std::move(plan.places)](std::vector<DeleteRecordsResult> results) mutable {
                          CHECK(results.size() == places.size(), "one result a part");
                          for (std::size_t i = 0; i < results.size(); ++i) {
                            auto& entry = *reply.mutable_parts(places[i]);
                            if (results[i].error) {
                              call->fill(*entry.mutable_error(), *results[i].error);
                            } else {
                              entry.set_start_offset(results[i].log_start_offset.value);
                            }
                          }
                          call->reply(FrameKind::records_deleted, reply);
                        });
}

}  // namespace sluice::broker
