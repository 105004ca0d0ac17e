// What a shard does about disks that fail or are full behind the path, journals that are gone, and clocks that lie.
#include <gtest/gtest.h>

#include "tests/broker/shard/shard_machine.h"

namespace sluice::broker {
namespace {

using sim::SimOp;
using Strings = std::vector<std::string>;

/// The kernel may have dropped what it had no room for, and would say 'synced' the next time: the checkpoint would be
/// believed, and the journal let go of the only copy.
TEST(ShardFault, ASegmentsSyncThatFailsForWantOfSpaceIsNotTriedAgain) {
  for (const auto& [op, path] :
       {std::pair(SimOp::sync, ".log"), std::pair(SimOp::sync_dir, "-0"), std::pair(SimOp::sync_dir, "journal")}) {
    ShardMachine m;
    ASSERT_TRUE(m.start());
    m.create();
    ASSERT_TRUE(m.produce("a"));
    m.store.fail_next(op, path, Errc::no_space);
    for (int i = 0; i < 40 && !m.fatal_error; ++i) {  // the journal needs more files
      auto sent = m.send(std::string(40'000, 'x'));
      m.run(std::chrono::milliseconds(5));
      if (i == 20) m.shard().checkpoint(ShardMachine::kGroup);
    }
    m.run();
    ASSERT_TRUE(m.fatal_error) << path;
    EXPECT_EQ(m.fatal_error->code, Errc::io_error) << m.fatal_error->message;
    ASSERT_TRUE(m.crash());
    EXPECT_EQ(m.values().at(0), "a");
  }
}

TEST(ShardFault, ACheckpointThatTheDiskHadNoRoomForLeavesNothingBehind) {
  for (const SimOp op : {SimOp::write, SimOp::sync}) {
    ShardMachine m;
    ASSERT_TRUE(m.start());
    m.create();
    ASSERT_TRUE(m.produce("a"));
    m.store.fail_next(op, "checkpoint-", Errc::no_space);
    ASSERT_TRUE(m.shard().checkpoint(ShardMachine::kGroup));
    m.run(std::chrono::milliseconds(30));
    EXPECT_FALSE(m.fatal_error);
    EXPECT_EQ(m.files(".new"), Strings{});
    EXPECT_EQ(m.shard().report().counters.checkpoints_without_space, 1U);
    m.checkpoint();
    ASSERT_TRUE(m.crash());
    EXPECT_EQ(m.values(), Strings{"a"});
  }
}

TEST(ShardFault, AJournalThatIsGoneIsRefusedEvenBeforeTheFirstCheckpoint) {
  for (const bool another : {false, true}) {
    ShardMachine m;
    ASSERT_TRUE(m.start());
    m.create();
    ASSERT_TRUE(m.produce("a"));
    m.store.crash(m.random);
    m.end();
    if (another) {
      ShardMachine other(2);
      ASSERT_TRUE(other.start());
      other.store.kill();
      other.end();
      for (const std::string& path : other.files(".wal"))
        m.store.put_file("elsewhere/" + path.substr(path.rfind('/') + 1), *other.store.read_view(path));
    }
    m.journal_directory = "elsewhere";  // a disk that is not mounted, or the wrong one
    auto started = m.start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Errc::corrupt);
    EXPECT_NE(started.error().message.find("elsewhere"), std::string::npos) << started.error().message;
    m.end();
    m.journal_directory = "data/shard-0/journal";
    ASSERT_TRUE(m.start());
    EXPECT_EQ(m.values(), Strings{"a"});
  }
}

/// A machine that comes up in another year moves the group's time there for good.
TEST(ShardFault, RetentionDoesNotFollowAClockThatWasWrongOnce) {
  ShardMachine m;
  TopicSettings settings;
  settings.retention_ms = 3'600'000;
  ASSERT_TRUE(m.start());
  m.create(settings);
  m.wall_skew = std::chrono::hours(24 * 3650);
  ASSERT_TRUE(m.crash());
  ASSERT_TRUE(m.produce("in another year"));
  m.wall_skew = Millis(0);
  ASSERT_TRUE(m.crash());
  ASSERT_TRUE(m.produce("now"));
  m.replica().enforce_retention();
  m.run();
  EXPECT_EQ(m.values(), (Strings{"in another year", "now"}));
}

}  // namespace
}  // namespace sluice::broker
