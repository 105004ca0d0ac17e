// A NativeServer before a fake broker, and clients that speak to it over the simulated network.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/listener/native_server.h"
#include "protocol/native/headers.h"
#include "tests/broker/listener/fake_broker.h"
#include "tests/broker/listener/harness.h"
#include "tests/sim/net/sim_network.h"

namespace sluice::broker {

/// A client connection that keeps every frame it got until it is taken.
class NativeClient {
 public:
  NativeClient(sim::SimScheduler& scheduler, std::unique_ptr<Stream> stream)
      : scheduler_(scheduler), stream_(std::move(stream)) {
    read();
  }

  void send(native::FrameKind kind, std::uint32_t id, const google::protobuf::MessageLite& header,
            std::span<const SharedBytes> payload = {}) {
    send_pieces(native::encode_frame(kind, id, header, payload));
  }
  void send(native::FrameKind kind, std::uint32_t id, const google::protobuf::MessageLite& header,
            const SharedBytes& payload) {
    send(kind, id, header, std::span(&payload, 1));
  }
  void send_bytes(ByteSpan bytes) { send_pieces({SharedBytes::copy_of(bytes)}); }
  void stop_reading() { may_read_ = false; }
  void go_on_reading() {
    may_read_ = true;
    read();
  }
  void close() { stream_->close(); }

  bool ended() const { return ended_; }
  /// Kinds and ids of the frames that came and were not taken, `PONG 3 PUBLISHED 4`.
  std::string untaken();

  /// The next frame; the test fails if there is none.
  native::Frame take_frame();
  /// The next frame's header; the test fails if it is another kind or id.
  template <class Message>
  Message take(native::FrameKind kind, std::uint32_t id) {
    const native::Frame frame = take_frame();
    EXPECT_EQ(native::kind_name(frame.kind), native::kind_name(kind));
    EXPECT_EQ(frame.id, id);
    Message message;
    EXPECT_TRUE(native::parse_header(frame, message));
    if (frame.kind == native::FrameKind::error && kind != frame.kind) {
      native::pb::Error error;
      EXPECT_TRUE(native::parse_header(frame, error));
      ADD_FAILURE() << error.code() << ": " << error.message();
    }
    return message;
  }
  native::pb::Error take_error(std::uint32_t id) { return take<native::pb::Error>(native::FrameKind::error, id); }
  void greet() {
    send(native::FrameKind::hello, 1, hello());
    take<native::pb::Welcome>(native::FrameKind::welcome, 1);
  }
  static native::pb::Hello hello() {
    native::pb::Hello hello;
    hello.set_min_version(1);
    hello.set_max_version(1);
    hello.set_client_name("test");
    return hello;
  }
  void settle() { scheduler_.run_for(std::chrono::seconds(1)); }

 private:
  void send_pieces(std::vector<SharedBytes> pieces);
  void read();

  sim::SimScheduler& scheduler_;
  std::unique_ptr<Stream> stream_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(64 << 10);
  native::FrameReader received_;
  std::deque<native::Frame> frames_;
  std::vector<SharedBytes> unsent_;
  bool writing_ = false;
  bool reading_ = false;
  bool may_read_ = true;
  bool ended_ = false;
};

class NativeTest : public ::testing::Test {
 protected:
  explicit NativeTest(NativeSettings settings = {}, std::size_t requests_memory = 64U << 20);
  ~NativeTest() override;

  std::unique_ptr<NativeClient> connect();
  /// The same, with the handshake behind it.
  std::unique_ptr<NativeClient> greeted();
  /// Lets the server take what was sent, and answer.
  void settle() { scheduler_.run_for(std::chrono::seconds(1)); }
  NativeSession& only_session();

  static constexpr sim::OwnerId kServerOwner = 1001, kClientOwner = 1002;
  sim::SimScheduler scheduler_{sim::TieBreak::seeded, 11};
  sim::SimNetwork network_{scheduler_, 12};
  sim::SimClock clock_{scheduler_, kServerOwner};
  FakeBroker broker_;
  std::shared_ptr<ConnectionMemory> memory_;
  std::optional<NativeServer> server_;
  int port_ = 0;
};

}  // namespace sluice::broker
