// A group of one voter, which is what a node alone has: it leads from the start, and commits what it has written.
#include <gtest/gtest.h>

#include "tests/broker/raft/scripted_group.h"

namespace sluice::broker {
namespace {

class SingleVoter : public ::testing::Test {
 protected:
  void start(RaftRecovery recovery) {
    recovery.hard_state = RaftGroup::start_state(NodeId(1), recovery);
    const auto started = node.start(recovery);
    ASSERT_TRUE(started.has_value()) << started.error().message;
  }
  void start_ready() {
    start(ScriptedGroup::fresh(1));
    node.persisted(2, 2);
    node.applied(2);
    node.transcript();
    ASSERT_TRUE(group().ready());
  }
  RaftGroup& group() { return node.group(); }

  ScriptedGroup node{1, {.max_uncommitted_entries = 4, .max_uncommitted_bytes = 100}};
};

TEST_F(SingleVoter, LeadsFromTheStartInATermOfItsOwn) {
  const RaftRecovery fresh = ScriptedGroup::fresh(1);
  EXPECT_EQ(RaftGroup::start_state(NodeId(1), fresh), (HardState{Term(2), NodeId(1)}));
  start(fresh);
  EXPECT_EQ(node.transcript(), R"(
leader in term 2, leader 1
commit 1
persist 2: barrier@2
)");
  EXPECT_EQ(group().role(), RaftRole::leader);
  EXPECT_EQ(group().leader(), NodeId(1));
  EXPECT_EQ(group().last_index(), LogIndex(2));
  EXPECT_FALSE(group().ready());
  EXPECT_EQ(node.submit("early").error().code, Errc::not_ready);

  node.persisted(2, 2);
  EXPECT_EQ(node.transcript(), "\ncommit 2\n");
  node.applied(1);
  EXPECT_FALSE(group().ready());
  node.applied(2);
  EXPECT_TRUE(group().ready());
  EXPECT_EQ(group().configuration(), voters(1));
  EXPECT_EQ(group().configuration_index(), LogIndex(1));
}

TEST_F(SingleVoter, CommitsWhatIsDurable) {
  start_ready();
  EXPECT_EQ(node.submit("a"), LogIndex(3));
  EXPECT_EQ(node.submit("b"), LogIndex(4));
  EXPECT_EQ(node.transcript(), R"(
persist 3: command@2 'a'
persist 4: command@2 'b'
)");
  EXPECT_EQ(group().commit_index(), LogIndex(2));
  node.persisted(4, 2);
  node.persisted(3, 2);  // late: told before
  EXPECT_EQ(node.transcript(), "\ncommit 4\n");
  EXPECT_EQ(group().term_at(LogIndex(1)), Term(1));
  EXPECT_EQ(group().term_at(LogIndex(4)), Term(2));
  EXPECT_EQ(group().term_at(LogIndex(5)), Term(0));
}

TEST_F(SingleVoter, TakesSeveralCommandsAtOnceWithoutCopyingThem) {
  start_ready();
  const std::vector<SharedBytes> commands = {SharedBytes::copy_of(as_bytes("one")),
                                             SharedBytes::copy_of(as_bytes("two"))};
  EXPECT_EQ(group().submit(commands, node.now()), LogIndex(3));
  EXPECT_EQ(node.transcript(), "\npersist 3: command@2 'one', command@2 'two'\n");
  ASSERT_EQ(node.last_entries().size(), 2U);
  EXPECT_EQ(node.last_entries()[1].payload.data(), commands[1].data());
  EXPECT_EQ(node.last_entries()[1].payload.owner(), commands[1].owner());
}

TEST_F(SingleVoter, BoundsTheUncommittedTail) {
  start_ready();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(node.submit("x").has_value());
  EXPECT_FALSE(group().can_submit(1));
  EXPECT_EQ(node.submit("x").error().code, Errc::busy);
  EXPECT_EQ(group().last_index(), LogIndex(6));
  node.persisted(3, 2);
  EXPECT_TRUE(group().can_submit(1));

  node.persisted(6, 2);
  ASSERT_TRUE(node.submit(std::string(60, 'x')).has_value());
  EXPECT_TRUE(group().can_submit(40));
  EXPECT_FALSE(group().can_submit(41));
  EXPECT_EQ(node.submit(std::string(41, 'x')).error().code, Errc::busy);
  node.persisted(7, 2);
  EXPECT_TRUE(node.submit(std::string(1000, 'x')).has_value()) << "one larger than the bound goes alone";
  EXPECT_EQ(node.submit("x").error().code, Errc::busy);
  node.persisted(8, 2);
  const std::vector<SharedBytes> five(5, SharedBytes::copy_of(as_bytes("x")));
  EXPECT_EQ(group().submit(five, node.now()).error().code, Errc::too_large);
}

TEST_F(SingleVoter, ForgetsWhatACheckpointHolds) {
  start_ready();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(node.submit("x").has_value());
  node.persisted(6, 2);
  node.applied(6);
  EXPECT_EQ(group().first_index(), LogIndex(1));
  group().snapshot_taken(LogIndex(5), 2, node.now());
  EXPECT_EQ(group().first_index(), LogIndex(4));
  EXPECT_EQ(group().term_at(LogIndex(3)), Term(0));
  group().snapshot_taken(LogIndex(5), 0, node.now());  // told twice
  EXPECT_EQ(group().first_index(), LogIndex(4));
  group().snapshot_taken(LogIndex(6), 0, node.now());
  EXPECT_EQ(group().first_index(), LogIndex(7));
  EXPECT_EQ(group().last_index(), LogIndex(6));
  EXPECT_EQ(group().term_at(LogIndex(6)), Term(2));
  EXPECT_EQ(node.submit("y"), LogIndex(7));
}

TEST_F(SingleVoter, RestartsInANewTermBehindItsCheckpoint) {
  RaftRecovery recovery;
  recovery.hard_state = {Term(5), NodeId(1)};
  recovery.snapshot = SnapshotMeta{LogIndex(10), Term(4), voters(1), LogIndex(1)};
  recovery.first_index = LogIndex(11);
  recovery.entries = {command_entry(4, "p"), command_entry(5, "q")};
  EXPECT_EQ(RaftGroup::start_state(NodeId(1), recovery), (HardState{Term(6), NodeId(1)}));
  start(recovery);
  EXPECT_EQ(node.transcript(), R"(
leader in term 6, leader 1
commit 12
persist 13: barrier@6
)");
  EXPECT_EQ(group().first_index(), LogIndex(11));
  EXPECT_EQ(group().term_at(LogIndex(10)), Term(4));
  EXPECT_EQ(group().configuration(), voters(1));
  node.applied(12);
  node.persisted(13, 6);
  node.applied(13);
  EXPECT_TRUE(group().ready());
}

TEST_F(SingleVoter, RestartsWithEntriesThatItsCheckpointHoldsToo) {
  RaftRecovery recovery;
  recovery.hard_state = {Term(5), NodeId(1)};
  recovery.snapshot = SnapshotMeta{LogIndex(10), Term(4), voters(1), LogIndex(1)};
  recovery.first_index = LogIndex(9);
  recovery.entries = {command_entry(4, "o"), command_entry(4, "p"), command_entry(5, "q")};
  start(recovery);
  EXPECT_EQ(node.transcript(), R"(
leader in term 6, leader 1
commit 11
persist 12: barrier@6
)");
  EXPECT_EQ(group().first_index(), LogIndex(9));
}

TEST_F(SingleVoter, NeedsNoTimerWhenAlone) {
  start_ready();
  EXPECT_GE(group().next_timeout() - node.now(), Millis(60'000));
  node.timeout();
  EXPECT_EQ(node.transcript(), "\n");
  EXPECT_TRUE(group().ready());
}

TEST_F(SingleVoter, AddsAStandbyAndSplitsWhatItSendsAtTheChange) {
  start_ready();
  RaftConfiguration both = voters(2);
  EXPECT_EQ(group().submit_configuration(both, node.now()).error().code, Errc::invalid_argument)
      << "a voter out of nothing";
  both[1].role = ServerRole::standby;
  EXPECT_EQ(group().submit_configuration(both, node.now()), LogIndex(3));
  EXPECT_EQ(node.transcript(), R"(
persist 3: change@2
)") << "a change leaves when it is durable";
  EXPECT_EQ(group().submit_configuration(voters(1), node.now()).error().code, Errc::busy);
  EXPECT_EQ(group().configuration(), voters(1));
  ASSERT_TRUE(node.submit("x").has_value());
  node.persisted(4, 2);
  EXPECT_EQ(node.transcript(), "\npersist 4: command@2 'x'\n1->2 append term 2 after 3@2 +0 commit 2\ncommit 4\n");
  node.applied(4);
  EXPECT_EQ(group().configuration(), both);
  EXPECT_EQ(group().configuration_index(), LogIndex(3));
  EXPECT_EQ(group().submit_configuration(voters(2), node.now()), LogIndex(5)) << "close enough behind to be promoted";
  node.transcript();

  node.persisted(5, 2);

  // The standby has nothing: it is sent all, in pieces that begin with a change.
  node.receive(node.append_result(2, 2, 0, 3));
  EXPECT_EQ(node.transcript(), R"(
1->2 append term 2 after 0@0 +2 commit 4
1->2 append term 2 after 2@2 +2 commit 4
1->2 append term 2 after 4@2 +1 commit 4
)");
}

TEST(RaftRecoveryCheck, RefusesWhatContradictsItself) {
  const auto code = [](const RaftRecovery& recovery) {
    ScriptedGroup node(1);
    const auto started = node.start(recovery);
    return started ? Errc::internal : started.error().code;
  };
  const RaftRecovery good = [] {
    RaftRecovery recovery;
    recovery.hard_state = {Term(5), NodeId(0)};
    recovery.snapshot = SnapshotMeta{LogIndex(10), Term(4), voters(3), LogIndex(1)};
    recovery.first_index = LogIndex(11);
    recovery.entries = {command_entry(4, "p"), command_entry(5, "q")};
    return recovery;
  }();
  ScriptedGroup node(1);
  ASSERT_TRUE(node.start(good).has_value());

  RaftRecovery bad = good;
  bad.first_index = LogIndex(12);
  EXPECT_EQ(code(bad), Errc::corrupt) << "a gap";
  bad = good;
  bad.entries[1].term = Term(3);
  EXPECT_EQ(code(bad), Errc::corrupt) << "terms go back";
  bad = good;
  bad.hard_state.term = Term(4);
  EXPECT_EQ(code(bad), Errc::corrupt) << "a log ahead of its term";
  bad = good;
  bad.first_index = LogIndex(9);
  bad.entries[1].term = Term(4);
  EXPECT_TRUE(ScriptedGroup(1).start(bad).has_value());
  bad.snapshot->last_term = Term(3);
  EXPECT_EQ(code(bad), Errc::corrupt) << "the log has another term at the checkpoint";
  bad = good;
  bad.first_index = LogIndex(8);
  EXPECT_EQ(code(bad), Errc::corrupt) << "the log ends before the checkpoint";
  bad = good;
  bad.snapshot.reset();
  EXPECT_EQ(code(bad), Errc::corrupt) << "no beginning";
  bad = good;
  bad.entries[0] = {Term(4), EntryType::change, SharedBytes::copy_of(as_bytes("nonsense"))};
  EXPECT_EQ(code(bad), Errc::corrupt) << "an unreadable configuration";
  bad = ScriptedGroup::fresh(3);
  bad.entries[0] = command_entry(1, "x");
  EXPECT_EQ(code(bad), Errc::corrupt) << "no configuration first";
}

}  // namespace
}  // namespace sluice::broker
