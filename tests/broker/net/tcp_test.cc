#include "broker/net/tcp.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <mutex>
#include <string>
#include <vector>

#include "protocol/base/log.h"
#include "tests/broker/net/drive.h"

namespace sluice::broker {
namespace {

/// A listener and the streams it accepted, on one loop.
class Tcp : public ::testing::Test {
 protected:
  void listen(TcpListenOptions options = {.host = "127.0.0.1"}) {
    auto opened = listen_tcp(loop_, options);
    ASSERT_TRUE(opened) << opened.error().message;
    listener_ = std::move(*opened);
    listener_->start([this](std::unique_ptr<Stream> stream) { accepted_.push_back(std::move(stream)); });
  }
  std::unique_ptr<Stream> connect(const std::string& address = "127.0.0.1") {
    std::unique_ptr<Stream> stream;
    bool done = false;
    connect_tcp(loop_, address, listener_->port(), [&](Result<std::unique_ptr<Stream>> connected) {
      done = true;
      if (connected) stream = std::move(*connected);
    });
    EXPECT_TRUE(drive_until(loop_, [&] { return done; }));
    return stream;
  }
  /// A connection: our end of it, and the accepted one in accepted_.back().
  std::unique_ptr<Stream> connect_and_accept() {
    const std::size_t before = accepted_.size();
    auto stream = connect();
    EXPECT_TRUE(drive_until(loop_, [&] { return accepted_.size() > before; }));
    return stream;
  }
  Result<std::size_t> read(Stream& from, MutableByteSpan into) {
    Result<std::size_t> outcome = fail(Errc::internal, "not called");
    bool done = false;
    from.read_some(into, [&](Result<std::size_t> n) {
      done = true;
      outcome = std::move(n);
    });
    EXPECT_FALSE(done) << "a callback inside its call";
    EXPECT_TRUE(drive_until(loop_, [&] { return done; }));
    return outcome;
  }
  std::string read_text(Stream& from, std::size_t size) {
    std::string text;
    std::vector<std::byte> buffer(64 * 1024);
    while (text.size() < size) {
      const auto n = read(from, buffer);
      if (!n || *n == 0) break;
      text += as_text(ByteSpan(buffer).first(*n));
    }
    return text;
  }
  Result<void> write(Stream& to, std::vector<SharedBytes> pieces) {
    Result<void> outcome;
    bool done = false;
    to.write(std::move(pieces), [&](Result<void> written) {
      done = true;
      outcome = std::move(written);
    });
    EXPECT_FALSE(done) << "a callback inside its call";
    EXPECT_TRUE(drive_until(loop_, [&] { return done; }));
    return outcome;
  }
  static SharedBytes piece(std::string_view text) { return SharedBytes::copy_of(as_bytes(text)); }

