#include "tests/broker/listener/harness.h"

#include <utility>

#include "protocol/base/log.h"

namespace sluice::broker {

std::vector<std::string>& logged_warnings() {
  static std::vector<std::string> lines;
  return lines;
}

std::vector<std::byte> batch_of(std::string_view value, Codec codec) {
  BatchBuilder builder({.codec = codec});
  builder.add(1'700'000'000'000, std::nullopt, as_bytes(value));
  return builder.build();
}

void TestClient::send_pieces(std::vector<SharedBytes> pieces) {
  unsent_.insert(unsent_.end(), pieces.begin(), pieces.end());
  if (writing_ || unsent_.empty()) return;
  writing_ = true;
  stream_->write(std::exchange(unsent_, {}), [this](Result<void>) {
    writing_ = false;
    send_pieces({});
  });
}

void TestClient::read() {
  if (reading_ || !may_read_) return;
  reading_ = true;
  stream_->read_some(buffer_, [this](Result<std::size_t> size) {
    reading_ = false;
    if (!size || *size == 0) {
      ended_ = true;
      return;
    }
    received_.feed(ByteSpan(buffer_).first(*size));
    for (auto frame = received_.next(); frame && *frame; frame = received_.next()) {
      correlation_ids_.push_back(load_be<std::int32_t>((**frame).data()));
      frames_.push_back(**frame);
    }
    read();
  });
}

ListenerTest::ListenerTest(KafkaSettings settings) {
  logged_warnings().clear();
  set_log_sink([](LogLevel, std::string_view line) { logged_warnings().emplace_back(line); }, LogLevel::warn);
  broker_.add_node(1, "broker-1.test", 9092);
  server_.emplace(broker_, clock_, random_, settings);
  auto listener = network_.listen(kServerOwner, "broker-1.test");
  port_ = listener->port();
  server_->listen(std::move(listener));
}

ListenerTest::~ListenerTest() { set_log_sink(nullptr, LogLevel::off); }

std::unique_ptr<TestClient> ListenerTest::connect() {
  std::unique_ptr<TestClient> client;
  network_.connect(kClientOwner, "broker-1.test", port_, [&](Result<std::unique_ptr<Stream>> stream) {
    if (stream) client = std::make_unique<TestClient>(scheduler_, std::move(*stream));
  });
  settle();
  CHECK(client != nullptr);
  return client;
}

const KafkaSession& ListenerTest::only_session() const {
  CHECK(server_->session_count() == 1);
  const KafkaSession* found = nullptr;
  server_->for_each_session([&](const KafkaSession& session) { found = &session; });
  return *found;
}

}  // namespace sluice::broker
