// What one fetch may bring back, out of the memory that replies have together. Bytes are set aside while the fetch
// reads; afterwards its reply is counted by its connection, and a fetch that waits for records holds nothing. Owner:
// the FetchRequest, which the service has until it is answered.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>

#include "broker/listener/connection_memory.h"
#include "broker/service/broker_api.h"

namespace sluice::broker {

class FetchBudget final : public ReadBudget, private ConnectionMemory::Party {
 public:
  /// `prompt`: its connection took a reply a moment ago.
  FetchBudget(std::shared_ptr<ConnectionMemory> memory, const Clock& clock, bool prompt)
      : memory_(std::move(memory)), clock_(clock), prompt_(prompt) {}
  ~FetchBudget() {
    memory_->leave(*this);
    memory_->holds(*this, {});
  }

  std::size_t begin_read(UniqueFunction<void()> later) override {
    const SteadyTime now = clock_.steady();
    if (!memory_->may_answer(*this, now, prompt_ ? now + ConnectionMemory::kPrompt : SteadyTime(0))) {
      later_ = std::move(later);
      return 0;
    }
    memory_->leave(*this);  // it may have been waiting
    const std::size_t bytes = memory_->fetch_bytes();
    // A first batch is read whole, however large.
    memory_->holds(*this, {0, std::max(bytes, ConnectionMemory::kReplyShare)});
    return bytes;
  }
  void end_read() override { memory_->holds(*this, {}); }

 private:
  void memory_freed() override {
    if (auto later = std::exchange(later_, nullptr)) later();
  }

  const std::shared_ptr<ConnectionMemory> memory_;
  const Clock& clock_;
  const bool prompt_;
  UniqueFunction<void()> later_;
};

}  // namespace sluice::broker
