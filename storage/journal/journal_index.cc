#include "storage/journal/journal_index.h"

#include <algorithm>

namespace sluice::storage {

void JournalIndex::put(GroupId id, LogIndex index, const JournalPosition& position, std::uint64_t sequence) {
  Group& group = groups_[id];
  const std::uint64_t end = group.first.value + group.places.size();
  if (!group.places.empty() && index.value != end) {
    const bool within = index >= group.first && index.value < end;
    const std::size_t keep = within ? static_cast<std::size_t>(index.value - group.first.value) : 0;
    replaced_.push_back({group.places[keep].file, sequence, id});
    group.places.resize(keep);
  }
  if (group.places.empty()) group.first = index;
  group.places.push_back(position);
}

bool JournalIndex::follows(GroupId id, LogIndex index) const {
  const auto found = groups_.find(id);
  if (found == groups_.end() || found->second.places.empty()) return true;
  return index.value <= found->second.first.value + found->second.places.size();
}

void JournalIndex::set_flush_bytes(GroupId id, LogIndex index, std::uint64_t file, std::uint64_t offset,
                                   std::uint32_t bytes) {
  const auto found = groups_.find(id);
  if (found == groups_.end()) return;
  Group& group = found->second;
  if (index < group.first || index.value - group.first.value >= group.places.size()) return;
  JournalPosition& place = group.places[static_cast<std::size_t>(index.value - group.first.value)];
  if (place.file == file && place.offset == offset) place.flush_bytes = bytes;
}

std::optional<JournalPosition> JournalIndex::find(GroupId id, LogIndex index) const {
  const auto found = groups_.find(id);
  if (found == groups_.end()) return std::nullopt;
  const Group& group = found->second;
  if (index < group.first || index.value - group.first.value >= group.places.size()) return std::nullopt;
  return group.places[static_cast<std::size_t>(index.value - group.first.value)];
}

void JournalIndex::put_vote(const JournalVote& vote) {
  Group& group = groups_[vote.group];
  group.term = vote.term;
  group.vote = vote.vote;
}

bool JournalIndex::merge_vote(const JournalVote& vote) {
  if (vote.term.value == 0 && vote.vote.value == 0) return false;
  Group& group = groups_[vote.group];
  const bool news =
      vote.term > group.term || (vote.term == group.term && group.vote.value == 0 && vote.vote.value != 0);
  if (news) put_vote(vote);
  return news;
}

void JournalIndex::release(GroupId id, LogIndex index) {
  Group& group = groups_[id];
  if (index <= group.released) return;
  group.released = index;
  while (!group.places.empty() && group.first <= index) {
    group.places.pop_front();
    group.first = group.first.next();
  }
}

void JournalIndex::forget(GroupId group) {
  groups_.erase(group);
  std::erase_if(replaced_, [&](const Replaced& pin) { return pin.group == group; });
}

void JournalIndex::durable(std::uint64_t sequence) {
  if (replaced_.empty()) return;
  std::erase_if(replaced_, [&](const Replaced& pin) { return pin.until_sequence <= sequence; });
}

std::uint64_t JournalIndex::oldest_file() const {
  std::uint64_t oldest = kNoFile;
  for (const auto& [id, group] : groups_) {
    if (!group.places.empty()) oldest = std::min(oldest, group.places.front().file);
  }
  for (const Replaced& pin : replaced_) oldest = std::min(oldest, pin.file);
  return oldest;
}

std::vector<GroupId> JournalIndex::groups_in(std::uint64_t file) const {
  std::vector<GroupId> groups;
  for (const auto& [id, group] : groups_) {
    if (!group.places.empty() && group.places.front().file <= file) groups.push_back(id);
  }
  return groups;
}

std::vector<JournalGroupState> JournalIndex::table() const {
  std::vector<JournalGroupState> table;
  table.reserve(groups_.size());
  for (const auto& [id, group] : groups_) {
    table.push_back({id, group.vote, group.term, group.places.empty() ? group.released.next() : group.first});
  }
  return table;
}

}  // namespace sluice::storage
