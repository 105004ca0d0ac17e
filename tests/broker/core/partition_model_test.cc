// PartitionState against a model that keeps every batch for ever and answers by looking through all of them.
#include <gtest/gtest.h>
#include <malloc.h>
#include <rapidcheck.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <set>

#include "broker/core/partition_state.h"
#include "tests/broker/core/batch_headers.h"
#include "tests/broker/core/samples.h"

namespace sluice::broker {
namespace {

using Outcome = PartitionState::Outcome;
constexpr std::int64_t kSequences = std::int64_t{1} << 31;

struct Written {
  BatchHeader header;  ///< with its base offset
  std::int64_t time_ms = 0;
  bool expired = false;  ///< forgotten by the applied layer; still seen while the producer has batches pending
};

struct Answer {
  Outcome outcome = Outcome::refused;
  std::int64_t offset = 0;
  Errc code = Errc::internal;
  friend bool operator==(const Answer&, const Answer&) = default;
};
std::ostream& operator<<(std::ostream& out, const Answer& answer) {
  return out << static_cast<int>(answer.outcome) << '@' << answer.offset << ' ' << errc_name(answer.code);
}

class Model {
 public:
  explicit Model(std::size_t cap) : cap_(cap) {}

  std::int64_t end() const { return end_; }
  std::int64_t next() const { return pending_.empty() ? end_ : pending_.back().next_offset().value; }
  std::int64_t start() const { return start_; }
  bool has_pending() const { return !pending_.empty(); }
  BatchHeader oldest_pending() const { return pending_.front(); }

  std::set<std::int64_t> applied_producers() const {
    std::set<std::int64_t> ids;
    for (const Written& written : applied_) {
      if (written.header.idempotent() && !written.expired) ids.insert(written.header.producer_id.value);
    }
    return ids;
  }
  /// Applied ones, and those that only batches in flight know and that were new when the first of them was submitted.
  std::size_t places() const {
    std::size_t count = applied_producers().size();
    for (const std::int64_t id : new_pending_) count += pending_of(id) && !applied_producers().contains(id) ? 1 : 0;
    return count;
  }

  /// What is remembered of a producer, oldest first.
  std::vector<BatchHeader> history(std::int64_t producer) const {
    std::vector<BatchHeader> found;
    for (const Written& written : applied_) {
      if (written.header.producer_id.value != producer) continue;
      if (!written.expired || pending_of(producer)) found.push_back(written.header);
    }
    for (const BatchHeader& header : pending_) {
      if (header.producer_id.value == producer) found.push_back(header);
    }
    return found;
  }

  Answer check(const BatchHeader& header) const {
    const Answer yes{Outcome::append, next(), Errc::internal};
    if (!header.idempotent()) return yes;
    std::vector<BatchHeader> all = history(header.producer_id.value);
    if (all.empty()) return places() >= cap_ ? Answer{Outcome::refused, 0, Errc::busy} : yes;
    const std::int16_t epoch = all.back().producer_epoch;
    if (header.producer_epoch < epoch) return {Outcome::refused, 0, Errc::invalid_producer_epoch};
    if (header.producer_epoch > epoch) {
      return header.base_sequence == 0 ? yes : Answer{Outcome::refused, 0, Errc::out_of_order_sequence};
    }
    std::erase_if(all, [&](const BatchHeader& one) { return one.producer_epoch != epoch; });
    const std::size_t old = all.size() > 5 ? all.size() - 5 : 0;
    for (std::size_t i = old; i < all.size(); ++i) {
      if (all[i].base_sequence != header.base_sequence || all[i].record_count != header.record_count) continue;
      const std::int64_t offset = all[i].base_offset.value;
      return {offset < end_ ? Outcome::duplicate : Outcome::duplicate_pending, offset, Errc::internal};
    }
    if (header.base_sequence == (std::int64_t{all.back().last_sequence()} + 1) % kSequences) return yes;
    std::set<std::int64_t> forgotten;
    for (std::size_t i = 0; i < old; ++i) add_sequences(all[i], forgotten);
    std::set<std::int64_t> asked;
    add_sequences(header, asked);
    const bool known = std::includes(forgotten.begin(), forgotten.end(), asked.begin(), asked.end());
    return {Outcome::refused, 0, known ? Errc::duplicate_sequence : Errc::out_of_order_sequence};
  }

  void submit(BatchHeader header) {
    if (header.idempotent() && !pending_of(header.producer_id.value)) {
      if (applied_producers().contains(header.producer_id.value)) {
        new_pending_.erase(header.producer_id.value);
      } else {
        new_pending_.insert(header.producer_id.value);
      }
    }
    header.base_offset = Offset(next());
    pending_.push_back(header);
  }
  void apply(BatchHeader header, std::int64_t time_ms, bool submitted) {
    header.base_offset = Offset(end_);
    if (submitted) pending_.pop_front();
    applied_.push_back({header, time_ms, false});
    end_ = header.next_offset().value;
    new_pending_.erase(header.producer_id.value);
    forget_expired();
  }
  void discard() {
    pending_.clear();
    forget_expired();
  }
  void expire(std::int64_t idle_since_ms) {
    std::map<std::int64_t, std::int64_t> last_write;
    for (const Written& written : applied_) {
      if (!written.expired) last_write[written.header.producer_id.value] = written.time_ms;
    }
    for (Written& written : applied_) {
      const bool idle = !written.expired && last_write[written.header.producer_id.value] < idle_since_ms;
      if (written.header.idempotent() && idle) written.expired = true;
    }
    forget_expired();
  }
  void advance(std::int64_t start) { start_ = std::max(start_, std::min(start, end_)); }

