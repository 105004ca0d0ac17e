#include "broker/listener/connection_memory.h"

#include <gtest/gtest.h>

#include "tests/broker/listener/harness.h"

namespace sluice::broker {
namespace {

constexpr std::size_t kKiB = 1U << 10;

struct Party final : ConnectionMemory::Party {
  void memory_freed() override { ++told; }
  int told = 0;
};

struct ConnectionMemoryTest : ::testing::Test {
  int wake_asked = 0;
  std::shared_ptr<ConnectionMemory> memory = std::make_shared<ConnectionMemory>(
      100 * kKiB, 50 * kKiB, ConnectionMemory::Events{[this] { ++wake_asked; }, [this] { ++pressed; }});
  int pressed = 0;
  SteadyTime now{0};
  Party others, a, b, c;
};

TEST_F(ConnectionMemoryTest, LargeBuffersLeaveRoomForSmallOnes) {
  memory->holds(others, {50 * kKiB, 0});
  EXPECT_TRUE(memory->may_grow(a, 25 * kKiB, true));
  memory->holds(a, {25 * kKiB, 0});
  EXPECT_TRUE(memory->may_grow(b, ConnectionMemory::kSmallBuffer, true));
  EXPECT_TRUE(memory->may_grow(b, 20 * kKiB, true)) << "nobody is favoured: it is";
  EXPECT_FALSE(memory->may_grow(c, 20 * kKiB, true));
  EXPECT_TRUE(memory->may_grow(c, ConnectionMemory::kSmallBuffer, false));
  memory->holds(others, {80 * kKiB, 0});
  EXPECT_FALSE(memory->may_grow(c, ConnectionMemory::kSmallBuffer, true)) << "small ones are bounded too";
  EXPECT_FALSE(memory->may_grow(c, ConnectionMemory::kLeastBuffer, false)) << "it has a request under way";
  EXPECT_TRUE(memory->may_grow(c, ConnectionMemory::kLeastBuffer, true));
}

TEST_F(ConnectionMemoryTest, OneLargeRequestMayGoOverUntilItIsOver) {
  memory->holds(others, {90 * kKiB, 0});
  EXPECT_TRUE(memory->may_grow(a, 40 * kKiB, true)) << "nobody is favoured: it is";
  memory->holds(a, {40 * kKiB, 0});
  EXPECT_TRUE(memory->may_grow(a, 80 * kKiB, true));
  memory->holds(a, {80 * kKiB, 0});
  EXPECT_FALSE(memory->may_grow(b, 20 * kKiB, true));
  EXPECT_FALSE(memory->may_grow(c, 20 * kKiB, true));
  {
    const ConnectionMemory::Charge request = memory->charge(a, 80 * kKiB);
    memory->holds(a, {});
    memory->wake(now);
    EXPECT_EQ(b.told + c.told, 0) << "it is whole, and not over";
    memory->leave(a);  // its connection ends; the request goes on
    memory->wake(now);
    EXPECT_EQ(b.told + c.told, 0);
    wake_asked = 0;
  }
  EXPECT_EQ(wake_asked, 1);
  memory->wake(now);
  EXPECT_EQ((std::pair{b.told, c.told}), (std::pair{1, 0})) << "the next in the queue is favoured";
  memory->holds(others, {40 * kKiB, 0});
  memory->wake(now);
  EXPECT_EQ(c.told, 1) << "there is room for it";
  EXPECT_FALSE(memory->anybody_waits());
}

TEST_F(ConnectionMemoryTest, NobodyIsFavouredWhileRequestsGoOverTheBound) {
  memory->holds(others, {60 * kKiB, 0});
  auto request = std::make_optional(memory->charge(others, 50 * kKiB));
  EXPECT_FALSE(memory->may_grow(a, 20 * kKiB, true));
  EXPECT_TRUE(memory->full());
  request.reset();
  EXPECT_FALSE(memory->full());
  memory->wake(now);
  EXPECT_EQ(a.told, 1);
}

TEST_F(ConnectionMemoryTest, LargeRepliesWaitForRepliesToBeTaken) {
  memory->holds(others, {0, 38 * kKiB});
  EXPECT_FALSE(memory->may_answer(a, now, now));
  EXPECT_TRUE(memory->anybody_waits_to_answer());
  EXPECT_FALSE(memory->anybody_waits_to_send());
  EXPECT_EQ(pressed, 1);
  memory->holds(others, {0, 37 * kKiB});
  EXPECT_EQ(wake_asked, 1);
  memory->wake(now);
  EXPECT_EQ(a.told, 1);
  EXPECT_TRUE(memory->may_answer(a, now, now));
  EXPECT_FALSE(memory->anybody_waits());
}

TEST_F(ConnectionMemoryTest, WhoTakesRepliesHasRoomOfItsOwnForAWhile) {
  memory->holds(others, {0, 40 * kKiB});
  EXPECT_FALSE(memory->may_answer(a, now, now));
  EXPECT_TRUE(memory->may_answer(b, now, now + Nanos(1)));
  memory->holds(others, {0, 50 * kKiB});
  EXPECT_FALSE(memory->may_answer(b, now, now + Nanos(10)));
  memory->holds(others, {0, 45 * kKiB});
  memory->wake(now + Nanos(9));
  EXPECT_EQ((std::pair{a.told, b.told}), (std::pair{0, 1})) << "it came later, and takes what it is given";
  memory->holds(others, {0, 50 * kKiB});
  EXPECT_FALSE(memory->may_answer(b, now, now + Nanos(10)));
  memory->holds(others, {0, 45 * kKiB});
  memory->wake(now + Nanos(10));
  EXPECT_EQ((std::pair{a.told, b.told}), (std::pair{0, 1})) << "that was long ago";
}

TEST_F(ConnectionMemoryTest, WhoGoesIsForgotten) {
  memory->holds(others, {100 * kKiB, 0});
  EXPECT_TRUE(memory->may_grow(a, 32 * kKiB, true));
  EXPECT_FALSE(memory->may_grow(b, 32 * kKiB, true));
  memory->leave(b);
  memory->leave(a);
  memory->wake(now);
  EXPECT_EQ(a.told + b.told, 0);
}

TEST(ConnectionMemoryShare, AFetchMayBringAShareOfWhatIsFree) {
  ConnectionMemory memory(0, 32U << 20, {});
  Party party;
  EXPECT_EQ(memory.fetch_bytes(), 4U << 20);
  memory.holds(party, {0, 16U << 20});
  EXPECT_EQ(memory.fetch_bytes(), 2U << 20);
  memory.holds(party, {0, 32U << 20});
  EXPECT_EQ(memory.fetch_bytes(), ConnectionMemory::kLeastFetch) << "never less than that";
  memory.holds(party, {});
}

TEST(FetchBudgetTest, WhatIsReadIsSetAsideAndWhoWaitsForRecordsHoldsNothing) {
  sim::SimScheduler scheduler;
  sim::SimClock clock(scheduler, scheduler.new_owner());
  auto memory = std::make_shared<ConnectionMemory>(0, 2 * ConnectionMemory::kReplyShare, ConnectionMemory::Events{});
  FetchBudget first(memory, clock, false), second(memory, clock, false), third(memory, clock, false);
  int later = 0;
  EXPECT_GT(first.begin_read([&] { ++later; }), 0U);
  EXPECT_GT(second.begin_read([&] { ++later; }), 0U);
  EXPECT_EQ(third.begin_read([&] { ++later; }), 0U);
  first.end_read();
  memory->wake(clock.steady());
  EXPECT_EQ(later, 1);
  EXPECT_GT(third.begin_read([&] { ++later; }), 0U);
  second.end_read();
  third.end_read();
  EXPECT_EQ(memory->held().reply_bytes, 0U);
}

struct CrowdedListener : ListenerTest {
  static KafkaSettings small() {
    KafkaSettings settings;
    settings.max_requests_memory = 256 * kKiB;
    settings.max_replies_memory = 64 * kKiB;
    return settings;
  }
  CrowdedListener() : ListenerTest(small()) {}
  /// The first `bytes` of a frame that claims to be much larger.
  static std::vector<std::byte> half_a_frame(std::size_t bytes) {
    std::vector<std::byte> frame(bytes);
    store_be(frame.data(), std::int32_t{1 << 20});
    return frame;
  }
};

TEST_F(CrowdedListener, HalfReceivedRequestsStayWithinTheBoundAndOthersAreServed) {
  std::vector<std::unique_ptr<TestClient>> slow;
  for (int nth = 0; nth < 40; ++nth) {
    slow.push_back(connect());
    slow.back()->send_bytes(half_a_frame(60 * kKiB));
  }
  scheduler_.run_for(std::chrono::milliseconds(200));
  EXPECT_LE(server_->memory().held().request_bytes, 256 * kKiB + 128 * kKiB);
  auto small = connect();
  EXPECT_FALSE(small->ask<kafka::ApiVersionsResponse>(0, kafka::ApiVersionsRequest{}).api_keys.empty());
  // They stopped half way: within a few seconds their memory goes to those who wait, and in the end to nobody.
  scheduler_.run_for(std::chrono::minutes(10));
  EXPECT_FALSE(server_->memory().anybody_waits());
  for (const auto& client : slow) EXPECT_TRUE(client->ended());
  EXPECT_EQ(server_->stats().connections_failed, slow.size());
  EXPECT_LE(server_->memory().held().request_bytes, 17 * kKiB);
}

}  // namespace
}  // namespace sluice::broker
