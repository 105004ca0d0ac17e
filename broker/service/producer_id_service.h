// Producer ids. The controller's table gives each shard blocks of them; a shard hands them out one by one. An id is
// never given twice: a block is written to the table before its first id leaves. What is left of a block at a restart
// is lost, by design. Owner: ShardServices.
#pragma once

#include <deque>

#include "broker/service/service_context.h"

namespace sluice::broker {

class ProducerIdService {
 public:
  explicit ProducerIdService(ServiceContext& context) : context_(context) {}

  /// A new id with epoch 0. Producers without a transactional id always get a new one, as Kafka does. Errors: busy (too
  /// many are waiting), not_ready.
  void init(UniqueFunction<void(Result<ProducerIdentity>)> done);

  /// On the controller's shard: takes a block off the table.
  void allocate_block(UniqueFunction<void(Result<std::int64_t>)> done);

 private:
  void ask_for_block();
  void take_block(const Result<std::int64_t>& first);

  ServiceContext& context_;
  std::int64_t next_ = 0;
  std::int64_t end_ = 0;
  bool asking_ = false;
  std::deque<UniqueFunction<void(Result<ProducerIdentity>)>> waiting_;
};

}  // namespace sluice::broker
