// The HTTP server over the simulated network: replies whole and in pieces, and clients that are malformed, too large,
// too slow, too many, or gone.
#include "broker/listener/http_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "protocol/base/log.h"
#include "tests/sim/net/sim_network.h"

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;

/// A client that keeps all it gets.
class HttpClient {
 public:
  explicit HttpClient(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) { read(); }
  void send(std::string text) {
    unsent_ += text;
    if (writing_ || unsent_.empty()) return;
    writing_ = true;
    stream_->write({SharedBytes::copy_of(as_bytes(std::exchange(unsent_, {})))}, [this](Result<void>) {
      writing_ = false;
      send("");
    });
  }
  void stop_reading() { may_read_ = false; }
  void close() { stream_->close(); }
  const std::string& got() const { return got_; }
  bool ended() const { return ended_; }

 private:
  void read() {
    if (!may_read_) return;
    stream_->read_some(buffer_, [this](Result<std::size_t> size) {
      ended_ = !size || *size == 0;
      if (ended_) return;
      got_ += as_text(ByteSpan(buffer_).first(*size));
      read();
    });
  }
  std::unique_ptr<Stream> stream_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(4096);
  std::string got_, unsent_;
  bool may_read_ = true, writing_ = false, ended_ = false;
};

/// A body of given pieces; one that is "!" stands for an error, "..." for an answer that comes later and is empty.
class ListedBody final : public HttpBody {
 public:
  ListedBody(sim::SimClock& clock, std::vector<std::string> pieces, std::size_t& asked)
      : clock_(clock), pieces_(std::move(pieces)), asked_(asked) {}
  void next(UniqueFunction<void(Result<Piece>)> done) override {
    const std::string text = pieces_.at(asked_++);
    const bool last = asked_ == pieces_.size();
    if (text == "!") return done(fail(Errc::timed_out, "a shard does not answer"));
    if (text == "...") {
      clock_.call_after(10ms, [done = std::move(done), last]() mutable { done(Piece{{}, last}); });
      return;
    }
    Piece piece;
    piece.last = last;
    if (!text.empty()) piece.bytes = {SharedBytes::copy_of(as_bytes(text))};
    done(std::move(piece));
  }

 private:
  sim::SimClock& clock_;
  const std::vector<std::string> pieces_;
  std::size_t& asked_;
};

class HttpServerTest : public ::testing::Test {
 protected:
  HttpServerTest() {
    set_log_sink(nullptr, LogLevel::off);
    HttpSettings settings;
    settings.max_connections = 3;
    server_.emplace(
        clock_,
        [this](const HttpRequest& request, UniqueFunction<void(HttpReply)> done) {
          requests_.push_back(request);
          HttpReply reply;
          if (request.path == "/text") reply.text = "hello\n";
          if (request.path == "/pieces") reply.body = std::make_unique<ListedBody>(clock_, pieces_, asked_);
          if (request.path == "/missing") reply = http_error(404, "nothing here");
          if (request.path == "/later") {
            late_ = std::move(done);
            return;
          }
          done(std::move(reply));
        },
        settings);
    auto listener = network_.listen(kServer, "broker.test");
    port_ = listener->port();
    server_->listen(std::move(listener));
  }

  std::unique_ptr<HttpClient> connect() {
    std::unique_ptr<HttpClient> client;
    network_.connect(kClient, "broker.test", port_, [&](Result<std::unique_ptr<Stream>> stream) {
      if (stream) client = std::make_unique<HttpClient>(std::move(*stream));
    });
    run(100ms);
    CHECK(client != nullptr);
    return client;
  }
  void run(Nanos time) { scheduler_.run_for(time); }
  /// What a client is told that sends `text` and waits.
  std::string ask(std::string text) {
    const auto client = connect();
    client->send(std::move(text));
    run(500ms);
    return client->got();
  }

  static constexpr sim::OwnerId kServer = 1001, kClient = 1002;
  sim::SimScheduler scheduler_{sim::TieBreak::seeded, 21};
  sim::SimNetwork network_{scheduler_, 22};
  sim::SimClock clock_{scheduler_, kServer};
  std::vector<HttpRequest> requests_;
  std::vector<std::string> pieces_;
  std::size_t asked_ = 0;
  UniqueFunction<void(HttpReply)> late_;
  std::optional<HttpServer> server_;
  int port_ = 0;
};

TEST_F(HttpServerTest, AnswersWithAText) {
  const auto client = connect();
  client->send("GET /text HTTP/1.1\r\nHost: x\r\n\r\n");
  run(100ms);
  EXPECT_EQ(client->got(),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
            "Content-Length: 6\r\n\r\nhello\n");
  EXPECT_TRUE(client->ended());
  EXPECT_EQ(server_->session_count(), 0U);
}

