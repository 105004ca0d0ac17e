// The Mailbox seam: how shards send each other work. A message is a closure that runs on the receiving shard's
// thread, in the order in which one sender posted. Real mailboxes are in thread_mailbox.h, simulated ones in tests/sim.
#pragma once

#include "protocol/base/unique_function.h"

namespace sluice::broker {

using Message = UniqueFunction<void()>;

/// One shard's way to one receiver. Belongs to the sending shard's thread.
class Mailbox {
 public:
  virtual ~Mailbox() = default;
  /// Never fails and never runs the message inside this call. What can be in flight is bounded by what callers may have
  /// under way (requests a session, sessions a node), not here.
  virtual void post(Message message) = 0;
};

}  // namespace sluice::broker
