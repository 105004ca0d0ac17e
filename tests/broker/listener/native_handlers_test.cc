// What each native question asks of the broker, and how outcomes are told.
#include "broker/listener/native_handlers.h"

#include "tests/broker/listener/native_harness.h"

namespace sluice::broker {
namespace {

using native::FrameKind;
namespace pb = native::pb;

class NativeHandlersTest : public NativeTest {
 protected:
  NativeHandlersTest() : orders_(broker_.add_topic("orders.created", 2)), paid_(broker_.add_topic("orders.paid", 1)) {
    broker_.add_topic("audit", 1);
    client_ = greeted();
  }
  template <class Reply>
  Reply ask(FrameKind kind, const google::protobuf::MessageLite& message, FrameKind reply) {
    client_->send(kind, ++id_, message);
    return client_->take<Reply>(reply, id_);
  }
  pb::Error ask_in_vain(FrameKind kind, const google::protobuf::MessageLite& message) {
    return ask<pb::Error>(kind, message, FrameKind::error);
  }
  /// Sends and lets the broker be asked.
  void send(FrameKind kind, const google::protobuf::MessageLite& message, const SharedBytes& payload = {}) {
    client_->send(kind, ++id_, message, payload);
    settle();
  }
  pb::LayoutReply layout(const pb::Layout& asked) {
    return ask<pb::LayoutReply>(FrameKind::layout, asked, FrameKind::layout_reply);
  }

