// What a leader has submitted and not seen committed yet: its bound in entries and bytes (rule 3). Owner:
// RaftGroup::Core.
#pragma once

#include <cstdint>
#include <deque>

#include "protocol/base/ids.h"

namespace sluice::broker {

class UncommittedTail {
 public:
  UncommittedTail(std::uint32_t max_entries, std::uint64_t max_bytes)
      : max_entries_(max_entries), max_bytes_(max_bytes) {}

  bool empty() const { return entries_.empty(); }
  /// An entry larger than the whole bound is taken when it is alone.
  bool fits(std::size_t entries, std::uint64_t bytes) const {
    if (entries_.empty() && entries == 1) return true;
    return entries_.size() + entries <= max_entries_ && bytes <= max_bytes_ && bytes_ <= max_bytes_ - bytes;
  }
  void push(LogIndex index, std::uint64_t bytes) {
    entries_.push_back({index, bytes});
    bytes_ += bytes;
  }
  void committed(LogIndex upto) {
    while (!entries_.empty() && entries_.front().index <= upto) {
      bytes_ -= entries_.front().bytes;
      entries_.pop_front();
    }
  }
  void clear() {
    entries_.clear();
    bytes_ = 0;
  }

 private:
  struct Item {
    LogIndex index;
    std::uint64_t bytes;
  };
  std::uint32_t max_entries_;
  std::uint64_t max_bytes_;
  std::deque<Item> entries_;
  std::uint64_t bytes_ = 0;
};

}  // namespace sluice::broker
