// Finding records by time. The index leads to the stretch of a segment, the headers to the batch, and the batch is
// decoded for the record. Both searches move by offset and look each time anew where that offset lies, so that spills,
// rolls and cuts meanwhile do no harm.
// A batch's own word for its largest time decides whether it is decoded (batch_times.h).
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "storage/log/batch_times.h"
#include "storage/log/log_impl.h"

namespace sluice::storage {
struct PartitionLog::Impl::FindTime {
  std::int64_t timestamp_ms = 0;
  Offset at, limit;
  TimeCallback done;
  std::optional<Offset> candidate;  ///< a batch that says to have such a record
};

void PartitionLog::Impl::find_time(std::int64_t timestamp_ms, Offset limit, TimeCallback done) {
  const auto op = std::make_shared<FindTime>();
  op->timestamp_ms = timestamp_ms;
  op->at = start_;
  op->limit = std::min(limit, end_);
  op->done = std::move(done);
  find_time_step(op);
}

void PartitionLog::Impl::find_time_step(const std::shared_ptr<FindTime>& op) {
  if (removing_) return find_time_end(op, fail(gone()));
  while (true) {
    op->at = std::max(op->at, start_);
    if (op->at >= op->limit) return find_time_end(op, std::nullopt);
    if (const std::size_t i = tail_.find(op->at); i < tail_.size()) {
      const TailBatch& batch = tail_[i];
      if (batch.next > op->limit) return find_time_end(op, std::nullopt);
      if (batch.max_ms >= op->timestamp_ms) {
        auto match = first_from_time(batch.bytes, op->at, op->timestamp_ms, options_.max_decompressed_bytes);
        if (!match || *match) return find_time_end(op, std::move(match));
      }
      op->at = batch.next;
      continue;
    }
    const std::size_t number = segment_of(op->at);
    if (number == segments_.size()) {
      return find_time_end(
          op, fail(Errc::corrupt, fmt::format("log {} has no segment for offset {}", directory_, op->at.value)));
    }
    const SegmentView segment = view(number);
    if (segments_[number].max_ms && *segments_[number].max_ms < op->timestamp_ms) {
      op->at = segment.next;
      continue;
    }
    return prepare([self = shared_from_this(), op, segment](Result<void> result) {
      if (!result) return self->find_time_end(op, fail(std::move(result.error())));
      self->with_index(segment, [self, op, segment](const std::shared_ptr<SegmentIndex>& index) {
        self->find_time_in(op, segment, *index);
      });
    });
  }
}

void PartitionLog::Impl::find_time_in(const std::shared_ptr<FindTime>& op, const SegmentView& segment,
                                      const SegmentIndex& index) {
  const std::size_t entry = index.first_reaching(op->timestamp_ms, index.floor(op->at));
  BatchCheck start{index.cursor().covered_to, index.cursor().next, std::nullopt};
  if (entry < index.entry_count()) start = {index.entry(entry).position, index.entry(entry).offset, std::nullopt};
  const auto scan = [self = shared_from_this(), op, segment, start](Result<FilePool::Lease> file) {
    if (!file && self->find_segment(segment.id) == nullptr) return self->find_time_step(op);  // cut off meanwhile
    if (!file) return self->find_time_end(op, fail(std::move(file.error())));
    op->candidate.reset();
    SegmentScan::run(
        std::move(*file), segment, start, segment.size_bytes,
        [op](const BatchHeader& header, std::uint64_t) {
          if (header.next_offset() > op->limit) {
            op->at = op->limit;  // nothing that may be seen
            return false;
          }
          if (header.next_offset() <= op->at || header.max_timestamp_ms < op->timestamp_ms) return true;
          op->candidate = header.base_offset;
          return false;
        },
        [self, op, segment](Result<void> result) {
          if (!result) return self->find_time_end(op, fail(std::move(result.error())));
          if (op->candidate) return self->find_time_in_batch(op, *op->candidate);
          op->at = std::max(op->at, segment.next);
          self->find_time_step(op);
        });
  };
  files_->acquire(segment.path, false, alive(), scan);
}

void PartitionLog::Impl::find_time_in_batch(const std::shared_ptr<FindTime>& op, Offset base) {
  const Offset from = std::max(base, start_);
  read(from, 1, op->limit, [self = shared_from_this(), op, from](Result<LogRead> result) {
    if (!result) return self->find_time_end(op, fail(std::move(result.error())));
    if (result->batches.empty()) return self->find_time_end(op, std::nullopt);
    const SharedBytes& batch = result->batches.front();
    auto match = first_from_time(batch, from, op->timestamp_ms, self->options_.max_decompressed_bytes);
    if (!match || *match) return self->find_time_end(op, std::move(match));
    op->at = parse_batch_header(batch)->next_offset();
    self->find_time_step(op);
  });
}

void PartitionLog::Impl::find_time_end(const std::shared_ptr<FindTime>& op, Result<std::optional<TimeMatch>> result) {
  if (alive_) op->done(std::move(result));
}

/// Goes from the newest segment to the oldest. `best` is what batches say; the first batch is decoded at once, since
/// only a part of it may lie behind the log's start.
struct PartitionLog::Impl::FindMax {
  struct Best {
    Offset base;
    std::int64_t timestamp_ms = 0;
  };
  Offset from, before;  ///< what is left to be looked at
  Offset limit;
  std::optional<TimeMatch> exact;
  std::optional<Best> best;
  TimeCallback done;

