// Builds flushes and writes them: records are collected in the flush being filled, sealed when a write may start or
// when the flush is full, written with at most `flushes_in_flight` under way, and reported durable as a contiguous
// prefix.
//
//   filling -> sealed (position and sequence fixed) -> in flight (write, or write then its own sync) -> durable
//
// Invariants: flushes lie in their files in the order of their sequences; nothing is reported before it and all
// before it are on stable storage; a sync counts only for a write completed before it was started; after a failure
// nothing is reported any more. A marker flush says that all before it is durable; asked for, since who waits for a
// reply before the next record would pay for one a record.
// Thread safety: one shard's thread. Owner: Journal.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "storage/journal/flush_buffers.h"
#include "storage/journal/journal_files.h"

namespace sluice::storage {

class JournalWriter {
 public:
  JournalWriter(const JournalOptions& options, JournalFiles& files, JournalIndex& index, JournalObserver& observer,
                const Clock* clock);
  /// Completions are ignored once `life` has ended.
  void bind(std::weak_ptr<void> life) { life_ = std::move(life); }
  /// `sequence`: of the last flush that replay accepted.
  void begin(std::uint64_t sequence);

  Result<Journal::Reservation> reserve(std::size_t size);
  SharedBytes shrink(const Journal::Reservation& reservation, std::size_t used);
  Result<Journal::Appended> append_entry(const JournalEntry& entry, const SharedBytes& payload);
  Result<std::uint64_t> append_vote(const JournalVote& vote);
  void flush();
  void mark_idle();
  std::size_t flushes_waiting() const { return sealed_.size(); }
  /// A prepared file became ready, or failed for good.
  void file_ready() { pump(); }
  void file_failed(const Error& error) { failed(error); }

  /// Writes again what the disk had no room for.
  void retry_refused();
  bool write_refused() const { return !refused_.empty(); }
  std::uint64_t oldest_write() const {
    return in_flight_.empty() || write_refused() ? 0 : in_flight_.front()->sequence;
  }

  bool clean() const { return durable_record_ == last_record_; }
  bool broken() const { return broken_; }
  std::uint64_t last_record() const { return last_record_; }
  /// Bytes of the current file that are taken, with what is being filled.
  std::uint64_t filling_bytes() const { return filling_ ? flush_span(filling_->payload_bytes()) : 0; }
  void trim_memory() { buffers_.trim(); }
  std::uint64_t memory_bytes() const { return buffers_.allocated_bytes(); }
  const JournalStats& stats() const { return stats_; }

  /// The bytes of a flush that is still in memory, as its owner and where it begins.
  struct Memory {
    std::shared_ptr<const void> owner;
    const std::byte* data = nullptr;
    std::size_t charge = 0;
  };
  std::optional<Memory> in_memory(std::uint64_t file, std::uint64_t offset) const;
  /// Remembers a flush that was read back, for as long as somebody holds it.
  void remember(std::uint64_t file, std::uint64_t offset, const Memory& memory);

 private:
  struct Flush {
    JournalFilePtr file;
    std::uint64_t offset = 0;
    std::uint64_t sequence = 0;
    std::uint64_t last_record = 0;
    FlushBuffers::Region region;
    std::size_t capacity = 0;  ///< bytes, header included
    std::size_t used = kFlushHeaderBytes;
    std::uint32_t records = 0;
    bool durable = false;
    bool marker = false;
    SteadyTime started{0};  ///< its write
    std::vector<std::pair<GroupId, LogIndex>> entries;

    std::uint32_t payload_bytes() const { return static_cast<std::uint32_t>(used - kFlushHeaderBytes); }
  };
  using FlushPtr = std::shared_ptr<Flush>;
  struct Known {
    std::weak_ptr<const void> owner;
    const std::byte* data = nullptr;
    std::size_t charge = 0;
  };

  Result<void> make_room(std::size_t payload_bytes);
  Result<void> open_flush(std::size_t least);
  std::byte* append_record(const JournalRecord& record);
  void seal();
  void pump();
  void start_write(const FlushPtr& flush);
  void write_dsync(const FlushPtr& flush);
  void write_then_sync(const FlushPtr& flush);
  void write_failed(const FlushPtr& flush, const Error& error, bool synced);
  void completed(const FlushPtr& flush);
  void failed(const Error& error);
  std::size_t span_of(const Flush& flush) const { return flush_span(flush.payload_bytes()); }

  const JournalOptions& options_;
  JournalFiles& files_;
  JournalIndex& index_;
  JournalObserver& observer_;
  const Clock* const clock_;  ///< may be none
  JournalStats stats_;
  std::weak_ptr<void> life_;
  FlushBuffers buffers_;

  FlushPtr filling_;
  std::deque<FlushPtr> sealed_;
  std::deque<FlushPtr> in_flight_;
  std::vector<FlushPtr> refused_;  ///< of those in flight: the disk had no room for them
  std::map<std::pair<std::uint64_t, std::uint64_t>, Known> known_;  ///< by file and offset
  std::size_t prune_at_ = 64;
  const std::byte* reserved_ = nullptr;  ///< payload of the current reservation, behind filling_->used
  std::size_t reserved_bytes_ = 0;
  std::uint64_t last_sequence_ = 0;     ///< of flushes sealed
  std::uint64_t durable_sequence_ = 0;  ///< of flushes durable, contiguous
  std::uint64_t last_record_ = 0;
  std::uint64_t durable_record_ = 0;
  bool last_was_marker_ = false;
  bool broken_ = false;
};

}  // namespace sluice::storage