  /// Where records of epochs up to `asked` end.
  std::int64_t epoch_end(std::int32_t asked) const {
    for (const Written& written : applied_) {
      if (written.header.leader_epoch.value > asked && written.header.next_offset().value > start_) {
        return std::max(start_, written.header.base_offset.value);
      }
    }
    return end_;
  }
  std::optional<std::int64_t> oldest_write() const {
    std::map<std::int64_t, std::int64_t> last_write;
    for (const Written& written : applied_) {
      if (written.header.idempotent() && !written.expired)
        last_write[written.header.producer_id.value] = written.time_ms;
    }
    std::optional<std::int64_t> oldest;
    for (const auto& [id, time] : last_write) oldest = std::min(oldest.value_or(time), time);
    return oldest;
  }

 private:
  bool pending_of(std::int64_t producer) const {
    return std::any_of(pending_.begin(), pending_.end(),
                       [&](const BatchHeader& header) { return header.producer_id.value == producer; });
  }
  void forget_expired() {
    // The offsets stay (for epochs); only the producer is forgotten.
    for (Written& written : applied_) {
      if (written.expired && !pending_of(written.header.producer_id.value)) written.header.producer_id = ProducerId(-1);
    }
  }
  static void add_sequences(const BatchHeader& header, std::set<std::int64_t>& into) {
    for (std::int64_t i = 0; i < header.record_count; ++i) into.insert((header.base_sequence + i) % kSequences);
  }

  std::size_t cap_;
  std::deque<Written> applied_;
  std::deque<BatchHeader> pending_;
  std::set<std::int64_t> new_pending_;  ///< producers that were unknown when their pending batches began
  std::int64_t end_ = 0, start_ = 0;
};

Answer answer_of(const PartitionState::Verdict& verdict) {
  if (verdict.outcome == Outcome::refused) return {verdict.outcome, 0, verdict.error.code};
  return {verdict.outcome, verdict.offset.value, Errc::internal};
}

struct Step {
  int kind, a, b, c;
};
std::ostream& operator<<(std::ostream& out, const Step& step) {
  return out << '{' << step.kind << ", " << step.a << ", " << step.b << ", " << step.c << '}';
}

/// A leader, a follower that only applies, and the model.
class Trio {
 public:
  void take(const Step& step) {
    now_ms_ += step.b % 4;
    if (step.kind < 10)
      produce(step);
    else if (step.kind < 16)
      apply_one();
    else if (step.kind == 16)
      lose_leadership();
    else if (step.kind == 17)
      apply_foreign(step);
    else if (step.kind == 18)
      expire(step);
    else if (step.kind == 19)
      advance(step);
    else
      restart();
    compare();
  }

 private:
  static constexpr std::size_t kCap = 3;

  BatchHeader choose(const Step& step) const {
    const std::int64_t producer = step.a % 5 - 1;
    const std::int32_t count = 1 + step.c % 3;
    if (producer < 0) return plain_batch(count, 0, leader_epoch_);
    const std::vector<BatchHeader> known = model_.history(producer);
    if (known.empty()) {
      constexpr std::int32_t kFirst[] = {0, 100, std::numeric_limits<std::int32_t>::max() - 3};
      return producer_batch(producer, static_cast<std::int16_t>(step.b % 3), kFirst[step.b % 3], count, 0,
                            leader_epoch_);
    }
    const BatchHeader& last = known.back();
    std::int16_t epoch = last.producer_epoch;
    std::int64_t sequence = std::int64_t{last.last_sequence()} + 1;
    std::int32_t records = count;
    switch (step.b % 16) {
      case 0: --epoch; break;
      case 1:
        ++epoch;
        sequence = 0;
        break;
      case 2:
        ++epoch;
        sequence = 5;
        break;
      case 3: sequence += 1 + step.c; break;
      case 4:
      case 5: sequence -= step.c; break;
      case 6:
      case 7:
      case 8: {
        const BatchHeader& old = known[known.size() - 1 - static_cast<std::size_t>(step.c) % known.size()];
        epoch = old.producer_epoch;
        sequence = old.base_sequence;
        records = old.record_count;
        break;
      }
      default: break;
    }
    if (epoch < 0) epoch = 0;
    return producer_batch(producer, epoch, static_cast<std::int32_t>((sequence + kSequences) % kSequences), records, 0,
                          leader_epoch_);
  }