  void offer(Offset base, std::int64_t timestamp_ms) {
    if (!best || timestamp_ms > best->timestamp_ms || (timestamp_ms == best->timestamp_ms && base < best->base)) {
      best = Best{base, timestamp_ms};
    }
  }
};

void PartitionLog::Impl::find_max_time(Offset limit, TimeCallback done) {
  const auto op = std::make_shared<FindMax>();
  op->limit = std::min(limit, end_);
  op->done = std::move(done);
  if (start_ >= op->limit) return find_max_end(op, std::nullopt);
  read(start_, 1, op->limit, [self = shared_from_this(), op, from = start_](Result<LogRead> result) {
    if (!result) return self->find_max_end(op, fail(std::move(result.error())));
    if (result->batches.empty()) return self->find_max_end(op, std::nullopt);
    const SharedBytes& batch = result->batches.front();
    auto exact = largest_time(batch, from, self->options_.max_decompressed_bytes);
    if (!exact) return self->find_max_end(op, std::move(exact));
    op->exact = *exact;
    op->from = parse_batch_header(batch)->next_offset();
    op->before = op->limit;
    // What is in memory first.
    for (std::size_t i = self->tail_.size(); i > 0 && self->tail_[i - 1].base >= op->from; --i) {
      const TailBatch& newest = self->tail_[i - 1];
      if (newest.next <= op->limit) op->offer(newest.base, newest.max_ms);
      op->before = std::min(op->before, newest.base);
    }
    self->find_max_step(op);
  });
}

void PartitionLog::Impl::find_max_step(const std::shared_ptr<FindMax>& op) {
  if (removing_) return find_max_end(op, fail(gone()));
  while (std::max(op->from, start_) < op->before) {
    const std::size_t number = segment_of(Offset(op->before.value - 1));
    if (number == segments_.size()) {
      return find_max_end(op, fail(Errc::corrupt, fmt::format("log {} has no segment for offset {}", directory_,
                                                              op->before.value - 1)));
    }
    const SegmentView segment = view(number);
    const auto known = segments_[number].max_ms;
    if (known && ((op->best && *known < op->best->timestamp_ms) || (op->exact && *known <= op->exact->timestamp_ms))) {
      op->before = segment.base;
      continue;
    }
    return prepare([self = shared_from_this(), op, segment](Result<void> result) {
      if (!result) return self->find_max_end(op, fail(std::move(result.error())));
      self->with_index(segment, [self, op, segment](const std::shared_ptr<SegmentIndex>& index) {
        self->find_max_in(op, segment, *index);
      });
    });
  }
  if (!op->best || op->best->base < start_ || (op->exact && op->best->timestamp_ms <= op->exact->timestamp_ms)) {
    return find_max_end(op, op->exact);
  }
  read(op->best->base, 1, op->limit, [self = shared_from_this(), op](Result<LogRead> result) {
    if (!result) return self->find_max_end(op, fail(std::move(result.error())));
    if (result->batches.empty()) return self->find_max_end(op, op->exact);
    auto match = largest_time(result->batches.front(), op->best->base, self->options_.max_decompressed_bytes);
    if (match && (!*match || (op->exact && (*match)->timestamp_ms <= op->exact->timestamp_ms))) match = op->exact;
    self->find_max_end(op, std::move(match));
  });
}

/// The largest time of the whole segment is reached first behind entry `reaching`. If a batch there has it and may be
/// seen, that is the segment's; otherwise all of the part that counts is walked.
void PartitionLog::Impl::find_max_in(const std::shared_ptr<FindMax>& op, const SegmentView& segment,
                                     const SegmentIndex& index) {
  const std::size_t low = index.floor(std::max(op->from, segment.base));
  const BatchCheck first{index.entry(low).position, index.entry(low).offset, std::nullopt};
  const std::size_t high = index.floor(Offset(op->before.value - 1));
  const bool whole = index.cursor().covered_to >= segment.size_bytes;
  if (!whole) return find_max_scan(op, segment, first, true, kNoTime, first);
  const std::int64_t most =
      high + 1 < index.entry_count() ? index.entry(high + 1).max_before_ms : index.cursor().max_ms;
  const std::size_t reaching = index.first_reaching(most, low);
  if (reaching >= index.entry_count()) return find_max_scan(op, segment, first, true, kNoTime, first);
  const BatchCheck start{index.entry(reaching).position, index.entry(reaching).offset, std::nullopt};
  find_max_scan(op, segment, start, reaching == low, most, first);
}

void PartitionLog::Impl::find_max_scan(const std::shared_ptr<FindMax>& op, const SegmentView& segment, BatchCheck start,
                                       bool from_start, std::int64_t most_ms, BatchCheck again) {
  struct Found {
    std::optional<FindMax::Best> best;
  };
  const auto found = std::make_shared<Found>();
  files_->acquire(
      segment.path, false, alive(),
      [self = shared_from_this(), op, segment, start, from_start, most_ms, again, found](Result<FilePool::Lease> file) {
        if (!file && self->find_segment(segment.id) == nullptr) return self->find_max_step(op);  // cut off meanwhile
        if (!file) return self->find_max_end(op, fail(std::move(file.error())));
        SegmentScan::run(
            std::move(*file), segment, start, segment.size_bytes,
            [op, found, most_ms](const BatchHeader& header, std::uint64_t) {
              if (header.next_offset() > op->before) return false;
              if (header.base_offset < op->from) return true;
              if (!found->best || header.max_timestamp_ms > found->best->timestamp_ms) {
                found->best = FindMax::Best{header.base_offset, header.max_timestamp_ms};
              }
              return header.max_timestamp_ms != most_ms;
            },
            [self, op, segment, from_start, most_ms, again, found](Result<void> result) {
              if (!result) return self->find_max_end(op, fail(std::move(result.error())));
              if (!from_start && (!found->best || found->best->timestamp_ms != most_ms)) {
                return self->find_max_scan(op, segment, again, true, kNoTime, again);
              }
              if (found->best) op->offer(found->best->base, found->best->timestamp_ms);
              op->before = segment.base;
              self->find_max_step(op);
            });
      });
}

void PartitionLog::Impl::find_max_end(const std::shared_ptr<FindMax>& op, Result<std::optional<TimeMatch>> result) {
  if (alive_) op->done(std::move(result));
}

}  // namespace sluice::storage
