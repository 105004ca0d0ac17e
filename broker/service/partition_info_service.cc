#include "broker/service/partition_info_service.h"

#include "broker/service/partition_call.h"

namespace sluice::broker {
namespace {

void describe_local(ShardServices& owner, const PartitionRoute& to, const DescribePartitionPart&,
                    UniqueFunction<void(PartitionDescription)> done) {
  PartitionDescription result;
  if (const auto local = local_partition(owner.shard(), to.group, to.id)) {
    result.log_start_offset = local->partition->state.start_offset();
    result.high_watermark = local->partition->state.end_offset();
    result.size_bytes = local->partition->size_bytes();
  } else {
    result.error = local.error();
  }
  done(std::move(result));
}

}  // namespace

void PartitionInfoService::describe(std::vector<DescribePartitionPart> parts, Millis limit,
                                    UniqueFunction<void(std::vector<PartitionDescription>)> done) {
  ask_leaders<DescribePartitionPart, PartitionDescription>(context_, std::move(parts), limit, describe_local,
                                                           std::move(done));
}

}  // namespace sluice::broker
