// Fetch sessions without sockets: a client that fetches, and a log of what it was told.
#include "broker/listener/fetch_sessions.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>
#include <string>

namespace sluice::broker {
namespace {

using kafka::ErrorCode;
using Names = std::vector<std::string>;

/// Requests are written as "a0 a1 b0": topic and partition. The state of each partition is kept here, as a broker
/// would.
class FetchSessionsTest : public ::testing::Test {
 protected:
  struct State {
    std::int64_t end = 0;
    std::int64_t start = 0;
    ErrorCode error = ErrorCode::none;
    bool diverges = false;
  };
  struct Told {
    ErrorCode error = ErrorCode::none;
    std::int32_t session = 0;
    Names listed;
  };

  static std::vector<std::pair<std::string, PartitionIndex>> split(const std::string& text) {
    std::vector<std::pair<std::string, PartitionIndex>> all;
    std::istringstream words(text);
    for (std::string word; words >> word;)
      all.emplace_back(word.substr(0, 1), PartitionIndex(std::stoi(word.substr(1))));
    return all;
  }
  static TopicId id_of(std::string_view name) {
    TopicId id;
    id.bytes[3] = static_cast<std::uint8_t>(name.front());
    return id;
  }

  struct Ask {
    std::string partitions = {};
    std::string forgotten = {};
    std::int32_t session = 0;
    std::int32_t epoch = 0;
    std::int16_t version = 11;
    std::int64_t offset = 0;
  };
  FetchPlan plan(const Ask& ask) { return plan(ask, connection_); }
  FetchPlan plan(const Ask& ask, std::uint64_t connection) {
    texts_.clear();
    kafka::FetchRequest request;
    request.session_id = ask.session;
    request.session_epoch = ask.epoch;
    for (const auto& [name, partition] : split(ask.partitions)) {
      kafka::FetchPartition part;
      part.partition = partition;
      part.fetch_offset = Offset(ask.offset);
      const std::string& kept = *texts_.insert(name).first;
      if (ask.version >= 13)
        request.topics.push_back({{}, id_of(name), {part}});
      else
        request.topics.push_back({kept, {}, {part}});
    }
    for (const auto& [name, partition] : split(ask.forgotten)) {
      const std::string& kept = *texts_.insert(name).first;
      if (ask.version >= 13)
        request.forgotten_topics_data.push_back({{}, id_of(name), {partition}});
      else
        request.forgotten_topics_data.push_back({kept, {}, {partition}});
    }
    return sessions_.plan(request, ask.version, connection, now_);
  }
  static std::string name_of(const FetchPlan::Part& part) {
    const char topic = part.topic->name.empty() ? static_cast<char>(part.topic->id.bytes[3]) : part.topic->name[0];
    return fmt::format("{}{}", topic, part.partition.partition.value);
  }
  static Names names(const FetchPlan& plan) {
    Names all;
    for (const auto& part : plan.parts) all.push_back(name_of(part));
    return all;
  }
  /// The reply when at most `budget` partitions get a record each, in the order of the plan.
  Told reply(const FetchPlan& plan, std::size_t budget = 1000) {
    if (plan.error != ErrorCode::none) return {plan.error, 0, {}};
    FetchSessions::Reply reply = sessions_.reply(plan, now_);
    Told told{reply.error(), reply.session_id(), {}};
    for (const auto& part : plan.parts) {
      const State& state = states_[name_of(part)];
      kafka::FetchPartitionResponse outcome;
      outcome.error_code = state.error;
      outcome.high_watermark = Offset(state.end);
      outcome.log_start_offset = Offset(state.start);
      if (state.diverges) outcome.diverging_epoch = {LeaderEpoch(1), Offset(2)};
      if (part.partition.fetch_offset.value < state.end && budget > 0) {
        --budget;
        outcome.records->pieces.push_back(SharedBytes::copy_of(as_bytes("record")));
      }
      if (reply.lists(outcome)) told.listed.push_back(name_of(part));
    }
    return told;
  }
  Told fetch(const Ask& ask, std::size_t budget = 1000) { return reply(plan(ask), budget); }
  std::int32_t open(const std::string& partitions) { return fetch({.partitions = partitions}).session; }
  bool alive(std::int32_t session) {
    // An epoch that is never right: looks without using.
    return plan({.session = session, .epoch = -7}).error == ErrorCode::invalid_fetch_session_epoch;
  }
  void pass(Nanos time) { now_ += time; }

