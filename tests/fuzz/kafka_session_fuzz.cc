// Fuzzes a whole Kafka session: the input is what a client sends, over a stream in memory, before a broker that answers
// every question at once. Nothing may crash, leak or hang; replies must be whole frames.
#include <algorithm>
#include <cstdint>
#include <utility>

#include "broker/listener/kafka_server.h"
#include "tests/broker/listener/fake_broker.h"
#include "tests/sim/net/sim_network.h"

namespace sluice::broker {
namespace {

/// Answers all that is asked, with an error each third time.
bool answer_all(FakeBroker& broker, int& count) {
  const auto error = [&count]() -> std::optional<Error> {
    if (++count % 3 != 0) return std::nullopt;
    return Error{count % 2 == 0 ? Errc::not_leader : Errc::timed_out, "fuzzed"};
  };
  bool any = false;
  const auto each = [&](auto& questions, auto make) {
    while (!questions.empty()) {
      any = true;
      auto question = std::move(questions.front());
      questions.pop_front();
      question.done(make(question.request));
    }
  };
  const auto with_errors = [&](auto results) {
    for (auto& result : results) result.error = error();
    return results;
  };
  each(broker.produces, [&](auto& r) { return with_errors(std::vector<ProducePartResult>(r.parts.size())); });
  each(broker.fetches, [&](auto& r) { return with_errors(std::vector<FetchPartResult>(r.parts.size())); });
  each(broker.offsets, [&](auto& r) { return with_errors(std::vector<ListOffsetsResult>(r.parts.size())); });
  each(broker.creates, [&](auto& r) { return with_errors(std::vector<CreateTopicResult>(r.size())); });
  each(broker.deletes, [&](auto& r) { return with_errors(std::vector<DeleteTopicResult>(r.size())); });
  each(broker.identities, [](auto&) { return Result<ProducerIdentity>(ProducerIdentity{ProducerId(1), 0}); });
  return any;
}

/// The client's side: sends the input in pieces, and holds the replies to being frames.
class Client {
 public:
  Client(std::unique_ptr<Stream> stream, ByteSpan input) : stream_(std::move(stream)), left_(input) {
    send();
    read();
  }

 private:
  void send() {
    const std::size_t size = std::min<std::size_t>(left_.size(), 1000);
    if (size == 0) return;
    const SharedBytes piece = SharedBytes::copy_of(left_.first(size));
    left_ = left_.subspan(size);
    stream_->write({piece}, [this](const Result<void>& written) {
      if (written) send();
    });
  }
  void read() {
    stream_->read_some(buffer_, [this](const Result<std::size_t>& size) {
      if (!size || *size == 0) return;
      replies_.feed(ByteSpan(buffer_).first(*size));
      auto frame = replies_.next();
      for (; frame && *frame; frame = replies_.next()) CHECK((**frame).size() >= sizeof(std::int32_t));
      CHECK(frame, "replies are whole frames");
      read();
    });
  }
  std::unique_ptr<Stream> stream_;
  ByteSpan left_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(4096);
  kafka::FrameReader replies_{64U << 20};
};

void run(ByteSpan input) {
  sim::SimScheduler scheduler;
  sim::SimNetwork network(scheduler, input.size());
  sim::SimClock clock(scheduler, 1);
  FakeBroker broker;
  broker.add_node(1, "node", 9092);
  broker.add_topic("orders", 2);
  SeededRandom random(input.size());
  KafkaServer server(broker, clock, random, {.max_request_bytes = 1 << 20, .max_requests_in_progress = 4});
  auto listener = network.listen(1, "node");
  const int port = listener->port();
  server.listen(std::move(listener));
  std::unique_ptr<Client> client;
  network.connect(2, "node", port, [&](Result<std::unique_ptr<Stream>> stream) {
    if (stream) client = std::make_unique<Client>(std::move(*stream), input);
  });
  int count = 0;
  do scheduler.run_for(std::chrono::seconds(1));
  while (answer_all(broker, count));
}

}  // namespace
}  // namespace sluice::broker

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sluice::broker::run(sluice::ByteSpan(reinterpret_cast<const std::byte*>(data), size));
  return 0;
}
