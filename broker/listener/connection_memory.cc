#include "broker/listener/connection_memory.h"

#include <algorithm>
#include <vector>

namespace sluice::broker {
namespace {
constexpr std::size_t kFetchesThatFill = 8;
}

void ConnectionMemory::wait(const Waiting& waiting) {
  const bool to_answer = waiting.bytes == 0;
  if (const auto found = place_.find(waiting.party); found != place_.end()) {
    Waiting& there = *found->second;
    waiting_to_answer_ += (to_answer ? 1U : 0U) - (there.bytes == 0 ? 1U : 0U);
    there.bytes = waiting.bytes;
    return;
  }
  waiting_to_answer_ += to_answer ? 1 : 0;
  place_.emplace(waiting.party, waiting_.insert(waiting_.end(), waiting));
  if (events_.pressed) events_.pressed();
}

void ConnectionMemory::forget(std::list<Waiting>::iterator place) {
  waiting_to_answer_ -= place->bytes == 0 ? 1 : 0;
  place_.erase(place->party);
  waiting_.erase(place);
}

void ConnectionMemory::wake_if_anybody_waits() {
  if (!waiting_.empty() && events_.wake_soon) events_.wake_soon();
}

void ConnectionMemory::holds(Party& party, const Held& now) {
  const Held before = std::exchange(party.held_, now);
  held_.request_bytes += now.request_bytes - before.request_bytes;
  held_.reply_bytes += now.reply_bytes - before.reply_bytes;
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
  if (const auto found = place_.find(&party); found != place_.end()) forget(found->second);
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
  wait({&party, bytes});
  return false;
}

bool ConnectionMemory::may_answer(Party& party, SteadyTime now, SteadyTime prompt_until) {
  if (may_hold(held_.reply_bytes, now < prompt_until)) return true;
  wait({&party, 0, prompt_until});
  return false;
}

void ConnectionMemory::wake(SteadyTime now) {
  std::vector<Party*> ready;
  std::size_t others = usual_bytes(), replies = held_.reply_bytes;
  for (auto next = waiting_.begin(); next != waiting_.end();) {
    const auto here = next++;
    const bool answers = here->bytes == 0;
    bool goes_on = answers ? may_hold(replies, now < here->prompt_until) : fits(here->bytes, others);
    if (goes_on) {
      others += here->bytes;
      replies += answers ? kReplyShare : 0;
    } else if (!answers && favour_is_free() && others <= max_requests_) {
      favoured_ = here->party;
      others -= std::min(others, favoured_->held_.request_bytes);
      goes_on = true;
    }
    if (!goes_on) continue;
    ready.push_back(here->party);
    forget(here);
  }
  for (Party* party : ready) party->memory_freed();
  if (!ready.empty()) wake_if_anybody_waits();  // they may have taken less than was thought
}

std::size_t ConnectionMemory::fetch_bytes() const {
  const std::size_t free = max_replies_ - std::min(max_replies_, held_.reply_bytes);
  return std::max(kLeastFetch, free / kFetchesThatFill);
}

}  // namespace sluice::broker