  void produce(const Step& step) {
    const BatchHeader header = choose(step);
    const Answer answer = answer_of(leader_.check(header));
    RC_ASSERT(answer == model_.check(header));
    if (answer.outcome != Outcome::append) return;
    leader_.submitted(header);
    model_.submit(header);
  }
  void apply_everywhere(BatchHeader header, bool submitted) {
    header.base_offset = leader_.end_offset();
    RC_ASSERT(leader_.apply_append(header, now_ms_).has_value());
    RC_ASSERT(follower_.apply_append(header, now_ms_).has_value());
    model_.apply(header, now_ms_, submitted);
  }
  void apply_one() {
    if (model_.has_pending()) apply_everywhere(model_.oldest_pending(), true);
  }
  void lose_leadership() {
    leader_.discard_speculation();
    model_.discard();
    ++leader_epoch_;
  }
  /// What another leader wrote.
  void apply_foreign(const Step& step) {
    lose_leadership();
    const BatchHeader header = choose(step);
    if (model_.check(header).outcome == Outcome::append) apply_everywhere(header, false);
  }
  void expire(const Step& step) {
    const std::int64_t idle_since = now_ms_ - step.c * 3;
    leader_.apply_expire_producers(idle_since);
    follower_.apply_expire_producers(idle_since);
    model_.expire(idle_since);
  }
  void advance(const Step& step) {
    const std::int64_t to = model_.start() + step.c;
    const bool moves = std::min(to, model_.end()) > model_.start();
    RC_ASSERT(leader_.apply_advance_start(Offset(to)) == moves);
    RC_ASSERT(follower_.apply_advance_start(Offset(to)) == moves);
    model_.advance(to);
  }
  void restart() {
    lose_leadership();
    auto back = PartitionState::decode(leader_.encode(), budget_);
    RC_ASSERT(back.has_value());
    leader_ = *std::move(back);
  }
  void compare() {
    RC_ASSERT(leader_.start_offset().value == model_.start());
    RC_ASSERT(leader_.end_offset().value == model_.end());
    RC_ASSERT(leader_.next_offset().value == model_.next());
    RC_ASSERT(leader_.producer_count() == model_.applied_producers().size());
    RC_ASSERT(budget_->used() == model_.places());
    RC_ASSERT(follower_budget_->used() == follower_.producer_count());
    RC_ASSERT(leader_.oldest_producer_ms().has_value() == model_.oldest_write().has_value());
    if (const auto oldest = model_.oldest_write()) RC_ASSERT(*leader_.oldest_producer_ms() <= *oldest);
    for (std::int32_t asked = 0; asked < leader_epoch_; ++asked) {
      const auto end = leader_.epoch_end(LeaderEpoch(asked), LeaderEpoch(leader_epoch_));
      RC_ASSERT(end.has_value());
      RC_ASSERT(end->end_offset.value == model_.epoch_end(asked));
      RC_ASSERT(end->epoch.value <= asked);
    }
    RC_ASSERT(leader_.encode() == follower_.encode());
  }

  std::shared_ptr<ProducerBudget> budget_ = make_producer_budget(kCap);
  std::shared_ptr<ProducerBudget> follower_budget_ = make_producer_budget(kCap);
  PartitionState leader_{sample_partition(), LeaderEpoch(0), {}, budget_};
  PartitionState follower_{sample_partition(), LeaderEpoch(0), {}, follower_budget_};
  Model model_{kCap};
  std::int64_t now_ms_ = 1000;
  std::int32_t leader_epoch_ = 1;
};

TEST(PartitionModel, RandomHistoriesAgreeWithTheModel) {
  EXPECT_TRUE(rc::check("PartitionState behaves as a list of all batches", [] {
    const auto step = rc::gen::construct<Step>(rc::gen::inRange(0, 21), rc::gen::inRange(0, 20),
                                               rc::gen::inRange(0, 48), rc::gen::inRange(0, 12));
    const auto steps = *rc::gen::scale(4.0, rc::gen::container<std::vector<Step>>(step));
    Trio trio;
    for (const Step& one : steps) trio.take(one);
  }));
}

TEST(PartitionModel, AnIdlePartitionCostsAKibibyteAtMost) {
  constexpr std::size_t kPartitions = 1000;
  const auto budget = make_producer_budget(10);
  std::vector<PartitionState> all;
  all.reserve(kPartitions);
  const std::size_t before = mallinfo2().uordblks;
  for (std::size_t i = 0; i < kPartitions; ++i) {
    PartitionState& state = all.emplace_back(sample_partition(), LeaderEpoch(0), TopicSettings{}, budget);
    state.submitted(plain_batch(1));
    ASSERT_TRUE(state.apply_append(plain_batch(1), 0));
  }
  const std::size_t used = mallinfo2().uordblks - before;
  if (used == 0) GTEST_SKIP() << "this allocator does not count";
  EXPECT_LE(used / kPartitions, 512U) << "bytes a partition, of the 1 KiB that log and index share";
}

}  // namespace
}  // namespace sluice::broker
