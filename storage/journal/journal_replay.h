// Reads a journal back after a stop or a crash.
//
// 1. Chain: of the files whose header holds and names their own number, the highest is the newest; predecessors are
//    followed by number and salt down to its `oldest`. A file missing from the chain is corruption, but for the oldest
//    one while a file with a higher number has no header of its own: it was being recycled into that one.
// 2. Flushes are taken in the order of their sequences, from one file into the next, as far as they hold, and of a file
//    with a successor made by a later start only up to what that accepted.
// 3. Where a flush does not hold, all behind it, in this file at 4 KiB steps and in the following files, is searched
// for a
//    flush header of the chain whose synced_through reaches the bad one (or a file header that accepted it). If there
//    is one, what is missing was durable: corrupt. Otherwise the log ends here, and all behind is ignored.
// 4. Proofs of checkpoints are checked, and what was replayed is made durable. After a kill it may be in caches alone;
// and
//    if it was killed by a failed sync, the system may count pages as written that never were, so that a mere sync
//    proves nothing (Linux): what no synced_through covers, a few flushes at most, is written again, the same bytes.
//
// Votes: the tables of all headers of the chain, and the records. A table may be older than records before it, so it
// counts only where it brings a newer term, or a vote where there was none. Owner: Journal.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/journal/journal_files.h"
#include "storage/journal/journal_window.h"

namespace sluice::storage {

class JournalReplay {
 public:
  JournalReplay(Disk& disk, const JournalOptions& options, JournalIndex& index, JournalVisitor& visitor,
                std::span<const JournalProof> proofs);
  /// Blocking. Errors: corrupt, unsupported, io_error.
  Result<RecoveredJournal> run();

 private:
  struct Found {
    std::string name;
    std::uint64_t number = 0;
    std::uint64_t size = 0;
    std::shared_ptr<File> file;
    std::optional<JournalFileHeader> header;  ///< one that holds and names this number
    std::string why_not;                      ///< else: the reason
  };
  /// Behind the last flush that counts; a file in which none does is not continued, so that `accepted` of the next one
  /// always means a flush of its predecessor.
  struct End {
    std::size_t file = 0;  ///< within chain_
    std::uint64_t offset = 0;
  };

  Result<void> find_files();
  Result<void> read_header(Found& found);
  Result<void> build_chain();
  Result<void> check_never_used(Found& found);
  void take_table(const JournalFileHeader& header);
  Result<void> replay_file(std::size_t at, bool& ended);
  Result<std::uint64_t> replay_flush(Found& found, FileWindow& window, std::uint64_t offset, std::string& why);
  Result<bool> begins_with_next_flush(Found& found);
  Result<void> take_flush(Found& found, std::uint64_t offset, const JournalFlushHeader& header, ByteSpan payload);
  Result<void> look_on(std::size_t at, std::uint64_t offset, const std::string& why);
  Result<void> check_proofs() const;
  Result<void> make_durable();
  Result<void> write_again(Found& found, std::uint64_t offset, std::uint64_t bytes);
  RecoveredJournal result();
  std::string path(const Found& found) const { return options_.directory + "/" + found.name; }
  tl::unexpected<Error> corrupt(const Found& found, std::uint64_t offset, const std::string& what) const;

  Disk& disk_;
  const JournalOptions& options_;
  JournalIndex& index_;
  JournalVisitor& visitor_;
  std::span<const JournalProof> proofs_;

  std::map<std::uint64_t, Found> files_;
  std::vector<Found*> chain_;  ///< oldest first
  End end_;
  std::uint64_t last_sequence_ = 0;  ///< of the last flush that counts; 0: not known
  bool sequence_known_ = false;
  struct Doubtful {
    std::uint64_t sequence = 0;
    Found* found = nullptr;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };
  std::deque<Doubtful> doubtful_;  ///< taken, and not covered by a synced_through
  std::vector<bool> proven_;
};

}  // namespace sluice::storage
