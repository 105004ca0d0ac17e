// Replica, towards the other replicas of its group: messages, and the entries that they carry. The core keeps none:
// what is not applied yet is in memory, and the rest is read back from the journal.
#include <algorithm>

#include "broker/shard/replica.h"
#include "protocol/base/log.h"

namespace sluice::broker {
namespace {

// What goes beyond is lost, as any message may be: the core asks for it again.
constexpr std::size_t kMostOutgoing = 64;
constexpr std::size_t kMostMessageBytes = 4U << 20;

}  // namespace

struct Replica::Outgoing {
  RaftMessage message;
  std::size_t missing = 1;  ///< payloads to be read back, and one for attach()
  bool lost = false;
};

void Replica::receive(RaftMessage message) {
  if (stopped_) return;
  raft_.receive(std::move(message), now());
  context_.wake();
}

void Replica::send(RaftMessage message) {
  if (!context_.send)
    return log_debug("group {}: a message for node {} has no way to leave", group_.value, message.to.value);
  if (message.entry_count == 0) return context_.send(group_, std::move(message));
  if (outgoing_ >= kMostOutgoing) return;
  ++outgoing_;
  attach(std::make_shared<Outgoing>(Outgoing{std::move(message)}));
}

void Replica::attach(const std::shared_ptr<Outgoing>& outgoing) {
  RaftMessage& message = outgoing->message;
  std::vector<std::pair<std::size_t, storage::JournalPosition>> in_journal;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < message.entry_count; ++i) {
    const LogIndex index = message.prev_index.plus(i + 1);
    Entry entry;
    entry.term = raft_.term_at(index);
    const StoredEntry* const stored = index > applied_ ? &entries_[index.value - applied_.value - 1] : nullptr;
    if (stored != nullptr && stored->payload) {
      entry.type = stored->type;
      entry.payload = *stored->payload;
      bytes += entry.payload.size();
    } else {
      const auto position = context_.journal.position(group_, index);
      if (!position) {
        outgoing->lost = true;
        break;
      }
      entry.type = static_cast<EntryType>(position->entry_type);
      in_journal.emplace_back(i, *position);
      bytes += position->payload_bytes;
    }
    message.entries.push_back(std::move(entry));
    if (bytes >= kMostMessageBytes) break;
  }
  message.entry_count = static_cast<std::uint32_t>(message.entries.size());
  if (!outgoing->lost) {
    outgoing->missing += in_journal.size();
    for (const auto& [nth, position] : in_journal)
      context_.journal.read(position,
                            [this, alive = std::weak_ptr(alive_), outgoing, i = nth](Result<SharedBytes> read) {
                              if (alive.expired()) return;
                              if (read) {
                                outgoing->message.entries[i].payload = std::move(*read);
                              } else {
                                outgoing->lost = true;
                                if (read.error().code != Errc::not_found && read.error().code != Errc::busy)
                                  log_error("group {}: an entry for node {} can't be read back: {}", group_.value,
                                            outgoing->message.to.value, read.error().message);
                              }
                              depart(*outgoing);
                            });
  }
  depart(*outgoing);
}

/// One of the things that the message waited for is there.
void Replica::depart(Outgoing& outgoing) {
  if (--outgoing.missing > 0) return;
  --outgoing_;
  // Within a term its leader's log only grows, so that what was read is still what it says.
  if (outgoing.lost || stopped_ || raft_.role() != RaftRole::leader || raft_.term() != outgoing.message.term) return;
  context_.send(group_, std::move(outgoing.message));
}

void Replica::install_snapshot(const SnapshotMeta& snapshot) {
  log_error("group {}: was asked for a checkpoint at {} that nobody can send", group_.value, snapshot.last_index.value);
}

}  // namespace sluice::broker
