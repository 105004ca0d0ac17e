// Shard, start-up: checkpoints, journal, START.
#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "broker/shard/shard.h"
#include "protocol/base/log.h"

namespace sluice::broker {
namespace {

constexpr std::size_t kMaxJournalIdBytes = 64;
constexpr std::size_t kMaxCheckpointBytes = 2ULL << 30;

class ReplayInto final : public storage::JournalVisitor {
 public:
  explicit ReplayInto(Shard& shard) : shard_(shard) {}

  void on_entry(const storage::JournalEntry& entry, ByteSpan payload, const storage::JournalPosition&) override {
    Replica* const replica = shard_.replica(entry.group);
    if (replica == nullptr) return;
    last_index[entry.group] = entry.index;
    replica->recovered_entry(entry, payload);
  }
  void on_vote(const storage::JournalVote& vote) override {
    if (Replica* const replica = shard_.replica(vote.group)) replica->recovered_vote(vote);
  }

  std::map<GroupId, LogIndex> last_index;  ///< where each group's entries end

 private:
  Shard& shard_;
};

/// Makes a directory with its parents, durably: a name lives in its parent, so every parent of one that was missing is
/// synced. The nearest parent is synced in any case: an earlier attempt may have ended before it came to that.
Result<void> make_dirs_durable(storage::Disk& disk, const std::string& path) {
  const auto parent_of = [](const std::string& of) -> std::string {
    const std::size_t slash = of.find_last_of('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : of.substr(0, slash);
  };
  std::vector<std::string> parents{parent_of(path)};
  for (;;) {
    auto there = disk.exists(parents.back());
    if (!there) return fail(there.error());
    if (*there) break;
    parents.push_back(parent_of(parents.back()));
  }
  if (auto made = disk.make_dirs(path); !made) return made;
  for (const std::string& parent : parents)
    if (auto synced = storage::sync_dir_blocking(disk, parent); !synced) return synced;
  return {};
}

std::string journal_id_text(std::uint64_t id) { return fmt::format("{:016x}\n", id); }

}  // namespace

Result<void> Shard::format() {
  const std::string shard_directory = fmt::format("{}/shard-{}", options_.data_directory, options_.id.value);
  for (const std::string& directory : {shard_directory, options_.journal.directory}) {
    if (auto made = make_dirs_durable(seams_.disk, directory); !made) return made;
  }
  for (auto& replica : replicas_) {
    if (auto made = seams_.disk.make_dirs(replica->directory()); !made) return made;
    auto there = load_checkpoint(replica->group());
    if (!there) return fail(there.error());
    if (*there) {  // a format that was killed may have left its name in memory only
      if (auto synced = storage::sync_dir_blocking(seams_.disk, replica->directory()); !synced) return synced;
      continue;
    }
    Checkpoint first;
    first.group = replica->group();
    first.cluster_id = options_.cluster_id;
    first.snapshot.last_index = LogIndex(1);
    first.snapshot.last_term = Term(1);
    first.snapshot.configuration = options_.members;
    if (first.snapshot.configuration.empty())
      first.snapshot.configuration = {{options_.node, fmt::format("node-{}", options_.node.value), ServerRole::voter}};
    first.snapshot.configuration_index = LogIndex(1);
    const std::string path = replica->directory() + "/" + checkpoint_file_name(first.snapshot.last_index);
    if (auto written = storage::replace_file(seams_.disk, path, encode_checkpoint(first)); !written) return written;
  }
  return storage::sync_dir_blocking(seams_.disk, options_.data_directory);
}

Result<std::optional<Shard::Loaded>> Shard::load_checkpoint(GroupId group) {
  const std::string directory = group_directory(group);
  auto entries = seams_.disk.list(directory);
  if (!entries) return fail(entries.error());
  std::vector<LogIndex> indexes;
  for (const storage::DirEntry& entry : *entries)
    if (auto index = parse_checkpoint_file_name(entry.name)) indexes.push_back(*index);
  std::ranges::sort(indexes, std::greater{});
  std::optional<Error> newest_error;
  // An older one serves only if the journal holds every later index: recovered() refuses a gap, recover() an end
  // before the newest one's.
  for (LogIndex index : indexes) {
    const std::string path = directory + "/" + checkpoint_file_name(index);
    auto bytes = storage::read_file(seams_.disk, path, kMaxCheckpointBytes);
    if (!bytes) return fail(bytes.error());
    auto checkpoint = decode_checkpoint(*bytes);
    if (checkpoint && checkpoint->snapshot.last_index == index)
      return std::optional(Loaded{std::move(*checkpoint), indexes.front()});
    const Error why = checkpoint ? Error{Errc::corrupt, "its name and its content disagree"} : checkpoint.error();
    log_error("checkpoint {} is damaged: {}", path, why.message);
    if (!newest_error) newest_error = Error{Errc::corrupt, path + ": " + why.message};
  }
  if (newest_error)
    return fail("no checkpoint of the group can be used; restore the file from a backup", std::move(*newest_error));
  return std::optional<Loaded>();
}

void Shard::report_unknown(const std::vector<storage::DirEntry>& entries, Replica& replica) {
  std::vector<std::string> known;
  for (const auto& [id, partition] : replica.partitions()) known.push_back(id.text());
  for (const PartitionId& id : replica.deleting()) known.push_back(id.text());
  std::ranges::sort(known);
  for (const storage::DirEntry& entry : entries) {
    const std::string path = replica.directory() + "/" + entry.name;
    if (entry.name.ends_with(".new")) {  // a temporary file that a crash left
      seams_.disk.remove(path, [](const Result<void>&) {});
      continue;
    }
    if (const auto index = parse_checkpoint_file_name(entry.name); index && *index < replica.checkpoint_index()) {
      seams_.disk.remove(path, [path](const Result<void>& removed) {
        if (!removed) log_warn("the replaced checkpoint {} stays: {}", path, removed.error().message);
      });
      continue;
    }
    if (!entry.is_directory || std::ranges::binary_search(known, entry.name)) continue;
    // It may belong to a partition that the journal is about to create again; nothing is ever deleted by inference.
    log_info("{} is not mentioned by the group's checkpoint; it is kept", path);
  }
}

std::string Shard::journal_id_path() const {
  return fmt::format("{}/shard-{}/journal.id", options_.data_directory, options_.id.value);
}

/// Before the first checkpoints nothing else tells that there was a journal, and which one.
Result<void> Shard::check_journal_id() const {
  auto kept = storage::read_file(seams_.disk, journal_id_path(), kMaxJournalIdBytes);
  if (!kept && kept.error().code == Errc::not_found) return {};
  if (!kept) return fail(kept.error());
  if (as_text(*kept) == journal_id_text(journal_->id())) return {};
  return fail(Errc::corrupt,
              fmt::format("{} is not the journal that {} names, or it is gone: acknowledged records and "
                          "votes are in that one alone. Is its disk mounted, and the journal's directory "
                          "the right one?",
                          options_.journal.directory, journal_id_path()));
}

Result<void> Shard::keep_journal_id() {
  auto there = seams_.disk.exists(journal_id_path());
  if (!there) return fail(there.error());
  if (*there) return {};
  const std::string text = journal_id_text(journal_->id());
  auto kept = storage::replace_file(seams_.disk, journal_id_path(), as_bytes(text));
  if (kept || kept.error().code != Errc::no_space) return kept;
  log_warn("{}", kept.error().message);  // the next start tries again
  return {};
}

Result<void> Shard::recover() {
  if (auto started = space_.start(); !started) return started;
  std::vector<storage::JournalProof> proofs;
  std::map<GroupId, LogIndex> newest;  // of groups that go on from an older checkpoint, since this one is damaged
  for (auto& replica : replicas_) {
    auto entries = seams_.disk.list(replica->directory());
    if (!entries) return fail(entries.error());
    auto from = load_checkpoint(replica->group());
    if (!from) return fail(fmt::format("group {}", replica->group().value), from.error());
    if (!*from)
      return fail(Errc::corrupt,
                  fmt::format("{} holds no checkpoint: the group's data is gone; restore it from a backup",
                              replica->directory()));
    const Checkpoint& checkpoint = (*from)->checkpoint;
    if (checkpoint.snapshot.last_index < (*from)->newest) newest[replica->group()] = (*from)->newest;
    if (auto loaded = replica->load(checkpoint); !loaded)
      return fail(fmt::format("group {}: its checkpoint", replica->group().value), loaded.error());
    // Killed between its rename and the sync of its name, it would come and go with the next loss of power: nothing may
    // be released for its sake before. Then what it replaced is superseded for good.
    if (auto synced = storage::sync_dir_blocking(seams_.disk, replica->directory()); !synced) return synced;
    report_unknown(*entries, *replica);
    if (const auto& position = checkpoint.journal_position)
      proofs.push_back({replica->group(), checkpoint.snapshot.last_index, *position});
  }
  // A file that a crash left must be gone before a checkpoint takes its name.
  while (seams_.disk.in_flight() > 0) seams_.disk.wait();
  ReplayInto visitor(*this);
  if (auto replayed = journal_->recover(visitor, proofs); !replayed) return replayed;
  if (auto same = check_journal_id(); !same) return same;
  for (auto& replica : replicas_)
    if (auto whole = replica->recovered(); !whole) return whole;
  for (const auto& [group, index] : newest)
    if (visitor.last_index[group] < index)
      return fail(Errc::corrupt,
                  fmt::format("{}/{} is damaged, and the journal does not hold all that lies between the one "
                              "before it and index {}; restore the file from a backup",
                              group_directory(group), checkpoint_file_name(index), index.value));

  // START states first: they must be durable before any group acts on them. The new file's table carries them.
  std::vector<storage::JournalVote> votes;
  for (auto& replica : replicas_) {
    const HardState state = replica->start_state();
    votes.push_back({replica->group(), state.term, state.vote});
  }
  if (auto started = journal_->start(votes); !started) return started;
  if (auto kept = keep_journal_id(); !kept) return kept;
  for (auto& replica : replicas_) journal_->release(replica->group(), replica->applied_index());
  wall_minus_steady_ = Nanos(seams_.clock.wall()) - seams_.clock.steady();
  for (auto& replica : replicas_)
    if (auto started = replica->start(); !started) return started;
  arm_housekeeping();
  seams_.wake();
  return {};
}

}  // namespace sluice::broker
