// See samples.h. The values stand in foreign/generate.py, vectors().
#include "tests/protocol/native/samples.h"

#include "protocol/base/record_batch.h"
#include "protocol/native/headers.h"
#include "tests/protocol/base/hex.h"

namespace sluice::native {
namespace {

constexpr std::int64_t kNoon = 1'800'000'000'000;

std::string id_text(std::string_view hex) { return std::string(as_text(from_hex(hex))); }
const std::string& topic_id() {
  static const std::string id = id_text("c0ffee00112233445566778899aabbcc");
  return id;
}
const std::string& other_id() {
  static const std::string id = id_text("0badcafe112233445566778899aabbcc");
  return id;
}

SharedBytes batch_of(std::initializer_list<const char*> values, std::int64_t base = 0, std::int32_t epoch = -1) {
  BatchBuilder builder({});
  std::int64_t time = kNoon;
  for (const char* value : values) {
    builder.add(time, as_bytes("k"), as_bytes(value));
    time += 1000;
  }
  std::vector<std::byte> batch = builder.build();
  stamp_batch(batch, Offset(base), LeaderEpoch(epoch));
  return SharedBytes::take(std::move(batch));
}
SharedBytes text(std::string_view bytes) { return SharedBytes::copy_of(as_bytes(bytes)); }

class Samples {
 public:
  template <class Message, class Fill>
  void add(FrameKind kind, std::uint32_t id, Fill fill, std::vector<SharedBytes> payload = {}) {
    auto message = std::make_unique<Message>();
    fill(*message);
    list_.push_back({kind, id, std::move(message), std::move(payload)});
  }
  template <class Message>
  void add(FrameKind kind, std::uint32_t id) {
    add<Message>(kind, id, [](Message&) {});
  }
  std::vector<Sample> take() { return std::move(list_); }

