#include "storage/journal/journal_writer.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "protocol/base/check.h"
#include "protocol/base/log.h"

namespace sluice::storage {

JournalWriter::JournalWriter(const JournalOptions& options, JournalFiles& files, JournalIndex& index,
                             JournalObserver& observer, const Clock* clock)
    : options_(options),
      files_(files),
      index_(index),
      observer_(observer),
      clock_(clock),
      buffers_(options.flush_bytes, options.buffer_bytes) {}

void JournalWriter::begin(std::uint64_t sequence) {
  last_sequence_ = durable_sequence_ = sequence;
  // A first flush proves that this file was in use: a header that rots later is not taken for one never written.
  mark_idle();
}

Result<void> JournalWriter::make_room(std::size_t payload_bytes) {
  CHECK(files_.started(), "start() comes before append");
  reserved_ = nullptr;
  if (broken_) return fail(Errc::io_error, "the journal has failed");
  if (payload_bytes > options_.max_entry_bytes) {
    return fail(Errc::too_large,
                fmt::format("an entry of {} bytes, the journal takes {}", payload_bytes, options_.max_entry_bytes));
  }
  files_.retry();
  if (files_.blocked()) return fail(Errc::no_space, options_.directory + ": no space for the journal's next file");
  if (write_refused())
    return fail(Errc::no_space, options_.directory + ": no space for what was appended to the journal");
  const std::size_t need = record_span(payload_bytes);
  if (filling_ && filling_->capacity - filling_->used >= need) return {};
  if (filling_ && filling_->records == 0) {  // opened for a reservation that was forgotten
    buffers_.abandon();
    filling_ = nullptr;
  }
  if (filling_) seal();
  return open_flush(flush_span(need));
}

/// Opens a flush of at least `least` bytes, at the end of the current file or at the beginning of the next one.
Result<void> JournalWriter::open_flush(std::size_t least) {
  // The last block of a file is left to a marker.
  const auto room = [&](const JournalFile& file) {
    const std::uint64_t limit = options_.file_bytes - kJournalBlock;
    if (file.end == file.header_bytes) return std::max<std::uint64_t>(limit > file.end ? limit - file.end : 0, least);
    return limit > file.end ? limit - file.end : 0;
  };
  if (room(*files_.current()) < least) {
    if (auto advanced = files_.advance(last_record_); !advanced) return advanced;
  }
  const JournalFilePtr& file = files_.current();
  const std::size_t wanted = std::max(least, std::min<std::size_t>(options_.flush_bytes, room(*file)));
  auto region = buffers_.acquire(least, wanted);
  if (!region) return fail(std::move(region.error()));
  filling_ = std::make_shared<Flush>();
  filling_->file = file;
  filling_->offset = file->end;
  filling_->region = std::move(*region);
  filling_->capacity = std::min<std::size_t>(filling_->region.size, wanted);
  return {};
}

Result<Journal::Reservation> JournalWriter::reserve(std::size_t size) {
  if (auto room = make_room(size); !room) return fail(std::move(room.error()));
  std::byte* data = filling_->region.data + filling_->used + kRecordHeaderBytes;
  reserved_ = data;
  reserved_bytes_ = size;
  return Journal::Reservation{{data, size}, SharedBytes(filling_->region.owner, {data, size}, filling_->region.charge)};
}

SharedBytes JournalWriter::shrink(const Journal::Reservation& reservation, std::size_t used) {
  return reservation.slice.slice(0, used);
}

/// Writes the record's header behind what is there; returns where its payload goes. make_room() has been called.
std::byte* JournalWriter::append_record(const JournalRecord& record) {
  std::byte* at = filling_->region.data + filling_->used;
  encode_record(record, at);
  const std::size_t unpadded = kRecordHeaderBytes + record.payload_bytes;
  const std::size_t span = record_span(record.payload_bytes);
  std::memset(at + unpadded, 0, span - unpadded);
  filling_->used += span;
  ++filling_->records;
  return at + kRecordHeaderBytes;
}

Result<Journal::Appended> JournalWriter::append_entry(const JournalEntry& entry, const SharedBytes& payload) {
  CHECK(entry.index.value > 0 && index_.follows(entry.group, entry.index), "an entry behind a gap");
  const bool in_place = reserved_ != nullptr && !payload.empty() && payload.data() == reserved_;
  if (in_place) {
    CHECK(payload.size() <= reserved_bytes_);
    reserved_ = nullptr;
    if (broken_) return fail(Errc::io_error, "the journal has failed");
  } else if (auto room = make_room(payload.size()); !room) {
    return fail(std::move(room.error()));
  }
  JournalPosition position;
  position.file = filling_->file->number;
  position.offset = filling_->offset;
  position.payload_offset = static_cast<std::uint32_t>(filling_->used + kRecordHeaderBytes);
  position.payload_bytes = static_cast<std::uint32_t>(payload.size());
  position.entry_type = entry.type;
  std::byte* at = append_record(
      {JournalRecordKind::entry, entry.type, entry.group, entry.index, entry.term, NodeId(), position.payload_bytes});
  if (!in_place && !payload.empty()) std::memcpy(at, payload.data(), payload.size());
  filling_->last_record = ++last_record_;
  filling_->entries.emplace_back(entry.group, entry.index);
  index_.put(entry.group, entry.index, position, last_record_);
  return Journal::Appended{last_record_,
                           SharedBytes(filling_->region.owner, {at, payload.size()}, filling_->region.charge)};
}

Result<std::uint64_t> JournalWriter::append_vote(const JournalVote& vote) {
  if (auto room = make_room(0); !room) return fail(std::move(room.error()));
  append_record({JournalRecordKind::vote, 0, vote.group, LogIndex(), vote.term, vote.vote, 0});
  filling_->last_record = ++last_record_;
  filling_->file->last_vote = last_record_;
  index_.put_vote(vote);
  return last_record_;
}

void JournalWriter::flush() {
  if (broken_) return;
  files_.retry();
  pump();
}

/// Fixes the flush's place and sequence; what is appended from now on goes into another.
void JournalWriter::seal() {
  const FlushPtr flush = std::exchange(filling_, nullptr);
  JournalFile& file = *flush->file;
  CHECK(flush->records > 0 && flush->offset == file.end);
  const std::size_t span = span_of(*flush);
  if (reserved_ != nullptr) {
    // Somebody may still write there: what lies behind is not used again, and the reservation is forgotten.
    buffers_.abandon();
    reserved_ = nullptr;
  } else {
    buffers_.use(span);
  }
  std::memset(flush->region.data + flush->used, 0, span - flush->used);
  flush->sequence = ++last_sequence_;
  if (file.first_sequence == 0) file.first_sequence = flush->sequence;
  file.end += span;
  ++file.flushes_pending;
  for (const auto& [group, index] : flush->entries) {
    index_.set_flush_bytes(group, index, file.number, flush->offset, static_cast<std::uint32_t>(span));
  }
  flush->entries = {};
  remember(file.number, flush->offset, {flush->region.owner, flush->region.data, flush->region.charge});
  last_was_marker_ = flush->marker;
  sealed_.push_back(flush);
  // Refused for space: it is asked for again with each flush, and at the latest when the file is needed.
  if (file.end > options_.file_bytes / 2) static_cast<void>(files_.prepare_next(last_record_));
}

void JournalWriter::pump() {
  while (!broken_ && in_flight_.size() < options_.flushes_in_flight) {
    if (sealed_.empty()) {
      if (!filling_ || filling_->records == 0 || !filling_->file->ready) return;
      seal();
    }
    const FlushPtr flush = sealed_.front();
    if (!flush->file->ready) return;
    sealed_.pop_front();
    in_flight_.push_back(flush);
    start_write(flush);
  }
}

void JournalWriter::start_write(const FlushPtr& flush) {
  if (clock_ != nullptr) flush->started = clock_->steady();
  JournalFlushHeader header;
  header.salt = flush->file->salt;
  header.number = flush->file->number;
  header.sequence = flush->sequence;
  header.synced_through = durable_sequence_;
  header.first_sequence = flush->file->first_sequence;
  header.payload_bytes = flush->payload_bytes();
  header.records = flush->records;
  header.payload_crc = journal_payload_crc(header.salt, {flush->region.data + kFlushHeaderBytes, header.payload_bytes});
  encode_flush_header(header, flush->region.data);
  const bool written_before = flush->offset + span_of(*flush) <= flush->file->written_bytes;
  const bool dsync = options_.sync == JournalSync::dsync || (options_.sync == JournalSync::automatic && written_before);
  if (dsync) {
    write_dsync(flush);
  } else {
    write_then_sync(flush);
  }
}

/// Engines whose system refuses dsync writes make them a write and a sync.
void JournalWriter::write_dsync(const FlushPtr& flush) {
  flush->file->file->write(flush->offset, {flush->region.data, span_of(*flush)}, WriteSync::dsync,
                           [this, life = life_, flush](Result<void> written) {
                             auto alive = life.lock();
                             if (!alive) return;
                             if (!written) return write_failed(flush, written.error(), true);
                             completed(flush);
                           });
}

void JournalWriter::write_then_sync(const FlushPtr& flush) {
  flush->file->file->write(flush->offset, {flush->region.data, span_of(*flush)}, WriteSync::none,
                           [this, life = life_, flush](Result<void> written) {
                             auto alive = life.lock();
                             if (!alive) return;
                             if (!written) return write_failed(flush, written.error(), false);
                             if (broken_) return;
                             flush->file->file->sync([this, life, flush](Result<void> synced) {
                               auto still_alive = life.lock();
                               if (!still_alive) return;
                               if (!synced) return failed(synced.error());
                               completed(flush);
                             });
                           });
}

/// A refused flush stays in flight and is written again as a whole: nothing of it was promised to anybody. A sync that
/// failed is another thing, want of space or not: the kernel may have dropped pages of other flushes and told it only
/// once. A write that syncs as well can fail so only where there is a page cache below it.
void JournalWriter::write_failed(const FlushPtr& flush, const Error& error, bool synced) {
  if (broken_) return;
  if (error.code != Errc::no_space || (synced && !flush->file->file->direct())) return failed(error);
  if (refused_.empty()) log_warn("journal: a write waits for space: {}", error.message);
  refused_.push_back(flush);
}

void JournalWriter::retry_refused() {
  if (broken_) return;
  for (const FlushPtr& flush : std::exchange(refused_, {})) start_write(flush);
}

void JournalWriter::completed(const FlushPtr& flush) {
  if (broken_) return;
  flush->durable = true;
  ++stats_.flushes;
  stats_.bytes += span_of(*flush);
  if (clock_ != nullptr)
    stats_.write_ns.record(static_cast<std::uint64_t>((clock_->steady() - flush->started).count()));
  std::uint64_t reported = 0;
  while (!in_flight_.empty() && in_flight_.front()->durable) {
    const Flush& done = *in_flight_.front();
    durable_sequence_ = done.sequence;
    if (done.last_record != 0) reported = done.last_record;
    done.file->written_bytes = std::max<std::uint64_t>(done.file->written_bytes, done.offset + span_of(done));
    --done.file->flushes_pending;
    in_flight_.pop_front();
  }
  pump();  // the next write leaves before anybody works on the news
  if (reported != 0) {
    durable_record_ = reported;
    index_.durable(reported);
    observer_.journal_durable(reported);
  }
}

/// Goes into the current file always: a data flush leaves it a block.
void JournalWriter::mark_idle() {
  const bool idle = in_flight_.empty() && sealed_.empty() && !filling_;
  if (broken_ || !idle || last_was_marker_ || !files_.current()->ready) return;
  auto region = buffers_.acquire(kJournalBlock, options_.flush_bytes);
  if (!region) return;  // the next flush will say the same
  filling_ = std::make_shared<Flush>();
  filling_->file = files_.current();
  filling_->offset = filling_->file->end;
  filling_->region = std::move(*region);
  filling_->capacity = kJournalBlock;
  filling_->marker = true;
  JournalRecord record;
  record.kind = JournalRecordKind::marker;
  append_record(record);
  seal();
  pump();
}

void JournalWriter::failed(const Error& error) {
  if (broken_) return;
  broken_ = true;
  observer_.journal_failed(error);
}

std::optional<JournalWriter::Memory> JournalWriter::in_memory(std::uint64_t file, std::uint64_t offset) const {
  if (filling_ && filling_->file->number == file && filling_->offset == offset) {
    return Memory{filling_->region.owner, filling_->region.data, filling_->region.charge};
  }
  const auto found = known_.find({file, offset});
  if (found == known_.end()) return std::nullopt;
  auto owner = found->second.owner.lock();
  if (!owner) return std::nullopt;
  return Memory{std::move(owner), found->second.data, found->second.charge};
}

void JournalWriter::remember(std::uint64_t file, std::uint64_t offset, const Memory& memory) {
  if (known_.size() >= prune_at_) {
    std::erase_if(known_, [](const auto& flush) { return flush.second.owner.expired(); });
    prune_at_ = std::max<std::size_t>(64, 2 * known_.size());
  }
  known_.insert_or_assign({file, offset}, Known{memory.owner, memory.data, memory.charge});
}

}  // namespace sluice::storage
