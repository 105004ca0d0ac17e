// Holds a group's messages until the term and vote they rest on are durable: all of them, in order, because any
// message of a new term tells of that term (rule 4). Owner: RaftGroup::Core.
//
// Invariant: at most two states are being written, the second newer than the first; states in between are skipped,
// since a newer term and vote include what an older one promised.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "broker/raft/raft_group.h"
#include "protocol/base/check.h"

namespace sluice::broker {

class HardStateGate {
 public:
  void start(const HardState& durable) { wanted_ = durable; }
  /// The core's state is now `state`, and what is held from here on rests on it.
  void want(const HardState& state) {
    if (state == wanted_) return;
    wanted_ = state;
    ++wanted_number_;
  }
  /// The state to write now, if there is a new one and less than two are being written.
  std::optional<HardState> next_to_write() {
    if (asked_number_ == wanted_number_ || writing_.size() == 2) return std::nullopt;
    asked_number_ = wanted_number_;
    writing_.push_back({wanted_number_, wanted_});
    return wanted_;
  }
  /// `state`, which next_to_write() gave out, and all before it are durable.
  void written(const HardState& state) {
    const auto at = std::ranges::find(writing_, state, &Numbered<HardState>::value);
    CHECK(at != writing_.end(), "a hard state was reported durable that nobody asked for");
    durable_number_ = at->number;
    writing_.erase(writing_.begin(), at + 1);
  }
  /// Whether all that the core has promised so far is durable.
  bool durable() const { return durable_number_ == wanted_number_; }

  bool must_hold() const { return !durable() || !held_.empty(); }
  /// A message beyond the bound is lost, as any message may be.
  void hold(RaftMessage message) {
    if (held_.size() < kMaxHeld) held_.push_back({wanted_number_, std::move(message)});
  }
  /// The next message that may leave now.
  std::optional<RaftMessage> release() {
    if (held_.empty() || held_.front().number > durable_number_) return std::nullopt;
    RaftMessage message = std::move(held_.front().value);
    held_.pop_front();
    return message;
  }

 private:
  static constexpr std::size_t kMaxHeld = 1024;
  template <class T>
  struct Numbered {
    std::uint64_t number;
    T value;
  };

  HardState wanted_;
  std::uint64_t wanted_number_ = 0, asked_number_ = 0, durable_number_ = 0;
  std::deque<Numbered<HardState>> writing_;
  std::deque<Numbered<RaftMessage>> held_;
};

}  // namespace sluice::broker
