#include "storage/journal/journal.h"

#include <utility>

#include "protocol/base/check.h"
#include "storage/journal/journal_files.h"
#include "storage/journal/journal_index.h"
#include "storage/journal/journal_reader.h"
#include "storage/journal/journal_replay.h"
#include "storage/journal/journal_writer.h"

namespace sluice::storage {

class Journal::Impl {
 public:
  Impl(Disk& disk, Random& random, JournalOptions options, JournalObserver& observer, const Clock* clock)
      : disk_(disk),
        options_(std::move(options)),
        files_(disk, random, options_, index_),
        writer_(options_, files_, index_, observer, clock),
        reader_(files_, writer_, options_) {
    CHECK(options_.flush_bytes >= 2 * kJournalBlock && options_.flush_bytes % kJournalBlock == 0);
    CHECK(options_.file_bytes >= 4 * kJournalBlock && options_.file_bytes % kJournalBlock == 0);
    CHECK(options_.flushes_in_flight > 0);
    CHECK(options_.max_entry_bytes < (1U << 31));
  }

  void bind(const std::shared_ptr<Impl>& self) {
    files_.bind(self, {.ready = [this] { writer_.file_ready(); },
                       .failed = [this](const Error& error) { writer_.file_failed(error); }});
    writer_.bind(self);
    reader_.bind(self);
  }

  Result<void> recover(JournalVisitor& visitor, std::span<const JournalProof> proofs) {
    CHECK(!files_.started() && !recovered_);
    recovered_ = true;
    auto found = JournalReplay(disk_, options_, index_, visitor, proofs).run();
    if (!found) return fail("recovering the journal", std::move(found.error()));
    index_.durable(0);
    last_sequence_ = found->last_sequence;
    files_.adopt(std::move(*found));
    return {};
  }

  Result<void> start(std::span<const JournalVote> votes) {
    CHECK(recovered_, "recover() comes before start()");
    for (const JournalVote& vote : votes) index_.merge_vote(vote);
    if (auto started = files_.start(writer_.last_record()); !started) return started;
    writer_.begin(last_sequence_);
    return {};
  }

  Usage usage() const {
    return {files_.used_bytes() + writer_.filling_bytes(), files_.capacity_bytes(), files_.oldest_pinned_by()};
  }
  std::uint64_t append_room() const {
    const std::uint64_t used = files_.used_bytes() + writer_.filling_bytes();
    return used < files_.capacity_bytes() ? files_.capacity_bytes() - used : 0;
  }

  Disk& disk_;
  const JournalOptions options_;
  JournalIndex index_;
  JournalFiles files_;
  JournalWriter writer_;
  JournalReader reader_;
  std::uint64_t last_sequence_ = 0;
  bool recovered_ = false;
};

Journal::Journal(Disk& disk, Random& random, JournalOptions options, JournalObserver& observer, const Clock* clock)
    : impl_(std::make_shared<Impl>(disk, random, std::move(options), observer, clock)) {
  impl_->bind(impl_);
}
Journal::~Journal() = default;

Result<void> Journal::recover(JournalVisitor& visitor, std::span<const JournalProof> proofs) {
  return impl_->recover(visitor, proofs);
}
Result<void> Journal::start(std::span<const JournalVote> votes) { return impl_->start(votes); }
Result<Journal::Reservation> Journal::reserve(std::size_t size) { return impl_->writer_.reserve(size); }
SharedBytes Journal::shrink(const Reservation& reservation, std::size_t used) {
  return impl_->writer_.shrink(reservation, used);
}
Result<Journal::Appended> Journal::append_entry(const JournalEntry& entry, const SharedBytes& payload) {
  return impl_->writer_.append_entry(entry, payload);
}
Result<std::uint64_t> Journal::append_vote(const JournalVote& vote) { return impl_->writer_.append_vote(vote); }
void Journal::flush() { impl_->writer_.flush(); }
std::size_t Journal::flushes_waiting() const { return impl_->writer_.flushes_waiting(); }
void Journal::mark_idle() { impl_->writer_.mark_idle(); }
bool Journal::write_refused() const { return impl_->writer_.write_refused(); }
void Journal::retry_refused() { impl_->writer_.retry_refused(); }
std::uint64_t Journal::oldest_write() const { return impl_->writer_.oldest_write(); }
bool Journal::clean() const { return impl_->writer_.clean(); }

Result<JournalPosition> Journal::position(GroupId group, LogIndex index) const {
  const auto found = impl_->index_.find(group, index);
  if (!found) {
    return fail(Errc::not_found,
                "group " + std::to_string(group.value) + ": the journal has no entry " + std::to_string(index.value));
  }
  return *found;
}
void Journal::read(const JournalPosition& position, UniqueFunction<void(Result<SharedBytes>)> done) {
  impl_->reader_.read(position, std::move(done));
}

void Journal::release(GroupId group, LogIndex index) {
  impl_->index_.release(group, index);
  if (impl_->files_.started()) impl_->files_.retry();
}
void Journal::forget(GroupId group) { impl_->index_.forget(group); }
Journal::Usage Journal::usage() const { return impl_->usage(); }
std::uint64_t Journal::append_room() const { return impl_->append_room(); }
const JournalOptions& Journal::options() const { return impl_->options_; }
const JournalStats& Journal::stats() const { return impl_->writer_.stats(); }
std::uint64_t Journal::memory_bytes() const { return impl_->writer_.memory_bytes() + impl_->reader_.memory_bytes(); }
std::uint64_t Journal::id() const { return impl_->files_.journal_id(); }
void Journal::trim_memory() {
  impl_->reader_.trim_memory();
  impl_->writer_.trim_memory();
}

}  // namespace sluice::storage
