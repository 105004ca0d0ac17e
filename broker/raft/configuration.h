// Memberships: what may follow what, and the changes that a log holds. Owner: RaftGroup::Core.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "broker/raft/raft_group.h"
#include "broker/raft/raft_library.h"

namespace sluice::broker {

/// Whether ids, addresses and roles can stand in one configuration, and there is a voter. Errors: invalid_argument.
Result<void> check_configuration(const RaftConfiguration& configuration);
/// `next`, in `current`'s order. At most one server may differ, because two majorities must overlap, and a new server
/// starts without a vote. Errors: invalid_argument.
Result<RaftConfiguration> ordered_change(const RaftConfiguration& current, const RaftConfiguration& next);
bool is_sole_voter(const RaftConfiguration& configuration, NodeId self);
/// On libraft's heap; whoever is given it frees it with raft_configuration_close().
raft_configuration to_core(const RaftConfiguration& configuration);

/// The configurations in force along a log: the one at or before its beginning, and every change since.
/// Invariant: ascending indexes.
class ConfigurationLog {
 public:
  struct Item {
    LogIndex index;
    RaftConfiguration configuration;
  };

  void reset() { items_.clear(); }
  void append(LogIndex index, RaftConfiguration configuration);
  /// The log was cut: entries from `index` on are gone.
  void truncate(LogIndex index);
  /// Entries up to `index` are gone; what is in force there stays.
  void trim(LogIndex index);
  /// The configuration in force at `index`; nullptr: none yet.
  const Item* at(LogIndex index) const;
  /// The first change behind `index`; nullptr: none.
  const Item* next_after(LogIndex index) const;
  /// The newest, committed or not; nullptr: none.
  const Item* latest() const { return items_.empty() ? nullptr : &items_.back(); }

 private:
  std::vector<Item> items_;
};

}  // namespace sluice::broker
