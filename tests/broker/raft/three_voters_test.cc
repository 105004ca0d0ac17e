// One replica of three, its peers played by the test: what must be durable before what leaves, and the shims around the
// core. Each of the shims' tests fails without its shim.
#include <gtest/gtest.h>

#include "tests/broker/raft/scripted_group.h"

namespace sluice::broker {
namespace {

using Kind = RaftMessage::Kind;

class ThreeVoters : public ::testing::Test {
 protected:
  void start(const RaftRecovery& recovery) {
    const auto started = node.start(recovery);
    ASSERT_TRUE(started.has_value()) << started.error().message;
    node.transcript();
  }
  /// Entries 2.. at the given terms behind the first configuration.
  static RaftRecovery with_terms(std::initializer_list<std::uint64_t> terms, HardState state) {
    RaftRecovery recovery = ScriptedGroup::fresh(3);
    recovery.hard_state = state;
    for (std::uint64_t term : terms) recovery.entries.push_back(command_entry(term, "old"));
    return recovery;
  }
  RaftGroup& group() { return node.group(); }
  RaftMessage vote_request(int from, std::uint64_t term, bool pre_vote, std::uint64_t last, std::uint64_t last_term) {
    RaftMessage message = node.message(Kind::vote, from, term);
    message.pre_vote = pre_vote;
    message.last_log_index = LogIndex(last);
    message.last_log_term = Term(last_term);
    return message;
  }