  EventLoop loop_;
  std::unique_ptr<Listener> listener_;
  std::vector<std::unique_ptr<Stream>> accepted_;
};

TEST_F(Tcp, BytesGoBothWaysInOrder) {
  listen();
  EXPECT_GT(listener_->port(), 0);
  EXPECT_EQ(listener_->host(), "127.0.0.1");
  auto client = connect_and_accept();
  ASSERT_TRUE(client);
  EXPECT_EQ(client->peer(), "127.0.0.1:" + std::to_string(listener_->port()));
  EXPECT_TRUE(write(*client, {piece("hello"), piece(""), piece(" "), piece("broker")}));
  EXPECT_EQ(read_text(*accepted_[0], 12), "hello broker");
  EXPECT_TRUE(write(*accepted_[0], {piece("answer")}));
  EXPECT_EQ(read_text(*client, 6), "answer");
  EXPECT_TRUE(write(*client, {}));
  EXPECT_TRUE(write(*client, {piece("")}));
}

TEST_F(Tcp, MorePiecesThanOneCallTakesAndMoreBytesThanTheSocketHolds) {
  listen();
  auto client = connect_and_accept();
  std::string expected;
  std::vector<SharedBytes> pieces;
  for (int i = 0; i < 1000; ++i) {
    pieces.push_back(piece(std::string(static_cast<std::size_t>(i * 37 % 40'000), static_cast<char>('a' + i % 26))));
    expected += as_text(pieces.back());
  }
  Result<void> outcome = fail(Errc::internal, "not called");
  client->write(std::move(pieces), [&](Result<void> written) { outcome = std::move(written); });
  for (int i = 0; i < 100; ++i) loop_.poll();
  EXPECT_FALSE(outcome) << "20 MB cannot be gone while nobody reads";
  EXPECT_EQ(read_text(*accepted_[0], expected.size()), expected);
  EXPECT_TRUE(drive_until(loop_, [&] { return outcome.has_value(); }));
}

TEST_F(Tcp, ASentPieceIsLetGo) {
  listen();
  auto client = connect_and_accept();
  const auto small = std::make_shared<std::string>("small");
  const auto large = std::make_shared<std::string>(64U << 20, 'x');
  const auto shared = [](const std::shared_ptr<std::string>& text) {
    return SharedBytes(text, as_bytes(*text), text->size());
  };
  client->write({shared(small), shared(large)}, [](Result<void>) { FAIL() << "nobody reads"; });
  for (int i = 0; i < 100; ++i) loop_.poll();
  EXPECT_EQ(small.use_count(), 1);
  EXPECT_EQ(large.use_count(), 2);
  client.reset();  // and no callback
  for (int i = 0; i < 10; ++i) loop_.poll();
  EXPECT_EQ(large.use_count(), 1);
}

TEST_F(Tcp, WhatIsNotSentCanBeCopiedOutOfASharedBuffer) {
  listen();
  auto client = connect_and_accept();
  constexpr std::size_t kPiece = 3U << 20, kPieces = 6;
  auto shared = std::make_shared<std::vector<std::byte>>();
  for (std::size_t i = 0; i < kPiece * kPieces; ++i) shared->push_back(static_cast<std::byte>(i * 7 % 251));
  const std::string expected(as_text(*shared));
  const std::weak_ptr<const void> alive = shared;
  std::vector<SharedBytes> pieces;
  for (std::size_t i = 0; i < kPieces; ++i)
    pieces.emplace_back(shared, ByteSpan(*shared).subspan(i * kPiece, kPiece), shared->size());
  shared.reset();
  EXPECT_EQ(client->unsent_bytes(), 0U);
  bool written = false;
  client->write(std::move(pieces), [&](Result<void> outcome) { written = outcome.has_value(); });
  for (int i = 0; i < 100; ++i) loop_.poll();
  EXPECT_FALSE(written);
  EXPECT_GT(client->unsent_bytes(), 0U);
  EXPECT_LT(client->unsent_bytes(), expected.size()) << "the system took some";
  EXPECT_FALSE(alive.expired());
  client->own_unsent();
  EXPECT_TRUE(alive.expired());
  EXPECT_EQ(read_text(*accepted_[0], expected.size()), expected);
  EXPECT_TRUE(drive_until(loop_, [&] { return written; }));
  EXPECT_EQ(client->unsent_bytes(), 0U);
}

TEST_F(Tcp, ThePeersEndIsAReadOfZero) {
  listen();
  auto client = connect_and_accept();
  client->close();
  std::vector<std::byte> buffer(10);
  const auto n = read(*accepted_[0], buffer);
  ASSERT_TRUE(n);
  EXPECT_EQ(*n, 0U);
}

TEST_F(Tcp, WritingToAPeerThatHasGoneFailsWithItsName) {
  listen();
  auto client = connect_and_accept();
  client.reset();
  Result<void> outcome;
  for (int i = 0; i < 1000 && outcome; ++i) outcome = write(*accepted_[0], {piece("into the void")});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Errc::io_error);
  EXPECT_NE(outcome.error().message.find("127.0.0.1:"), std::string::npos);
}

TEST_F(Tcp, NoCallbackAfterClose) {
  listen();
  auto client = connect_and_accept();
  std::vector<std::byte> buffer(10);
  client->read_some(buffer, [](Result<std::size_t>) { FAIL() << "closed"; });
  client->write({piece("x")}, [](Result<void>) { FAIL() << "closed"; });
  client->close();
  client->close();
  client->read_some(buffer, [](Result<std::size_t>) { FAIL() << "closed"; });
  for (int i = 0; i < 10; ++i) loop_.poll();
}

TEST_F(Tcp, AStreamMayGoInItsOwnCallback) {
  listen();
  auto client = connect_and_accept();
  std::vector<std::byte> buffer(10);
  bool done = false;
  client->read_some(buffer, [&](Result<std::size_t>) {
    client.reset();
    done = true;
  });
  ASSERT_TRUE(write(*accepted_[0], {piece("bye")}));
  EXPECT_TRUE(drive_until(loop_, [&] { return done; }));
}

TEST_F(Tcp, ShardsShareAPort) {
  listen();
  auto second = listen_tcp(loop_, {.host = "127.0.0.1", .port = listener_->port()});
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ((*second)->port(), listener_->port());
}

TEST_F(Tcp, APortInUseIsSaidSo) {
  listen({.host = "127.0.0.1", .reuse_port = false});
  const auto second = listen_tcp(loop_, {.host = "127.0.0.1", .port = listener_->port(), .reuse_port = false});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::in_use);
  EXPECT_NE(second.error().message.find("127.0.0.1:" + std::to_string(listener_->port())), std::string::npos);
}

TEST_F(Tcp, AHostThatDoesNotResolveIsSaidSo) {
  const auto listener = listen_tcp(loop_, {.host = "no-such-host.invalid", .port = 0});
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code, Errc::config);
}

TEST_F(Tcp, Ipv6) {
  const auto probe = listen_tcp(loop_, {.host = "::1"});
  if (!probe) GTEST_SKIP() << "no IPv6 here: " << probe.error().message;
  listen({.host = "::1"});
  auto client = connect("::1");
  ASSERT_TRUE(client);
  EXPECT_TRUE(drive_until(loop_, [&] { return accepted_.size() == 1; }));
  EXPECT_EQ(accepted_[0]->peer().substr(0, 6), "[::1]:");
}

TEST_F(Tcp, APausedListenerLetsConnectionsWait) {
  listen();
  listener_->pause(true);
  auto client = connect();
  ASSERT_TRUE(client) << "the backlog takes it";
  for (int i = 0; i < 20; ++i) loop_.poll();
  EXPECT_TRUE(accepted_.empty());
  listener_->pause(false);
  EXPECT_TRUE(drive_until(loop_, [&] { return accepted_.size() == 1; }));
  listener_->pause(true);
  listener_->pause(false);
  connect_and_accept();
  EXPECT_EQ(accepted_.size(), 2U);
}

TEST_F(Tcp, AListenerMayGoInItsOwnCallback) {
  auto opened = listen_tcp(loop_, {.host = "127.0.0.1"});
  ASSERT_TRUE(opened);
  listener_ = std::move(*opened);
  const auto witness = std::make_shared<int>(0);
  bool called = false;
  listener_->start([this, witness, &called](std::unique_ptr<Stream>) {
    listener_.reset();
    EXPECT_EQ(witness.use_count(), 2) << "the running callback must outlive its call";
    called = true;
  });
  const int port = listener_->port();
  connect_tcp(loop_, "127.0.0.1", port, [](Result<std::unique_ptr<Stream>>) {});
  EXPECT_TRUE(drive_until(loop_, [&] { return called; }));
  EXPECT_EQ(witness.use_count(), 1);
}

TEST_F(Tcp, ConnectingToNobodyFails) {
  listen();
  const int port = listener_->port();
  listener_.reset();
  for (const char* address : {"127.0.0.1", "not an address"}) {
    bool failed = false;
    connect_tcp(loop_, address, port, [&](Result<std::unique_ptr<Stream>> stream) { failed = !stream; });
    EXPECT_FALSE(failed);
    EXPECT_TRUE(drive_until(loop_, [&] { return failed; }));
  }
}

std::mutex log_mutex;
std::vector<std::string> log_lines;

TEST_F(Tcp, OutOfDescriptorsIsSaidOnceAndPasses) {
  listen({.host = "127.0.0.1", .retry_accept_after = Millis(1)});
  auto first = connect();
  ASSERT_TRUE(drive_until(loop_, [&] { return accepted_.size() == 1; }));
  set_log_sink(
      [](LogLevel, std::string_view line) {
        const std::lock_guard lock(log_mutex);
        log_lines.emplace_back(line);
      },
      LogLevel::warn);

  auto second = connect();  // in the backlog or accepted
  ASSERT_TRUE(drive_until(loop_, [&] { return accepted_.size() == 2; }));
  listener_->pause(true);
  auto third = connect();
  std::vector<int> hoard;
  for (int fd = dup(0); fd >= 0; fd = dup(0)) {
    hoard.push_back(fd);
    if (hoard.size() >= 1'000'000) break;
  }
  ASSERT_EQ(errno, EMFILE);
  listener_->pause(false);
  ASSERT_TRUE(drive_until(loop_, [&] {
    const std::lock_guard lock(log_mutex);
    return !log_lines.empty();
  }));
  const SteadyTime begin = loop_.steady();
  ASSERT_TRUE(drive_until(loop_, [&] { return loop_.steady() - begin > Millis(20); }));  // many more retries
  EXPECT_EQ(accepted_.size(), 2U);
  for (const int fd : hoard) close(fd);
  EXPECT_TRUE(drive_until(loop_, [&] { return accepted_.size() == 3; }));
  set_log_sink(nullptr, LogLevel::off);
  ASSERT_EQ(log_lines.size(), 1U);
  EXPECT_NE(log_lines[0].find("open files"), std::string::npos);
}

}  // namespace
}  // namespace sluice::broker
