// A consumer of one partition: Fetch requests (v4, no session) one behind the other, as clients do, each for the offset
// behind the last whole batch that came. It looks at batch headers alone. Against the plain socket sender it asks for
// as many bytes once and receives them into the same kind of buffer.
//
//   bench_fetch --port P [--topic T] [--partition N] [--from OFFSET] [--again-from OFFSET] [--mib N] [--max-kib N]
//               [--min-bytes N] [--sender 1]
//
// --mib: ends when so many MiB of batches have come. --again-from: at the end of the log it goes on at that offset
// instead of waiting for more. --max-kib: of a Fetch, and of its partition. Prints one line of JSON.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "bench/kafka_client.h"
#include "protocol/base/record_batch.h"

namespace {

using SteadyClock = std::chrono::steady_clock;
using namespace sluice;
using namespace sluice::bench;

constexpr std::size_t kReceive = 1U << 20;

struct Outcome {
  std::uint64_t bytes = 0, fetches = 0, empty = 0;
};

class Consumer {
 public:
  Consumer(Connection& connection, const Arguments& given)
      : connection_(connection),
        max_bytes_(static_cast<std::int32_t>(given.number("max-kib", 1024) << 10)),
        replies_(connection, static_cast<std::size_t>(max_bytes_) + kReceive),
        topic_(given.text("topic", "bench")),
        next_(static_cast<std::int64_t>(given.number("from", 0))),
        again_from_(static_cast<std::int64_t>(given.number("again-from", 0))),
        goes_round_(!given.text("again-from", "").empty()) {
    build(static_cast<std::int32_t>(given.number("partition", 0)),
          static_cast<std::int32_t>(given.number("min-bytes", 1)));
  }

  Outcome run(std::uint64_t bytes) {
    while (outcome_.bytes < bytes) {
      store_be(request_.data() + offset_at_, next_);
      connection_.send(request_);
      take(replies_.next());
    }
    return outcome_;
  }

 private:
  void build(std::int32_t partition, std::int32_t min_bytes) {
    ByteWriter out = begin_request(1, 4);
    out.be(std::int32_t{-1});  // no replica
    out.be(std::int32_t{goes_round_ ? 0 : 500});  // how long it may wait for more
    out.be(min_bytes);
    out.be(max_bytes_);
    out.be(std::int8_t{0});
    out.be(std::int32_t{1});
    put_string(out, topic_);
    out.be(std::int32_t{1});
    out.be(partition);
    offset_at_ = out.size();
    out.be(std::int64_t{0});
    out.be(max_bytes_);
    request_ = end_request(std::move(out));
  }
  void take(ByteSpan reply) {
    ByteReader in(reply);
    in.skip(4 + 4 + 4);  // correlation, throttle, topics
    in.skip(static_cast<std::size_t>(in.be<std::int16_t>()));
    in.skip(4 + 4);  // partitions, the partition
    const auto error = in.be<std::int16_t>();
    in.skip(8 + 8);         // high watermark, last stable offset
    in.be<std::int32_t>();  // aborted transactions: null
    const auto size = in.be<std::int32_t>();
    const ByteSpan records = in.take(static_cast<std::size_t>(std::max(size, 0)));
    if (error != 0 || in.failed()) {
      fmt::print(stderr, "a Fetch at offset {} was answered with error {}\n", next_, error);
      std::exit(1);
    }
    ++outcome_.fetches;
    outcome_.bytes += records.size();
    if (records.empty()) {
      ++outcome_.empty;
      if (goes_round_) next_ = again_from_;
      return;
    }
    step_over(records);
  }
  void step_over(ByteSpan records) {
    while (records.size() >= kBatchHeaderSize) {
      const auto header = parse_batch_header(records);
      if (!header) {
        fmt::print(stderr, "a batch at offset {}: {}\n", next_, header.error().message);
        std::exit(1);
      }
      if (header->size_bytes > records.size()) return;  // cut off; it comes again
      next_ = header->next_offset().value;
      records = records.subspan(header->size_bytes);
    }
  }

  Connection& connection_;
  const std::int32_t max_bytes_;
  Frames replies_;
  const std::string topic_;
  std::int64_t next_;
  const std::int64_t again_from_;
  const bool goes_round_;
  std::vector<std::byte> request_;
  std::size_t offset_at_ = 0;
  Outcome outcome_;
};

Outcome receive_from_sender(Connection& connection, std::uint64_t bytes) {
  std::byte wanted[8];
  store_be(wanted, bytes);
  connection.send(wanted);
  std::vector<std::byte> into(2 * kReceive);  // as large as a consumer's
  Outcome outcome;
  for (std::size_t at = 0; outcome.bytes < bytes;) {
    const std::size_t n = connection.receive(MutableByteSpan(into).subspan(at));
    outcome.bytes += n;
    at = at + n == into.size() ? 0 : at + n;
  }
  return outcome;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments given(argc, argv,
                        "--port P [--topic T] [--partition N] [--from OFFSET] [--again-from OFFSET] [--mib N] "
                        "[--max-kib N] [--min-bytes N] [--sender 1]",
                        {"port", "topic", "partition", "from", "again-from", "mib", "max-kib", "min-bytes", "sender"});
  const std::uint64_t bytes = given.number("mib", 64) << 20;
  Connection connection(given.number("port", 0));
  const auto begin = SteadyClock::now();
  const Outcome outcome =
      given.number("sender", 0) != 0 ? receive_from_sender(connection, bytes) : Consumer(connection, given).run(bytes);
  const double seconds = std::chrono::duration<double>(SteadyClock::now() - begin).count();
  fmt::print("{{\"bytes\": {}, \"seconds\": {:.4f}, \"mb_per_s\": {:.1f}, \"fetches\": {}, \"empty\": {}}}\n",
             outcome.bytes, seconds, static_cast<double>(outcome.bytes) / seconds / 1e6, outcome.fetches,
             outcome.empty);
  return 0;
}
