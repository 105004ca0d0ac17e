#include "broker/service/producer_id_service.h"

#include "broker/service/shard_services.h"

namespace sluice::broker {
namespace {
constexpr std::int64_t kBlock = 1000;
constexpr std::size_t kMaxWaiting = 10'000;
constexpr int kMaxConflicts = 16;
}  // namespace

void ProducerIdService::init(UniqueFunction<void(Result<ProducerIdentity>)> done) {
  if (next_ < end_) {
    const ProducerIdentity identity{ProducerId(next_++), 0};
    return context_.defer([identity, done = std::move(done)]() mutable { done(identity); });
  }
  if (waiting_.size() >= kMaxWaiting)
    return context_.defer(
        [done = std::move(done)]() mutable { done(fail(Errc::busy, "too many producers wait for an id; retry")); });
  waiting_.push_back(std::move(done));
  ask_for_block();
}

void ProducerIdService::ask_for_block() {
  if (std::exchange(asking_, true)) return;
  context_.post(context_.shard_of(kControllerGroup), [origin = context_.id](ShardServices& controller) {
    controller.producer_ids().allocate_block([origin, &controller](Result<std::int64_t> first) {
      controller.post(origin,
                      [first = std::move(first)](ShardServices& asker) { asker.producer_ids().take_block(first); });
    });
  });
}

void ProducerIdService::take_block(const Result<std::int64_t>& first) {
  asking_ = false;
  auto waiting = std::move(waiting_);
  waiting_.clear();
  if (!first) {
    for (auto& done : waiting) done(fail(first.error()));
    return;
  }
  next_ = *first;
  end_ = next_ + kBlock;
  for (auto& done : waiting) {
    if (next_ < end_)
      done(ProducerIdentity{ProducerId(next_++), 0});
    else
      waiting_.push_back(std::move(done));
  }
  if (!waiting_.empty()) ask_for_block();
}

void ProducerIdService::allocate_block(UniqueFunction<void(Result<std::int64_t>)> done) {
  Replica* const controller = context_.shard->replica(kControllerGroup);
  if (controller == nullptr || !controller->ready())
    return done(fail(Errc::not_ready, "the controller is starting; retry"));
  // Read and written conditionally: two shards that ask at once conflict, and the loser reads again.
  struct Attempt {
    ProducerIdService& service;
    Replica& controller;
    UniqueFunction<void(Result<std::int64_t>)> done;
    int conflicts = 0;

    static void run(const std::shared_ptr<Attempt>& self) {
      const TableRow* row = self->controller.table(kClusterTable)->find(kProducerIdsKey);
      std::int64_t first = 0;
      if (row != nullptr) {
        auto next = decode_number_row(row->value);
        if (!next) return self->done(fail(next.error()));
        first = *next;
      }
      WriteTableCommand write{
          std::string(kClusterTable),
          {{std::string(kProducerIdsKey), encode_number_row(first + kBlock), row ? row->revision : 0}}};
      self->controller.submit(std::move(write), [self, first](Result<std::uint64_t> written) {
        if (written) return self->done(first);
        if (written.error().code == Errc::busy && ++self->conflicts < kMaxConflicts) return run(self);
        self->done(fail(written.error()));
      });
    }
  };
  Attempt::run(std::make_shared<Attempt>(Attempt{*this, *controller, std::move(done)}));
}

}  // namespace sluice::broker
