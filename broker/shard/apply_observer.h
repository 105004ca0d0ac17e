// What a shard tells the services above it as entries are applied. Called on the shard's thread, inside its turn;
// implementations do not call back into the Replica but defer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "broker/core/cluster_view.h"
#include "protocol/base/ids.h"

namespace sluice::broker {

class ApplyObserver {
 public:
  virtual ~ApplyObserver() = default;
  /// The high watermark of a partition moved (or its start did, or it is gone: `gone`).
  virtual void partition_moved(const PartitionId& partition, bool gone) = 0;
  /// A row of a table was written; nullopt: deleted.
  virtual void table_row_changed(const std::string& table, const std::string& key,
                                 const std::optional<std::string>& value, std::uint64_t revision) = 0;
  virtual void leadership_changed(GroupId group, const GroupLeadership& leadership) = 0;
};

}  // namespace sluice::broker
