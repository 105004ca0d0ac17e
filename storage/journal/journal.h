// The journal: one per shard, shared by all its Raft groups. It holds their entries, terms and votes; it is what
// makes an acknowledgement true. It knows the shape of a record, never the meaning of a payload.
//
// Life: recover() reads what is there, start() opens a fresh file; then append_*() collects records in the flush buffer
// being filled, and flush() writes it when fewer than two writes are under way (coalesce on completion, never
// on a timer: the journal calls flush() itself whenever a write completes). Durability is reported as a contiguous
// prefix through JournalObserver. A failed write or sync is reported once, through journal_failed(), and nothing
// is acknowledged after it: the process has to exit.
//
// Calls back only from Disk::poll() and wait(), but for read(), which answers at once what is in memory.
//
// Files are NNNNNNNN.wal, written once in full from front to back by 4 KiB-aligned flushes, then recycled under the
// next number when (a) no group needs their entries, and (b) the term/vote table of a later, durable file repeats their
// votes. The formats are drawn in journal_format.h.
//
// Invariants: entries of a group are appended with dense, ascending indexes, except that an index may go back (a
// truncation by a new leader): it then replaces that entry and all behind it. Never appends to a replayed file.
// Thread safety: one shard's thread. Owner: Shard (broker/shard).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/clock.h"
#include "protocol/base/error.h"
#include "protocol/base/histogram.h"
#include "protocol/base/ids.h"
#include "protocol/base/random.h"
#include "storage/io/disk.h"

namespace sluice::storage {

enum class JournalSync : std::uint8_t {
  automatic,  ///< dsync where the file was written before, fdatasync on new ground
  dsync,
  fdatasync,
};

struct JournalOptions {
  std::string directory;  ///< DATA/shard-K/journal
  std::uint64_t file_bytes = 64U << 20;
  std::uint64_t capacity_bytes = 1U << 30;  ///< of all files together; at least 4 files
  std::uint32_t flush_bytes = 1U << 20;     ///< a flush is at most this, or one larger entry
  std::uint32_t flushes_in_flight = 2;
  std::uint32_t max_entry_bytes = 64U << 20;
  std::uint64_t buffer_bytes = 64U << 20;  ///< of flush buffers alive, slices in tail caches included
  JournalSync sync = JournalSync::automatic;
  bool direct = true;
};

/// Where an entry's payload lies, for reading it back.
struct JournalPosition {
  std::uint64_t file = 0;    ///< the number in its name
  std::uint64_t offset = 0;  ///< of the flush, in bytes
  std::uint32_t flush_bytes = 0;
  std::uint32_t payload_offset = 0;  ///< within the flush
  std::uint32_t payload_bytes = 0;
  std::uint8_t entry_type = 0;  ///< as it was appended
};

/// entry: as in a Raft log. `type` is EntryType of broker/raft, not looked at here.
struct JournalEntry {
  GroupId group;
  LogIndex index;
  Term term;
  std::uint8_t type = 0;
};

/// A group's term and vote. In journal order terms never go back, and a vote once given in a term stays.
struct JournalVote {
  GroupId group;
  Term term;
  NodeId vote;
};

/// What recovery found, in journal order. Payloads are valid during the call only.
class JournalVisitor {
 public:
  virtual ~JournalVisitor() = default;
  virtual void on_entry(const JournalEntry& entry, ByteSpan payload, const JournalPosition& position) = 0;
  virtual void on_vote(const JournalVote& vote) = 0;
};

class JournalObserver {
 public:
  virtual ~JournalObserver() = default;
  /// All records appended up to and including `sequence` (returned by append_*) are durable.
  virtual void journal_durable(std::uint64_t sequence) = 0;
  /// A write or sync failed: exit. Want of space is not reported here but answered by append_*() and write_refused(),
  /// as long as the file is direct or the write is no dsync one (else it may be the sync that failed).
  virtual void journal_failed(const Error& error) = 0;
};

/// A checkpoint's proof for recovery: `index` of `group` was durable in the journal, at `position` (as position() told
/// when the checkpoint was taken), so its loss is corruption: recover() fails unless replay meets that entry there, or
/// the position's file is older than all that are still needed (it was released, as the checkpoint allows).
/// `position.file` 0 says that the place is not known, and proves nothing.
struct JournalProof {
  GroupId group;
  LogIndex index;
  JournalPosition position;
};

/// What the journal did since it was made.
struct JournalStats {
  std::uint64_t flushes = 0;  ///< durable; one that says only what is durable (a marker) is one too
  std::uint64_t bytes = 0;    ///< of them, whole blocks
  Histogram write_ns;         ///< from the start of a flush's write until it is durable, by the loop's clock
};

class Journal {
 public:
  /// Without a clock the times of writes are not taken.
  Journal(Disk& disk, Random& random, JournalOptions options, JournalObserver& observer, const Clock* clock = nullptr);
  ~Journal();

