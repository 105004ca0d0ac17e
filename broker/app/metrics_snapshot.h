// How a node stood at one time: what every shard said of itself, put together by the shard that asked. Plain values.
// Owner: whoever asked (ShardUnit::collect()).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/listener/kafka_stats.h"
#include "broker/listener/native_stats.h"
#include "broker/net/event_loop.h"
#include "broker/service/service_stats.h"
#include "broker/shard/shard_report.h"
#include "protocol/base/ids.h"
#include "storage/io/disk.h"

namespace sluice::broker {

struct ShardSnapshot {
  ShardId id;
  LoopStats loop;
  ShardReport shard;
  ServiceStats services;
  KafkaStats kafka;
  NativeStats native;
  std::size_t connections = 0;
  std::size_t native_connections = 0;
  std::size_t request_bytes = 0, reply_bytes = 0;  ///< that connections hold in memory
  std::size_t fetch_sessions = 0;
};

struct NodeSnapshot {
  std::vector<ShardSnapshot> shards;       ///< by id
  std::size_t topics = 0, partitions = 0;  ///< of clients
  std::size_t producers = 0, max_producers = 0;
  std::optional<storage::DiskSpace> disk;  ///< of the data directory; none: it can't be asked
};

/// What of a partition is told, on demand alone.
enum class PartitionFigure : std::uint8_t { log_end_offset, log_start_offset, size_bytes };
inline constexpr std::size_t kPartitionFigures = 3;

struct PartitionValue {
  std::string topic;
  std::int32_t partition = 0;
  double value = 0;
};
/// Where a walk over all partitions, by topic and index, stands. An empty topic is its begin, and its end.
struct PartitionCursor {
  std::string topic;
  std::size_t partition = 0;
};
struct PartitionPage {
  std::vector<PartitionValue> values;  ///< may be none before the end
  PartitionCursor next;
};

}  // namespace sluice::broker
