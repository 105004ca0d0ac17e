// `/metrics`: asks every shard how it stands, and renders that while it is sent. With `?partitions=1` a few figures of
// each partition follow, read a page of partitions at a time from the shards that own them; a partition that is made or
// deleted meanwhile may be missing.
// Bounds: shards have kAnswerLimit to answer, or the reply is 503; one page of partitions is in memory at a time.
// Thread safety: the thread of the shard whose unit it is given. Owner: Node, which keeps the unit alive longer.
#pragma once

#include <cstdint>

#include "broker/app/shard_unit.h"
#include "broker/listener/http_reply.h"
#include "protocol/base/clock.h"

namespace sluice::broker {

class MetricsPage {
 public:
  static constexpr Nanos kAnswerLimit = std::chrono::seconds(5);
  static constexpr std::size_t kPartitionsAtOnce = 64;

  MetricsPage(ShardUnit& unit, Clock& clock) : unit_(unit), clock_(clock), start_time_ms_(clock.wall().count()) {}

  /// An HttpHandler.
  void get(const HttpRequest& request, UniqueFunction<void(HttpReply)> done);

 private:
  ShardUnit& unit_;
  Clock& clock_;
  const std::int64_t start_time_ms_;
};

}  // namespace sluice::broker
