#include "broker/shard/thread_mailbox.h"

namespace sluice::broker {

ThreadMailbox::ThreadMailbox(UniqueFunction<void()> wake_receiver) : wake_receiver_(std::move(wake_receiver)) {}

ThreadMailbox::~ThreadMailbox() {
  ring_.consume_all([](Message* message) { delete message; });
  for (Message* message : overflow_) delete message;
}

void ThreadMailbox::post(Message message) {
  auto* const owned = new Message(std::move(message));
  if (!overflow_.empty() || !ring_.push(owned)) overflow_.push_back(owned);
  posted_ = true;
}

bool ThreadMailbox::deliver() {
  if (!posted_) return false;
  while (!overflow_.empty() && ring_.push(overflow_.front())) overflow_.pop_front();
  posted_ = !overflow_.empty();
  if (!woken_.exchange(true, std::memory_order_acq_rel)) wake_receiver_();
  return posted_;
}

std::size_t ThreadMailbox::drain(std::size_t most) {
  // Cleared before looking: what is pushed after this look brings a wake-up of its own.
  woken_.store(false, std::memory_order_release);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  std::size_t n = 0;
  Message* message = nullptr;
  while (n < most && ring_.pop(message)) {
    ++n;
    (*message)();
    delete message;
  }
  return n;
}

}  // namespace sluice::broker
