// The answers to one request's questions, put together where the request came in: complete when all have come, or when
// the request's time is over; then those that are missing are timed_out, and may still be done. Included by services'
// sources alone. Owner: whoever still has to answer. Thread safety: the shard's thread.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "protocol/base/clock.h"
#include "protocol/base/error.h"
#include "protocol/base/unique_function.h"

namespace sluice::broker {

template <class Answer>
class Gather : public std::enable_shared_from_this<Gather<Answer>> {
 public:
  using Done = UniqueFunction<void(std::vector<Answer>)>;

  /// `done` is called once, with `count` (> 0) answers in order; never inside this call.
  static std::shared_ptr<Gather> begin(Clock& clock, std::size_t count, Millis limit, Done done) {
    auto gather = std::make_shared<Gather>(clock, count, std::move(done));
    gather->timer_ = clock.call_after(limit, [weak = std::weak_ptr(gather)] {
      if (const auto late = weak.lock()) late->time_is_over();
    });
    return gather;
  }
  Gather(Clock& clock, std::size_t count, Done done)
      : clock_(clock), answers_(count), answered_(count), waiting_(count), done_(std::move(done)) {}

  /// One that comes too late goes nowhere.
  void take(std::size_t nth, Answer answer) {
    if (!done_ || answered_[nth]) return;
    answered_[nth] = true;
    answers_[nth] = std::move(answer);
    if (--waiting_ > 0) return;
    clock_.cancel(timer_);
    std::exchange(done_, nullptr)(std::move(answers_));
  }

 private:
  void time_is_over() {
    if (!done_) return;
    for (std::size_t nth = 0; nth < answers_.size(); ++nth) {
      if (answered_[nth]) continue;
      Error error{Errc::timed_out, "there was no answer in time; what was asked for may still be done"};
      if constexpr (std::is_same_v<Answer, Result<void>>)
        answers_[nth] = fail(std::move(error));
      else
        answers_[nth].error = std::move(error);
    }
    std::exchange(done_, nullptr)(std::move(answers_));
  }

  Clock& clock_;
  std::vector<Answer> answers_;
  std::vector<bool> answered_;
  std::size_t waiting_;
  Done done_;
  Clock::TimerId timer_ = 0;
};

}  // namespace sluice::broker
