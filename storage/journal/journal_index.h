// What the journal remembers of each group: where its entries lie, what was released, its last term and vote. From
// it follow which files are needed and the table in the next file's header.
//
// Invariants: a group's entries have dense indexes and lie in ascending files; a vote stays until forget(). Entries
// that a newer one replaced pin their file until the newer one is durable, so that a crash never finds neither. Thread
// safety: one shard's thread. Owner: Journal.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "protocol/base/ids.h"
#include "storage/journal/journal.h"
#include "storage/journal/journal_format.h"

namespace sluice::storage {

class JournalIndex {
 public:
  static constexpr std::uint64_t kNoFile = ~std::uint64_t{0};

  /// The entry stands at `position` now; it replaces that index and all behind it. `sequence`: of its record.
  void put(GroupId group, LogIndex index, const JournalPosition& position, std::uint64_t sequence);
  /// Whether `index` may follow what is there: not behind a gap.
  bool follows(GroupId group, LogIndex index) const;
  /// The entry's flush is sealed: its size is known, if the entry still stands at `file` and `offset`.
  void set_flush_bytes(GroupId group, LogIndex index, std::uint64_t file, std::uint64_t offset, std::uint32_t bytes);
  std::optional<JournalPosition> find(GroupId group, LogIndex index) const;

  void put_vote(const JournalVote& vote);
  /// Takes a vote found in a header's table, or given at start, if it is news: terms don't go back, and within one a
  /// vote once given stays. Returns whether it was.
  bool merge_vote(const JournalVote& vote);

  void release(GroupId group, LogIndex index);
  void forget(GroupId group);
  /// Records up to `sequence` are durable.
  void durable(std::uint64_t sequence);

  /// The oldest file with an entry that is needed; kNoFile: none.
  std::uint64_t oldest_file() const;
  std::vector<GroupId> groups_in(std::uint64_t file) const;
  /// For a new file's header, by group.
  std::vector<JournalGroupState> table() const;

 private:
  struct Group {
    LogIndex released;  ///< entries up to here are not needed
    LogIndex first;     ///< index of places.front()
    std::deque<JournalPosition> places;
    Term term;
    NodeId vote;
  };
  struct Replaced {
    std::uint64_t file = 0;
    std::uint64_t until_sequence = 0;
    GroupId group;
  };
  std::map<GroupId, Group> groups_;
  std::vector<Replaced> replaced_;
};

}  // namespace sluice::storage
