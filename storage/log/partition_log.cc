#include "storage/log/partition_log.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "protocol/base/check.h"
#include "storage/log/log_impl.h"

namespace sluice::storage {

PartitionLog::Impl::Impl(std::shared_ptr<FilePool> files, std::string directory, LogOptions options)
    : files_(std::move(files)), directory_(std::move(directory)), options_(options) {
  options_.index_interval_bytes = std::max<std::uint64_t>(options_.index_interval_bytes, 1);
}

PartitionLog::Impl::~Impl() { files_->tails().note(*this, 0); }

void PartitionLog::Impl::close() {
  alive_ = false;
  waiting_syncs_.clear();
  waiting_spills_.clear();
  removed_ = nullptr;
  files_->drop_dead_waiters();
  files_->forget_directory(directory_);
  for (const Segment& segment : segments_) files_->indexes().erase(segment.id);
}

void PartitionLog::Impl::open(const LogState& state) {
  CHECK(segments_.empty() && tail_.size() == 0 && !prepared_ && preparing_.expired(), "a log is opened once");
  start_ = state.start_offset;
  spilled_end_ = end_ = state.end_offset;
  segments_.reserve(state.segments.size());
  for (const SegmentState& given : state.segments) {
    Segment segment;
    segment.base = given.base;
    segment.size_bytes = given.size_bytes;
    segment.counted_ms = given.max_timestamp_ms;
    segment.opened_ms = given.opened_ms;
    segment.id = files_->indexes().new_id();
    segments_.push_back(std::move(segment));
  }
  parent_unsynced_ = segments_.empty();
}

void PartitionLog::Impl::append(SharedBytes batch, std::int64_t group_time_ms) {
  const auto header = parse_batch_header(batch);
  CHECK(header && header->size_bytes == batch.size(), "only whole, checked batches are appended");
  CHECK(header->base_offset == end_, "a batch is appended at the end of its log");
  CHECK(header->last_offset_delta >= 0);
  end_ = header->next_offset();
  tail_.push({.bytes = std::move(batch),
              .base = header->base_offset,
              .next = end_,
              .max_ms = header->max_timestamp_ms,
              .counted_ms = std::min(header->max_timestamp_ms, group_time_ms),
              .group_ms = group_time_ms});
}

std::uint64_t PartitionLog::Impl::size_bytes() const {
  std::uint64_t size = tail_.unspilled_bytes();
  for (const Segment& segment : segments_) size += segment.size_bytes;
  return size;
}

std::size_t PartitionLog::Impl::segment_of(Offset offset) const {
  const auto behind = std::upper_bound(segments_.begin(), segments_.end(), offset,
                                       [](Offset o, const Segment& segment) { return o < segment.base; });
  if (behind == segments_.begin() || offset >= spilled_end_) return segments_.size();
  return static_cast<std::size_t>(behind - segments_.begin()) - 1;
}

Segment* PartitionLog::Impl::find_segment(std::uint64_t id) {
  for (std::vector<Segment>* list : {&segments_, &garbage_}) {
    const auto found = std::find_if(list->begin(), list->end(), [id](const Segment& s) { return s.id == id; });
    if (found != list->end()) return &*found;
  }
  return nullptr;
}

SegmentView PartitionLog::Impl::view(std::size_t number) const {
  const Segment& segment = segments_[number];
  const Offset next = number + 1 < segments_.size() ? segments_[number + 1].base : spilled_end_;
  return {segment.base, next, segment.size_bytes, segment.id, segment_path(directory_, segment.base)};
}

LogState PartitionLog::Impl::spilled_state() const {
  LogState state{.start_offset = start_, .end_offset = spilled_end_, .segments = {}};
  state.segments.reserve(segments_.size());
  for (const Segment& segment : segments_) {
    state.segments.push_back({segment.base, segment.size_bytes, segment.counted_ms, segment.opened_ms});
  }
  return state;
}

std::vector<PartitionLog::SegmentInfo> PartitionLog::Impl::segments() const {
  std::vector<SegmentInfo> infos;
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const Segment& segment = segments_[i];
    infos.push_back({segment.base, view(i).next, segment.size_bytes, segment.counted_ms});
  }
  if (infos.empty() && tail_.has_unspilled()) infos.push_back({spilled_end_, spilled_end_, 0, -1});
  // What is in memory will be the active segment's, as far as one can tell now.
  if (infos.empty()) return infos;
  SegmentInfo& active = infos.back();
  active.next = end_;
  active.size_bytes += tail_.unspilled_bytes();
  for (std::size_t i = tail_.spilled(); i < tail_.size(); ++i) {
    active.max_timestamp_ms = std::max(active.max_timestamp_ms, tail_[i].counted_ms);
  }
  return infos;
}

