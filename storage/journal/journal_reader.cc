#include "storage/journal/journal_reader.h"

#include <fmt/core.h>

#include <utility>
#include <vector>

namespace sluice::storage {
namespace {

std::string place(const JournalOptions& options, const JournalPosition& position) {
  return fmt::format("{}/{} at {}", options.directory, journal_file_name(position.file), position.offset);
}

/// Entries of an earlier life may be larger than this one takes: the file's end is what bounds them.
bool sensible(const JournalPosition& position) {
  return position.offset % kJournalBlock == 0 && position.flush_bytes % kJournalBlock == 0 &&
         position.flush_bytes > 0 && position.payload_offset >= kFlushHeaderBytes + kRecordHeaderBytes &&
         std::uint64_t{position.payload_offset} + position.payload_bytes <= position.flush_bytes;
}

}  // namespace

struct JournalReader::Reading {
  struct Waiter {
    JournalPosition position;
    UniqueFunction<void(Result<SharedBytes>)> done;
  };
  JournalFilePtr file;
  std::uint64_t offset = 0;
  std::size_t flush_bytes = 0;
  FlushBuffers::Region region;
  std::vector<Waiter> waiters;
};

void JournalReader::read(const JournalPosition& position, UniqueFunction<void(Result<SharedBytes>)> done) {
  const JournalFilePtr file = files_.find(position.file);
  if (!file) return done(fail(Errc::not_found, place(options_, position) + " was released"));
  if (const auto memory = writer_.in_memory(position.file, position.offset)) {
    const ByteSpan bytes(memory->data + position.payload_offset, position.payload_bytes);
    return done(SharedBytes(memory->owner, bytes, memory->charge));
  }
  if (!sensible(position) || position.offset + position.flush_bytes > file->end) {
    return done(fail(Errc::not_found, place(options_, position) + " is no flush of this journal"));
  }
  const Place key{position.file, position.offset};
  if (const auto found = under_way_.find(key);
      found != under_way_.end() && found->second->file == file && found->second->flush_bytes == position.flush_bytes) {
    found->second->waiters.push_back({position, std::move(done)});
    return;
  }
  auto region = memory_for(position.flush_bytes);
  if (!region) return done(fail(std::move(region.error())));
  auto reading = std::make_shared<Reading>();
  reading->file = file;
  reading->offset = position.offset;
  reading->flush_bytes = position.flush_bytes;
  reading->region = std::move(*region);
  reading->waiters.push_back({position, std::move(done)});
  under_way_[key] = reading;
  file->file->read(position.offset, {reading->region.data, reading->flush_bytes},
                   [this, life = life_, reading](Result<std::size_t> got) {
                     const auto alive = life.lock();
                     if (alive) return finish(*reading, std::move(got));
                     for (auto& waiter : reading->waiters)
                       waiter.done(fail(Errc::shutting_down, "the journal is closed"));
                   });
}

/// One large entry is beyond the bound, since the pool may never have room for it.
Result<FlushBuffers::Region> JournalReader::memory_for(std::size_t flush_bytes) {
  if (flush_bytes <= options_.flush_bytes) {
    auto region = buffers_.acquire(flush_bytes, flush_bytes);
    if (region) buffers_.use(flush_bytes);
    return region;
  }
  const auto own = std::make_shared<AlignedBuffer>(flush_bytes);
  return FlushBuffers::Region{own, own->data(), own->size(), own->size()};
}

void JournalReader::finish(Reading& reading, Result<std::size_t> got) {
  const Place key{reading.file->number, reading.offset};
  if (const auto found = under_way_.find(key); found != under_way_.end() && found->second.get() == &reading)
    under_way_.erase(found);
  Result<void> good;
  if (!got)
    good = fail(std::move(got.error()));
  else
    good = check(reading, *got);
  const FlushBuffers::Region region = std::move(reading.region);
  if (good) writer_.remember(key.first, key.second, {region.owner, region.data, region.charge});
  for (Reading::Waiter& waiter : std::exchange(reading.waiters, {})) {
    if (!good) {
      waiter.done(fail(good.error()));
      continue;
    }
    const ByteSpan payload(region.data + waiter.position.payload_offset, waiter.position.payload_bytes);
    waiter.done(SharedBytes(region.owner, payload, region.charge));
  }
}

Result<void> JournalReader::check(const Reading& reading, std::size_t got) const {
  const JournalPosition& position = reading.waiters.front().position;
  // The file may have been recycled while it was read: then these bytes say nothing.
  if (files_.find(position.file) != reading.file)
    return fail(Errc::not_found, place(options_, position) + " was released");
  const ByteSpan bytes(reading.region.data, got);
  const auto header = decode_flush_header(bytes, position.file, reading.file->salt);
  if (!header || flush_span(header->payload_bytes) != reading.flush_bytes || got != reading.flush_bytes ||
      journal_payload_crc(header->salt, bytes.subspan(kFlushHeaderBytes, header->payload_bytes)) != header->payload_crc)
    return fail(Errc::corrupt, place(options_, position) + ": a flush that was durable does not hold");
  return {};
}

}  // namespace sluice::storage
