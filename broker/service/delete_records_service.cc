#include "broker/service/delete_records_service.h"

#include <fmt/core.h>

#include "broker/service/partition_call.h"

namespace sluice::broker {
namespace {

void remove_local(ShardServices& owner, const PartitionRoute& to, const DeleteRecordsPart& part,
                  UniqueFunction<void(DeleteRecordsResult)> done) {
  DeleteRecordsResult result;
  const auto refuse = [&](Error error) {
    result.error = std::move(error);
    done(std::move(result));
  };
  if (to.internal) return refuse({Errc::invalid_topic, "records of the broker's own topics can't be deleted"});
  const auto local = local_partition(owner.shard(), to.group, to.id);
  if (!local) return refuse(local.error());
  const PartitionState& state = local->partition->state;
  const Offset end = state.end_offset();
  const Offset before = part.before.value_or(end);
  if (before < Offset(0) || before > end)
    return refuse({Errc::offset_out_of_range,
                   fmt::format("records before offset {} can't be deleted: {} has offsets from {} to {}", before.value,
                               to.id.text(), state.start_offset().value, end.value)});
  if (before <= state.start_offset()) {
    result.log_start_offset = state.start_offset();
    return done(std::move(result));
  }
  local->replica->delete_records(to.id, before, [done = std::move(done)](Result<Offset> start) mutable {
    DeleteRecordsResult moved;
    if (start)
      moved.log_start_offset = *start;
    else
      moved.error = start.error();
    done(std::move(moved));
  });
}

}  // namespace

void DeleteRecordsService::remove(std::vector<DeleteRecordsPart> parts, Millis limit,
                                  UniqueFunction<void(std::vector<DeleteRecordsResult>)> done) {
  ask_leaders<DeleteRecordsPart, DeleteRecordsResult>(context_, std::move(parts), limit, remove_local, std::move(done));
}

}  // namespace sluice::broker
