// Reads payloads back by position: from the flush's memory while anybody holds it, else the whole flush from its file,
// with all its CRCs checked. Thread safety: one shard's thread. Owner: Journal.
#pragma once

#include <memory>

#include "storage/journal/journal_files.h"
#include "storage/journal/journal_writer.h"

namespace sluice::storage {

class JournalReader {
 public:
  JournalReader(JournalFiles& files, JournalWriter& writer, const JournalOptions& options)
      : files_(files), writer_(writer), options_(options) {}
  void bind(std::weak_ptr<void> life) { life_ = std::move(life); }

  void read(const JournalPosition& position, UniqueFunction<void(Result<SharedBytes>)> done);

 private:
  struct Reading;
  void finish(const std::shared_ptr<Reading>& reading, std::size_t got);

  JournalFiles& files_;
  JournalWriter& writer_;
  const JournalOptions& options_;
  std::weak_ptr<void> life_;
};

}  // namespace sluice::storage
