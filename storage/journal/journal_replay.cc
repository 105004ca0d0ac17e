#include "storage/journal/journal_replay.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "protocol/base/log.h"

namespace sluice::storage {

JournalReplay::JournalReplay(Disk& disk, const JournalOptions& options, JournalIndex& index, JournalVisitor& visitor,
                             std::span<const JournalProof> proofs)
    : disk_(disk), options_(options), index_(index), visitor_(visitor), proofs_(proofs), proven_(proofs.size()) {}

tl::unexpected<Error> JournalReplay::corrupt(const Found& found, std::uint64_t offset, const std::string& what) const {
  return fail(Errc::corrupt,
              fmt::format("{} at {}: {}. Entries and votes that were durable, from flush {} on, can't be read: this "
                          "shard's groups would lose acknowledged records. Restore the file, or remove this node from "
                          "its groups and let it join with an emptied data directory",
                          path(found), offset, what, last_sequence_ + 1));
}

Result<RecoveredJournal> JournalReplay::run() {
  if (auto found = find_files(); !found) return fail(std::move(found.error()));
  if (auto built = build_chain(); !built) return fail(std::move(built.error()));
  for (Found* found : chain_) take_table(*found->header);
  bool ended = false;
  for (std::size_t at = 0; at < chain_.size() && !ended; ++at) {
    if (auto replayed = replay_file(at, ended); !replayed) return fail(std::move(replayed.error()));
  }
  if (auto proven = check_proofs(); !proven) return fail(std::move(proven.error()));
  if (auto durable = make_durable(); !durable) return fail(std::move(durable.error()));
  return result();
}

Result<void> JournalReplay::find_files() {
  auto listed = disk_.list(options_.directory);
  if (!listed && listed.error().code == Errc::not_found) return {};
  if (!listed) return fail(std::move(listed.error()));
  for (const DirEntry& entry : *listed) {
    const auto number = journal_file_number(entry.name);
    if (!number || entry.is_directory || journal_file_name(*number) != entry.name) {
      log_warn("journal: {}/{} is none of its files, and is left alone", options_.directory, entry.name);
      continue;
    }
    Found& found = files_[*number];
    found.name = entry.name;
    found.number = *number;
    auto file = disk_.open(path(found), {.writable = true, .direct = options_.direct});
    if (!file) return fail(std::move(file.error()));
    found.file = std::move(*file);
    auto size = found.file->size();
    if (!size) return fail(std::move(size.error()));
    found.size = *size;
    if (auto read = read_header(found); !read) return read;
  }
  return {};
}

Result<void> JournalReplay::read_header(Found& found) {
  FileWindow window(disk_, *found.file, found.size, kJournalBlock);
  auto first = window.at(0, kJournalBlock);
  if (!first) return fail(std::move(first.error()));
  auto bytes = window.at(0, file_header_length(*first));
  if (!bytes) return fail(std::move(bytes.error()));
  auto header = decode_file_header(*bytes);
  if (!header) {
    if (header.error().code == Errc::unsupported) return fail(path(found), std::move(header.error()));
    found.why_not = header.error().message;
  } else if (header->number != found.number) {
    found.why_not = fmt::format("its header is that of file {}", header->number);
  } else if (header->predecessor >= header->number || header->oldest == 0 || header->oldest > header->number) {
    return corrupt(found, 0, "its header contradicts itself");
  } else {
    found.header = std::move(*header);
  }
  return {};
}

Result<void> JournalReplay::build_chain() {
  Found* newest = nullptr;
  for (auto& [number, found] : files_) {
    if (found.header) newest = &found;
  }
  bool preparing = false;
  for (auto at = newest ? files_.upper_bound(newest->number) : files_.begin(); at != files_.end(); ++at) {
    if (auto unused = check_never_used(at->second); !unused) return unused;
    preparing = true;
  }
  if (newest == nullptr) return {};
  const std::uint64_t oldest = newest->header->oldest;
  chain_.push_back(newest);
  while (true) {
    const Found& last = *chain_.back();
    const std::uint64_t number = last.header->predecessor;
    if (number == 0 || number < oldest) break;
    const auto found = files_.find(number);
    if (found == files_.end() && number == oldest && preparing) break;  // it was being recycled
    if (found == files_.end()) {
      return corrupt(last, 0, fmt::format("its predecessor {} is missing", journal_file_name(number)));
    }
    Found& predecessor = found->second;
    if (!predecessor.header) return corrupt(predecessor, 0, predecessor.why_not);
    if (predecessor.header->salt != last.header->predecessor_salt ||
        predecessor.header->journal_id != last.header->journal_id) {
      return corrupt(predecessor, 0, fmt::format("it is not the file that {} continues", last.name));
    }
    chain_.push_back(&predecessor);
  }
  std::reverse(chain_.begin(), chain_.end());
  return {};
}

/// A file above the newest without a header of its own was being prepared, unless flushes were written to it.
Result<void> JournalReplay::check_never_used(Found& found) {
  FileWindow window(disk_, *found.file, found.size);
  for (std::uint64_t offset = 0; offset < found.size; offset += kJournalBlock) {
    auto bytes = window.at(offset, kJournalBlock);
    if (!bytes) return fail(std::move(bytes.error()));
    if (decode_unsalted_flush_header(*bytes, found.number)) {
      return corrupt(found, 0, fmt::format("{}, but there is a flush at {}", found.why_not, offset));
    }
  }
  return {};
}

void JournalReplay::take_table(const JournalFileHeader& header) {
  for (const JournalGroupState& state : header.groups) {
    const JournalVote vote{state.group, state.term, state.vote};
    if (index_.merge_vote(vote)) visitor_.on_vote(vote);
  }
}

Result<void> JournalReplay::replay_file(std::size_t at, bool& ended) {
  Found& found = *chain_[at];
  if (at == 0) end_ = {0, found.header->header_bytes};
  const JournalFileHeader* successor = at + 1 < chain_.size() ? &*chain_[at + 1]->header : nullptr;
  const std::uint64_t accepted = successor ? successor->accepted : kOpenEnd;
  if (!sequence_known_ && (found.header->accepted != kOpenEnd || accepted == 0)) {
    last_sequence_ = accepted == 0 ? 0 : found.header->accepted;  // 0: none of this file or before it
    sequence_known_ = true;
  }
  FileWindow window(disk_, *found.file, found.size);
  std::uint64_t offset = found.header->header_bytes;
  std::string why;
  while (accepted == kOpenEnd || !sequence_known_ || last_sequence_ < accepted) {
    auto span = replay_flush(found, window, offset, why);
    if (!span) return fail(std::move(span.error()));
    if (*span != 0) {
      offset += *span;
      end_ = {at, offset};
      continue;
    }
    // The next file goes on where this one ends, unless that is no end.
    if (successor && accepted == kOpenEnd) {
      auto goes_on = begins_with_next_flush(*chain_[at + 1]);
      if (!goes_on) return fail(std::move(goes_on.error()));
      if (*goes_on) return {};
    }
    ended = true;
    return look_on(at, offset, why);
  }
  return {};
}

/// Takes the flush at `offset`; returns the bytes it spans, or 0 and `why` it does not count.
Result<std::uint64_t> JournalReplay::replay_flush(Found& found, FileWindow& window, std::uint64_t offset,
                                                  std::string& why) {
  auto first = window.at(offset, kJournalBlock);
  if (!first) return fail(std::move(first.error()));
  const auto header = decode_flush_header(*first, found.number, found.header->salt);
  why = "no flush of this journal";
  if (!header) return 0;
  if (sequence_known_ && header->sequence != last_sequence_ + 1) {
    why = fmt::format("flush {} where {} was due", header->sequence, last_sequence_ + 1);
    return 0;
  }
  const std::uint64_t size = kFlushHeaderBytes + std::uint64_t{header->payload_bytes};
  auto bytes = window.at(offset, size);
  if (!bytes) return fail(std::move(bytes.error()));
  why = "a flush that goes beyond the end of the file";
  if (bytes->size() < size) return 0;
  const ByteSpan payload = bytes->subspan(kFlushHeaderBytes);
  why = "the CRC of a flush does not hold";
  if (journal_payload_crc(header->salt, payload) != header->payload_crc) return 0;
  if (auto taken = take_flush(found, offset, *header, payload); !taken) return fail(std::move(taken.error()));
  last_sequence_ = header->sequence;
  sequence_known_ = true;
  const std::uint64_t span = flush_span(header->payload_bytes);
  doubtful_.push_back({last_sequence_, &found, offset, span});
  while (!doubtful_.empty() && doubtful_.front().sequence <= header->synced_through) doubtful_.pop_front();
  return span;
}

Result<bool> JournalReplay::begins_with_next_flush(Found& found) {
  FileWindow window(disk_, *found.file, found.size, kJournalBlock);
  auto first = window.at(found.header->header_bytes, kJournalBlock);
  if (!first) return fail(std::move(first.error()));
  const auto header = decode_flush_header(*first, found.number, found.header->salt);
  return header && sequence_known_ && header->sequence == last_sequence_ + 1;
}

Result<void> JournalReplay::take_flush(Found& found, std::uint64_t offset, const JournalFlushHeader& header,
                                       ByteSpan payload) {
  JournalRecordReader records(payload, header.records);
  while (true) {
    auto view = records.next();
    if (!view) {
      return fail(fmt::format("{} at {}", path(found), offset), std::move(view.error()));
    }
    if (!*view) return {};
    const JournalRecord& record = (*view)->record;
    if (record.kind == JournalRecordKind::vote) {
      const JournalVote vote{record.group, record.term, record.vote};
      // A table of a later file may have told it already.
      if (index_.merge_vote(vote)) visitor_.on_vote(vote);
    } else if (record.kind == JournalRecordKind::entry) {
      JournalPosition position;
      position.file = found.number;
      position.offset = offset;
      position.flush_bytes = static_cast<std::uint32_t>(flush_span(header.payload_bytes));
      position.payload_offset = (*view)->offset;
      position.payload_bytes = record.payload_bytes;
      position.entry_type = record.type;
      index_.put(record.group, record.index, position, 0);
      for (std::size_t i = 0; i < proofs_.size(); ++i) {
        const JournalProof& proof = proofs_[i];
        if (proof.group == record.group && proof.index == record.index && proof.position.file == position.file &&
            proof.position.offset == position.offset) {
          proven_[i] = true;
        }
      }
      visitor_.on_entry({record.group, record.index, record.term, record.type}, (*view)->payload, position);
    }
  }
}

/// The flush due at `offset` of file `at` does not hold: fails if anything behind it proves that it once was durable.
Result<void> JournalReplay::look_on(std::size_t at, std::uint64_t offset, const std::string& why) {
  std::uint64_t due = sequence_known_ ? last_sequence_ + 1 : 0;
  for (std::size_t i = at; i < chain_.size(); ++i) {
    const Found& found = *chain_[i];
    if (i > at && found.header->accepted != kOpenEnd && found.header->accepted >= std::max<std::uint64_t>(due, 1)) {
      return corrupt(*chain_[at], offset,
                     fmt::format("{}, and {} counts flushes up to {}", why, found.name, found.header->accepted));
    }
    FileWindow window(disk_, *found.file, found.size);
    std::uint64_t from = i == at ? offset : found.header->header_bytes;
    for (; from < found.size; from += kJournalBlock) {
      auto bytes = window.at(from, kJournalBlock);
      if (!bytes) return fail(std::move(bytes.error()));
      const auto header = decode_flush_header(*bytes, found.number, found.header->salt);
      if (!header) continue;
      // Each flush tells its file's first sequence: so the one due is known even if it is the first of all.
      if (due == 0) due = i == at ? header->first_sequence : header->first_sequence - 1;
      if (header->synced_through >= due) {
        return corrupt(*chain_[at], offset,
                       fmt::format("{}, but flush {} ({} at {}) says that all up to {} was durable", why,
                                   header->sequence, found.name, from, header->synced_through));
      }
    }
  }
  return {};
}

Result<void> JournalReplay::check_proofs() const {
  for (std::size_t i = 0; i < proofs_.size(); ++i) {
    const JournalProof& proof = proofs_[i];
    if (proven_[i] || proof.position.file == 0) continue;
    if (!chain_.empty() && proof.position.file < chain_.front()->number) continue;  // released, with its file
    const std::string where =
        fmt::format("{}/{} at {}", options_.directory, journal_file_name(proof.position.file), proof.position.offset);
    return fail(Errc::corrupt,
                fmt::format("{}: a checkpoint of group {} proves that entry {} was durable there, but the journal {}. "
                            "Entries and votes of this shard's groups are lost. Restore the journal, or remove this "
                            "node from its groups and let it join with an emptied data directory",
                            where, proof.group.value, proof.index.value,
                            chain_.empty() ? std::string("is empty")
                                           : fmt::format("ends in {} at {}", chain_[end_.file]->name, end_.offset)));
  }
  return {};
}

Result<void> JournalReplay::make_durable() {
  for (const Doubtful& flush : doubtful_) {
    if (auto written = write_again(*flush.found, flush.offset, flush.bytes); !written) return written;
  }
  for (std::size_t at = 0; at < chain_.size(); ++at) {
    Found& found = *chain_[at];
    // A header is durable before any flush is written behind it.
    const bool used = at < end_.file || (at == end_.file && end_.offset > found.header->header_bytes);
    if (!used) {
      if (auto written = write_again(found, 0, found.header->header_bytes); !written) return written;
    }
    if (auto synced = sync_blocking(disk_, *found.file); !synced) return synced;
  }
  return chain_.empty() ? Result<void>() : sync_dir_blocking(disk_, options_.directory);
}

Result<void> JournalReplay::write_again(Found& found, std::uint64_t offset, std::uint64_t bytes) {
  // Whole blocks: a crash may have cut the file in the zeros behind its last flush.
  AlignedBuffer buffer(static_cast<std::size_t>(bytes));
  auto read = read_blocking(disk_, *found.file, offset, buffer.span());
  if (!read) return fail(std::move(read.error()));
  std::memset(buffer.data() + *read, 0, buffer.size() - *read);
  return write_blocking(disk_, *found.file, offset, buffer.span(), WriteSync::none);
}

RecoveredJournal JournalReplay::result() {
  RecoveredJournal recovered;
  recovered.last_sequence = last_sequence_;
  if (!files_.empty()) recovered.highest_number = files_.rbegin()->first;
  for (std::size_t at = 0; at < chain_.size(); ++at) {
    Found& found = *chain_[at];
    recovered.journal_id = found.header->journal_id;
    if (at > end_.file) {
      recovered.superseded.push_back(found.name);
      continue;
    }
    auto file = std::make_shared<JournalFile>();
    file->number = found.number;
    file->salt = found.header->salt;
    file->header_bytes = found.header->header_bytes;
    file->end = at == end_.file ? end_.offset : found.size;
    file->written_bytes = found.size;
    file->ready = true;
    file->file = found.file;
    recovered.live.push_back(std::move(file));
  }
  for (const auto& [number, found] : files_) {
    if (std::find(chain_.begin(), chain_.end(), &found) == chain_.end()) recovered.spare.push_back(found.name);
  }
  return recovered;
}

}  // namespace sluice::storage
