// What start-up found: whether it can be, and in which term a replica starts with it. Owner: RaftGroup.
#include <algorithm>
#include <utility>

#include "broker/raft/core.h"

namespace sluice::broker {

std::optional<ConfigurationLog::Item> last_configuration(const RaftRecovery& recovery) {
  for (std::size_t i = recovery.entries.size(); i > 0; --i) {
    const LogIndex index = recovery.first_index.plus(i - 1);
    if (recovery.snapshot && index <= recovery.snapshot->last_index) break;
    if (recovery.entries[i - 1].type != EntryType::change) continue;
    auto configuration = decode_configuration(recovery.entries[i - 1].payload);
    if (!configuration) return std::nullopt;
    return ConfigurationLog::Item{index, std::move(*configuration)};
  }
  if (!recovery.snapshot) return std::nullopt;
  return ConfigurationLog::Item{recovery.snapshot->configuration_index, recovery.snapshot->configuration};
}

std::vector<ConfigurationLog::Item> recovered_changes(const RaftRecovery& recovery) {
  std::vector<ConfigurationLog::Item> changes;
  const LogIndex base = recovery.snapshot ? recovery.snapshot->configuration_index : LogIndex();
  for (std::size_t i = 0; i < recovery.entries.size(); ++i) {
    const LogIndex index = recovery.first_index.plus(i);
    if (recovery.entries[i].type != EntryType::change || index == base) continue;
    changes.push_back({index, *decode_configuration(recovery.entries[i].payload)});
  }
  if (recovery.snapshot) {
    const auto at = std::ranges::upper_bound(changes, base, {}, &ConfigurationLog::Item::index);
    changes.insert(at, {base, recovery.snapshot->configuration});
  }
  return changes;
}

Term last_log_term(const RaftRecovery& recovery) {
  Term term = recovery.snapshot ? recovery.snapshot->last_term : Term();
  if (!recovery.entries.empty()) term = std::max(term, recovery.entries.back().term);
  return term;
}

Result<void> check_recovery(GroupId group, const RaftRecovery& recovery) {
  const auto corrupt = [&](std::string_view what) {
    return fail(Errc::corrupt, "Raft group " + std::to_string(group.value) + " can't start: " + std::string(what));
  };
  const std::size_t count = recovery.entries.size();
  const LogIndex last(recovery.first_index.value + count - 1);
  if (recovery.first_index.value == 0) return corrupt("its log begins at index 0");
  Term term;
  if (recovery.snapshot) {
    const SnapshotMeta& snapshot = *recovery.snapshot;
    if (snapshot.last_index.value == 0 || snapshot.last_term.value == 0 || snapshot.configuration_index.value == 0 ||
        snapshot.configuration_index > snapshot.last_index || !check_configuration(snapshot.configuration))
      return corrupt("its checkpoint contradicts itself");
    if (recovery.first_index > snapshot.last_index.next()) return corrupt("entries are missing behind its checkpoint");
    if (recovery.first_index == snapshot.last_index.next()) {
      term = snapshot.last_term;
    } else if (last < snapshot.last_index ||
               recovery.entries[snapshot.last_index.value - recovery.first_index.value].term != snapshot.last_term) {
      return corrupt("its log does not reach, or contradicts, its checkpoint");
    }
  } else {
    if (recovery.first_index.value != 1) return corrupt("it has neither a checkpoint nor the beginning of its log");
    if (count > 0 && recovery.entries[0].type != EntryType::change)
      return corrupt("its first entry is no configuration");
  }
  for (const Entry& entry : recovery.entries) {
    if (entry.term < term || entry.term.value == 0) return corrupt("the terms of its log go back");
    term = entry.term;
    if (entry.type == EntryType::change && !decode_configuration(entry.payload))
      return corrupt("a configuration in its log can't be read");
  }
  if (term > recovery.hard_state.term) return corrupt("its log has a later term than the one it is in");
  return {};
}

HardState RaftGroup::start_state(NodeId self, const RaftRecovery& recovery) {
  const auto last = last_configuration(recovery);
  if (!last || !is_sole_voter(last->configuration, self)) return recovery.hard_state;
  return {std::max(recovery.hard_state.term, last_log_term(recovery)).next(), self};
}

}  // namespace sluice::broker
