#include "broker/net/timer_heap.h"

#include <algorithm>

namespace sluice::broker {

namespace {
constexpr std::size_t kCompactAbove = 64;
}

Clock::TimerId TimerHeap::add(SteadyTime when, UniqueFunction<void()> callback) {
  const Clock::TimerId id = ++last_id_;
  callbacks_.emplace(id, std::move(callback));
  heap_.push_back({when, id});
  std::push_heap(heap_.begin(), heap_.end(), later);
  return id;
}

void TimerHeap::cancel(Clock::TimerId id) {
  const auto found = callbacks_.find(id);
  if (found == callbacks_.end()) return;
  // What the callback owns may cancel other timers while it dies: the map must stand by then.
  UniqueFunction<void()> dropped = std::move(found->second);
  callbacks_.erase(found);
  if (heap_.size() > kCompactAbove && heap_.size() > 2 * callbacks_.size()) compact();
}

std::size_t TimerHeap::fire(SteadyTime now) {
  const Clock::TimerId newest = last_id_;
  std::size_t fired = 0;
  std::vector<Entry> armed_meanwhile;
  while (!heap_.empty() && heap_.front().when <= now) {
    const Entry entry = heap_.front();
    drop_top();
    const auto found = callbacks_.find(entry.id);
    if (found == callbacks_.end()) continue;
    if (entry.id > newest) {
      armed_meanwhile.push_back(entry);
      continue;
    }
    UniqueFunction<void()> callback = std::move(found->second);
    callbacks_.erase(found);
    ++fired;
    callback();
  }
  for (const Entry& entry : armed_meanwhile) {
    heap_.push_back(entry);
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  return fired;
}

std::optional<SteadyTime> TimerHeap::next_due() {
  while (!heap_.empty() && !callbacks_.contains(heap_.front().id)) drop_top();
  if (heap_.empty()) return std::nullopt;
  return heap_.front().when;
}

void TimerHeap::drop_top() {
  std::pop_heap(heap_.begin(), heap_.end(), later);
  heap_.pop_back();
}

void TimerHeap::compact() {
  std::erase_if(heap_, [this](const Entry& entry) { return !callbacks_.contains(entry.id); });
  std::make_heap(heap_.begin(), heap_.end(), later);
}

}  // namespace sluice::broker
