#include "broker/listener/connection_memory.h"

#include <algorithm>
#include <vector>

namespace sluice::broker {

void ConnectionMemory::wait(Party& party, std::size_t bytes) {
  if (const auto found = place_.find(&party); found != place_.end()) {
    found->second->bytes = bytes;
    return;
  }
  place_.emplace(&party, waiting_.insert(waiting_.end(), {&party, bytes}));
}

void ConnectionMemory::changed(const Held& before, const Held& now) {
  held_.request_bytes += now.request_bytes - before.request_bytes;
  held_.reply_bytes += now.reply_bytes - before.reply_bytes;
  held_.fetches += now.fetches - before.fetches;
  const bool freed = now.request_bytes < before.request_bytes || now.reply_bytes < before.reply_bytes;
  if (freed && !waiting_.empty()) wake_soon_();
}

void ConnectionMemory::leave(Party& party) {
  if (std::exchange(favoured_, favoured_ == &party ? nullptr : favoured_) == &party && !waiting_.empty()) wake_soon_();
  if (place_.empty()) return;
  const auto found = place_.find(&party);
  if (found == place_.end()) return;
  waiting_.erase(found->second);
  place_.erase(found);
}

bool ConnectionMemory::may_grow(Party& party, std::size_t bytes) {
  if (bytes <= kFreeBuffer || held_.request_bytes + bytes <= max_requests_) return true;
  if (favoured_ == nullptr) favoured_ = &party;
  if (favoured_ == &party) return true;
  wait(party, bytes);
  return false;
}

bool ConnectionMemory::may_fetch(Party& party) {
  if (held_.reply_bytes < max_replies_) return true;
  wait(party, 0);
  return false;
}

void ConnectionMemory::wake() {
  std::vector<Party*> ready;
  std::size_t requests = held_.request_bytes;
  for (auto next = waiting_.begin(); next != waiting_.end();) {
    const auto here = next++;
    bool fits = here->bytes == 0 ? held_.reply_bytes < max_replies_ : requests + here->bytes <= max_requests_;
    if (fits) requests += here->bytes;
    if (!fits && here->bytes > 0 && favoured_ == nullptr) {
      favoured_ = here->party;
      fits = true;
    }
    if (!fits) continue;
    ready.push_back(here->party);
    place_.erase(here->party);
    waiting_.erase(here);
  }
  for (Party* party : ready) party->memory_freed();
}

std::size_t ConnectionMemory::fetch_bytes() const {
  const std::size_t free = max_replies_ - std::min(max_replies_, held_.reply_bytes);
  return std::max(kLeastFetch, free / (held_.fetches + 1));
}

}  // namespace sluice::broker
