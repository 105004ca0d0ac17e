// ListOffsets: the start, the end, or the record at a time. Until a leader is past its barrier 'latest' can't be told
// (offset_not_available): it must never go back.
// Owner: ShardServices.
#pragma once

#include <vector>

#include "broker/service/service_context.h"

namespace sluice::broker {

class OffsetService {
 public:
  explicit OffsetService(ServiceContext& context) : context_(context) {}

  void list(std::vector<ListOffsetsPart> parts, UniqueFunction<void(std::vector<ListOffsetsResult>)> done);

 private:
  static void list_local(Shard& shard, GroupId group, const PartitionId& id, const ListOffsetsPart& part,
                         UniqueFunction<void(ListOffsetsResult)> done);

  ServiceContext& context_;
};

}  // namespace sluice::broker
