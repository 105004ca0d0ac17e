// The journal's set of files: which are needed, which is being written, which comes next and what it is made from.
//
//   live    oldest ... current    hold flushes that replay reads; only the current one is written
//   next    prepared ahead, when the current one is half full, so that changing files stalls nobody
//   spare   needed by nobody: renamed to become the next file
//
// A file is recycled when no group needs an entry of it and a later file's durable header repeats the votes in it.
// Either that header already says so (`oldest`), and the file is a spare; or, when there is no spare, the oldest live
// file is renamed: then its absence is explained by a file with a higher number that has no header of its own yet, and
// at most one file is missing this way. Preparing: rename or create, sync the directory, write the header, sync.
//
// Files outlive this object while operations are under way on them: completions share them.
// Thread safety: one shard's thread. Owner: Journal.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/error.h"
#include "protocol/base/random.h"
#include "protocol/base/unique_function.h"
#include "storage/io/disk.h"
#include "storage/journal/journal.h"
#include "storage/journal/journal_format.h"
#include "storage/journal/journal_index.h"

namespace sluice::storage {

struct JournalFile {
  std::uint64_t number = 0;
  std::uint64_t salt = 0;
  std::uint64_t header_bytes = 0;
  std::uint64_t end = 0;              ///< where the next flush goes
  std::uint64_t written_bytes = 0;    ///< up to here it was written before, in this life or a former one
  std::uint64_t first_sequence = 0;   ///< of its first flush; 0: none yet
  std::uint64_t last_vote = 0;        ///< record sequence of the last vote appended to it in this life
  std::uint64_t flushes_pending = 0;  ///< sealed and not yet reported durable
  bool ready = false;                 ///< its header is durable
  std::shared_ptr<File> file;
};
using JournalFilePtr = std::shared_ptr<JournalFile>;

/// What replay found; see journal_replay.h.
struct RecoveredJournal {
  std::deque<JournalFilePtr> live;      ///< up to the file in which the log ends
  std::vector<std::string> superseded;  ///< names of files that may hold the only copy of votes until start()
  std::vector<std::string> spare;       ///< names of files that nobody needs
  std::uint64_t highest_number = 0;     ///< of all files that were there
  std::uint64_t last_sequence = 0;      ///< of the last flush that counts
  std::uint64_t journal_id = 0;         ///< 0: no file told
};

class JournalFiles {
 public:
  JournalFiles(Disk& disk, Random& random, const JournalOptions& options, JournalIndex& index);

  /// Called when a prepared file's header became durable, and once when preparing failed other than for space.
  struct Events {
    UniqueFunction<void()> ready;
    UniqueFunction<void(const Error&)> failed;
  };
  /// Completions are ignored once `life` has ended.
  void bind(std::weak_ptr<void> life, Events events);

  void adopt(RecoveredJournal recovered);
  /// Makes the first file of this life; blocking. `sequence`: of the last record so far.
  Result<void> start(std::uint64_t sequence);

  const JournalFilePtr& current() const { return live_.back(); }
  bool started() const { return started_; }
  /// Begins to prepare the next file unless that is done or under way. The header's table holds votes of records up to
  /// `sequence`. Errors: busy (the capacity is in use), no_space, here and now; later ones show in blocked().
  Result<void> prepare_next(std::uint64_t sequence);
  /// Makes the next file the current one; it may still be in preparation, and takes no writes until it is ready.
  /// Errors: no_space; busy (the capacity is in use, or the current one itself is still being prepared).
  Result<void> advance(std::uint64_t sequence);
  /// The current file waits for space: what is appended now could not be written soon.
  bool blocked() const;
  /// Tries again what failed for want of space.
  void retry();

  /// A live file, or nullptr.
  JournalFilePtr find(std::uint64_t number) const;
  std::uint64_t journal_id() const { return journal_id_; }
  std::uint64_t used_bytes() const;
  std::uint64_t capacity_bytes() const;
  /// Groups whose release would free the oldest file.
  std::vector<GroupId> oldest_pinned_by() const;

 private:
  struct Preparation {
    JournalFilePtr file;
    std::string source;  ///< the name it had; empty: a new file
    bool renamed = false;
    bool running = false;
    bool again = false;  ///< it has failed for want of space before
    std::uint64_t table_through = 0;
    std::uint64_t oldest = 0;
    AlignedBuffer header;
  };
  using PreparationPtr = std::shared_ptr<Preparation>;

  std::string path_of(const std::string& name) const { return options_.directory + "/" + name; }
  std::uint64_t allocated_bytes() const;
  bool needed(const JournalFile& file, std::uint64_t table_through) const;
  bool may_recycle_oldest() const;
  std::uint64_t keep_from(std::uint64_t table_through) const;
  Result<std::string> source_of_next();
  void begin(std::string source, std::uint64_t sequence);
  void run(const PreparationPtr& work);
  Result<void> open(Preparation& work);
  void write_header(const PreparationPtr& work);
  void finish(const PreparationPtr& work);
  void failed(const PreparationPtr& work, const Error& error);
  void retire(std::uint64_t below);
  Result<void> make_directory();

  Disk& disk_;
  Random& random_;
  const JournalOptions& options_;
  JournalIndex& index_;
  std::weak_ptr<void> life_;
  Events events_;

  std::deque<JournalFilePtr> live_;
  JournalFilePtr next_;
  PreparationPtr preparing_;
  std::vector<std::string> spare_;
  std::vector<std::string> superseded_;
  std::uint64_t highest_number_ = 0;
  std::uint64_t journal_id_ = 0;
  std::uint64_t first_accepted_ = 0;  ///< what the first file of this life says of its predecessor
  std::uint64_t newest_ready_ = 0;    ///< the newest file with a durable header
  std::uint64_t durable_table_ = 0;   ///< record sequence that its table holds votes up to
  std::optional<Error> start_error_;
  bool started_ = false;
};

}  // namespace sluice::storage