  ScriptedGroup node{1};
};

TEST_F(ThreeVoters, AsksForVotesOnlyWhenItsOwnIsDurable) {
  start(ScriptedGroup::fresh(3));
  node.timeout();
  EXPECT_EQ(node.transcript(), R"(
candidate in term 1, leader 0
1->2 pre-vote? term 2 last 1@1
1->3 pre-vote? term 2 last 1@1
)");
  node.receive(node.vote_result(3, 2, true, true));
  EXPECT_EQ(node.transcript(), R"(
write term 2 vote 1
candidate in term 2, leader 0
)") << "nothing may leave in a term that a crash would take back";
  node.written(2, 1);
  EXPECT_EQ(node.transcript(), R"(
1->2 vote? term 2 last 1@1
1->3 vote? term 2 last 1@1
)");
  node.receive(node.vote_result(3, 2, false, true));
  EXPECT_EQ(node.transcript(), R"(
leader in term 2, leader 1
1->2 append term 2 after 1@1 +0 commit 1
1->3 append term 2 after 1@1 +0 commit 1
persist 2: barrier@2
)");
  node.receive(node.append_result(2, 2, 1));
  EXPECT_EQ(node.transcript(), "\n1->2 append term 2 after 1@1 +1 commit 1\n");
  node.receive(node.append_result(2, 2, 2));
  EXPECT_EQ(node.transcript(), "\n") << "one of three";
  node.persisted(2, 2);
  EXPECT_EQ(node.transcript(), "\ncommit 2\n");
  node.applied(2);
  EXPECT_TRUE(group().ready());
}

TEST_F(ThreeVoters, CommitsByOthersOnlyWhatItHasItself) {
  start(ScriptedGroup::fresh(3));
  node.elect(2);
  node.receive(node.append_result(2, 2, 2));
  node.receive(node.append_result(3, 2, 2));
  EXPECT_EQ(group().commit_index(), LogIndex(2));
  EXPECT_EQ(node.transcript().find("commit 2\n"), std::string::npos) << "not on its own disk yet";
  node.persisted(2, 2);
  EXPECT_EQ(node.transcript(), "\ncommit 2\n");
}

TEST_F(ThreeVoters, AnswersInANewTermOnlyWhenItIsDurable) {
  start(ScriptedGroup::fresh(3));
  node.receive(node.append(2, 4, 1, 1, {command_entry(4, "a")}));
  EXPECT_EQ(node.transcript(), R"(
write term 4 vote 0
follower in term 4, leader 2
persist 2: command@4 'a'
)");
  node.persisted(2, 4);
  node.receive(node.append(2, 4, 2, 4, {}, 2));
  EXPECT_EQ(node.transcript(), "\ncommit 2\n");
  node.written(4, 0);
  EXPECT_EQ(node.transcript(), R"(
1->2 appended term 4 up to 2
1->2 appended term 4 up to 2
)");
}

TEST_F(ThreeVoters, WritesAtMostTwoHardStatesAtOnce) {
  start(ScriptedGroup::fresh(3));
  for (std::uint64_t term : {4, 5, 6, 7}) node.receive(vote_request(2, term, false, 0, 0));
  EXPECT_EQ(node.transcript(), R"(
write term 4 vote 0
follower in term 4, leader 0
write term 5 vote 0
follower in term 5, leader 0
follower in term 6, leader 0
follower in term 7, leader 0
)");
  node.written(4, 0);
  EXPECT_EQ(node.transcript(), R"(
1->2 vote denied term 4
write term 7 vote 0
)");
  node.written(5, 0);
  EXPECT_EQ(node.transcript(), "\n1->2 vote denied term 5\n");
  node.written(7, 0);
  EXPECT_EQ(node.transcript(), R"(
1->2 vote denied term 6
1->2 vote denied term 7
)");
}

TEST_F(ThreeVoters, GrantsOneVoteATermAndKeepsItThroughARestart) {
  start(ScriptedGroup::fresh(3));
  node.receive(vote_request(2, 5, false, 1, 1));
  EXPECT_EQ(node.transcript(), "\nwrite term 5 vote 2\nfollower in term 5, leader 0\n");
  node.written(5, 2);
  EXPECT_EQ(node.transcript(), "\n1->2 vote granted term 5\n");
  node.receive(vote_request(3, 5, false, 9, 1));
  EXPECT_EQ(node.transcript(), "\n1->3 vote denied term 5\n");

  ScriptedGroup again(1);
  RaftRecovery recovery = ScriptedGroup::fresh(3);
  recovery.hard_state = {Term(5), NodeId(2)};
  EXPECT_EQ(RaftGroup::start_state(NodeId(1), recovery), recovery.hard_state);
  ASSERT_TRUE(again.start(recovery).has_value());
  again.transcript();
  again.receive(vote_request(3, 5, false, 9, 1));
  again.receive(vote_request(2, 5, false, 9, 1));
  EXPECT_EQ(again.transcript(), "\n1->3 vote denied term 5\n1->2 vote granted term 5\n");
}

TEST_F(ThreeVoters, RejectsAPreVoteWithItsOwnTerm) {
  start(with_terms({}, {Term(9), NodeId(3)}));
  node.receive(vote_request(2, 4, true, 20, 3));
  EXPECT_EQ(node.transcript(), "\n1->2 pre-vote denied term 9\n") << "or the candidate would never learn of term 9";
}

TEST_F(ThreeVoters, RefusesAnOldTermWithoutAcknowledgingAnything) {
  start(with_terms({3, 3}, {Term(9), NodeId(2)}));
  // The core leaves the last index of these answers uninitialised, and calls the first and last a success.
  node.receive(node.append(2, 4, 0, 0, {}));
  node.receive(node.append(2, 4, 2, 3, {}));
  RaftMessage install = node.message(Kind::install_snapshot, 2, 4);
  install.snapshot = SnapshotMeta{LogIndex(20), Term(4), voters(3), LogIndex(1)};
  node.receive(install);
  EXPECT_EQ(node.transcript(), R"(
1->2 appended term 9 up to 0
1->2 appended term 9 up to 0
1->2 appended term 9 up to 0
)");
}

TEST_F(ThreeVoters, CutsNoEntriesThatAreStillBeingWritten) {
  start(with_terms({2}, {Term(3), NodeId(0)}));
  node.receive(node.append(2, 3, 2, 2, {command_entry(3, "a"), command_entry(3, "b")}));
  EXPECT_EQ(node.transcript(), "\nfollower in term 3, leader 2\npersist 3: command@3 'a', command@3 'b'\n");
  node.receive(node.append(3, 5, 2, 2, {command_entry(4, "x")}));
  EXPECT_EQ(node.transcript(), "\n") << "entry 3 is on its way to the disk";
  node.persisted(3, 3);
  EXPECT_EQ(node.transcript(), "\n1->2 appended term 3 up to 3\n");
  node.persisted(4, 3);
  EXPECT_EQ(node.transcript(), R"(
1->2 appended term 3 up to 4
write term 5 vote 0
follower in term 5, leader 3
persist 3: command@4 'x'
)");
  node.written(5, 0);
  node.persisted(4, 3);  // again, and late: that entry is gone
  EXPECT_EQ(node.transcript(), "\n");
  node.persisted(3, 3);
  EXPECT_EQ(node.transcript(), "\n") << "entry 3 of term 3 is gone, that of term 4 not yet durable";
  node.persisted(3, 4);
  EXPECT_EQ(node.transcript(), "\n1->3 appended term 5 up to 3\n");
}

TEST_F(ThreeVoters, NeverTakesBackACommit) {
  start(with_terms({2, 2, 2, 2}, {Term(3), NodeId(0)}));
  node.receive(node.append(2, 3, 5, 2, {}, 4));
  EXPECT_EQ(node.transcript(), "\nfollower in term 3, leader 2\n1->2 appended term 3 up to 5\ncommit 4\n");
  node.receive(node.append(2, 3, 2, 2, {}, 5));  // reordered; the core's own commit index goes back to 2
  EXPECT_EQ(group().commit_index(), LogIndex(4));
  EXPECT_EQ(node.transcript(), "\n1->2 appended term 3 up to 2\n");
}

TEST_F(ThreeVoters, SkipsALateCopyOfWhatItsCheckpointHolds) {
  start(with_terms({2, 2, 2, 2}, {Term(3), NodeId(0)}));
  node.receive(node.append(2, 3, 5, 2, {}, 5));
  node.applied(5);
  group().snapshot_taken(LogIndex(4), 0, node.now());
  node.transcript();
  // The core has forgotten entries 1 to 4, and would append these behind entry 5.
  node.receive(node.append(2, 3, 0, 0, {change_entry(1, voters(3)), command_entry(2, "old")}));
  EXPECT_EQ(node.transcript(), "\n1->2 appended term 3 up to 4\n");
  EXPECT_EQ(group().last_index(), LogIndex(5));
  node.receive(node.append(
      2, 3, 2, 2,
      {command_entry(2, "old"), command_entry(2, "old"), command_entry(2, "old"), command_entry(3, "new")}));
  EXPECT_EQ(node.transcript(), "\npersist 6: command@3 'new'\n");
}

TEST_F(ThreeVoters, TakesWhatFollowsOnTheLastEntryItForgot) {
  start(with_terms({2, 2, 2, 2}, {Term(3), NodeId(0)}));
  node.receive(node.append(2, 3, 5, 2, {}, 5));
  node.applied(5);
  group().snapshot_taken(LogIndex(4), 2, node.now());
  ASSERT_EQ(group().first_index(), LogIndex(3));
  node.transcript();
  node.receive(node.append(2, 3, 2, 2, {command_entry(2, "old")}));
  EXPECT_EQ(node.transcript(), "\n1->2 appended term 3 up to 4\n") << "the core would refuse it at 2";
}

TEST_F(ThreeVoters, KeepsTheFirstOfTwoChangesWhenTheSecondIsTakenBack) {
  start(ScriptedGroup::fresh(3));
  RaftConfiguration four = voters(4);
  four[3].role = ServerRole::standby;
  node.receive(node.append(2, 3, 1, 1, {change_entry(3, four)}));
  node.receive(node.append(2, 3, 2, 3, {change_entry(3, voters(4))}));  // so the first was committed
  node.written(3, 0);
  node.persisted(3, 3);
  // A later leader never saw the second change, and cuts it off.
  node.receive(node.append(3, 5, 2, 3, {command_entry(5, "x")}));
  node.written(5, 0);
  node.persisted(3, 5);
  node.transcript();
  // With the first change lost, this node would not even know server 4; with the second one kept, it would ask it for a
  // vote.
  node.timeout();
  EXPECT_EQ(node.transcript(), R"(
candidate in term 5, leader 0
1->2 pre-vote? term 6 last 3@5
1->3 pre-vote? term 6 last 3@5
)");
  node.receive(node.vote_result(2, 6, true, true));
  node.written(6, 1);
  node.receive(node.vote_result(2, 6, false, true));
  EXPECT_NE(node.transcript().find("1->4 append term 6"), std::string::npos) << "the standby is served";
}

TEST_F(ThreeVoters, SendsItsCheckpointToOneWhoIsFarBehind) {
  start(with_terms({2, 2, 2}, {Term(2), NodeId(0)}));
  node.elect(3);
  node.persisted(5, 3);
  node.receive(node.append_result(2, 3, 5));
  node.applied(5);
  group().snapshot_taken(LogIndex(4), 0, node.now());
  node.transcript();
  node.receive(node.append_result(3, 3, 1, 4));
  EXPECT_EQ(node.transcript(), "\n1->3 install term 3 snapshot 4@2 configuration 1 of 3\n");
}

TEST_F(ThreeVoters, SendsACheckpointThatHoldsTheFirstEntryAlone) {
  start(ScriptedGroup::fresh(3));
  node.applied(1);
  group().snapshot_taken(LogIndex(1), 0, node.now());
  node.elect(2);
  node.receive(node.append_result(3, 2, 0, 1));
  EXPECT_EQ(node.transcript(), "\n1->3 install term 2 snapshot 1@1 configuration 1 of 3\n");
}

TEST_F(ThreeVoters, SplitsAtAChangeBeforeItsCheckpointToo) {
  for (const bool restarted : {false, true}) {
    ScriptedGroup one(1);
    RaftRecovery recovery = with_terms({2}, {Term(2), NodeId(0)});
    RaftConfiguration four = voters(4);
    four[3].role = ServerRole::standby;
    recovery.entries.push_back(change_entry(2, four));
    recovery.entries.push_back(change_entry(2, voters(4)));
    recovery.entries.push_back(command_entry(2, "x"));
    if (restarted) recovery.snapshot = SnapshotMeta{LogIndex(5), Term(2), voters(4), LogIndex(4)};
    ASSERT_TRUE(one.start(recovery).has_value());
    one.timeout();
    for (int peer : {2, 3}) one.receive(one.vote_result(peer, 3, true, true));
    one.written(3, 1);
    for (int peer : {2, 3}) one.receive(one.vote_result(peer, 3, false, true));
    one.persisted(6, 3);
    if (!restarted) {
      for (int peer : {2, 3}) one.receive(one.append_result(peer, 3, 6));
      one.applied(6);
      one.group().snapshot_taken(LogIndex(5), 5, one.now());
    }
    one.transcript();
    one.receive(one.append_result(4, 3, 0, 5));
    EXPECT_EQ(one.transcript(), restarted ? R"(
1->4 append term 3 after 0@0 +2 commit 5
1->4 append term 3 after 2@2 +1 commit 5
1->4 append term 3 after 3@2 +3 commit 5
)"
                                          : R"(
1->4 append term 3 after 0@0 +2 commit 6
1->4 append term 3 after 2@2 +1 commit 6
1->4 append term 3 after 3@2 +3 commit 6
)");
  }
}

TEST_F(ThreeVoters, GoesOnSendingAfterALateRefusal) {
  start(with_terms({2, 2, 2}, {Term(2), NodeId(0)}));
  node.elect(3);
  node.receive(node.append_result(2, 3, 3, 4));
  node.receive(node.append_result(2, 3, 3));
  EXPECT_EQ(node.transcript(),
            "\n1->2 append term 3 after 3@2 +2 commit 1\n1->2 append term 3 after 3@2 +2 commit 1\n");
  // That one is lost, and the next is refused: back to what is acknowledged.
  node.receive(node.append_result(2, 3, 3, 5));
  EXPECT_EQ(node.transcript(), "\n1->2 append term 3 after 3@2 +2 commit 1\n");
  // This refusal is older than the acknowledgement. The core would go back behind entry 3, and never send an entry
  // again.
  node.receive(node.append_result(2, 3, 1, 3));
  EXPECT_EQ(node.transcript(), "\n");
  node.timeout();
  EXPECT_NE(node.transcript().find("1->2 append term 3 after 3@2 +2 commit 1"), std::string::npos);
}

TEST_F(ThreeVoters, VotesWhenAskedThoughItsOwnLogSaysStandby) {
  RaftRecovery recovery = ScriptedGroup::fresh(3);
  RaftConfiguration standby = voters(2);
  standby[0].role = ServerRole::standby;
  recovery.entries[0] = change_entry(1, standby);
  start(recovery);
  node.receive(node.append(2, 3, 1, 1, {}));
  node.written(3, 0);
  node.transcript();
  // Node 2 has promoted node 1, but stepped down before it could tell: it needs the vote of node 1 to tell it.
  node.receive(vote_request(2, 4, true, 2, 3));
  EXPECT_EQ(node.transcript(), "\n1->2 pre-vote denied term 4\n") << "it has a leader still";
  node.pass(Millis(1000));
  node.receive(vote_request(2, 4, true, 2, 3));
  EXPECT_EQ(node.transcript(), "\nfollower in term 3, leader 0\n1->2 pre-vote granted term 4\n");
  node.receive(vote_request(2, 4, false, 2, 3));
  node.receive(vote_request(3, 4, false, 2, 3));
  node.written(4, 2);
  EXPECT_EQ(node.transcript(), R"(
write term 4 vote 2
follower in term 4, leader 0
1->2 vote granted term 4
1->3 vote denied term 4
)");
}

TEST_F(ThreeVoters, ALeaderKeepsItsOwnVote) {
  start(ScriptedGroup::fresh(3));
  node.elect(2);
  node.persisted(2, 2);
  node.receive(node.append_result(2, 2, 2));
  node.applied(2);
  RaftConfiguration without = voters(3);
  without.erase(without.begin());
  EXPECT_EQ(group().submit_configuration(without, node.now()).error().code, Errc::invalid_argument);
  EXPECT_EQ(group().submit_configuration(voters(2), node.now()), LogIndex(3));
}

TEST_F(ThreeVoters, InstallsACheckpoint) {
  start(with_terms({2}, {Term(3), NodeId(0)}));
  RaftMessage install = node.message(Kind::install_snapshot, 2, 3);
  RaftConfiguration four = voters(4);
  install.snapshot = SnapshotMeta{LogIndex(20), Term(3), four, LogIndex(15)};
  node.receive(install);
  EXPECT_EQ(node.transcript(), "\nfollower in term 3, leader 2\ninstall 20@3\n");
  node.receive(install);
  node.receive(node.append(2, 3, 20, 3, {}, 20));
  EXPECT_EQ(node.transcript(), "\n1->2 appended term 3 up to 0\n") << "nothing is acknowledged yet, nothing applied";
  group().snapshot_installed(*install.snapshot, node.now());
  EXPECT_EQ(node.transcript(), "\n1->2 appended term 3 up to 20\n");
  EXPECT_EQ(group().first_index(), LogIndex(21));
  EXPECT_EQ(group().configuration(), four);
  EXPECT_EQ(group().configuration_index(), LogIndex(15));
  node.receive(node.append(2, 3, 20, 3, {command_entry(3, "a")}, 21));
  node.persisted(21, 3);
  EXPECT_EQ(node.transcript(), "\npersist 21: command@3 'a'\n1->2 appended term 3 up to 21\ncommit 21\n");
}

TEST_F(ThreeVoters, InstallsANewerCheckpointThanItAskedFor) {
  start(with_terms({2}, {Term(3), NodeId(0)}));
  RaftMessage install = node.message(Kind::install_snapshot, 2, 3);
  install.snapshot = SnapshotMeta{LogIndex(20), Term(3), voters(3), LogIndex(1)};
  node.receive(install);
  RaftMessage newer = node.message(Kind::install_snapshot, 3, 4);
  newer.snapshot = SnapshotMeta{LogIndex(30), Term(3), voters(3), LogIndex(1)};
  node.receive(newer);
  node.written(4, 0);
  EXPECT_EQ(node.transcript(), R"(
follower in term 3, leader 2
install 20@3
write term 4 vote 0
follower in term 4, leader 3
install 30@3
)");
  const SnapshotMeta newest{LogIndex(40), Term(4), voters(3), LogIndex(1)};
  group().snapshot_installed(newest, node.now());
  EXPECT_EQ(node.transcript(), "\n1->3 appended term 4 up to 20\n1->3 appended term 4 up to 40\n");
  EXPECT_EQ(group().last_index(), LogIndex(40));
  EXPECT_EQ(group().term_at(LogIndex(40)), Term(4));
  node.receive(node.append(3, 4, 40, 4, {command_entry(4, "a")}, 40));
  EXPECT_EQ(node.transcript(), "\npersist 41: command@4 'a'\n");
}

TEST_F(ThreeVoters, ASoleVoterMadeByAnotherLeaderLeadsALaterTerm) {
  start(ScriptedGroup::fresh(2));
  // The leader of term 3 removes itself; it still leads that term until it learns that this is committed.
  node.receive(node.append(2, 3, 1, 1, {change_entry(3, voters(1))}));
  node.written(3, 0);
  node.persisted(2, 3);
  node.transcript();
  RaftMessage now = node.message(Kind::timeout_now, 2, 3);
  now.last_log_index = LogIndex(2);
  now.last_log_term = Term(3);
  node.receive(now);
  EXPECT_EQ(node.transcript(), "\n");
  node.timeout();
  EXPECT_EQ(node.transcript(), "\nwrite term 4 vote 1\nfollower in term 4, leader 2\n");
  node.timeout();
  EXPECT_EQ(node.transcript(), "\n") << "the vote is not durable";
  node.written(4, 1);
  node.timeout();
  EXPECT_EQ(node.transcript(), R"(
leader in term 4, leader 1
commit 2
persist 3: barrier@4
)");
}

TEST_F(ThreeVoters, HandsOverLeadership) {
  start(ScriptedGroup::fresh(3));
  EXPECT_EQ(group().transfer_leadership(NodeId(2), node.now()).error().code, Errc::not_leader);
  node.elect(2);
  node.persisted(2, 2);
  node.receive(node.append_result(2, 2, 2));
  node.applied(2);
  node.transcript();
  EXPECT_EQ(group().transfer_leadership(NodeId(9), node.now()).error().code, Errc::invalid_argument);
  ASSERT_TRUE(group().transfer_leadership(NodeId(0), node.now()).has_value());
  EXPECT_EQ(node.transcript(), "\n1->2 timeout now term 2 last 2\n");
  EXPECT_EQ(group().transfer_leadership(NodeId(3), node.now()).error().code, Errc::busy);
  EXPECT_EQ(node.submit("x").error().code, Errc::not_leader);
  EXPECT_FALSE(group().can_submit(1));
}

TEST_F(ThreeVoters, DropsWhatNoPeerCanHaveMeant) {
  start(with_terms({2}, {Term(3), NodeId(0)}));
  const auto dropped = [&](RaftMessage message) {
    node.receive(std::move(message));
    return node.transcript() == "\n" && group().last_index() == LogIndex(2) && group().term() == Term(3);
  };
  RaftMessage message = node.append(2, 4, 2, 2, {command_entry(4, "x")});
  message.to = NodeId(2);
  EXPECT_TRUE(dropped(message)) << "for another";
  message.to = NodeId(1);
  message.from = NodeId(1);
  EXPECT_TRUE(dropped(message)) << "from ourselves";
  message.from = NodeId(2);
  message.entry_count = 2;
  EXPECT_TRUE(dropped(message)) << "entries missing";
  EXPECT_TRUE(dropped(node.append(2, 4, 2, 2, {command_entry(5, "x")}))) << "an entry of a later term";
  EXPECT_TRUE(dropped(node.append(2, 4, 2, 2, {command_entry(4, "x"), command_entry(3, "y")}))) << "terms go back";
  EXPECT_TRUE(dropped(node.append(2, 4, 2, 0, {}))) << "no term before";
  EXPECT_TRUE(dropped(node.append(2, 4, 2, 2, {command_entry(4, "x"), change_entry(4, voters(3))})))
      << "a change within";
  EXPECT_TRUE(dropped(node.append(2, 4, 2, 2, {{Term(4), EntryType::change, SharedBytes::copy_of(as_bytes("?"))}})));
  EXPECT_TRUE(dropped(node.message(Kind::install_snapshot, 2, 4))) << "no snapshot";
  EXPECT_TRUE(dropped(node.message(RaftMessage::Kind(7), 2, 4))) << "an unknown kind";
  EXPECT_TRUE(dropped(node.vote_result(2, 4, true, true))) << "a vote for one who does not stand";
}

TEST_F(ThreeVoters, ALeaderTakesNoOrdersInItsOwnTerm) {
  start(ScriptedGroup::fresh(3));
  node.elect(2);
  // The core would take down the other as leader in memory where a leader keeps its followers' progress.
  node.receive(node.append(3, 2, 1, 1, {command_entry(2, "x")}));
  RaftMessage install = node.message(Kind::install_snapshot, 3, 2);
  install.snapshot = SnapshotMeta{LogIndex(20), Term(2), voters(3), LogIndex(1)};
  node.receive(install);
  EXPECT_EQ(node.transcript(), "\n");
  EXPECT_EQ(group().role(), RaftRole::leader);
}

TEST_F(ThreeVoters, StopsWhenALeaderContradictsWhatIsCommitted) {
  start(with_terms({2, 2}, {Term(3), NodeId(0)}));
  node.receive(node.append(2, 3, 3, 2, {}, 3));
  node.transcript();
  node.receive(node.append(2, 3, 2, 2, {command_entry(3, "x")}, 3));
  EXPECT_TRUE(group().failed());
  EXPECT_EQ(group().role(), RaftRole::follower);
  EXPECT_EQ(node.transcript(), "\nfollower in term 3, leader 0\n");
  node.timeout();
  node.receive(node.append(2, 3, 3, 2, {}, 3));
  EXPECT_EQ(node.transcript(), "\n");
  EXPECT_EQ(node.submit("x").error().code, Errc::internal);
}

}  // namespace
}  // namespace sluice::broker
