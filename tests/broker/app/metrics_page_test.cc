// /metrics over real shards: what is asked of whom, pages of partitions, and a shard that does not answer.
#include "broker/app/metrics_page.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "tests/broker/app/one_thread_node.h"
#include "tests/broker/app/scratch.h"
#include "tests/sim/clock/sim_clock.h"

namespace sluice::broker {
namespace {

class MetricsPageTest : public ::testing::Test {
 protected:
  MetricsPageTest() {
    Settings settings;
    settings.data_dir = scratch_ / "data";
    std::filesystem::create_directory(settings.data_dir);
    medium_.emplace(scratch_.path(), 1);
    settings.journal_file_bytes = 1 << 20;
    settings.journal_capacity_bytes = 8 << 20;
    settings.disk_reserve_bytes = 0;
    settings.io_engine = "threads";
    node_.emplace(*medium_, "threads", settings, 2);
    const auto started = node_->start(2);
    if (!started) ADD_FAILURE() << started.error().message;
    CHECK(started.has_value());
    CHECK(node_->turn_until([&] { return node_->ready(); }));
    page_.emplace(node_->unit(0), clock_);
  }
  ~MetricsPageTest() override {
    SeededRandom random(3);
    EXPECT_TRUE(medium_->lose_power(random));
  }

  void create(const std::string& name, std::int32_t partitions) {
    bool made = false;
    CreateTopicRequest topic;
    topic.name = name;
    topic.partitions = partitions;
    node_->api(0).create_topics({topic}, Millis(30'000), [&](const std::vector<CreateTopicResult>& results) {
      EXPECT_FALSE(results[0].error) << results[0].error->message;
      made = true;
    });
    ASSERT_TRUE(node_->turn_until([&] { return made; }));
  }

  void get(std::string path, std::string query = {}) {
    reply_.reset();
    page_->get({"GET", std::move(path), std::move(query), 1}, [this](HttpReply reply) { reply_ = std::move(reply); });
  }
  /// The whole text of the reply, as a session would send it.
  std::string body() {
    EXPECT_TRUE(node_->turn_until([&] { return reply_.has_value(); }));
    if (!reply_->body) return reply_->text;
    std::string text;
    bool last = false;
    while (!last) {
      bool came = false;
      reply_->body->next([&](const Result<HttpBody::Piece>& piece) {
        came = true;
        ASSERT_TRUE(piece);
        std::size_t bytes = 0;
        for (const SharedBytes& part : piece->bytes) text += as_text(part), bytes += part.size();
        EXPECT_LE(bytes, std::size_t{256} << 10);
        last = piece->last;
      });
      if (!node_->turn_until([&] { return came; })) return text;
    }
    return text;
  }

  Scratch scratch_;
  std::optional<sim::PowerLossMedium> medium_;  ///< of what is in the directory when it is made
  std::optional<OneThreadNode> node_;
  sim::SimScheduler scheduler_;
  sim::SimClock clock_{scheduler_, 1};
  std::optional<MetricsPage> page_;
  std::optional<HttpReply> reply_;
};

TEST_F(MetricsPageTest, AsksEveryShard) {
  create("orders", 8);
  get("/metrics");
  EXPECT_FALSE(reply_) << "others are asked first";
  const std::string text = body();
  EXPECT_EQ(reply_->status, 200);
  EXPECT_EQ(reply_->content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_NE(text.find("sluice_raft_groups_led{shard=\"0\"} 5\n"), std::string::npos);
  EXPECT_NE(text.find("sluice_raft_groups_led{shard=\"1\"} 4\n"), std::string::npos);
  EXPECT_NE(text.find("\nsluice_partitions 8\n"), std::string::npos);
  EXPECT_EQ(text.find("sluice_partition_"), std::string::npos);
}

TEST_F(MetricsPageTest, PartitionsOfAllShardsComeOnceInOrderOverPages) {
  const auto whole = static_cast<std::int32_t>(MetricsPage::kPartitionsAtOnce);
  create("a", whole - 1);  // the first page ends one partition into the next topic
  create("b", 2 * whole + 1);
  create("c", 1);
  get("/metrics", "partitions=1");
  std::istringstream lines(body());
  std::vector<std::string> expected, got;
  for (const char* family : {"log_end_offset", "log_start_offset", "size_bytes"}) {
    expected.push_back("# TYPE sluice_partition_" + std::string(family) + " gauge");
    const auto add = [&](const std::string& topic, std::int32_t partitions) {
      for (std::int32_t i = 0; i < partitions; ++i)
        expected.push_back("sluice_partition_" + std::string(family) + "{topic=\"" + topic + "\",partition=\"" +
                           std::to_string(i) + "\"}");
    };
    add("a", whole - 1);
    add("b", 2 * whole + 1);
    add("c", 1);
  }
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE sluice_partition_")) got.push_back(line);
    if (line.starts_with("sluice_partition_")) got.push_back(line.substr(0, line.rfind(' ')));
  }
  EXPECT_EQ(got, expected);
}

TEST_F(MetricsPageTest, NothingElseIsThere) {
  for (const char* path : {"/", "/metrics/", "/metric", "/METRICS"}) {
    get(path);
    ASSERT_TRUE(reply_) << path;
    EXPECT_EQ(reply_->status, 404) << path;
  }
}

TEST_F(MetricsPageTest, AShardThatDoesNotAnswerIsToldOf) {
  get("/metrics");
  scheduler_.run_for(MetricsPage::kAnswerLimit - Nanos(1));
  EXPECT_FALSE(reply_);
  scheduler_.run_for(Nanos(1));
  ASSERT_TRUE(reply_);
  EXPECT_EQ(reply_->status, 503);
  reply_.reset();
  for (int i = 0; i < 100; ++i) node_->turn();
  EXPECT_FALSE(reply_) << "what comes too late goes nowhere";
  get("/metrics");
  body();
  EXPECT_EQ(reply_->status, 200) << "and the next is answered";
}

TEST_F(MetricsPageTest, ABodyThatNobodyWantsAnyMoreIsLeftAlone) {
  get("/metrics", "partitions=1");
  ASSERT_TRUE(node_->turn_until([&] { return reply_.has_value(); }));
  bool last = false, called = false;
  while (!last && !called) {  // up to the first piece that shards are asked for
    bool came = false;
    reply_->body->next([&](const Result<HttpBody::Piece>& piece) { came = true, last = piece->last; });
    called = !came;
  }
  ASSERT_TRUE(called) << "partitions are asked for by messages";
  reply_.reset();
  for (int i = 0; i < 100; ++i) node_->turn();
}

}  // namespace
}  // namespace sluice::broker
