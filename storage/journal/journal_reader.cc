#include "storage/journal/journal_reader.h"

#include <fmt/core.h>

#include <utility>

namespace sluice::storage {
namespace {

std::string place(const JournalOptions& options, const JournalPosition& position) {
  return fmt::format("{}/{} at {}", options.directory, journal_file_name(position.file), position.offset);
}

bool sensible(const JournalPosition& position, const JournalOptions& options) {
  const std::uint64_t most = flush_span(record_span(options.max_entry_bytes));
  return position.offset % kJournalBlock == 0 && position.flush_bytes % kJournalBlock == 0 &&
         position.flush_bytes > 0 && position.flush_bytes <= std::max<std::uint64_t>(most, options.flush_bytes) &&
         position.payload_offset >= kFlushHeaderBytes + kRecordHeaderBytes &&
         std::uint64_t{position.payload_offset} + position.payload_bytes <= position.flush_bytes;
}

}  // namespace

struct JournalReader::Reading {
  JournalPosition position;
  JournalFilePtr file;
  AlignedBuffer buffer;
  UniqueFunction<void(Result<SharedBytes>)> done;
};

void JournalReader::read(const JournalPosition& position, UniqueFunction<void(Result<SharedBytes>)> done) {
  const JournalFilePtr file = files_.find(position.file);
  if (!file) return done(fail(Errc::not_found, place(options_, position) + " was released"));
  if (const auto memory = writer_.in_memory(position.file, position.offset)) {
    const ByteSpan bytes(memory->data + position.payload_offset, position.payload_bytes);
    return done(SharedBytes(memory->owner, bytes, memory->charge));
  }
  if (!sensible(position, options_) || position.offset + position.flush_bytes > file->end) {
    return done(fail(Errc::not_found, place(options_, position) + " is no flush of this journal"));
  }
  auto reading =
      std::make_shared<Reading>(Reading{position, file, AlignedBuffer(position.flush_bytes), std::move(done)});
  file->file->read(position.offset, reading->buffer.span(), [this, life = life_, reading](Result<std::size_t> got) {
    auto alive = life.lock();
    if (!alive) return reading->done(fail(Errc::shutting_down, "the journal is closed"));
    if (!got) return reading->done(fail(std::move(got.error())));
    finish(reading, *got);
  });
}

void JournalReader::finish(const std::shared_ptr<Reading>& reading, std::size_t got) {
  const JournalPosition& position = reading->position;
  // The file may have been recycled while it was read: then these bytes say nothing.
  if (files_.find(position.file) != reading->file) {
    return reading->done(fail(Errc::not_found, place(options_, position) + " was released"));
  }
  const ByteSpan bytes(reading->buffer.data(), got);
  const auto header = decode_flush_header(bytes, position.file, reading->file->salt);
  if (!header || flush_span(header->payload_bytes) != position.flush_bytes || got != position.flush_bytes ||
      journal_payload_crc(header->salt, bytes.subspan(kFlushHeaderBytes, header->payload_bytes)) !=
          header->payload_crc) {
    return reading->done(fail(Errc::corrupt, place(options_, position) + ": a flush that was durable does not hold"));
  }
  const std::size_t charge = reading->buffer.size();
  const ByteSpan payload = bytes.subspan(position.payload_offset, position.payload_bytes);
  auto owner = std::make_shared<AlignedBuffer>(std::move(reading->buffer));
  writer_.remember(position.file, position.offset, {owner, bytes.data(), charge});
  reading->done(SharedBytes(std::move(owner), payload, charge));
}

}  // namespace sluice::storage
