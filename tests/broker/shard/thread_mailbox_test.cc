#include "broker/shard/thread_mailbox.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace sluice::broker {
namespace {

TEST(ThreadMailbox, KeepsOrderAlsoBeyondItsRing) {
  ThreadMailbox mailbox([] {});
  std::vector<int> seen;
  for (int i = 0; i < 5000; ++i) mailbox.post([&seen, i] { seen.push_back(i); });
  while (mailbox.deliver() || seen.size() < 5000) mailbox.drain(700);
  ASSERT_EQ(seen.size(), 5000U);
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST(ThreadMailbox, WakesOnceUntilDrained) {
  int wakes = 0;
  ThreadMailbox mailbox([&] { ++wakes; });
  mailbox.post([] {});
  EXPECT_EQ(wakes, 0) << "posting alone wakes nobody";
  mailbox.deliver();
  mailbox.post([] {});
  mailbox.deliver();
  EXPECT_EQ(wakes, 1);
  EXPECT_EQ(mailbox.drain(10), 2U);
  mailbox.post([] {});
  mailbox.deliver();
  EXPECT_EQ(wakes, 2);
}

TEST(ThreadMailbox, DestroysWhatNobodyTook) {
  auto held = std::make_shared<int>(1);
  {
    ThreadMailbox mailbox([] {});
    for (int i = 0; i < 3000; ++i) mailbox.post([held] {});
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(ThreadMailbox, LosesNoWakeUpBetweenThreads) {
  std::mutex mutex;
  std::condition_variable changed;
  bool awake = false;
  ThreadMailbox mailbox([&] {
    const std::lock_guard lock(mutex);
    awake = true;
    changed.notify_one();
  });
  constexpr int kMessages = 200'000;
  int next = 0;
  bool in_order = true;
  std::thread receiver([&] {
    while (next < kMessages) {
      if (mailbox.drain(64) > 0) continue;
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return awake; });
      awake = false;
    }
  });
  for (int i = 0; i < kMessages; ++i) {
    mailbox.post([&next, &in_order, i] { in_order &= next++ == i; });
    if (i % 7 == 0) mailbox.deliver();
  }
  while (mailbox.deliver()) std::this_thread::yield();
  receiver.join();
  EXPECT_TRUE(in_order);
}

}  // namespace
}  // namespace sluice::broker
