// A KafkaServer before a fake broker, and clients that speak to it over the simulated network.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/listener/kafka_server.h"
#include "protocol/base/record_batch.h"
#include "protocol/kafka/codec.h"
#include "protocol/kafka/messages.h"
#include "tests/broker/listener/fake_broker.h"
#include "tests/sim/net/sim_network.h"

namespace sluice::broker {

/// What was logged since the test began.
std::vector<std::string>& logged_warnings();

/// A batch of one record with that value.
std::vector<std::byte> batch_of(std::string_view value, Codec codec = Codec::none);

/// A client connection that keeps every reply it got.
class TestClient {
 public:
  TestClient(sim::SimScheduler& scheduler, std::unique_ptr<Stream> stream)
      : scheduler_(scheduler), stream_(std::move(stream)) {
    read();
  }

  /// Sends a request; what goes out at one time is sent together.
  template <class Message>
  void send(std::int32_t correlation_id, std::int16_t version, const Message& message) {
    send_pieces(kafka::encode_request(correlation_id, "test", version, message).pieces);
  }
  void send_bytes(ByteSpan bytes) { send_pieces({SharedBytes::copy_of(bytes)}); }
  void stop_reading() { may_read_ = false; }
  void go_on_reading() {
    may_read_ = true;
    read();
  }
  void close() { stream_->close(); }

  /// Correlation ids of the replies that came, in order.
  const std::vector<std::int32_t>& replies() const { return correlation_ids_; }
  bool ended() const { return ended_; }

  /// The next reply that was not taken yet, as a message; the test fails if there is none or it is another one.
  template <class Response>
  Response take(std::int32_t correlation_id, std::int16_t version) {
    settle();
    if (taken_ >= correlation_ids_.size()) {
      ADD_FAILURE() << "no reply " << correlation_id << (ended_ ? " (the connection ended)" : "");
      return {};
    }
    const SharedBytes& frame = frames_[taken_];
    EXPECT_EQ(correlation_ids_[taken_++], correlation_id);
    const auto& api = kafka::api_info(Response::kApi);
    const std::size_t header = kafka::response_header_version(api, version) == 1 ? 5 : 4;
    auto response = kafka::decode<Response>(frame.span().subspan(header), version);
    if (!response) {
      ADD_FAILURE() << response.error().message;
      return {};
    }
    return std::move(*response);
  }
  /// Sends and takes.
  template <class Response, class Message>
  Response ask(std::int16_t version, const Message& message) {
    send(++last_correlation_id_, version, message);
    return take<Response>(last_correlation_id_, version);
  }
  /// Lets all that is due within a second happen: time-outs of sessions are longer.
  void settle() { scheduler_.run_for(std::chrono::seconds(1)); }

 private:
  void send_pieces(std::vector<SharedBytes> pieces);
  void read();

  sim::SimScheduler& scheduler_;
  std::unique_ptr<Stream> stream_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(64 << 10);
  kafka::FrameReader received_{64U << 20};
  std::deque<SharedBytes> frames_;
  std::vector<std::int32_t> correlation_ids_;
  std::size_t taken_ = 0;
  std::int32_t last_correlation_id_ = 1000;
  std::vector<SharedBytes> unsent_;
  bool writing_ = false;
  bool reading_ = false;
  bool may_read_ = true;
  bool ended_ = false;
};

class ListenerTest : public ::testing::Test {
 protected:
  explicit ListenerTest(KafkaSettings settings = {});
  ~ListenerTest() override;

  std::unique_ptr<TestClient> connect();
  /// Lets the server take what was sent, and answer.
  void settle() { scheduler_.run_for(std::chrono::seconds(1)); }
  const KafkaSession& only_session() const;

  static constexpr sim::OwnerId kServerOwner = 1001, kClientOwner = 1002;
  sim::SimScheduler scheduler_{sim::TieBreak::seeded, 11};
  sim::SimNetwork network_{scheduler_, 12};
  sim::SimClock clock_{scheduler_, kServerOwner};
  SeededRandom random_{13};
  FakeBroker broker_;
  std::optional<KafkaServer> server_;
  int port_ = 0;
};

}  // namespace sluice::broker