void PartitionLog::Impl::advance_start(Offset start) {
  CHECK(start <= end_, "the start stays within the log");
  if (start <= start_) return;
  start_ = start;
  tail_.drop_below(start);
  note_tail();
  collect_garbage();
}

void PartitionLog::Impl::collect_garbage() {
  std::size_t count = 0;
  while (count + 1 < segments_.size() && segments_[count + 1].base <= start_) ++count;
  // The active one too, once nothing is left to read and nothing is about to be written to it.
  if (count + 1 == segments_.size() && !spilling_ && start_ == spilled_end_ && !tail_.has_unspilled()) {
    ++count;
    writer_ = nullptr;
    writer_given_up_ = false;
    last_block_ = {};
    note_tail();
  }
  for (std::size_t i = 0; i < count; ++i) {
    files_->indexes().erase(segments_[i].id);
    garbage_.push_back(segments_[i]);
  }
  segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(count));
}

void PartitionLog::Impl::remove_garbage(Done done) {
  std::vector<std::string> paths;
  const auto end = garbage_.begin() + static_cast<std::ptrdiff_t>(std::exchange(removable_garbage_, 0));
  for (auto segment = garbage_.begin(); segment != end; ++segment) {
    paths.push_back(segment_path(directory_, segment->base));
    paths.push_back(index_path(directory_, segment->base));
  }
  garbage_.erase(garbage_.begin(), end);
  remove_files(paths, std::move(done));
}

void PartitionLog::Impl::let_tail_go() {
  tail_.drop_spilled();
  last_block_ = {};
  note_tail();
}

void PartitionLog::Impl::drop_tail() {
  let_tail_go();
  write_pending_index();
}

Error PartitionLog::Impl::gone() const { return {Errc::not_found, fmt::format("log {} is being removed", directory_)}; }

PartitionLog::PartitionLog(std::shared_ptr<FilePool> files, std::string directory, LogOptions options)
    : impl_(std::make_shared<Impl>(std::move(files), std::move(directory), options)) {}
PartitionLog::~PartitionLog() { impl_->close(); }

void PartitionLog::create(Offset start) { impl_->open({.start_offset = start, .end_offset = start, .segments = {}}); }
void PartitionLog::open(const LogState& state) { impl_->open(state); }
void PartitionLog::append(SharedBytes batch, std::int64_t group_time_ms) {
  impl_->append(std::move(batch), group_time_ms);
}
Offset PartitionLog::start_offset() const { return impl_->start(); }
Offset PartitionLog::end_offset() const { return impl_->end(); }
std::uint64_t PartitionLog::size_bytes() const { return impl_->size_bytes(); }
std::size_t PartitionLog::unspilled_bytes() const { return impl_->tail().unspilled_bytes(); }
std::size_t PartitionLog::memory_charge() const { return impl_->memory_charge(); }
void PartitionLog::read(Offset offset, std::size_t max_bytes, Offset limit,
                        UniqueFunction<void(Result<LogRead>)> done) {
  impl_->read(offset, max_bytes, limit, std::move(done));
}
void PartitionLog::find_time(std::int64_t timestamp_ms, Offset limit,
                             UniqueFunction<void(Result<std::optional<TimeMatch>>)> done) {
  impl_->find_time(timestamp_ms, limit, std::move(done));
}
void PartitionLog::find_max_time(Offset limit, UniqueFunction<void(Result<std::optional<TimeMatch>>)> done) {
  impl_->find_max_time(limit, std::move(done));
}
void PartitionLog::spill(UniqueFunction<void(Result<void>)> done) { impl_->spill(std::move(done)); }
void PartitionLog::spill_hurriedly(UniqueFunction<void(Result<void>)> done) { impl_->spill(std::move(done), true); }
bool PartitionLog::spilling() const { return impl_->spilling(); }
void PartitionLog::mark() { impl_->mark(); }
void PartitionLog::set_segment_limits(std::uint64_t bytes, std::int64_t ms) { impl_->set_segment_limits(bytes, ms); }
void PartitionLog::sync(UniqueFunction<void(Result<LogState>)> done) { impl_->sync(std::move(done)); }
bool PartitionLog::needs_sync() const { return impl_->needs_sync(); }
LogState PartitionLog::spilled_state() const { return impl_->spilled_state(); }
void PartitionLog::advance_start(Offset start) { impl_->advance_start(start); }
bool PartitionLog::has_garbage() const { return impl_->has_garbage(); }
void PartitionLog::remove_garbage(UniqueFunction<void(Result<void>)> done) { impl_->remove_garbage(std::move(done)); }
void PartitionLog::remove_all(UniqueFunction<void(Result<void>)> done) { impl_->remove_all(std::move(done)); }
std::vector<PartitionLog::SegmentInfo> PartitionLog::segments() const { return impl_->segments(); }
void PartitionLog::drop_tail() { impl_->drop_tail(); }

}  // namespace sluice::storage
