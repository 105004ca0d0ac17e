#include "storage/log/memory_log.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "protocol/base/check.h"
#include "protocol/base/record_batch.h"
#include "storage/log/batch_times.h"

namespace sluice::storage {
namespace {

constexpr std::size_t kMostForSmallBatches = 128U << 10;
constexpr std::size_t kSmallPart = 8;  // an eighth of the chunk
constexpr std::size_t kMaxDecompressed = LogOptions{}.max_decompressed_bytes;

}  // namespace

MemoryLog::MemoryLog(std::shared_ptr<MemoryPool> pool, UniqueFunction<void(Offset)> start_moved)
    : pool_(std::move(pool)), start_moved_(std::move(start_moved)) {}

MemoryLog::~MemoryLog() { restart(end_); }

void MemoryLog::restart(Offset at) {
  if (chunks_)
    for (const auto& chunk : *chunks_) pool_->retire(*chunk);
  chunks_.reset();
  bytes_ = 0;
  start_ = end_ = at;
}

/// The last chunk has room for the batch then. Chunks grow with what the log holds, so that one with little data is
/// charged little, and with the batches, so that little is left unused behind the last of them.
bool MemoryLog::make_room(std::size_t batch_bytes) {
  if (chunks_ && chunks_->back()->fits(batch_bytes, end_)) return true;
  const std::size_t held = bytes_;
  const std::size_t wanted =
      std::max(std::min(held / 8, kMostForSmallBatches), std::min({held, 8 * batch_bytes, MemoryPool::kMostPooled}));
  auto chunk = pool_->take(std::max(batch_bytes + MemoryChunk::kEntryBytes, wanted), *this);  // may take all we have
  if (!chunk) return false;
  chunk->begin(end_);
  if (!chunks_) chunks_ = std::make_unique<std::deque<std::shared_ptr<MemoryChunk>>>();
  chunks_->push_back(std::move(chunk));
  return true;
}

Result<MutableByteSpan> MemoryLog::append(ByteSpan batch, Offset next, std::int64_t max_ms, std::int64_t now_ms) {
  CHECK(next > end_ && !batch.empty());
  if (!make_room(batch.size()))
    return fail(Errc::busy, "slow readers hold the memory of this shard's memory topics; retry");
  const MutableByteSpan copy =
      chunks_->back()->add(batch, next, max_ms, max_ms < 0 ? now_ms : std::min(max_ms, now_ms));
  end_ = next;
  bytes_ += batch.size();
  enforce_bound();
  return copy;
}

// ---- Reading ----

Result<LogRead> MemoryLog::read(Offset offset, std::size_t max_bytes) const {
  if (offset < start_ || offset > end_)
    return fail(Errc::offset_out_of_range, fmt::format("offset {} is outside {} to {} of a log in memory", offset.value,
                                                       start_.value, end_.value));
  LogRead read;
  if (offset == end_) return read;
  const auto behind = std::upper_bound(chunks_->begin(), chunks_->end(), offset,
                                       [](Offset asked, const auto& chunk) { return asked < chunk->base(); });
  const bool copies = pool_->readers_hold_much();
  for (auto at = std::prev(behind); at != chunks_->end() && take_from(*at, offset, max_bytes, copies, read); ++at) {
    offset = (*at)->next();
  }
  return read;
}

/// Adds the chunk's batches from `offset` on to the read, as slices of it; a small part is copied out where `copies`
/// says so. False: the read is full.
bool MemoryLog::take_from(const std::shared_ptr<MemoryChunk>& owner, Offset offset, std::size_t max_bytes, bool copies,
                          LogRead& read) {
  const MemoryChunk& chunk = *owner;
  const std::uint32_t begin = chunk.find(offset);
  std::uint32_t end = begin;
  std::size_t bytes = 0;
  while (end < chunk.count()) {
    const std::size_t size = chunk.batch(end).size();
    if (read.bytes + bytes > 0 && read.bytes + bytes + size > max_bytes) break;
    bytes += size;
    ++end;
  }
  if (bytes == 0) return false;
  SharedBytes all(owner, {chunk.batch(begin).data(), bytes}, chunk.size());
  if (copies && bytes < chunk.size() / kSmallPart) all = SharedBytes::copy_of(all);
  std::size_t from = 0;
  for (std::uint32_t nth = begin; nth < end; ++nth) {
    const std::size_t size = chunk.batch(nth).size();
    read.batches.push_back(all.slice(from, size));
    from += size;
  }
  read.bytes += bytes;
  return end == chunk.count();
}

Result<std::optional<TimeMatch>> MemoryLog::find_time(std::int64_t timestamp_ms) const {
  if (!chunks_) return std::nullopt;
  for (const auto& chunk : *chunks_) {
    if (chunk->max_ms() < timestamp_ms) continue;
    for (std::uint32_t nth = chunk->first(); nth < chunk->count(); ++nth) {
      if (parse_batch_header(chunk->batch(nth))->max_timestamp_ms < timestamp_ms) continue;
      auto match = first_from_time(chunk->batch(nth), start_, timestamp_ms, kMaxDecompressed);
      if (!match || *match) return match;
    }
  }
  return std::nullopt;
}

Result<std::optional<TimeMatch>> MemoryLog::find_max_time() const {
  std::optional<TimeMatch> best;
  if (!chunks_) return best;
  // What batches say is a bound; only those that may hold more than is known are decoded.
  for (const auto& chunk : *chunks_) {
    if (best && chunk->max_ms() <= best->timestamp_ms) continue;
    for (std::uint32_t nth = chunk->first(); nth < chunk->count(); ++nth) {
      if (best && parse_batch_header(chunk->batch(nth))->max_timestamp_ms <= best->timestamp_ms) continue;
      auto match = largest_time(chunk->batch(nth), start_, kMaxDecompressed);
      if (!match) return match;
      if (*match && (!best || (*match)->timestamp_ms > best->timestamp_ms)) best = *match;
    }
  }
  return best;
}

// ---- What goes ----

void MemoryLog::drop_front() {
  MemoryChunk& chunk = *chunks_->front();
  bytes_ -= chunk.batch(chunk.first()).size();
  chunk.drop_first();
  if (!chunk.empty()) {
    start_ = std::max(start_, chunk.base_of(chunk.first()));
    return;
  }
  start_ = std::max(start_, chunk.next());
  pool_->retire(chunk);
  chunks_->pop_front();
  if (chunks_->empty()) chunks_.reset();
}

void MemoryLog::tell_start(Offset before) {
  if (start_ > before) start_moved_(start_);
}

void MemoryLog::enforce_bound() {
  const Offset before = start_;
  while (bytes_ > bound_bytes_ && (chunks_->size() > 1 || chunks_->front()->count() - chunks_->front()->first() > 1))
    drop_front();
  tell_start(before);
}

void MemoryLog::set_bound(std::uint64_t bytes) {
  bound_bytes_ = bytes;
  enforce_bound();
}

void MemoryLog::expire(std::int64_t before_ms) {
  const Offset before = start_;
  while (chunks_ && chunks_->front()->counted_ms(chunks_->front()->first()) < before_ms) drop_front();
  tell_start(before);
}

void MemoryLog::advance_start(Offset start) {
  start = std::min(start, end_);
  while (chunks_ && chunks_->front()->next_of(chunks_->front()->first()) <= start) drop_front();
  start_ = std::max(start_, start);
}

/// All of the oldest chunk.
void MemoryLog::let_oldest_go() {
  const Offset before = start_;
  const MemoryChunk* const oldest = chunks_->front().get();
  while (chunks_ && chunks_->front().get() == oldest) drop_front();
  tell_start(before);
}

}  // namespace sluice::storage
