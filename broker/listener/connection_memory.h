// What a shard's Kafka connections hold in memory together, against two bounds: requests (receive buffers, and frames
// until they are answered) and replies that clients have not taken. Past a bound what would grow waits:
//
//   - a receive buffer of up to kFreeBuffer bytes is never refused, so that small requests pass whatever others do;
//   - a larger one waits its turn, first come first served, until memory is freed. Half received frames may be all that
//   holds
//     memory, so that one connection at a time is favoured: it may go over the bound until its frame is whole, by one
//     request at most;
//   - fetches are not started while untaken replies fill their bound.
//
// A fetch may bring back a share of the replies' bound that shrinks with the number of fetches.
// Invariants: the sums are those of what connections told; a connection waits in one place of the queue at most.
// Thread safety: the shard's thread. Owner: KafkaServer; sessions share it.
#pragma once

#include <cstddef>
#include <list>
#include <unordered_map>
#include <utility>

#include "protocol/base/unique_function.h"

namespace sluice::broker {

class ConnectionMemory {
 public:
  static constexpr std::size_t kFreeBuffer = 16U << 10;
  static constexpr std::size_t kLeastFetch = 64U << 10;

  /// A connection. Told, never inside a call of its own, that it may try again.
  class Party {
   public:
    virtual void memory_freed() = 0;

   protected:
    ~Party() = default;
  };

  /// `wake_soon`: have wake() called, but not from here; asked for when memory is freed and somebody waits.
  ConnectionMemory(std::size_t max_requests, std::size_t max_replies, UniqueFunction<void()> wake_soon)
      : max_requests_(max_requests), max_replies_(max_replies), wake_soon_(std::move(wake_soon)) {}

  /// What one connection holds.
  struct Held {
    std::size_t request_bytes = 0, reply_bytes = 0, fetches = 0;
  };
  void changed(const Held& before, const Held& now);

  /// Whether `party` may get a receive buffer of `bytes`; otherwise it waits in the queue until memory_freed() or
  /// leave().
  bool may_grow(Party& party, std::size_t bytes);
  /// Whether `party` may start a fetch; otherwise it waits in the same way.
  bool may_fetch(Party& party);
  /// It waits no more and is not favoured any more: its frame is whole, or it goes.
  void leave(Party& party);

  /// Tells those who may go on.
  void wake();
  bool anybody_waits() const { return !waiting_.empty(); }

  /// What one fetch may bring back now.
  std::size_t fetch_bytes() const;
  const Held& held() const { return held_; }

 private:
  struct Waiting {
    Party* party;
    std::size_t bytes;  ///< of a receive buffer; 0: to start a fetch
  };
  void wait(Party& party, std::size_t bytes);

  const std::size_t max_requests_, max_replies_;
  UniqueFunction<void()> wake_soon_;
  Held held_;
  std::list<Waiting> waiting_;
  std::unordered_map<Party*, std::list<Waiting>::iterator> place_;
  Party* favoured_ = nullptr;  ///< may grow over the bound
};

}  // namespace sluice::broker
