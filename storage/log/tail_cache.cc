#include "storage/log/tail_cache.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "protocol/base/check.h"

namespace sluice::storage {
namespace {

constexpr std::size_t kCopyOutBelow = 8;  // an eighth of the buffer

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
  // What can't stay however it is kept goes first, so that it is not copied.
  std::size_t stay = 0, stay_bytes = 0;
  while (stay < spilled_ && stay_bytes + (*batches_)[spilled_ - 1 - stay].bytes.size() <= keep_bytes) {
    stay_bytes += (*batches_)[spilled_ - 1 - stay].bytes.size();
    ++stay;
  }
  const std::size_t gone = spilled_ - stay;
  drop_front(gone);
  const std::size_t from = first > gone ? first - gone : 0;
  if (from < spilled_) copy_out(from, spilled_);
  while (spilled_ > 0 && spilled_charge_ > keep_bytes) {  // a buffer is freed only when all of its slices go
    std::size_t run = 1;
    while (run < spilled_ && (*batches_)[run].bytes.owner() == batches_->front().bytes.owner()) ++run;
    drop_front(run);
  }
}

void TailCache::copy_out(std::size_t first, std::size_t last) {
  for (std::size_t run = first; run < last;) {
    const auto owner = (*batches_)[run].bytes.owner();
    const std::size_t charge = (*batches_)[run].bytes.charge();
    std::size_t end = run, used = 0;
    while (end < last && (*batches_)[end].bytes.owner() == owner) used += (*batches_)[end++].bytes.size();
    if (used < charge / kCopyOutBelow) {
      std::vector<std::byte> copy;
      copy.reserve(used);
      for (std::size_t i = run; i < end; ++i) {
        const ByteSpan bytes = (*batches_)[i].bytes;
        copy.insert(copy.end(), bytes.begin(), bytes.end());
      }
      const SharedBytes own = SharedBytes::take(std::move(copy));
      std::size_t at = 0;
      for (std::size_t i = run; i < end; ++i) {
        const std::size_t size = (*batches_)[i].bytes.size();
        (*batches_)[i].bytes = own.slice(at, size);
        at += size;
      }
    }
    run = end;
  }
  charge_again(first, std::min(last + 1, size()));
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
