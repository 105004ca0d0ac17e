#include "storage/log/tail_pool.h"

#include "protocol/base/check.h"

namespace sluice::storage {

void TailPool::note(TailHolder& holder, std::size_t bytes) {
  if (const auto found = place_.find(&holder); found != place_.end()) {
    total_bytes_ -= found->second->bytes;
    kept_.erase(found->second);
    place_.erase(found);
  }
  if (bytes == 0) return;
  total_bytes_ += bytes;
  place_.emplace(&holder, kept_.insert(kept_.end(), {&holder, bytes}));
  while (total_bytes_ > bound_bytes_) let_oldest_go();
}

void TailPool::let_all_go() {
  while (!kept_.empty()) let_oldest_go();
}

void TailPool::let_oldest_go() {
  TailHolder& oldest = *kept_.front().holder;
  oldest.let_tail_go();
  CHECK(!place_.contains(&oldest), "a tail that was let go of is noted as gone");
}

}  // namespace sluice::storage
