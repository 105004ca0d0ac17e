// ListOffsets: the start, the end, or the record at a time. Until a leader is past its barrier 'latest' can't be told
// (offset_not_available): it must never go back. And where leader epochs end, by which clients notice that a log was
// cut. Owner: ShardServices.
#pragma once

#include <vector>

#include "broker/service/service_context.h"

namespace sluice::broker {

class OffsetService {
 public:
  explicit OffsetService(ServiceContext& context) : context_(context) {}

  void list(std::vector<ListOffsetsPart> parts, Millis limit,
            UniqueFunction<void(std::vector<ListOffsetsResult>)> done);
  void epoch_ends(std::vector<EpochEndPart> parts, UniqueFunction<void(std::vector<EpochEndResult>)> done);

 private:
  static void epoch_end_local(Shard& shard, const PartitionRoute& to, const EpochEndPart& part,
                              UniqueFunction<void(EpochEndResult)> done);
  static void list_local(Shard& shard, const PartitionRoute& to, const ListOffsetsPart& part,
                         UniqueFunction<void(ListOffsetsResult)> done);

  ServiceContext& context_;
};

}  // namespace sluice::broker
