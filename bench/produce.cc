// The load generator: sends Produce requests (v3, acks=all, one batch built beforehand) over one connection with a
// fixed number in flight, round robin over partitions, and takes each one's time. The same bytes go to the broker and
// to the floor, whose replies carry no more than the correlation id.
//
//   bench_produce --port P [--topic T] [--partitions N] [--record-bytes N] [--records N] [--in-flight N]
//                 [--mib N | --seconds N] [--mb-per-s N]
//
// --records: of a batch. --seconds: so long, instead of so many MiB. --mb-per-s: no faster than that (0: as fast as it
// goes). Prints one line of JSON: bytes of batches, seconds, MB/s, latency percentiles in microseconds, errors.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "bench/kafka_client.h"
#include "protocol/base/record_batch.h"

namespace {

using SteadyClock = std::chrono::steady_clock;
using namespace sluice;
using namespace sluice::bench;

struct Load {
  std::string topic;
  std::size_t record_bytes, records, in_flight, partitions;
  std::uint64_t requests;  ///< as many as that, or
  double seconds;          ///< so long, if it is not 0
  double bytes_per_second;
};

/// Of values that no compression makes smaller.
std::vector<std::byte> build_batch(const Load& load) {
  BatchBuilder builder({});
  std::vector<std::byte> value(load.record_bytes);
  std::uint64_t state = 88172645463325252ULL;
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  for (std::size_t i = 0; i < load.records; ++i) {
    for (std::byte& byte : value) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      byte = static_cast<std::byte>(state);
    }
    builder.add(now.count(), std::nullopt, ByteSpan(value));
  }
  return builder.build();
}

/// A request, and where its partition stands.
struct Request {
  std::vector<std::byte> bytes;
  std::size_t partition_at = 0;
};

Request build_request(const Load& load, ByteSpan batch) {
  Request request;
  ByteWriter out = begin_request(0, 3);
  out.be(std::int16_t{-1});  // no transactional id
  out.be(std::int16_t{-1});  // acks=all
  out.be(std::int32_t{30'000});
  out.be(std::int32_t{1});
  put_string(out, load.topic);
  out.be(std::int32_t{1});
  request.partition_at = out.size();
  out.be(std::int32_t{0});
  out.be(static_cast<std::int32_t>(batch.size()));
  out.raw(batch);
  request.bytes = end_request(std::move(out));
  return request;
}

/// correlation 4, topics 4, name 2 + n, partitions 4, partition 4, then the error code.
bool holds_error(ByteSpan reply, const Load& load) {
  const std::size_t at = 4 + 4 + 2 + load.topic.size() + 4 + 4;
  return reply.size() > 4 && load_be<std::int16_t>(reply.data() + at) != 0;
}

struct Outcome {
  std::uint64_t answered = 0, errors = 0;
  double seconds = 0;
  std::vector<double> latencies_us;
};

class Generator {
 public:
  Generator(Connection& connection, const Load& load, ByteSpan batch)
      : connection_(connection),
        replies_(connection, 1U << 20),
        load_(load),
        request_(build_request(load, batch)),
        pause_(load.bytes_per_second > 0 ? static_cast<double>(batch.size()) / load.bytes_per_second : 0) {
    outcome_.latencies_us.reserve(load.seconds > 0 ? 1U << 20 : load.requests);
  }

  Outcome run() {
    begin_ = SteadyClock::now();
    while (wants_more() || !sent_.empty()) {
      while (sent_.size() < load_.in_flight && wants_more() && (due() || sent_.empty())) start();
      if (sent_.size() == load_.in_flight || !wants_more() || replies_.ready()) take();
    }
    outcome_.seconds = std::chrono::duration<double>(SteadyClock::now() - begin_).count();
    return std::move(outcome_);
  }

 private:
  double elapsed() const { return std::chrono::duration<double>(SteadyClock::now() - begin_).count(); }
  bool wants_more() const { return load_.seconds > 0 ? elapsed() < load_.seconds : started_ < load_.requests; }
  /// By the pace that was asked for; with nothing to wait for it sleeps until then.
  bool due() {
    if (pause_ == 0) return true;
    return elapsed() >= static_cast<double>(started_) * pause_;
  }
  void start() {
    if (!due()) std::this_thread::sleep_until(begin_ + to_clock(static_cast<double>(started_) * pause_));
    store_be(request_.bytes.data() + kCorrelationAt, static_cast<std::int32_t>(started_));
    store_be(request_.bytes.data() + request_.partition_at, static_cast<std::int32_t>(started_ % load_.partitions));
    sent_.push_back(SteadyClock::now());
    connection_.send(request_.bytes);
    ++started_;
  }
  static SteadyClock::duration to_clock(double seconds) {
    return std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds));
  }
  void take() {
    if (holds_error(replies_.next(), load_)) ++outcome_.errors;
    ++outcome_.answered;
    outcome_.latencies_us.push_back(
        std::chrono::duration<double, std::micro>(SteadyClock::now() - sent_.front()).count());
    sent_.pop_front();
  }

  Connection& connection_;
  Frames replies_;
  const Load& load_;
  Request request_;
  const double pause_;  ///< seconds from one request to the next
  SteadyClock::time_point begin_;
  std::deque<SteadyClock::time_point> sent_;
  std::uint64_t started_ = 0;
  Outcome outcome_;
};

}  // namespace

int main(int argc, char** argv) {
  const Arguments given(
      argc, argv,
      "--port P [--topic T] [--partitions N] [--record-bytes N] [--records N] [--in-flight N] "
      "[--mib N | --seconds N] [--mb-per-s N]",
      {"port", "topic", "partitions", "record-bytes", "records", "in-flight", "mib", "seconds", "mb-per-s"});
  Load load{.topic = given.text("topic", "bench"),
            .record_bytes = given.number("record-bytes", 1024),
            .records = std::max<std::uint64_t>(given.number("records", 1), 1),
            .in_flight = std::max<std::uint64_t>(given.number("in-flight", 1), 1),
            .partitions = std::max<std::uint64_t>(given.number("partitions", 1), 1),
            .requests = 0,
            .seconds = static_cast<double>(given.number("seconds", 0)),
            .bytes_per_second = static_cast<double>(given.number("mb-per-s", 0)) * 1e6};
  const std::vector<std::byte> batch = build_batch(load);
  load.requests = std::max<std::uint64_t>(1, (given.number("mib", 1) << 20) / batch.size());
  Connection connection(given.number("port", 0));
  Outcome outcome = Generator(connection, load, batch).run();

  std::vector<double>& latencies = outcome.latencies_us;
  std::ranges::sort(latencies);
  const auto at = [&](double q) {
    return latencies[static_cast<std::size_t>(q * static_cast<double>(latencies.size() - 1))];
  };
  const double bytes = static_cast<double>(outcome.answered) * static_cast<double>(batch.size());
  fmt::print(
      "{{\"bytes\": {:.0f}, \"seconds\": {:.4f}, \"mb_per_s\": {:.1f}, \"p50_us\": {:.1f}, \"p99_us\": {:.1f}, "
      "\"max_us\": {:.1f}, \"errors\": {}}}\n",
      bytes, outcome.seconds, bytes / outcome.seconds / 1e6, at(0.5), at(0.99), latencies.back(), outcome.errors);
  return outcome.errors == 0 ? 0 : 1;
}