  /// Replays what is on disk, blocking, oldest first. Ends at the first flush that does not hold when nothing proves
  /// that it once was durable (a torn write); otherwise Errc::corrupt with file, position and what is at stake.
  /// What was replayed is synced before this returns. Entries below what a group needs may be among it. Once, before
  /// start(). Errors: corrupt, unsupported (a newer version's file), io_error.
  Result<void> recover(JournalVisitor& visitor, std::span<const JournalProof> proofs = {});
  /// Opens the first file of this life; blocking. `votes`: the current term and vote of every group of the shard; they
  /// are durable when this returns. Votes that recover() found are kept even if they are not repeated here, and its
  /// entries stay pinned, until release() or forget(), which may be called before start() too: call forget() for groups
  /// that this shard does not have any more.
  Result<void> start(std::span<const JournalVote> votes);

  /// Reserves `size` bytes of payload in the flush buffer being filled, for the entry appended next: fill them
  /// and call append_entry() with the same slice before any other call of this class but reserve() (which forgets
  /// the former reservation). So the payload is written in place, once. Errors: too_large; no_space (the disk is
  /// full: flush() and append_*() try again); busy (the journal's capacity is in use: release() frees; or flush buffers
  /// are used up by writes under way and slices in tail caches, or the next file is still being prepared: try again
  /// after journal_durable, or when tails were spilled); io_error (it has failed).
  struct Reservation {
    MutableByteSpan bytes;
    SharedBytes slice;  ///< the same bytes; keeps the flush buffer alive, for tail caches
  };
  Result<Reservation> reserve(std::size_t size);
  /// Gives back the tail of a reservation: only its first `used` bytes will be appended.
  SharedBytes shrink(const Reservation& reservation, std::size_t used);

  /// Appends an entry; a payload that is not the current reservation is copied in. Returns its sequence (ascending,
  /// one for each record). A gap is allowed only above what was released: release() up to an installed checkpoint
  /// first. Errors: as reserve().
  struct Appended {
    std::uint64_t sequence = 0;
    SharedBytes payload;  ///< the slice in the flush buffer
  };
  Result<Appended> append_entry(const JournalEntry& entry, const SharedBytes& payload);
  Result<std::uint64_t> append_vote(const JournalVote& vote);
  /// Starts a write of what was appended, if fewer than `flushes_in_flight` are under way.
  void flush();
  /// Flushes that are full and wait for a write to end. While there are some, appending more only makes it wait here
  /// instead of with its owner, who knows whose turn it is.
  std::size_t flushes_waiting() const;
  /// Everything is durable and no more is coming soon: writes one marker flush, whose `synced_through` says so. Until
  /// then a rotten last flush looks like a torn one. Does nothing where that is not so, or was said already.
  void mark_idle();
  /// The disk had no room for a flush: appending is refused (no_space) until retry_refused() finds some. Its records
  /// are not durable before; nothing is lost.
  bool write_refused() const;
  void retry_refused();
  /// The number of the oldest flush whose write is under way; 0: there is none, or the disk has no room for it.
  std::uint64_t oldest_write() const;
  /// True when nothing is appended that is not yet durable.
  bool clean() const;

  /// Where a durable or pending entry's payload lies: known from append on, but for `flush_bytes`, which is 0 until the
  /// entry's flush is full or being written. Errors: not_found (released, or replaced).
  Result<JournalPosition> position(GroupId group, LogIndex index) const;
  /// Reads a payload back (from the flush buffer while that lives, else from the file, CRC checked).
  /// `done` may be called before this returns. Errors: not_found, io_error, corrupt; busy, when flush buffers are used
  /// up: try again when tails were spilled.
  void read(const JournalPosition& position, UniqueFunction<void(Result<SharedBytes>)> done);

  /// A durable checkpoint of `group` covers everything up to `index`: the journal need not keep it.
  void release(GroupId group, LogIndex index);
  /// A group that is deleted or moved away pins nothing any more.
  void forget(GroupId group);

  struct Usage {
    std::uint64_t used_bytes = 0;  ///< of files that are not free to be recycled
    std::uint64_t capacity_bytes = 0;
    std::vector<GroupId> oldest_pinned_by;  ///< groups whose release would free the oldest file
  };
  Usage usage() const;
  /// Bytes that can still be appended before capacity is reached.
  std::uint64_t append_room() const;
  const JournalOptions& options() const;
  const JournalStats& stats() const;
  /// Of flush buffers, those included that slices in tail caches keep alive.
  std::uint64_t memory_bytes() const;
  /// Random, the same in all files of this journal, for as long as it has any; 0 before the first start(). Its
  /// owner keeps it elsewhere, to tell that the journal is gone, or another one.
  std::uint64_t id() const;
  /// Frees pooled flush buffers that nobody uses: for an idle shard.
  void trim_memory();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // completions hold it while they run
};

}  // namespace sluice::storage
