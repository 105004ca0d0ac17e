#include "tests/broker/listener/native_harness.h"

#include <utility>

#include "protocol/base/log.h"

namespace sluice::broker {

void NativeClient::send_pieces(std::vector<SharedBytes> pieces) {
  unsent_.insert(unsent_.end(), pieces.begin(), pieces.end());
  if (writing_ || unsent_.empty()) return;
  writing_ = true;
  stream_->write(std::exchange(unsent_, {}), [this](Result<void>) {
    writing_ = false;
    send_pieces({});
  });
}

void NativeClient::read() {
  if (reading_ || !may_read_) return;
  reading_ = true;
  stream_->read_some(buffer_, [this](Result<std::size_t> size) {
    reading_ = false;
    if (!size || *size == 0) {
      ended_ = true;
      return;
    }
    received_.feed(ByteSpan(buffer_).first(*size));
    for (auto bytes = received_.next(); bytes && *bytes; bytes = received_.next()) {
      auto frame = native::parse_frame(std::move(**bytes));
      EXPECT_TRUE(frame);
      if (frame) frames_.push_back(std::move(*frame));
    }
    read();
  });
}

native::Frame NativeClient::take_frame() {
  settle();
  if (frames_.empty()) {
    ADD_FAILURE() << "no frame" << (ended_ ? " (the connection ended)" : "");
    return {};
  }
  native::Frame frame = std::move(frames_.front());
  frames_.pop_front();
  return frame;
}

std::string NativeClient::untaken() {
  settle();
  std::string text;
  for (const native::Frame& frame : frames_) {
    text += fmt::format("{}{} {}", text.empty() ? "" : " ", native::kind_name(frame.kind), frame.id);
  }
  return text;
}

NativeTest::NativeTest(NativeSettings settings, std::size_t requests_memory) {
  logged_warnings().clear();
  set_log_sink([](LogLevel, std::string_view line) { logged_warnings().emplace_back(line); }, LogLevel::warn);
  broker_.add_node(1, "broker-1.test", 9092);
  const auto wake_soon = [this] { clock_.call_after(Nanos(0), [this] { memory_->wake(clock_.steady()); }); };
  memory_ = std::make_shared<ConnectionMemory>(requests_memory, 32U << 20, ConnectionMemory::Events{wake_soon});
  server_.emplace(broker_, clock_, memory_, settings);
  auto listener = network_.listen(kServerOwner, "broker-1.test");
  port_ = listener->port();
  server_->listen(std::move(listener));
}

NativeTest::~NativeTest() {
  memory_->end();
  set_log_sink(nullptr, LogLevel::off);
}

std::unique_ptr<NativeClient> NativeTest::connect() {
  std::unique_ptr<NativeClient> client;
  network_.connect(kClientOwner, "broker-1.test", port_, [&](Result<std::unique_ptr<Stream>> stream) {
    if (stream) client = std::make_unique<NativeClient>(scheduler_, std::move(*stream));
  });
  settle();
  CHECK(client != nullptr);
  return client;
}

std::unique_ptr<NativeClient> NativeTest::greeted() {
  auto client = connect();
  client->greet();
  return client;
}

NativeSession& NativeTest::only_session() {
  CHECK(server_->session_count() == 1);
  NativeSession* found = nullptr;
  server_->for_each_session([&](NativeSession& session) { found = &session; });
  return *found;
}

}  // namespace sluice::broker
