#include "storage/log/tail_cache.h"

#include <algorithm>
#include <utility>

#include "protocol/base/check.h"

namespace sluice::storage {
namespace {

constexpr std::size_t kLeastUse = 8;  // an eighth of the buffer

}  // namespace

void TailCache::push(TailBatch batch) {
  if (!batches_) batches_ = std::make_unique<std::deque<TailBatch>>();
  const bool shares = !batches_->empty() && batches_->back().bytes.owner() == batch.bytes.owner();
  batch.charge = shares ? 0 : batch.bytes.charge();
  charge_ += batch.charge;
  unspilled_bytes_ += batch.bytes.size();
  batches_->push_back(std::move(batch));
}

std::size_t TailCache::find(Offset offset) const {
  if (size() == 0 || offset < batches_->front().base || offset >= batches_->back().next) return size();
  const auto behind = std::upper_bound(batches_->begin(), batches_->end(), offset,
                                       [](Offset o, const TailBatch& batch) { return o < batch.base; });
  return static_cast<std::size_t>(behind - batches_->begin()) - 1;
}

void TailCache::mark_spilled(std::size_t count, std::size_t keep_bytes) {
  CHECK(count <= size() - spilled_);
  const std::size_t first = spilled_;
  for (std::size_t i = first; i < first + count; ++i) {
    unspilled_bytes_ -= (*batches_)[i].bytes.size();
    spilled_charge_ += (*batches_)[i].charge;
  }
  spilled_ += count;
  drop_front(hardly_used(first, spilled_));
  while (spilled_ > 0 && spilled_charge_ > keep_bytes) {  // a buffer is freed only when all of its slices go
    std::size_t run = 1;
    while (run < spilled_ && (*batches_)[run].bytes.owner() == batches_->front().bytes.owner()) ++run;
    drop_front(run);
  }
}

/// The end of the last run of slices in [first, last) that use too little of the buffer they share; 0: there is none.
std::size_t TailCache::hardly_used(std::size_t first, std::size_t last) const {
  std::size_t found = 0;
  for (std::size_t run = first; run < last;) {
    const SharedBytes& slice = (*batches_)[run].bytes;
    std::size_t end = run, used = 0;
    while (end < last && (*batches_)[end].bytes.owner() == slice.owner()) used += (*batches_)[end++].bytes.size();
    if (used < slice.charge() / kLeastUse) found = end;
    run = end;
  }
  return found;
}

void TailCache::charge_again(std::size_t first, std::size_t last) {
  for (std::size_t i = first; i < last; ++i) {
    TailBatch& batch = (*batches_)[i];
    const bool shares = i > 0 && (*batches_)[i - 1].bytes.owner() == batch.bytes.owner();
    const std::size_t charge = shares ? 0 : batch.bytes.charge();
    charge_ += charge - batch.charge;
    if (i < spilled_) spilled_charge_ += charge - batch.charge;
    batch.charge = charge;
  }
}

void TailCache::drop_front(std::size_t count) {
  CHECK(count <= spilled_);
  if (count == 0) return;
  for (std::size_t i = 0; i < count; ++i) {
    charge_ -= batches_->front().charge;
    spilled_charge_ -= batches_->front().charge;
    batches_->pop_front();
  }
  spilled_ -= count;
  if (batches_->empty()) {
    batches_.reset();
  } else {
    charge_again(0, 1);
  }
}

void TailCache::drop_below(Offset start) {
  std::size_t count = 0;
  while (count < spilled_ && (*batches_)[count].next <= start) ++count;
  drop_front(count);
}

}  // namespace sluice::storage
