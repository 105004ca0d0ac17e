#include "tests/sim/clock/sim_clock.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "protocol/base/check.h"

namespace sluice::sim {

// What an event owns may cancel other events while it is destroyed: the maps must still stand then.
SimScheduler::~SimScheduler() {
  while (!events_.empty()) {
    Event dropped = std::move(events_.begin()->second);
    keys_.erase(events_.begin()->first.id);
    events_.erase(events_.begin());
  }
}

SimScheduler::EventId SimScheduler::schedule_at(SteadyTime when, OwnerId owner, UniqueFunction<void()> event) {
  const EventId id = ++last_event_;
  const Key key{std::max(when, now_), tie_break_ == TieBreak::seeded ? random_.next() : 0, id};
  events_.emplace(key, Event{owner, std::move(event)});
  keys_.emplace(id, key);
  return id;
}

void SimScheduler::cancel(EventId id) {
  const auto key = keys_.find(id);
  if (key == keys_.end()) return;
  const auto found = events_.find(key->second);
  CHECK(found != events_.end());
  Event dropped = std::move(found->second);  // destroyed last: it may call back into the scheduler
  events_.erase(found);
  keys_.erase(key);
}

std::size_t SimScheduler::cancel_owner(OwnerId owner) {
  std::vector<Event> dropped;
  for (auto at = events_.begin(); at != events_.end();) {
    if (at->second.owner != owner) {
      ++at;
      continue;
    }
    dropped.push_back(std::move(at->second));
    keys_.erase(at->first.id);
    at = events_.erase(at);
  }
  return dropped.size();
}

bool SimScheduler::run_next() {
  if (events_.empty()) return false;
  const auto next = events_.begin();
  now_ = next->first.when;
  Event event = std::move(next->second);
  keys_.erase(next->first.id);
  events_.erase(next);
  ++events_run_;
  event.run();
  return true;
}

std::size_t SimScheduler::run_until(SteadyTime when) {
  CHECK(when >= now_, "time does not go back");
  std::size_t ran = 0;
  while (!events_.empty() && events_.begin()->first.when <= when) {
    run_next();
    ++ran;
  }
  now_ = std::max(now_, when);
  return ran;
}

std::size_t SimScheduler::run_until_idle(std::size_t max_events) {
  std::size_t ran = 0;
  while (ran < max_events && run_next()) ++ran;
  return ran;
}

std::optional<SteadyTime> SimScheduler::next_due() const {
  if (events_.empty()) return std::nullopt;
  return events_.begin()->first.when;
}

}  // namespace sluice::sim