 private:
  std::vector<Sample> list_;
};

void fill_sample_error(pb::Error& error, std::uint32_t code = 202,
                       const std::string& message = "there is no topic 'orders.paid'") {
  error.set_code(code);
  error.set_message(message);
}
void fill_node(pb::Node& node, int id) {
  node.set_id(id);
  node.set_host("broker-" + std::to_string(id) + ".example");
  node.set_port(4150);
}
void set_setting(pb::Setting& setting, const std::string& name, const std::string& value) {
  setting.set_name(name);
  setting.set_value(value);
}
void fill_layout(pb::TopicLayout& topic) {
  topic.set_name("orders.created");
  topic.set_topic_id(topic_id());
  topic.set_storage(pb::STORAGE_LOG);
  topic.add_partitions()->set_leader_node(1);
  topic.mutable_partitions(0)->set_leader_epoch(7);
  topic.add_partitions()->set_leader_epoch(-1);
  set_setting(*topic.add_settings(), "retention.ms", "3600000");
}
void fill_position(pb::Position& position, pb::Position::At at, std::int64_t value = 0) {
  position.set_at(at);
  position.set_value(value);
}
void fill_partition(pb::Subscribed::Partition& partition) {
  partition.set_handle(3);
  partition.set_topic("orders.created");
  partition.set_topic_id(topic_id());
  partition.set_partition(1);
  partition.set_offset(42);
  partition.set_leader_epoch(7);
  partition.set_high_watermark(99);
  partition.set_storage(pb::STORAGE_MEMORY);
  partition.set_awaits_seek(true);
}
template <class Message>
void add_headers(Message& message) {
  auto& trace = *message.add_headers();
  trace.set_key("traceparent");
  trace.set_value("00-ab-cd-01");
  auto& bytes = *message.add_headers();
  bytes.set_key("n");
  bytes.set_value(std::string("\0\xff", 2));
}
void fill_failed(pb::ServiceError& error) {
  error.set_code(-4);
  error.set_message("no such order");
}

void add_session(Samples& out) {
  out.add<pb::Hello>(FrameKind::hello, 1, [](pb::Hello& m) {
    m.set_min_version(1);
    m.set_max_version(2);
    m.set_client_name("shop");
    m.set_client_software("libsluice/0.1.0");
    m.set_features(5);
    m.set_max_frame_bytes(1 << 20);
  });
  out.add<pb::Welcome>(FrameKind::welcome, 1, [](pb::Welcome& m) {
    m.set_version(1);
    m.set_cluster_id("c-1");
    m.set_node_id(1);
    fill_node(*m.add_nodes(), 1);
    fill_node(*m.add_nodes(), 2);
    m.set_max_frame_bytes(64 << 20);
    m.set_max_header_bytes(256 << 10);
    m.set_max_requests_in_flight(64);
    m.set_publish_window_bytes(16 << 20);
    m.set_server_software("sluiced/0.1.0");
    m.set_features(4);
    m.set_idle_timeout_ms(600'000);
  });
  out.add<pb::Error>(FrameKind::error, 2, [](pb::Error& m) {
    fill_sample_error(m);
    m.set_retriable(true);
    m.set_retry_after_ms(250);
    m.set_topic("orders.paid");
    m.set_partition(0);
  });
  out.add<pb::Notice>(FrameKind::notice, 0, [](pb::Notice& m) {
    fill_sample_error(*m.mutable_error());
    m.set_count(17);
  });
  out.add<pb::Flow>(FrameKind::flow, 0, [](pb::Flow& m) { m.set_publish_window_bytes(1 << 20); });
  out.add<pb::Ping>(FrameKind::ping, 3, [](pb::Ping&) {}, {text("are you there")});
  out.add<pb::Pong>(FrameKind::pong, 3, [](pb::Pong&) {}, {text("are you there")});
  out.add<pb::GoAway>(FrameKind::go_away, 0, [](pb::GoAway& m) {
    m.set_why("the node is shutting down");
    m.set_grace_ms(5000);
  });
  out.add<pb::Done>(FrameKind::done, 4);
}

void add_layout(Samples& out) {
  out.add<pb::Layout>(FrameKind::layout, 5, [](pb::Layout& m) {
    m.add_names("orders.created");
    m.add_patterns("orders.*");
    m.add_patterns("audit.>");
    m.set_all(true);
    m.set_with_settings(true);
    m.set_create_missing(true);
  });
  out.add<pb::LayoutReply>(FrameKind::layout_reply, 5, [](pb::LayoutReply& m) {
    m.set_revision(9);
    fill_node(*m.add_nodes(), 1);
    fill_node(*m.add_nodes(), 2);
    fill_layout(*m.add_topics());
    fill_sample_error(*m.add_errors());
    m.mutable_errors(0)->set_topic("orders.paid");
  });
  out.add<pb::WatchLayout>(FrameKind::watch_layout, 6, [](pb::WatchLayout& m) { m.set_known_revision(9); });
  out.add<pb::LayoutChanged>(FrameKind::layout_changed, 6, [](pb::LayoutChanged& m) { m.set_revision(10); });
}

void add_publish(Samples& out) {
  const SharedBytes one = batch_of({"first"}), two = batch_of({"second", "third"});
  out.add<pb::Publish>(FrameKind::publish, 7,
                       [&](pb::Publish& m) {
                         m.set_acks(pb::ACKS_LEADER);
                         m.set_timeout_ms(1500);
                         auto& first = *m.add_parts();
                         first.set_topic("orders.created");
                         first.set_partition(1);
                         first.set_batch_bytes(static_cast<std::uint32_t>(one.size()));
                         auto& second = *m.add_parts();
                         second.set_topic_id(other_id());
                         second.set_batch_bytes(static_cast<std::uint32_t>(two.size()));
                       },
                       {one, two});
  out.add<pb::Published>(FrameKind::published, 7, [](pb::Published& m) {
    auto& first = *m.add_parts();
    first.set_base_offset(42);
    first.set_append_time_ms(kNoon);
    first.set_leader_epoch(7);
    first.set_memory(true);
    auto& second = *m.add_parts();
    second.set_leader_epoch(-1);
    fill_sample_error(*second.mutable_error(), 503, "no acknowledgement within 1500 ms");
    second.mutable_error()->set_retriable(true);
  });
  out.add<pb::InitProducer>(FrameKind::init_producer, 8, [](pb::InitProducer& m) {
    m.set_producer_id(7000);
    m.set_producer_epoch(3);
  });
  out.add<pb::Producer>(FrameKind::producer, 8, [](pb::Producer& m) {
    m.set_producer_id(7000);
    m.set_producer_epoch(4);
  });
}

void add_subscribe(Samples& out) {
  out.add<pb::Subscribe>(FrameKind::subscribe, 9, [](pb::Subscribe& m) {
    m.add_names("orders.created");
    m.add_patterns("audit.>");
    auto& first = *m.add_partitions();
    first.set_topic("orders.paid");
    first.set_partition(2);
    fill_position(*first.mutable_from(), pb::Position::AT_OFFSET, 7);
    auto& second = *m.add_partitions();
    second.set_topic_id(other_id());
    fill_position(*second.mutable_from(), pb::Position::AT_END);
    fill_position(*m.mutable_from(), pb::Position::AT_TIME, kNoon);
    m.set_queue_group("workers");
    m.set_credit_records(1000);
    m.set_credit_bytes(1 << 20);
    m.set_max_deliver_bytes(1 << 16);
  });
  out.add<pb::Subscribed>(FrameKind::subscribed, 9, [](pb::Subscribed& m) {
    fill_partition(*m.add_partitions());
    auto& second = *m.add_partitions();
    second.set_handle(4);
    second.set_topic("orders.paid");
    second.set_topic_id(other_id());
    second.set_offset(-1);
    second.set_leader_epoch(-1);
    second.set_storage(pb::STORAGE_LOG);
  });
  const SharedBytes first = batch_of({"first"}, 42, 7), second = batch_of({"second", "third"}, 43, 7);
  out.add<pb::Deliver>(FrameKind::deliver, 9,
                       [&](pb::Deliver& m) {
                         auto& one = *m.add_parts();
                         one.set_handle(3);
                         one.set_bytes(static_cast<std::uint32_t>(first.size() + second.size()));
                         one.set_base_offset(42);
                         one.set_generation(2);
                         one.set_high_watermark(99);
                         one.set_leader_epoch(7);
                         auto& two = *m.add_parts();
                         two.set_handle(4);
                         two.set_bytes(static_cast<std::uint32_t>(second.size()));
                         two.set_base_offset(1000);
                         two.set_high_watermark(1002);
                         two.set_leader_epoch(1);
                       },
                       {first, second, batch_of({"second", "third"}, 1000, 1)});
  out.add<pb::Credit>(FrameKind::credit, 9, [](pb::Credit& m) {
    m.set_records(500);
    m.set_bytes(1 << 19);
  });
  out.add<pb::SubscriptionEvent>(FrameKind::subscription_event, 9, [](pb::SubscriptionEvent& m) {
    fill_partition(*m.add_joined());
    m.add_gone()->set_handle(4);
    fill_sample_error(*m.mutable_gone(0)->mutable_why());
    auto& reset = *m.add_reset();
    reset.set_handle(3);
    reset.set_from(5);
    reset.set_to(40);
    fill_sample_error(*reset.mutable_why(), 200, "the log begins at 40");
  });
  out.add<pb::Seek>(FrameKind::seek, 9, [](pb::Seek& m) {
    auto& part = *m.add_parts();
    part.set_handle(3);
    fill_position(*part.mutable_to(), pb::Position::AT_TIME, kNoon);
    part.set_generation(3);
  });
  out.add<pb::Sought>(FrameKind::sought, 9, [](pb::Sought& m) {
    auto& one = *m.add_parts();
    one.set_handle(3);
    one.set_generation(3);
    one.set_offset(77);
    auto& two = *m.add_parts();
    two.set_handle(4);
    two.set_generation(1);
    fill_sample_error(*two.mutable_error());
  });
  out.add<pb::Pause>(FrameKind::pause, 9, [](pb::Pause& m) {
    m.add_handles(3);
    m.add_handles(4);
  });
  out.add<pb::Resume>(FrameKind::resume, 9, [](pb::Resume& m) { m.add_handles(300); });
  out.add<pb::Unsubscribe>(FrameKind::unsubscribe, 9);
  out.add<pb::Unsubscribed>(FrameKind::unsubscribed, 9);
}

void add_requests(Samples& out) {
  constexpr std::uint64_t kToken = (1ULL << 40) + 5;
  out.add<pb::Serve>(FrameKind::serve, 10, [](pb::Serve& m) {
    m.set_subject("orders.price");
    m.set_max_in_flight(32);
  });
  out.add<pb::Serving>(FrameKind::serving, 10);
  out.add<pb::Invoke>(FrameKind::invoke, 10,
                      [](pb::Invoke& m) {
                        m.set_token(kToken);
                        m.set_timeout_ms(900);
                        add_headers(m);
                      },
                      {text("42 apples")});
  out.add<pb::Reply>(FrameKind::reply, 10,
                     [](pb::Reply& m) {
                       m.set_token(kToken);
                       fill_failed(*m.mutable_error());
                       add_headers(m);
                     },
                     {text("12.60")});
  out.add<pb::Unserve>(FrameKind::unserve, 10);
  out.add<pb::Unserved>(FrameKind::unserved, 10);
  out.add<pb::Request>(FrameKind::request, 11,
                       [](pb::Request& m) {
                         m.set_subject("orders.price");
                         m.set_timeout_ms(1000);
                         add_headers(m);
                       },
                       {text("42 apples")});
  out.add<pb::Response>(FrameKind::response, 11,
                        [](pb::Response& m) {
                          fill_failed(*m.mutable_error());
                          add_headers(m);
                        },
                        {text("12.60")});
}

void add_offsets(Samples& out) {
  out.add<pb::Offsets>(FrameKind::offsets, 12, [](pb::Offsets& m) {
    auto& one = *m.add_parts();
    one.set_topic("orders.created");
    one.set_partition(1);
    fill_position(*one.mutable_position(), pb::Position::AT_TIME, kNoon);
    auto& two = *m.add_parts();
    two.set_topic_id(other_id());
    fill_position(*two.mutable_position(), pb::Position::AT_MAX_TIME);
  });
  out.add<pb::OffsetsReply>(FrameKind::offsets_reply, 12, [](pb::OffsetsReply& m) {
    auto& one = *m.add_parts();
    one.set_offset(42);
    one.set_timestamp_ms(kNoon);
    one.set_leader_epoch(7);
    auto& two = *m.add_parts();
    two.set_offset(-1);
    two.set_timestamp_ms(-1);
    two.set_leader_epoch(-1);
    fill_sample_error(*two.mutable_error());
  });
  out.add<pb::DeleteRecords>(FrameKind::delete_records, 18, [](pb::DeleteRecords& m) {
    auto& one = *m.add_parts();
    one.set_topic("orders.created");
    one.set_partition(1);
    one.set_before(0);
    m.add_parts()->set_topic_id(other_id());
    m.set_timeout_ms(2000);
  });
  out.add<pb::RecordsDeleted>(FrameKind::records_deleted, 18, [](pb::RecordsDeleted& m) {
    m.add_parts()->set_start_offset(42);
    fill_sample_error(*m.add_parts()->mutable_error());
  });
}

void add_topics(Samples& out) {
  out.add<pb::CreateTopic>(FrameKind::create_topic, 13, [](pb::CreateTopic& m) {
    m.set_name("orders.paid");
    m.set_partitions(8);
    m.set_replication_factor(1);
    set_setting(*m.add_settings(), "storage", "memory");
    m.set_validate_only(true);
    m.set_timeout_ms(2000);
  });
  out.add<pb::TopicCreated>(FrameKind::topic_created, 13, [](pb::TopicCreated& m) { fill_layout(*m.mutable_topic()); });
  out.add<pb::DeleteTopic>(FrameKind::delete_topic, 14, [](pb::DeleteTopic& m) {
    m.set_name("orders.paid");
    m.set_topic_id(other_id());
    m.set_timeout_ms(2000);
  });
  out.add<pb::AlterTopic>(FrameKind::alter_topic, 15, [](pb::AlterTopic& m) {
    m.set_name("orders.paid");
    m.add_changes()->set_name("retention.ms");
    m.mutable_changes(0)->set_value("");
    m.add_changes()->set_name("retention.bytes");
    m.set_validate_only(true);
    m.set_timeout_ms(2000);
  });
  out.add<pb::GrowTopic>(FrameKind::grow_topic, 16, [](pb::GrowTopic& m) {
    m.set_name("orders.paid");
    m.set_partitions(16);
    m.set_validate_only(true);
    m.set_timeout_ms(2000);
  });
  out.add<pb::DescribeTopic>(FrameKind::describe_topic, 17, [](pb::DescribeTopic& m) {
    m.set_name("orders.paid");
    m.set_topic_id(other_id());
  });
  out.add<pb::TopicDescription>(FrameKind::topic_description, 17, [](pb::TopicDescription& m) {
    fill_layout(*m.mutable_topic());
    m.set_replication_factor(3);
    auto& setting = *m.add_settings();
    setting.set_name("retention.ms");
    setting.set_value("3600000");
    setting.set_default_value("604800000");
    setting.set_is_default(true);
    setting.set_help("How long records are kept.");
    auto& one = *m.add_partitions();
    one.set_start_offset(5);
    one.set_end_offset(99);
    one.set_size_bytes(123'456);
    fill_sample_error(*m.add_partitions()->mutable_error());
  });
}

}  // namespace

std::vector<Sample> samples() {
  Samples out;
  add_session(out);
  add_layout(out);
  add_publish(out);
  add_subscribe(out);
  add_requests(out);
  add_offsets(out);
  add_topics(out);
  return out.take();
}

}  // namespace sluice::native
