// The real mailbox between two shards' threads: a single-producer single-consumer ring, with the sender's overflow behind it.
// Messages are handed over in batches: the sender collects in its turn and deliver() wakes the receiver once.
// Owner: Node (broker/app); the sending side belongs to one thread, the receiving side to another (or the same).
#pragma once

#include <atomic>
#include <boost/lockfree/spsc_queue.hpp>
#include <cstddef>
#include <deque>

#include "broker/shard/mailbox.h"

namespace sluice::broker {

class ThreadMailbox final : public Mailbox {
 public:
  /// `wake_receiver` is called from the sender's thread when the receiver may be asleep.
  explicit ThreadMailbox(UniqueFunction<void()> wake_receiver);
  ~ThreadMailbox() override;

  // The sender.
  void post(Message message) override;
  /// Hands over what did not fit before, and wakes the receiver if it has not been since it last drained. Returns whether
  /// something is still waiting for room.
  bool deliver();

  // The receiver.
  /// Runs up to `most` messages; returns how many.
  std::size_t drain(std::size_t most);

 private:
  static constexpr std::size_t kCapacity = 1024;
  boost::lockfree::spsc_queue<Message*, boost::lockfree::capacity<kCapacity>> ring_;
  std::deque<Message*> overflow_;
  bool posted_ = false;
  std::atomic<bool> woken_{false};
  UniqueFunction<void()> wake_receiver_;
};

}  // namespace sluice::broker
