// What a shard's Kafka connections hold in memory together, against two bounds: requests (receive buffers, and requests
// from when they are whole until nothing of them is kept, whether their connection still is or not) and replies that
// clients have not taken. Past a bound what would grow waits, first come first served, until memory is freed:
//
//   - a connection without a request under way gets its least receive buffer always;
//   - a small buffer waits at the bound, a larger one at three quarters of it, so that large requests leave room for
//     small ones;
//   - half received requests may be all that holds memory, so that one connection at a time may go over the bound while
//     the others are within it: by one request, until that is whole and over;
//   - requests with large replies are not started, and fetches do not read, while untaken replies fill three quarters
//   of
//     their bound; the last quarter is for prompt ones, whose connections took a reply a moment ago: those who take
//     nothing do not hold up those who do.
//
// A fetch may bring back a share of what is free of the replies' bound.
// Invariants: the sums are those of what connections told and of all Charges; a connection waits in one place of the
// queue at most; requests hold no more than their bound, and one request over it. Least buffers come on top.
// Thread safety: the shard's thread. Owner: KafkaServer; sessions and requests share it.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <unordered_map>
#include <utility>

#include "protocol/base/clock.h"
#include "protocol/base/unique_function.h"

namespace sluice::broker {

class ConnectionMemory : public std::enable_shared_from_this<ConnectionMemory> {
 public:
  static constexpr std::size_t kLeastBuffer = 1U << 10;   ///< of an idle connection
  static constexpr std::size_t kSmallBuffer = 16U << 10;  ///< what small requests need at most
  static constexpr std::size_t kLeastFetch = 64U << 10;
  static constexpr Nanos kPrompt = std::chrono::seconds(1);  ///< how long it lasts that a reply was taken
  static constexpr std::size_t kReplyShare = 1U << 20;       ///< what is set aside for a reply that is not there yet

  /// What one connection holds, but for its requests under way.
  struct Held {
    std::size_t request_bytes = 0, reply_bytes = 0;
  };

  /// A connection, or a fetch. Told, never inside a call of its own, that it may try again.
  class Party {
   public:
    virtual void memory_freed() = 0;

   protected:
    ~Party() = default;

   private:
    friend class ConnectionMemory;
    Held held_;
  };

  /// A request under way: counted until this is destroyed.
  class Charge {
   public:
    Charge() = default;
    Charge(Charge&& other) noexcept { *this = std::move(other); }
    Charge& operator=(Charge&& other) noexcept {
      std::swap(memory_, other.memory_);
      std::swap(bytes_, other.bytes_);
      std::swap(favoured_, other.favoured_);
      return *this;
    }
    ~Charge() {
      if (memory_) memory_->ended(bytes_, favoured_);
    }

   private:
    friend class ConnectionMemory;
    std::shared_ptr<ConnectionMemory> memory_;
    std::size_t bytes_ = 0;
    bool favoured_ = false;
  };

  struct Events {
    UniqueFunction<void()> wake_soon;  ///< have wake() called, but not from here: memory was freed and somebody waits
    UniqueFunction<void()> pressed = {};  ///< somebody has to wait: who stalls is to be looked for
  };
  ConnectionMemory(std::size_t max_requests, std::size_t max_replies, Events events)
      : max_requests_(max_requests), max_replies_(max_replies), events_(std::move(events)) {}

  /// What `party` holds now; its least buffer is not counted.
  void holds(Party& party, const Held& now);
  /// A request of `party` begins, of so many bytes.
  Charge charge(Party& party, std::size_t bytes);

  /// Whether `party` may have `bytes` more, for a receive buffer or for a request that takes more memory than its
  /// bytes; otherwise it waits in the queue until memory_freed() or leave(). `idle`: it has no request under way.
  bool may_grow(Party& party, std::size_t bytes, bool idle);
  /// Whether `party` may start a request with a large reply; otherwise it waits in the same way. It counts as prompt
  /// until `prompt_until`.
  bool may_answer(Party& party, SteadyTime now, SteadyTime prompt_until);
  /// It goes: it waits no more, and is not favoured any more.
  void leave(Party& party);

  /// Tells those who may go on.
  void wake(SteadyTime now);
  /// Nobody is told any more: whoever called wake() is gone.
  void end() { events_ = {}; }
  bool anybody_waits() const { return !waiting_.empty(); }
  bool anybody_waits_to_send() const { return waiting_.size() > waiting_to_answer_; }
  bool anybody_waits_to_answer() const { return waiting_to_answer_ > 0; }
  /// Requests fill their bound: whoever has one under way is to wait for its end before it starts another.
  bool full() const { return usual_bytes() >= max_requests_; }

  /// What one fetch may bring back now.
  std::size_t fetch_bytes() const;
  /// Whether connections may take more than they need to hold what has come.
  bool roomy() const { return held_.request_bytes < max_requests_ / 2; }
  /// Whether large requests have to wait: then nobody is to hold what small ones need before it is known what it is
  /// for.
  bool tight() const { return !fits(kSmallBuffer + 1, usual_bytes()); }
  const Held& held() const { return held_; }

 private:
  struct Waiting {
    Party* party;
    std::size_t bytes;  ///< 0: to start a request with a large reply
    SteadyTime prompt_until{0};
  };
  void wait(const Waiting& waiting);
  void forget(std::list<Waiting>::iterator place);
  void wake_if_anybody_waits();
  void ended(std::size_t bytes, bool favoured);
  /// What all but the favoured one hold.
  std::size_t usual_bytes() const;
  bool fits(std::size_t bytes, std::size_t others) const;
  bool may_hold(std::size_t replies, bool prompt) const {
    return replies < (prompt ? max_replies_ : max_replies_ - max_replies_ / 4);
  }
  bool favour_is_free() const { return favoured_ == nullptr && favoured_charge_ == 0; }

  const std::size_t max_requests_, max_replies_;
  Events events_;
  Held held_;
  std::list<Waiting> waiting_;
  std::size_t waiting_to_answer_ = 0;
  std::unordered_map<Party*, std::list<Waiting>::iterator> place_;
  Party* favoured_ = nullptr;        ///< its request is not whole yet
  std::size_t favoured_charge_ = 0;  ///< of its request, which is
};

}  // namespace sluice::broker
