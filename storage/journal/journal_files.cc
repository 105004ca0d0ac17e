#include "storage/journal/journal_files.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "protocol/base/check.h"
#include "protocol/base/log.h"

namespace sluice::storage {

JournalFiles::JournalFiles(Disk& disk, Random& random, const JournalOptions& options, JournalIndex& index)
    : disk_(disk), random_(random), options_(options), index_(index) {}

void JournalFiles::bind(std::weak_ptr<void> life, Events events) {
  life_ = std::move(life);
  events_ = std::move(events);
}

void JournalFiles::adopt(RecoveredJournal recovered) {
  live_ = std::move(recovered.live);
  spare_ = std::move(recovered.spare);
  superseded_ = std::move(recovered.superseded);
  highest_number_ = recovered.highest_number;
  journal_id_ = recovered.journal_id;
  first_accepted_ = recovered.last_sequence;
}

std::uint64_t JournalFiles::capacity_bytes() const {
  return std::max(options_.capacity_bytes, 4 * options_.file_bytes);
}

std::uint64_t JournalFiles::allocated_bytes() const {
  std::uint64_t sum = (spare_.size() + superseded_.size()) * options_.file_bytes;
  for (const JournalFilePtr& file : live_) sum += std::max({options_.file_bytes, file->end, file->written_bytes});
  if (next_) sum += options_.file_bytes;
  return sum;
}

bool JournalFiles::needed(const JournalFile& file, std::uint64_t table_through) const {
  return index_.oldest_file() <= file.number || file.last_vote > table_through || file.flushes_pending != 0;
}

/// The votes in it must stand in the durable header of a later file; its own header does not count.
bool JournalFiles::may_recycle_oldest() const {
  return live_.size() > 1 && newest_ready_ > live_.front()->number && !needed(*live_.front(), durable_table_);
}

/// The oldest file that is needed once a header with such a table is durable.
std::uint64_t JournalFiles::keep_from(std::uint64_t table_through) const {
  for (const JournalFilePtr& file : live_) {
    if (file == live_.back() || needed(*file, table_through)) return file->number;
  }
  return 0;
}

Result<std::string> JournalFiles::source_of_next() {
  if (!spare_.empty()) {
    std::string name = std::move(spare_.back());
    spare_.pop_back();
    return name;
  }
  if (started_ && may_recycle_oldest()) {
    std::string name = journal_file_name(live_.front()->number);
    live_.pop_front();
    return name;
  }
  // A start is refused neither for the capacity nor for the disk's space, as long as a header can be written: what it
  // replayed could not be checkpointed and released otherwise.
  if (!started_) return std::string();
  if (allocated_bytes() + options_.file_bytes > capacity_bytes()) {
    return fail(Errc::busy, fmt::format("{}: the journal's capacity of {} bytes is in use; checkpoints release it",
                                        options_.directory, capacity_bytes()));
  }
  if (const auto space = disk_.space(options_.directory); space && space->free_bytes < options_.file_bytes) {
    return fail(Errc::no_space, fmt::format("{}: {} bytes free, a journal file needs {}", options_.directory,
                                            space->free_bytes, options_.file_bytes));
  }
  return std::string();
}

void JournalFiles::begin(std::string source, std::uint64_t sequence) {
  const JournalFilePtr predecessor = live_.empty() ? nullptr : live_.back();
  auto work = std::make_shared<Preparation>();
  work->file = std::make_shared<JournalFile>();
  work->source = std::move(source);
  work->table_through = sequence;
  JournalFileHeader header;
  header.number = ++highest_number_;
  header.salt = random_.next();
  if (journal_id_ == 0) journal_id_ = random_.next() | 1;
  header.journal_id = journal_id_;
  if (predecessor) {
    header.predecessor = predecessor->number;
    header.predecessor_salt = predecessor->salt;
  }
  header.accepted = started_ ? kOpenEnd : first_accepted_;
  work->oldest = keep_from(sequence);
  header.oldest = work->oldest != 0 ? work->oldest : header.number;
  header.groups = index_.table();
  work->header = AlignedBuffer(file_header_span(header.groups.size()));
  encode_file_header(header, work->header.span());
  work->file->number = header.number;
  work->file->salt = header.salt;
  work->file->header_bytes = work->header.size();
  work->file->end = work->header.size();
  next_ = work->file;
  preparing_ = work;
  run(work);
}

Result<void> JournalFiles::prepare_next(std::uint64_t sequence) {
  if (next_ || preparing_) return {};
  auto source = source_of_next();
  if (!source) return fail(std::move(source.error()));
  begin(std::move(*source), sequence);
  return {};
}

Result<void> JournalFiles::advance(std::uint64_t sequence) {
  if (!live_.back()->ready) return fail(Errc::busy, "the journal's next file is being prepared");
  if (auto prepared = prepare_next(sequence); !prepared) return prepared;
  if (preparing_ && preparing_->again) {
    return fail(Errc::no_space, fmt::format("{}: no space for the next journal file", options_.directory));
  }
  live_.push_back(std::exchange(next_, nullptr));
  return {};
}

bool JournalFiles::blocked() const { return preparing_ && preparing_->again && preparing_->file != next_; }

void JournalFiles::retry() {
  if (preparing_ && !preparing_->running) run(preparing_);
}

Result<void> JournalFiles::open(Preparation& work) {
  const std::string path = path_of(journal_file_name(work.file->number));
  if (!work.source.empty() && !work.renamed) {
    if (auto renamed = disk_.rename(path_of(work.source), path); !renamed) return renamed;
    work.renamed = true;
  }
  auto file = disk_.open(path, {.create = work.source.empty(), .writable = true, .direct = options_.direct});
  if (!file) return fail(std::move(file.error()));
  auto size = (*file)->size();
  if (!size) return fail(std::move(size.error()));
  work.file->written_bytes = *size;
  work.file->file = std::move(*file);
  return {};
}

void JournalFiles::run(const PreparationPtr& work) {
  work->running = true;
  if (auto opened = open(*work); !opened) {
    if (opened.error().code == Errc::no_space) {
      work->running = false;
      work->again = true;
      return;
    }
    // Reported from poll(), as all failures are, whatever becomes of this operation.
    disk_.sync_dir(options_.directory, [this, life = life_, work, error = opened.error()](Result<void>) {
      if (auto alive = life.lock()) failed(work, error);
    });
    return;
  }
  disk_.sync_dir(options_.directory, [this, life = life_, work](Result<void> synced) {
    auto alive = life.lock();
    if (!alive) return;
    if (!synced) return failed(work, failed_sync(std::move(synced.error())));
    // Only now: until the new name is durable, a crash may bring the file back under its old one, to be replayed.
    const std::uint64_t most = std::max<std::uint64_t>(options_.file_bytes, work->header.size());
    if (work->file->written_bytes > most) {  // it held one giant entry
      if (auto cut = work->file->file->truncate(most); !cut) return failed(work, cut.error());
      work->file->written_bytes = most;
    }
    write_header(work);
  });
}

void JournalFiles::write_header(const PreparationPtr& work) {
  work->file->file->write(0, work->header.span(), WriteSync::none, [this, life = life_, work](Result<void> written) {
    auto alive = life.lock();
    if (!alive) return;
    if (!written) return failed(work, written.error());
    work->file->file->sync([this, life = life_, work](Result<void> synced) {
      auto still_alive = life.lock();
      if (!still_alive) return;
      if (!synced) return failed(work, synced.error());
      finish(work);
    });
  });
}

void JournalFiles::failed(const PreparationPtr& work, const Error& error) {
  work->running = false;
  if (!started_) start_error_ = error;
  if (error.code == Errc::no_space) {
    if (!work->again) log_warn("journal: no space for {}: {}", journal_file_name(work->file->number), error.message);
    work->again = true;
    return;
  }
  if (started_) events_.failed(error);
}

void JournalFiles::finish(const PreparationPtr& work) {
  work->running = false;
  work->file->ready = true;
  work->file->written_bytes = std::max(work->file->written_bytes, work->file->header_bytes);
  newest_ready_ = work->file->number;
  durable_table_ = work->table_through;
  preparing_ = nullptr;
  retire(work->oldest);
  if (started_) events_.ready();
}

/// A durable header says that nothing below `below` is needed.
void JournalFiles::retire(std::uint64_t below) {
  while (live_.size() > 1 && live_.front()->number < below) {
    spare_.push_back(journal_file_name(live_.front()->number));
    live_.pop_front();
  }
  spare_.insert(spare_.end(), superseded_.begin(), superseded_.end());
  superseded_.clear();
  while (!spare_.empty() && allocated_bytes() > capacity_bytes()) {
    const std::string path = path_of(spare_.back());
    spare_.pop_back();
    disk_.remove(path, [path](Result<void> removed) {
      if (!removed) log_warn("journal: {} is not needed but can't be removed: {}", path, removed.error().message);
    });
  }
}

/// Makes the directory with its parents, durable from the first one that was there.
Result<void> JournalFiles::make_directory() {
  std::vector<std::string> made_in;
  std::string path = options_.directory;
  while (!path.empty()) {
    auto there = disk_.exists(path);
    if (!there) return fail(std::move(there.error()));
    if (*there) break;
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) {
      made_in.push_back(".");
      break;
    }
    path.resize(slash);
    made_in.push_back(path.empty() ? "/" : path);
  }
  if (auto made = disk_.make_dirs(options_.directory); !made) return made;
  for (const std::string& parent : made_in) {
    if (auto synced = sync_dir_blocking(disk_, parent); !synced) return synced;
  }
  return {};
}