  const TopicInfo orders_, paid_;
  std::unique_ptr<NativeClient> client_;
  std::uint32_t id_ = 10;
};

// ---- Layout ----

TEST_F(NativeHandlersTest, LayoutTellsTopicsByNameWithTheirLeaders) {
  pb::Layout asked;
  asked.add_names("orders.created");
  asked.add_names("nowhere");
  asked.add_names("not a name");
  const pb::LayoutReply reply = layout(asked);
  ASSERT_EQ(reply.topics_size(), 1);
  const pb::TopicLayout& topic = reply.topics(0);
  EXPECT_EQ(topic.name(), "orders.created");
  EXPECT_EQ(topic.topic_id(), native::topic_id_bytes(orders_.id));
  EXPECT_EQ(topic.storage(), pb::STORAGE_LOG);
  ASSERT_EQ(topic.partitions_size(), 2);
  EXPECT_EQ(topic.partitions(0).leader_node(), 1);
  EXPECT_EQ(topic.partitions(0).leader_epoch(), 5);
  ASSERT_EQ(reply.errors_size(), 2);
  EXPECT_EQ(reply.errors(0).code(), 202U);
  EXPECT_EQ(reply.errors(0).topic(), "nowhere");
  EXPECT_EQ(reply.errors(1).code(), 205U);
  ASSERT_EQ(reply.nodes_size(), 1);
  EXPECT_EQ(reply.nodes(0).host(), "native.broker-1.test");
}

TEST_F(NativeHandlersTest, LayoutFindsTopicsByPatternAndEachOnce) {
  broker_.add_topic("_cluster", 1);
  broker_.add_topic("orders.new", 1, 1, TopicPhase::creating);
  pb::Layout asked;
  asked.add_patterns("orders.*");
  asked.add_patterns("orders.>");
  asked.add_names("orders.paid");
  const auto names = [](const pb::LayoutReply& reply) {
    std::string all;
    for (const auto& topic : reply.topics()) all += topic.name() + " ";
    return all;
  };
  EXPECT_EQ(names(layout(asked)), "orders.created orders.paid ");
  asked.Clear();
  asked.set_all(true);
  EXPECT_EQ(names(layout(asked)), "audit orders.created orders.paid ") << "without the broker's own";
  asked.Clear();
  asked.add_names("_cluster");
  EXPECT_EQ(names(layout(asked)), "_cluster ") << "but by name";
  asked.Clear();
  asked.add_patterns("no*pe");
  EXPECT_EQ(ask_in_vain(FrameKind::layout, asked).code(), 103U);
}

TEST_F(NativeHandlersTest, LayoutOfAPartitionWithoutALeader) {
  broker_.add_topic("lost", 1, 0);
  pb::Layout asked;
  asked.add_names("lost");
  const pb::LayoutReply reply = layout(asked);
  EXPECT_EQ(reply.topics(0).partitions(0).leader_node(), 0);
  EXPECT_EQ(reply.topics(0).partitions(0).leader_epoch(), -1);
}

TEST_F(NativeHandlersTest, LayoutTellsWhatIsKeptInMemory) {
  TopicSettings settings;
  settings.storage = TopicStorage::memory;
  broker_.add_topic("ticks", 1, 1, TopicPhase::live, settings);
  pb::Layout asked;
  asked.add_names("ticks");
  EXPECT_EQ(layout(asked).topics(0).storage(), pb::STORAGE_MEMORY);
}

TEST_F(NativeHandlersTest, LayoutMakesWhatIsMissingIfAsked) {
  pb::Layout asked;
  asked.add_names("orders.paid");
  asked.add_names("fresh");
  asked.add_names("_mine");
  asked.set_create_missing(true);
  send(FrameKind::layout, asked);
  ASSERT_EQ(broker_.creates.size(), 1U);
  ASSERT_EQ(broker_.creates[0].request.size(), 1U);
  EXPECT_EQ(broker_.creates[0].request[0].name, "fresh");
  EXPECT_EQ(client_->untaken(), "");
  broker_.add_topic("fresh", 1);
  FakeBroker::answer(broker_.creates, {CreateTopicResult{}});
  const auto reply = client_->take<pb::LayoutReply>(FrameKind::layout_reply, id_);
  EXPECT_EQ(reply.topics_size(), 2);
  EXPECT_EQ(reply.errors_size(), 1);
  broker_.allow_auto_create = false;
  asked.add_names("fresher");
  EXPECT_EQ(layout(asked).errors_size(), 2);
}

TEST_F(NativeHandlersTest, TheLayoutIsWatched) {
  pb::Layout asked;
  asked.add_names("audit");
  const std::uint64_t revision = layout(asked).revision();
  EXPECT_TRUE(broker_.layout_watchers.empty()) << "nobody watches";
  pb::WatchLayout watch;
  watch.set_known_revision(revision);
  send(FrameKind::watch_layout, watch);
  EXPECT_EQ(client_->untaken(), "") << "nothing has changed";
  broker_.tell_layout_changed();
  EXPECT_EQ(client_->take<pb::LayoutChanged>(FrameKind::layout_changed, id_).revision(), revision + 1);
  broker_.tell_layout_changed();
  EXPECT_EQ(client_->take<pb::LayoutChanged>(FrameKind::layout_changed, id_).revision(), revision + 2);
  send(FrameKind::watch_layout, watch);
  EXPECT_EQ(client_->take<pb::LayoutChanged>(FrameKind::layout_changed, id_).revision(), revision + 2)
      << "it has changed meanwhile";
  client_->close();
  settle();
  broker_.tell_layout_changed();
  EXPECT_TRUE(broker_.layout_watchers.empty()) << "the last one who watched is gone";
}

// ---- Publish ----

TEST_F(NativeHandlersTest, PublishGoesOnPartByPart) {
  const SharedBytes one = SharedBytes::take(batch_of("one")), two = SharedBytes::take(batch_of("two, longer"));
  pb::Publish message;
  message.set_acks(pb::ACKS_LEADER);
  message.set_timeout_ms(1500);
  auto& first = *message.add_parts();
  first.set_topic("orders.created");
  first.set_partition(1);
  first.set_batch_bytes(static_cast<std::uint32_t>(one.size()));
  auto& second = *message.add_parts();
  second.set_topic_id(std::string(native::topic_id_bytes(paid_.id)));
  second.set_batch_bytes(static_cast<std::uint32_t>(two.size()));
  const SharedBytes payload[] = {one, two};
  client_->send(FrameKind::publish, ++id_, message, payload);
  settle();
  ASSERT_EQ(broker_.produces.size(), 1U);
  const ProduceRequest& request = broker_.produces[0].request;
  EXPECT_EQ(request.acks, Acks::leader);
  EXPECT_EQ(request.timeout, Millis(1500));
  ASSERT_EQ(request.parts.size(), 2U);
  EXPECT_EQ(request.parts[0].topic.name, "orders.created");
  EXPECT_EQ(request.parts[0].partition, PartitionIndex(1));
  EXPECT_EQ(as_text(request.parts[0].batch), as_text(one));
  EXPECT_EQ(request.parts[1].topic.id, paid_.id);
  EXPECT_EQ(as_text(request.parts[1].batch), as_text(two));
  FakeBroker::answer(broker_.produces, {{.error = std::nullopt,
                                         .base_offset = Offset(42),
                                         .append_time_ms = 7,
                                         .log_start_offset = Offset(0),
                                         .memory = true},
                                        {.error = Error{Errc::not_leader, "ask node 2"}}});
  const auto reply = client_->take<pb::Published>(FrameKind::published, id_);
  ASSERT_EQ(reply.parts_size(), 2);
  EXPECT_EQ(reply.parts(0).base_offset(), 42);
  EXPECT_EQ(reply.parts(0).append_time_ms(), 7);
  EXPECT_EQ(reply.parts(0).leader_epoch(), 5);
  EXPECT_TRUE(reply.parts(0).memory());
  EXPECT_FALSE(reply.parts(0).has_error());
  EXPECT_EQ(reply.parts(1).error().code(), 400U);
  EXPECT_TRUE(reply.parts(1).error().retriable());
  EXPECT_EQ(reply.parts(1).error().topic(), "orders.paid");
  EXPECT_EQ(reply.parts(1).error().partition(), 0);
  EXPECT_EQ(server_->stats().errors.at(native::ErrorCode::not_leader), 1U);
}

TEST_F(NativeHandlersTest, PublishThatDoesNotAddUpIsRefusedAsAWhole) {
  pb::Publish message;
  message.add_parts()->set_topic("audit");
  message.mutable_parts(0)->set_batch_bytes(61);
  const auto error = ask_in_vain(FrameKind::publish, message);
  EXPECT_EQ(error.code(), 100U);
  EXPECT_TRUE(broker_.produces.empty());
  message.set_acks(static_cast<pb::Acks>(9));
  EXPECT_EQ(ask_in_vain(FrameKind::publish, message).code(), 103U);
}

TEST_F(NativeHandlersTest, PublishWithoutAcknowledgementIsSilentUnlessItFails) {
  const SharedBytes batch = SharedBytes::take(batch_of("one"));
  pb::Publish message;
  message.set_acks(pb::ACKS_NONE);
  message.add_parts()->set_topic("audit");
  message.mutable_parts(0)->set_batch_bytes(static_cast<std::uint32_t>(batch.size()));
  for (int i = 0; i < 3; ++i) client_->send(FrameKind::publish, 0, message, batch);
  settle();
  ASSERT_EQ(broker_.produces.size(), 3U);
  EXPECT_EQ(broker_.produces[0].request.acks, Acks::none);
  FakeBroker::answer(broker_.produces, {ProducePartResult{}});
  EXPECT_EQ(client_->untaken(), "");
  FakeBroker::answer(broker_.produces, {{.error = Error{Errc::no_space, "the disk is full"}}});
  const auto notice = client_->take<pb::Notice>(FrameKind::notice, 0);
  EXPECT_EQ(notice.error().code(), 501U);
  EXPECT_EQ(notice.error().topic(), "audit");
  EXPECT_EQ(notice.count(), 1U);
  EXPECT_EQ(only_session().questions_under_way(), 1U);
}

TEST_F(NativeHandlersTest, NoticesDoNotPileUp) {
  const SharedBytes batch = SharedBytes::take(batch_of("one"));
  pb::Publish message;
  message.set_acks(pb::ACKS_NONE);
  message.add_parts()->set_topic("audit");
  message.mutable_parts(0)->set_batch_bytes(static_cast<std::uint32_t>(batch.size()));
  for (int i = 0; i < 100; ++i) client_->send(FrameKind::publish, 0, message, batch);
  settle();
  ASSERT_EQ(broker_.produces.size(), 100U);
  for (int i = 0; i < 100; ++i) FakeBroker::answer(broker_.produces, {{.error = Error{Errc::busy, "later"}}});
  std::uint64_t told = 0;
  int notices = 0;
  for (; told < 100; ++notices) told += client_->take<pb::Notice>(FrameKind::notice, 0).count();
  EXPECT_EQ(told, 100U);
  EXPECT_LE(notices, 3) << "those that came up during a write go together";
}

TEST_F(NativeHandlersTest, AcknowledgedPublishNeedsAnId) {
  const SharedBytes batch = SharedBytes::take(batch_of("one"));
  pb::Publish message;
  message.add_parts()->set_topic("audit");
  message.mutable_parts(0)->set_batch_bytes(static_cast<std::uint32_t>(batch.size()));
  client_->send(FrameKind::publish, 0, message, batch);
  EXPECT_EQ(client_->take<pb::Notice>(FrameKind::notice, 0).error().code(), 103U);
  EXPECT_TRUE(broker_.produces.empty());
}

TEST_F(NativeHandlersTest, InitProducer) {
  send(FrameKind::init_producer, pb::InitProducer());
  ASSERT_EQ(broker_.identities.size(), 1U);
  EXPECT_FALSE(broker_.identities[0].request);
  FakeBroker::answer(broker_.identities, Result<ProducerIdentity>(ProducerIdentity{ProducerId(7000), 0}));
  EXPECT_EQ(client_->take<pb::Producer>(FrameKind::producer, id_).producer_id(), 7000);
  pb::InitProducer again;
  again.set_producer_id(7000);
  EXPECT_EQ(ask_in_vain(FrameKind::init_producer, again).code(), 103U) << "an id without an epoch";
  again.set_producer_epoch(3);
  send(FrameKind::init_producer, again);
  ASSERT_TRUE(broker_.identities[0].request);
  EXPECT_EQ(broker_.identities[0].request->epoch, 3);
  FakeBroker::answer(broker_.identities, Result<ProducerIdentity>(fail(Errc::invalid_producer_epoch, "another one")));
  EXPECT_EQ(client_->take_error(id_).code(), 301U);
  again.set_producer_epoch(40'000);
  EXPECT_EQ(ask_in_vain(FrameKind::init_producer, again).code(), 103U);
}

// ---- Offsets and records ----

TEST_F(NativeHandlersTest, OffsetsAreAskedPartByPart) {
  pb::Offsets asked;
  const auto add = [&](pb::Position::At at, std::int64_t value = 0) {
    auto& part = *asked.add_parts();
    part.set_topic("audit");
    part.mutable_position()->set_at(at);
    part.mutable_position()->set_value(value);
  };
  add(pb::Position::AT_START);
  add(pb::Position::AT_OFFSET, 5);
  add(pb::Position::AT_TIME, 1000);
  add(pb::Position::AT_MAX_TIME);
  send(FrameKind::offsets, asked);
  ASSERT_EQ(broker_.offsets.size(), 1U);
  const auto& parts = broker_.offsets[0].request.parts;
  ASSERT_EQ(parts.size(), 3U) << "one has its answer already";
  EXPECT_EQ(parts[0].query, OffsetQuery::earliest);
  EXPECT_EQ(parts[1].query, OffsetQuery::at_time);
  EXPECT_EQ(parts[1].timestamp_ms, 1000);
  EXPECT_EQ(parts[2].query, OffsetQuery::max_timestamp);
  FakeBroker::answer(
      broker_.offsets,
      {{.error = std::nullopt, .offset = Offset(3)},
       {.error = std::nullopt, .offset = Offset(9), .timestamp_ms = 1234, .leader_epoch = LeaderEpoch(5)},
       {.error = Error{Errc::not_ready, "later"}}});
  const auto reply = client_->take<pb::OffsetsReply>(FrameKind::offsets_reply, id_);
  ASSERT_EQ(reply.parts_size(), 4);
  EXPECT_EQ(reply.parts(0).offset(), 3);
  EXPECT_EQ(reply.parts(0).timestamp_ms(), -1);
  EXPECT_EQ(reply.parts(1).error().code(), 103U);
  EXPECT_EQ(reply.parts(2).offset(), 9);
  EXPECT_EQ(reply.parts(2).timestamp_ms(), 1234);
  EXPECT_EQ(reply.parts(2).leader_epoch(), 5);
  EXPECT_EQ(reply.parts(3).error().code(), 402U);
  EXPECT_EQ(ask<pb::OffsetsReply>(FrameKind::offsets, pb::Offsets(), FrameKind::offsets_reply).parts_size(), 0);
}

TEST_F(NativeHandlersTest, DeleteRecords) {
  pb::DeleteRecords asked;
  asked.add_parts()->set_topic("audit");
  asked.add_parts()->set_topic("audit");
  asked.mutable_parts(1)->set_before(7);
  asked.add_parts()->set_topic("audit");
  asked.mutable_parts(2)->set_before(-1);
  asked.set_timeout_ms(2000);
  send(FrameKind::delete_records, asked);
  ASSERT_EQ(broker_.record_deletions.size(), 1U);
  ASSERT_EQ(broker_.record_deletions[0].request.size(), 2U);
  EXPECT_FALSE(broker_.record_deletions[0].request[0].before) << "all of it";
  EXPECT_EQ(broker_.record_deletions[0].request[1].before, Offset(7));
  EXPECT_EQ(broker_.last_timeout, Millis(2000));
  FakeBroker::answer(broker_.record_deletions, {{.error = std::nullopt, .log_start_offset = Offset(90)},
                                                {.error = Error{Errc::offset_out_of_range, "beyond the end"}}});
  const auto reply = client_->take<pb::RecordsDeleted>(FrameKind::records_deleted, id_);
  EXPECT_EQ(reply.parts(0).start_offset(), 90);
  EXPECT_EQ(reply.parts(1).error().code(), 200U);
  EXPECT_EQ(reply.parts(2).error().code(), 103U);
}

// ---- Topics ----

TEST_F(NativeHandlersTest, CreateTopic) {
  pb::CreateTopic asked;
  asked.set_name("new");
  asked.set_partitions(3);
  auto& setting = *asked.add_settings();
  setting.set_name("retention.ms");
  setting.set_value("1000");
  asked.set_validate_only(true);
  asked.set_timeout_ms(2000);
  send(FrameKind::create_topic, asked);
  ASSERT_EQ(broker_.creates.size(), 1U);
  const CreateTopicRequest& topic = broker_.creates[0].request[0];
  EXPECT_EQ(topic.name, "new");
  EXPECT_EQ(topic.partitions, 3);
  EXPECT_EQ(topic.replication_factor, -1);
  EXPECT_EQ(topic.settings[0].first, "retention.ms");
  EXPECT_TRUE(topic.validate_only);
  EXPECT_EQ(broker_.last_timeout, Millis(2000));
  CreateTopicResult result;
  result.topic = orders_;
  FakeBroker::answer(broker_.creates, {std::move(result)});
  EXPECT_EQ(client_->take<pb::TopicCreated>(FrameKind::topic_created, id_).topic().partitions_size(), 2);
  send(FrameKind::create_topic, asked);
  result = {};
  result.error = Error{Errc::topic_exists, "it is there"};
  FakeBroker::answer(broker_.creates, {std::move(result)});
  EXPECT_EQ(client_->take_error(id_).code(), 204U);
  asked.set_partitions(0x80000000);
  EXPECT_EQ(ask_in_vain(FrameKind::create_topic, asked).code(), 206U);
  asked.set_partitions(1);
  asked.set_replication_factor(70'000);
  EXPECT_EQ(ask_in_vain(FrameKind::create_topic, asked).code(), 207U);
}

TEST_F(NativeHandlersTest, DeleteAlterGrow) {
  pb::DeleteTopic gone;
  EXPECT_EQ(ask_in_vain(FrameKind::delete_topic, gone).code(), 103U);
  gone.set_topic_id(std::string(native::topic_id_bytes(paid_.id)));
  send(FrameKind::delete_topic, gone);
  EXPECT_EQ(broker_.deletes[0].request[0].id, paid_.id);
  FakeBroker::answer(broker_.deletes, {DeleteTopicResult{}});
  client_->take<pb::Done>(FrameKind::done, id_);

  pb::AlterTopic other;
  other.set_name("audit");
  other.add_changes()->set_name("retention.ms");
  other.add_changes()->set_name("retention.bytes");
  other.mutable_changes(1)->set_value("5");
  send(FrameKind::alter_topic, other);
  const auto& changes = broker_.alterations[0].request[0].changes;
  EXPECT_EQ(changes[0].operation, TopicSettingChange::Operation::remove);
  EXPECT_EQ(changes[1].operation, TopicSettingChange::Operation::set);
  EXPECT_EQ(changes[1].value, "5");
  std::vector<Result<void>> outcomes;
  outcomes.push_back(fail(Errc::config, "5 is too little"));
  FakeBroker::answer(broker_.alterations, std::move(outcomes));
  const auto error = client_->take_error(id_);
  EXPECT_EQ(error.code(), 208U);
  EXPECT_EQ(error.topic(), "audit");

  pb::GrowTopic more;
  more.set_name("audit");
  more.set_partitions(8);
  send(FrameKind::grow_topic, more);
  EXPECT_EQ(broker_.growths[0].request[0].count, 8);
  FakeBroker::answer(broker_.growths, std::vector<Result<void>>(1));
  client_->take<pb::Done>(FrameKind::done, id_);
}

TEST_F(NativeHandlersTest, DescribeTopic) {
  pb::DescribeTopic asked;
  asked.set_name("nowhere");
  EXPECT_EQ(ask_in_vain(FrameKind::describe_topic, asked).code(), 202U);
  asked.set_name("orders.created");
  send(FrameKind::describe_topic, asked);
  ASSERT_EQ(broker_.descriptions.size(), 1U);
  EXPECT_EQ(broker_.descriptions[0].request.size(), 2U);
  FakeBroker::answer(
      broker_.descriptions,
      {{.error = std::nullopt, .log_start_offset = Offset(3), .high_watermark = Offset(9), .size_bytes = 1234},
       {.error = Error{Errc::not_leader, "elsewhere"}}});
  const auto reply = client_->take<pb::TopicDescription>(FrameKind::topic_description, id_);
  EXPECT_EQ(reply.topic().name(), "orders.created");
  EXPECT_EQ(reply.replication_factor(), 1U);
  EXPECT_GT(reply.settings_size(), 3);
  ASSERT_EQ(reply.partitions_size(), 2);
  EXPECT_EQ(reply.partitions(0).start_offset(), 3);
  EXPECT_EQ(reply.partitions(0).end_offset(), 9);
  EXPECT_EQ(reply.partitions(0).size_bytes(), 1234U);
  EXPECT_EQ(reply.partitions(1).error().code(), 400U);
}

TEST_F(NativeHandlersTest, AnAnswerThatTheClientDoesNotTakeIsAnError) {
  for (int i = 0; i < 3000; ++i) broker_.add_topic(std::to_string(i) + ".is.a.topic.with.a.rather.long.name", 1);
  auto small = connect();
  pb::Hello hello = NativeClient::hello();
  hello.set_max_frame_bytes(64 << 10);
  small->send(FrameKind::hello, 1, hello);
  small->take<pb::Welcome>(FrameKind::welcome, 1);
  pb::Layout all;
  all.set_all(true);
  small->send(FrameKind::layout, 2, all);
  EXPECT_EQ(small->take_error(2).code(), 104U);
}

}  // namespace
}  // namespace sluice::broker