  SeededRandom random_{7};
  SteadyTime now_{std::chrono::hours(5)};
  FetchSessions sessions_{random_, {.max_sessions = 3, .max_partitions = 10, .evict_after = std::chrono::minutes(2)}};
  std::uint64_t connection_ = sessions_.connect();
  std::map<std::string, State> states_;
  std::set<std::string> texts_;
};

TEST_F(FetchSessionsTest, AFullFetchOpensOneAndListsAll) {
  const Told told = fetch({.partitions = "a0 a1 b0"});
  EXPECT_EQ(told.error, ErrorCode::none);
  EXPECT_GT(told.session, 0);
  EXPECT_EQ(told.listed, (Names{"a0", "a1", "b0"}));
  EXPECT_EQ(sessions_.partition_count(), 3U);
}

TEST_F(FetchSessionsTest, NoneIsOpenedWhenNoneIsAskedFor) {
  EXPECT_EQ(fetch({.partitions = "a0", .epoch = -1}).session, 0);
  EXPECT_EQ(fetch({.partitions = "", .epoch = 0}).session, 0);
  EXPECT_EQ(sessions_.session_count(), 0U);
}

TEST_F(FetchSessionsTest, IdsArePositiveAndDiffer) {
  std::set<std::int32_t> ids;
  for (int i = 0; i < 200; ++i) {
    const std::int32_t id = open("a0");
    ASSERT_GT(id, 0);
    EXPECT_TRUE(ids.insert(id).second);
    fetch({.session = id, .epoch = -1});
  }
}

TEST_F(FetchSessionsTest, OnlyWhatChangedIsListed) {
  const std::int32_t id = open("a0 a1 a2 a3 a4");
  EXPECT_EQ(fetch({.session = id, .epoch = 1}).listed, Names{});
  states_["a1"].end = 3;  // records
  states_["a2"].start = 0;
  states_["a3"].error = ErrorCode::not_leader_or_follower;
  states_["a4"].diverges = true;
  EXPECT_EQ(fetch({.session = id, .epoch = 2}).listed, (Names{"a1", "a3", "a4"}));
}

TEST_F(FetchSessionsTest, AHighWatermarkOrLogStartThatMovedIsListedWithoutRecords) {
  const std::int32_t id = open("a0 a1 a2");
  states_["a0"].end = 3;
  states_["a1"] = {.end = 2, .start = 2};
  EXPECT_EQ(fetch({.session = id, .epoch = 1}, 0).listed, (Names{"a0", "a1"}));
  EXPECT_EQ(fetch({.session = id, .epoch = 2}, 0).listed, Names{}) << "it was told";
  states_["a1"].start = 1;
  EXPECT_EQ(fetch({.session = id, .epoch = 3}, 0).listed, Names{"a1"});
}

TEST_F(FetchSessionsTest, TheEndOfAnErrorIsTold) {
  const std::int32_t id = open("a0");
  states_["a0"].error = ErrorCode::not_leader_or_follower;
  EXPECT_EQ(fetch({.session = id, .epoch = 1}).listed, Names{"a0"});
  EXPECT_EQ(fetch({.session = id, .epoch = 2}).listed, Names{"a0"}) << "an error is told each time";
  states_["a0"].error = ErrorCode::none;
  EXPECT_EQ(fetch({.session = id, .epoch = 3}).listed, Names{"a0"});
  EXPECT_EQ(fetch({.session = id, .epoch = 4}).listed, Names{});
}

TEST_F(FetchSessionsTest, AnErrorInTheFirstReplyIsNoState) {
  states_["a0"].error = ErrorCode::offset_not_available;
  const std::int32_t id = open("a0");
  states_["a0"].error = ErrorCode::none;
  EXPECT_EQ(fetch({.session = id, .epoch = 1}).listed, Names{"a0"});
}

TEST_F(FetchSessionsTest, PartitionsAreAddedChangedAndForgotten) {
  const std::int32_t id = open("a0 a1");
  FetchPlan changed = plan({.partitions = "b0 a1", .session = id, .epoch = 1, .offset = 5});
  EXPECT_EQ(names(changed), (Names{"a0", "a1", "b0"}));
  EXPECT_EQ(changed.parts[0].partition.fetch_offset, Offset(0));
  EXPECT_EQ(changed.parts[1].partition.fetch_offset, Offset(5));
  EXPECT_EQ(changed.parts[2].partition.fetch_offset, Offset(5));
  EXPECT_EQ(reply(changed).listed, Names{"b0"}) << "a new one is told in any case";
  EXPECT_EQ(names(plan({.forgotten = "a0 c7", .session = id, .epoch = 2})), (Names{"a1", "b0"}));
  EXPECT_EQ(sessions_.partition_count(), 2U);
}

TEST_F(FetchSessionsTest, ForgettingAllEndsIt) {
  const std::int32_t id = open("a0 a1");
  const FetchPlan last = plan({.forgotten = "a0 a1", .session = id, .epoch = 1});
  EXPECT_TRUE(last.parts.empty());
  const Told told = reply(last);
  EXPECT_EQ(told.error, ErrorCode::none);
  EXPECT_EQ(told.session, 0);
  EXPECT_FALSE(alive(id));
  EXPECT_EQ(sessions_.partition_count(), 0U);
}

TEST_F(FetchSessionsTest, Errors) {
  const std::int32_t id = open("a0");
  EXPECT_EQ(fetch({.session = id + 1, .epoch = 1}).error, ErrorCode::fetch_session_id_not_found);
  EXPECT_EQ(fetch({.session = 0, .epoch = 1}).error, ErrorCode::fetch_session_id_not_found);
  EXPECT_EQ(fetch({.session = id, .epoch = 2}).error, ErrorCode::invalid_fetch_session_epoch);
  EXPECT_EQ(fetch({.session = id, .epoch = 1, .version = 13}).error, ErrorCode::fetch_session_topic_id_error);
  EXPECT_EQ(fetch({.session = id, .epoch = 1}).error, ErrorCode::none) << "none of these changed it";
  EXPECT_EQ(fetch({.session = id, .epoch = 1}).error, ErrorCode::invalid_fetch_session_epoch);
  const std::int32_t by_id = fetch({.partitions = "a0", .version = 13}).session;
  EXPECT_EQ(fetch({.session = by_id, .epoch = 1, .version = 12}).error, ErrorCode::fetch_session_topic_id_error);
}

TEST_F(FetchSessionsTest, TopicIdsNameTheTopics) {
  const std::int32_t id = fetch({.partitions = "a0 b0", .version = 13}).session;
  const FetchPlan next = plan({.partitions = "c0", .forgotten = "a0", .session = id, .epoch = 1, .version = 16});
  EXPECT_EQ(names(next), (Names{"b0", "c0"}));
  EXPECT_TRUE(next.parts[0].topic->name.empty());
}

TEST_F(FetchSessionsTest, TheEpochAfterTheLargestIsOne) {
  // As many requests as that can't be made: what is checked is that the client's next epoch is always the one after.
  const std::int32_t id = open("a0");
  for (std::int32_t epoch = 1; epoch < 1000; ++epoch) {
    ASSERT_EQ(fetch({.session = id, .epoch = epoch}).error, ErrorCode::none);
  }
  EXPECT_EQ(FetchSessions::epoch_after(1000), 1001);
  EXPECT_EQ(FetchSessions::epoch_after(std::numeric_limits<std::int32_t>::max()), 1);
}

TEST_F(FetchSessionsTest, AFullFetchClosesTheSessionThatItNames) {
  const std::int32_t first = open("a0");
  const std::int32_t second = fetch({.partitions = "a0", .session = first, .epoch = 0}).session;
  EXPECT_NE(first, second);
  EXPECT_FALSE(alive(first));
  EXPECT_EQ(fetch({.session = second, .epoch = -1}).session, 0);
  EXPECT_EQ(sessions_.session_count(), 0U);
}

TEST_F(FetchSessionsTest, APartitionNamedTwiceCountsOnce) {
  const FetchPlan twice = plan({.partitions = "a0 a1 a0"});
  EXPECT_EQ(names(twice), (Names{"a0", "a1"}));
  EXPECT_EQ(names(plan({.partitions = "a0 a0", .epoch = -1})), Names{"a0"});
}

TEST_F(FetchSessionsTest, WhatGaveRecordsGoesBehindTheRest) {
  for (const char* name : {"a0", "a1", "a2"}) states_[name].end = 1000;
  const std::int32_t id = open("a0 a1 a2");  // all three gave one: the order is as it was
  EXPECT_EQ(names(plan({.session = id, .epoch = 1})), (Names{"a0", "a1", "a2"}));
  EXPECT_EQ(fetch({.session = id, .epoch = 2}, 1).listed, Names{"a0"});
  EXPECT_EQ(fetch({.session = id, .epoch = 3}, 2).listed, (Names{"a1", "a2"}));
  EXPECT_EQ(names(plan({.session = id, .epoch = 4})), (Names{"a0", "a1", "a2"}));
}

TEST_F(FetchSessionsTest, NoPartitionStarvesThoughAllAreWrittenTo) {
  const std::int32_t id = open("a0 a1 a2 a3");
  std::map<std::string, int> served;
  for (std::int32_t epoch = 1; epoch <= 400; ++epoch) {
    for (const char* name : {"a0", "a1", "a2", "a3"}) ++states_[name].end;  // so all are listed each time
    const FetchPlan next = plan({.session = id, .epoch = epoch});
    ++served[name_of(next.parts[0])];
    EXPECT_EQ(reply(next, 1).listed.size(), 4U);
  }
  for (const char* name : {"a0", "a1", "a2", "a3"}) EXPECT_EQ(served[name], 100) << name;
}

TEST_F(FetchSessionsTest, ARequestThatWasOvertakenGetsAnError) {
  const std::int32_t id = open("a0");
  const FetchPlan waiting = plan({.session = id, .epoch = 1});
  EXPECT_EQ(fetch({.session = id, .epoch = 2}).error, ErrorCode::none);
  EXPECT_EQ(reply(waiting).error, ErrorCode::invalid_fetch_session_epoch);
}

TEST_F(FetchSessionsTest, ARequestWhoseSessionWasClosedIsAnsweredInFull) {
  const std::int32_t id = open("a0 a1");
  const FetchPlan waiting = plan({.session = id, .epoch = 1});
  fetch({.session = id, .epoch = -1});
  const Told told = reply(waiting);
  EXPECT_EQ(told.error, ErrorCode::none);
  EXPECT_EQ(told.session, 0) << "which says that it is over";
  EXPECT_EQ(told.listed, (Names{"a0", "a1"}));
}

TEST_F(FetchSessionsTest, WhatDoesNotFitIsServedWithoutASession) {
  const std::int32_t large = open("a0 a1 a2 a3 a4 a5 a6");
  EXPECT_EQ(open("b0 b1 b2 b3"), 0) << "eleven partitions, and ten may be";
  EXPECT_EQ(fetch({.partitions = "b0 b1 b2 b3"}).listed.size(), 4U);
  EXPECT_GT(open("b0 b1 b2"), 0);
  EXPECT_TRUE(alive(large));
  EXPECT_EQ(open("c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 d0"), 0);
  EXPECT_EQ(sessions_.partition_count(), 10U);
}

TEST_F(FetchSessionsTest, ASessionThatGrowsTooLargeIsClosed) {
  const std::int32_t other = open("a0 a1 a2 a3 a4 a5 a6");
  const std::int32_t id = open("b0 b1");
  EXPECT_EQ(fetch({.partitions = "b2", .session = id, .epoch = 1}).session, id);
  const Told told = fetch({.partitions = "b3", .session = id, .epoch = 2});
  EXPECT_EQ(told.error, ErrorCode::none);
  EXPECT_EQ(told.session, 0);
  EXPECT_EQ(told.listed, (Names{"b0", "b1", "b2", "b3"})) << "a full reply";
  EXPECT_FALSE(alive(id));
  EXPECT_TRUE(alive(other));
  EXPECT_EQ(sessions_.partition_count(), 7U);
}

TEST_F(FetchSessionsTest, ASessionThatGrowsTakesTheRoomOfAStaleOne) {
  const std::int32_t stale = open("a0 a1 a2 a3 a4 a5 a6");
  pass(std::chrono::seconds(121));
  const std::int32_t id = open("b0 b1 b2");
  EXPECT_EQ(fetch({.partitions = "b3", .session = id, .epoch = 1}).session, id);
  EXPECT_FALSE(alive(stale));
  EXPECT_EQ(sessions_.partition_count(), 4U);
}

TEST_F(FetchSessionsTest, ASessionDoesNotMakeRoomForItselfByItself) {
  const std::int32_t id = open("a0");
  pass(std::chrono::seconds(121));  // it is the only stale one, and the smallest
  EXPECT_EQ(fetch({.partitions = "b0 b1 b2 b3 b4 b5 b6 b7 b8 b9", .session = id, .epoch = 1}).session, 0);
  EXPECT_EQ(sessions_.session_count(), 0U);
  EXPECT_EQ(sessions_.partition_count(), 0U);
}

TEST_F(FetchSessionsTest, TheLeastRecentlyUsedStaleOneIsEvicted) {
  const std::int32_t first = open("a0"), second = open("b0"), third = open("c0");
  EXPECT_EQ(open("d0"), 0) << "all are in use and as large";
  pass(std::chrono::seconds(90));
  fetch({.session = first, .epoch = 1});
  pass(std::chrono::seconds(31));
  const std::int32_t fourth = open("d0");
  EXPECT_GT(fourth, 0);
  EXPECT_TRUE(alive(first));
  EXPECT_FALSE(alive(second));
  EXPECT_TRUE(alive(third));
}

TEST_F(FetchSessionsTest, ALargerOneEvictsASmallerOneThatIsNotNew) {
  const std::int32_t large = open("a0 a1 a2"), small = open("b0"), equal = open("c0 c1");
  EXPECT_EQ(open("d0 d1"), 0) << "the small one is new";
  pass(std::chrono::seconds(121));
  for (const std::int32_t id : {large, small, equal}) fetch({.session = id, .epoch = 1});
  EXPECT_EQ(open("d0"), 0) << "it is as small";
  EXPECT_GT(open("d0 d1"), 0);
  EXPECT_FALSE(alive(small));
  EXPECT_TRUE(alive(large));
  EXPECT_EQ(open("e0 e1"), 0) << "and the next larger one is not smaller";
}

TEST_F(FetchSessionsTest, AnyConnectionMayUseIt) {
  const std::int32_t id = open("a0");
  const std::uint64_t other = sessions_.connect();
  EXPECT_EQ(reply(plan({.session = id, .epoch = 1}, other)).error, ErrorCode::none);
  sessions_.disconnect(connection_, now_);  // which did not use it last
  for (const char* partition : {"b0", "c0"}) EXPECT_GT(reply(plan({.partitions = partition}, other)).session, 0);
  EXPECT_EQ(reply(plan({.partitions = "d0"}, other)).session, 0) << "there is no orphan to make room";
  EXPECT_TRUE(alive(id));
}

TEST_F(FetchSessionsTest, OrphansGoFirst) {
  const std::uint64_t ending = sessions_.connect();
  const std::int32_t kept = open("a0");
  const std::int32_t orphan = reply(plan({.partitions = "b0 b1 b2"}, ending)).session;
  const std::int32_t adopted = reply(plan({.partitions = "c0"}, ending)).session;
  sessions_.disconnect(ending, now_);
  EXPECT_EQ(fetch({.session = adopted, .epoch = 1}).session, adopted);
  EXPECT_GT(open("d0"), 0);
  EXPECT_FALSE(alive(orphan));
  EXPECT_TRUE(alive(kept));
  EXPECT_TRUE(alive(adopted));
}

TEST_F(FetchSessionsTest, OrphansAreForgottenAfterAWhile) {
  const std::int32_t id = open("a0");
  const FetchPlan waiting = plan({.session = id, .epoch = 1});
  const FetchPlan opening = plan({.partitions = "b0"});
  sessions_.expire(now_ + std::chrono::hours(1));
  EXPECT_TRUE(alive(id)) << "as long as there is its connection";
  sessions_.disconnect(connection_, now_);
  EXPECT_EQ(reply(waiting).session, id);
  EXPECT_EQ(reply(opening).session, 0) << "nobody is there to use it";
  sessions_.expire(now_ + std::chrono::seconds(120));
  EXPECT_TRUE(alive(id));
  sessions_.expire(now_ + std::chrono::seconds(121));
  EXPECT_FALSE(alive(id));
  EXPECT_EQ(sessions_.partition_count(), 0U);
}

TEST_F(FetchSessionsTest, NamesThatNoTopicCanHaveAreNotKept) {
  kafka::FetchRequest request;
  const std::string name(kMaxTopicNameSize + 1, 'x');
  request.topics.push_back({name, {}, {kafka::FetchPartition{}}});
  request.session_epoch = 0;
  EXPECT_EQ(reply(sessions_.plan(request, 11, connection_, now_)).session, 0);
  request.session_id = open("a0");
  request.session_epoch = 1;
  const Told told = reply(sessions_.plan(request, 11, connection_, now_));
  EXPECT_EQ(told.session, 0);
  EXPECT_EQ(told.listed.size(), 2U);
  EXPECT_EQ(sessions_.session_count(), 0U);
}

TEST_F(FetchSessionsTest, TheBoundsHoldWhateverClientsDo) {
  SeededRandom chance(99);
  std::map<std::int32_t, std::int32_t> known;  // session -> next epoch
  const char* const names[] = {"a0 a1", "b0", "c0 c1 c2 c3", "d0 d1 d2", "a2 b3 c4 d5 a6", ""};
  std::vector<FetchPlan> waiting;
  for (int step = 0; step < 20'000; ++step) {
    pass(std::chrono::seconds(chance.below(20)));
    Ask ask{.partitions = names[chance.below(6)], .forgotten = names[chance.below(6)]};
    if (!known.empty() && chance.below(4) != 0) {
      auto at = known.begin();
      std::advance(at, chance.below(known.size()));
      ask.session = at->first;
      ask.epoch = chance.one_in(10) ? static_cast<std::int32_t>(chance.below(4)) - 1 : at->second;
    }
    waiting.push_back(plan(ask));
    if (chance.below(3) != 0) {
      const std::size_t nth = chance.below(waiting.size());
      const FetchPlan answered = waiting[nth];
      waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(nth));
      const Told told = reply(answered, chance.below(5));
      if (told.session != 0 && told.error == ErrorCode::none) ++known.try_emplace(told.session, 0).first->second;
      if (told.session == 0 && answered.session_id != 0) known.erase(answered.session_id);
      if (known.size() > 20) known.erase(known.begin());
    }
    if (chance.one_in(50)) {
      sessions_.disconnect(connection_, now_);
      connection_ = sessions_.connect();
    }
    if (chance.one_in(20)) sessions_.expire(now_);
    if (chance.one_in(10)) states_[fmt::format("{}{}", "abcd"[chance.below(4)], chance.below(4))].end++;
    ASSERT_LE(sessions_.session_count(), 3U) << step;
    ASSERT_LE(sessions_.partition_count(), 10U) << step;
  }
}

}  // namespace
}  // namespace sluice::broker