TEST_F(HttpServerTest, SendsABodyInChunks) {
  pieces_ = {"first\n", "", "...", std::string(300, 'x'), "..."};
  EXPECT_EQ(ask("GET /pieces HTTP/1.1\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
            "Transfer-Encoding: chunked\r\n\r\n6\r\nfirst\n\r\n12c\r\n" +
                std::string(300, 'x') + "\r\n0\r\n\r\n");
  EXPECT_EQ(asked_, 5U);
}

TEST_F(HttpServerTest, TheLastPieceMayHaveBytes) {
  pieces_ = {"a", "b"};
  EXPECT_TRUE(ask("GET /pieces HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n"));
}

TEST_F(HttpServerTest, ToAnOldClientABodyGoesBare) {
  for (const auto& pieces : {std::vector<std::string>{"a", "...", "b"}, std::vector<std::string>{"ab", ""}}) {
    pieces_ = pieces;
    asked_ = 0;
    EXPECT_TRUE(ask("GET /pieces HTTP/1.0\r\n\r\n").ends_with("Connection: close\r\n\r\nab"));
    EXPECT_EQ(server_->session_count(), 0U);
  }
}

TEST_F(HttpServerTest, ABodyThatFailsIsCut) {
  pieces_ = {"a", "!"};
  const auto client = connect();
  client->send("GET /pieces HTTP/1.1\r\n\r\n");
  run(100ms);
  EXPECT_TRUE(client->got().ends_with("1\r\na\r\n")) << "without the last chunk the client knows that it has not all";
  EXPECT_TRUE(client->ended());
}

TEST_F(HttpServerTest, OnlyGetAndOnlyWhatThereIs) {
  EXPECT_TRUE(ask("GET /missing HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 Not Found\r\n"));
  const std::string refused = ask("POST /text HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 405 Method Not Allowed\r\n")) << refused;
  EXPECT_NE(refused.find("\r\nAllow: GET\r\n"), std::string::npos);
  EXPECT_EQ(requests_.size(), 1U);
}

TEST_F(HttpServerTest, MalformedRequestsAreToldSo) {
  EXPECT_TRUE(ask("rubbish\r\n").starts_with("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_TRUE(ask("GET / HTTP/3\r\n\r\n").starts_with("HTTP/1.1 505 HTTP Version Not Supported\r\n"));
  run(2s);
  EXPECT_EQ(server_->session_count(), 0U) << "who is refused and does not hang up is hung up on";
  EXPECT_TRUE(requests_.empty());
}

TEST_F(HttpServerTest, AnOversizedRequestIsToldSoAndReadNoFurtherThanASecond) {
  const auto client = connect();
  client->send("GET / HTTP/1.1\r\na: " + std::string(1 << 20, 'x'));
  run(500ms);
  EXPECT_TRUE(client->got().starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n")) << client->got();
  run(2s);
  EXPECT_TRUE(client->ended());
  EXPECT_EQ(server_->session_count(), 0U);
}

TEST_F(HttpServerTest, ASlowRequestHasADeadline) {
  const auto client = connect();
  const std::string request = "GET /text HTTP/1.1\r\n";
  for (std::size_t i = 0; i < 4; ++i) {  // a byte a second keeps nothing alive
    client->send(request.substr(i, 1));
    run(1s);
  }
  EXPECT_FALSE(client->ended());
  run(2s);
  EXPECT_TRUE(client->ended());
  EXPECT_EQ(client->got(), "");
  EXPECT_EQ(server_->session_count(), 0U);
}

TEST_F(HttpServerTest, ASlowReaderHasADeadlineAndBoundsWhatIsMade) {
  pieces_.assign(1000, std::string(64 << 10, 'x'));
  const auto client = connect();
  client->stop_reading();
  client->send("GET /pieces HTTP/1.1\r\n\r\n");
  run(59s);
  EXPECT_EQ(server_->session_count(), 1U);
  EXPECT_LT(asked_, 16U) << "what nobody takes is not made";
  run(2s);
  EXPECT_EQ(server_->session_count(), 0U);
}

TEST_F(HttpServerTest, MoreConnectionsWait) {
  std::vector<std::unique_ptr<HttpClient>> idle;
  for (int i = 0; i < 3; ++i) idle.push_back(connect());
  const auto waiting = connect();
  waiting->send("GET /text HTTP/1.1\r\n\r\n");
  run(1s);
  EXPECT_EQ(server_->session_count(), 3U);
  EXPECT_EQ(waiting->got(), "");
  idle.front()->close();
  run(1s);
  EXPECT_TRUE(waiting->got().ends_with("hello\n"));
}

TEST_F(HttpServerTest, ALateAnswerToAClientThatIsGoneGoesNowhere) {
  const auto client = connect();
  client->send("GET /later HTTP/1.1\r\n\r\n");
  run(100ms);
  client->close();
  run(61s);
  EXPECT_EQ(server_->session_count(), 0U);
  ASSERT_TRUE(late_);
  late_(HttpReply{});
  run(1s);
}

TEST_F(HttpServerTest, EndsWithConnectionsOpen) {
  const auto asking = connect(), idle = connect();
  asking->send("GET /later HTTP/1.1\r\n\r\n");
  run(100ms);
  server_.reset();
  run(1s);
  EXPECT_TRUE(asking->ended());
  EXPECT_TRUE(idle->ended());
  late_(HttpReply{});
}

}  // namespace
}  // namespace sluice::broker