Result<void> JournalFiles::start(std::uint64_t sequence) {
  CHECK(!started_);
  if (auto made = make_directory(); !made) return fail("making the journal's directory", std::move(made.error()));
  auto source = source_of_next();
  if (!source) return fail(std::move(source.error()));
  begin(std::move(*source), sequence);
  const PreparationPtr work = preparing_;
  while (work->running && !start_error_) disk_.wait();
  if (start_error_) return fail("preparing the first journal file", *start_error_);
  if (!work->file->ready) return fail(Errc::no_space, options_.directory + ": no space for a journal file");
  live_.push_back(std::exchange(next_, nullptr));
  started_ = true;
  return {};
}

JournalFilePtr JournalFiles::find(std::uint64_t number) const {
  for (const JournalFilePtr& file : live_) {
    if (file->number == number) return file;
  }
  return nullptr;
}

std::uint64_t JournalFiles::used_bytes() const {
  std::uint64_t sum = 0;
  bool free_so_far = newest_ready_ != 0;
  for (const JournalFilePtr& file : live_) {
    const bool is_current = file == live_.back();
    free_so_far = free_so_far && !is_current && newest_ready_ > file->number && !needed(*file, durable_table_);
    if (!free_so_far) sum += is_current ? file->end : std::max(options_.file_bytes, file->end);
  }
  return sum;
}

std::vector<GroupId> JournalFiles::oldest_pinned_by() const {
  return live_.empty() ? std::vector<GroupId>() : index_.groups_in(live_.front()->number);
}

}  // namespace sluice::storage
