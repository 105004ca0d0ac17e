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

void ConnectionMemory::wake_if_anybody_waits() {
  if (!waiting_.empty() && wake_soon_) wake_soon_();
}

void ConnectionMemory::holds(Party& party, const Held& now) {
  const Held before = std::exchange(party.held_, now);
  held_.request_bytes += now.request_bytes - before.request_bytes;
  held_.reply_bytes += now.reply_bytes - before.reply_bytes;
  held_.fetches += now.fetches - before.fetches;
  if (now.request_bytes < before.request_bytes || now.reply_bytes < before.reply_bytes) wake_if_anybody_waits();
}

ConnectionMemory::Charge ConnectionMemory::charge(Party& party, std::size_t bytes) {
  Charge charge;
  charge.memory_ = shared_from_this();
  charge.bytes_ = bytes;
  held_.request_bytes += bytes;
  if (favoured_ == &party) {
    favoured_ = nullptr;
    favoured_charge_ = bytes;
    charge.favoured_ = true;
  }
  return charge;
}

void ConnectionMemory::ended(std::size_t bytes, bool favoured) {
  held_.request_bytes -= bytes;
  if (favoured) favoured_charge_ = 0;
  wake_if_anybody_waits();
}

void ConnectionMemory::leave(Party& party) {
  if (favoured_ == &party) {
    favoured_ = nullptr;
    wake_if_anybody_waits();
  }
  if (place_.empty()) return;
  const auto found = place_.find(&party);
  if (found == place_.end()) return;
  waiting_.erase(found->second);
  place_.erase(found);
}

std::size_t ConnectionMemory::usual_bytes() const {
  return held_.request_bytes - favoured_charge_ - (favoured_ != nullptr ? favoured_->held_.request_bytes : 0);
}

bool ConnectionMemory::fits(std::size_t bytes, std::size_t others) const {
  return others + bytes <= (bytes <= kSmallBuffer ? max_requests_ : max_requests_ - max_requests_ / 4);
}

bool ConnectionMemory::may_grow(Party& party, std::size_t bytes, bool idle) {
  if ((idle && bytes <= kLeastBuffer) || favoured_ == &party) return true;
  const std::size_t others = usual_bytes();
  if (fits(bytes, others)) return true;
  if (favour_is_free() && others <= max_requests_) {
    favoured_ = &party;
    return true;
  }
  wait(party, bytes);
  return false;
}

bool ConnectionMemory::may_answer(Party& party) {
  if (held_.reply_bytes < max_replies_) return true;
  wait(party, 0);
  return false;
}

void ConnectionMemory::wake() {
  std::vector<Party*> ready;
  std::size_t others = usual_bytes();
  for (auto next = waiting_.begin(); next != waiting_.end();) {
    const auto here = next++;
    bool goes_on = here->bytes == 0 ? held_.reply_bytes < max_replies_ : fits(here->bytes, others);
    if (goes_on) {
      others += here->bytes;
    } else if (here->bytes > 0 && favour_is_free() && others <= max_requests_) {
      favoured_ = here->party;
      others -= std::min(others, favoured_->held_.request_bytes);
      goes_on = true;
    }
    if (!goes_on) continue;
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
