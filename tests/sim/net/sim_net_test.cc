#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/sim/net/sim_network.h"

namespace sluice::sim {
namespace {

using broker::Stream;
using std::chrono::seconds;

SharedBytes piece(std::string_view text) { return SharedBytes::copy_of(as_bytes(text)); }

/// Reads a stream to its end, or until told to stop, and notes what happened.
class Reader {
 public:
  explicit Reader(Stream& stream, std::size_t buffer_size = 1 << 16) : stream_(stream), buffer_(buffer_size) { read(); }
  std::string text;
  std::vector<std::size_t> sizes;
  bool ended = false;
  std::optional<Error> error;

 private:
  void read() {
    stream_.read_some(buffer_, [this](Result<std::size_t> n) {
      if (!n) {
        error = n.error();
      } else if (*n == 0) {
        ended = true;
      } else {
        text += as_text(ByteSpan(buffer_).first(*n));
        sizes.push_back(*n);
        read();
      }
    });
  }
  Stream& stream_;
  std::vector<std::byte> buffer_;
};

class SimNet : public ::testing::Test {
 protected:
  void connect() {
    listener_ = network_.listen(kServer, "node-1");
    listener_->start([this](std::unique_ptr<Stream> stream) { server_ = std::move(stream); });
    network_.connect(kClient, "node-1", listener_->port(), [this](Result<std::unique_ptr<Stream>> stream) {
      ASSERT_TRUE(stream) << stream.error().message;
      client_ = std::move(*stream);
    });
    scheduler_.run_until_idle();
    ASSERT_TRUE(client_);
    ASSERT_TRUE(server_);
  }
  static constexpr OwnerId kServer = 101, kClient = 102;
  SimScheduler scheduler_{TieBreak::seeded, 1};
  SimNetwork network_{scheduler_, 7};
  std::unique_ptr<broker::Listener> listener_;
  std::unique_ptr<Stream> client_, server_;
};

TEST_F(SimNet, BytesArriveInOrderButInOtherPieces) {
  connect();
  std::string sent;
  std::vector<SharedBytes> pieces;
  for (int i = 0; i < 300; ++i) {
    pieces.push_back(piece(std::string(static_cast<std::size_t>(i * 13 % 5000), static_cast<char>('a' + i % 26))));
    sent += as_text(pieces.back());
  }
  bool written = false;
  client_->write(std::move(pieces), [&](Result<void> outcome) { written = outcome.has_value(); });
  EXPECT_FALSE(written) << "never inside the call";
  Reader reader(*server_);
  scheduler_.run_until_idle();
  EXPECT_TRUE(written);
  EXPECT_EQ(reader.text, sent);
  EXPECT_GT(reader.sizes.size(), 10U);
  EXPECT_GT(scheduler_.now(), SteadyTime(0));
  client_->close();
  scheduler_.run_until_idle();
  EXPECT_TRUE(reader.ended);
  EXPECT_EQ(server_->peer().substr(0, 8), "sim-102:");
}

TEST_F(SimNet, AWriterWaitsForASlowReader) {
  connect();
  bool written = false;
  client_->write({piece(std::string(1 << 20, 'x'))}, [&](Result<void>) { written = true; });
  scheduler_.run_until_idle();
  EXPECT_FALSE(written);
  Reader reader(*server_);
  scheduler_.run_until_idle();
  EXPECT_TRUE(written);
  EXPECT_EQ(reader.text.size(), 1U << 20);
}

TEST_F(SimNet, ACutReachesBothEnds) {
  connect();
  Reader server_reader(*server_);
  Reader client_reader(*client_);
  client_->write({piece("lost")}, [](Result<void>) {});
  EXPECT_TRUE(network_.cut_one());
  scheduler_.run_until_idle();
  EXPECT_EQ(server_reader.text, "");
  EXPECT_TRUE(server_reader.error);
  EXPECT_TRUE(client_reader.error);
  bool failed = false;
  client_->write({piece("more")}, [&](Result<void> outcome) { failed = !outcome; });
  scheduler_.run_until_idle();
  EXPECT_TRUE(failed);
}

TEST_F(SimNet, WritingToAClosedEndFails) {
  connect();
  server_.reset();
  Result<void> outcome;
  client_->write({piece("x")}, [&](Result<void> o) { outcome = std::move(o); });
  scheduler_.run_until_idle();
  EXPECT_FALSE(outcome);
}

TEST_F(SimNet, ABlockHoldsBytesBackAndKeepsTheirOrder) {
  connect();
  Reader reader(*server_);
  network_.block(kClient, kServer);
  for (const char* text : {"one ", "two ", "three"}) {
    client_->write({piece(text)}, [](Result<void>) {});
    scheduler_.run_until_idle();
  }
  EXPECT_EQ(reader.text, "");
  bool timed_out = false;
  network_.connect(kClient, "node-1", listener_->port(), [&](Result<std::unique_ptr<Stream>> s) { timed_out = !s; });
  scheduler_.run_until_idle();
  EXPECT_TRUE(timed_out);
  network_.unblock(kServer, kClient);
  scheduler_.run_until_idle();
  EXPECT_EQ(reader.text, "one two three");
}

TEST_F(SimNet, NobodyListensThere) {
  bool failed = false;
  network_.connect(kClient, "node-9", 1, [&](Result<std::unique_ptr<Stream>> stream) { failed = !stream; });
  EXPECT_FALSE(failed);
  scheduler_.run_until_idle();
  EXPECT_TRUE(failed);
}

TEST_F(SimNet, TheDeadHearNothingAndTheirPeersFindOut) {
  connect();
  Reader dead(*server_);
  Reader living(*client_);
  client_->write({piece("hello")}, [](Result<void>) {});
  scheduler_.cancel_owner(kServer);
  network_.cut_all(kServer);
  scheduler_.cancel_owner(kServer);
  server_.reset();
  scheduler_.run_until_idle();
  EXPECT_EQ(dead.text, "");
  EXPECT_TRUE(living.error);
}

TEST_F(SimNet, APausedListenerLetsConnectionsWait) {
  connect();
  server_.reset();
  listener_->pause(true);
  std::unique_ptr<Stream> second;
  network_.connect(kClient, "node-1", listener_->port(),
                   [&](Result<std::unique_ptr<Stream>> s) { second = std::move(*s); });
  scheduler_.run_until_idle();
  EXPECT_TRUE(second);
  EXPECT_FALSE(server_);
  listener_->pause(false);
  scheduler_.run_until_idle();
  EXPECT_TRUE(server_);
}

TEST_F(SimNet, NoCallbackAfterCloseOrDestruction) {
  connect();
  std::vector<std::byte> buffer(8);
  server_->read_some(buffer, [](Result<std::size_t>) { FAIL(); });
  client_->write({piece("x")}, [](Result<void>) { FAIL(); });
  client_.reset();
  server_->close();
  scheduler_.run_until_idle();
  EXPECT_EQ(network_.connection_count(), 0U);
}

std::vector<std::size_t> read_sizes(std::uint64_t seed) {
  SimScheduler scheduler;
  SimNetwork network(scheduler, seed);
  auto listener = network.listen(1, "n");
  std::unique_ptr<Stream> server, client;
  listener->start([&](std::unique_ptr<Stream> stream) { server = std::move(stream); });
  network.connect(2, "n", listener->port(),
                  [&](Result<std::unique_ptr<Stream>> stream) { client = std::move(*stream); });
  scheduler.run_until_idle();
  Reader reader(*server, 3000);
  client->write({piece(std::string(200'000, 'x'))}, [](Result<void>) {});
  scheduler.run_until_idle();
  return reader.sizes;
}

TEST(SimNetSeed, TheSameSeedDoesTheSame) {
  EXPECT_EQ(read_sizes(3), read_sizes(3));
  EXPECT_NE(read_sizes(3), read_sizes(4));
}

}  // namespace
}  // namespace sluice::sim
