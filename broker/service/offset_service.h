// ListOffsets: the start, the end, or the record at a time. Until a leader is past its barrier 'latest' can't be told
// (offset_not_available): it must never go back. And where leader epochs end, by which clients notice that a log was
// cut.
//
// A look-up by time may have to unpack a batch. So one of them is under way on a shard at a time, and the next one
// begins in a later turn: who asks for many does not keep others waiting for longer than one takes. Owner:
// ShardServices.
#pragma once

#include <deque>
#include <memory>
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
  /// On the owner's shard: a look-up by time that waits for its turn.
  using Lookup = UniqueFunction<void(UniqueFunction<void()> ended)>;
  void look_up(Lookup lookup);
  void next_lookup();

  static void epoch_end_local(ShardServices& owner, const PartitionRoute& to, const EpochEndPart& part,
                              UniqueFunction<void(EpochEndResult)> done);
  static void list_local(ShardServices& owner, const PartitionRoute& to, const ListOffsetsPart& part,
                         UniqueFunction<void(ListOffsetsResult)> done);

  ServiceContext& context_;
  std::deque<Lookup> lookups_;  ///< bounded by what requests may hold
  bool looking_up_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace sluice::broker
