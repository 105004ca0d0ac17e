// Reads payloads back by position: from the flush's memory while anybody holds it, else the whole flush from its file,
// with all its CRCs checked. Who wants a flush that is being read shares that read. Memory comes from a pool of its
// own, a quarter of what flushes have: `busy` when it is used up. It is no more, since memory that is new to a process
// is dear, and a start would wait for it. Thread safety: one shard's thread. Owner: Journal.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "storage/journal/journal_files.h"
#include "storage/journal/journal_writer.h"

namespace sluice::storage {

class JournalReader {
 public:
  JournalReader(JournalFiles& files, JournalWriter& writer, const JournalOptions& options)
      : files_(files),
        writer_(writer),
        options_(options),
        buffers_(options.flush_bytes, std::max<std::uint64_t>(options.buffer_bytes / 4, 4 * options.flush_bytes)) {}
  void bind(std::weak_ptr<void> life) { life_ = std::move(life); }

  void read(const JournalPosition& position, UniqueFunction<void(Result<SharedBytes>)> done);
  void trim_memory() {
    buffers_.abandon();
    buffers_.trim();
  }
  std::uint64_t memory_bytes() const { return buffers_.allocated_bytes(); }

 private:
  struct Reading;
  using Place = std::pair<std::uint64_t, std::uint64_t>;  ///< file and offset
  Result<FlushBuffers::Region> memory_for(std::size_t flush_bytes);
  void finish(Reading& reading, Result<std::size_t> got);
  Result<void> check(const Reading& reading, std::size_t got) const;

  JournalFiles& files_;
  JournalWriter& writer_;
  const JournalOptions& options_;
  FlushBuffers buffers_;
  std::map<Place, std::shared_ptr<Reading>> under_way_;
  std::weak_ptr<void> life_;
};

}  // namespace sluice::storage
