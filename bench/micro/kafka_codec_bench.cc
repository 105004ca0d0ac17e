// Kafka's messages, bytes to structs and back, as a session does it: frames cut from the stream, requests decoded in
// place, replies encoded around the stored bytes.
#include <benchmark/benchmark.h>

#include "bench/micro/batches.h"
#include "protocol/kafka/codec.h"
#include "protocol/kafka/frame.h"
#include "protocol/kafka/messages.h"

namespace sluice::bench {
namespace {

std::vector<std::byte> joined(const kafka::EncodedFrame& frame) {
  std::vector<std::byte> bytes;
  for (const SharedBytes& piece : frame.pieces) bytes.insert(bytes.end(), piece.span().begin(), piece.span().end());
  return bytes;
}

template <class Request>
std::vector<std::byte> request_frame(std::int16_t version, const Request& request) {
  return joined(kafka::encode_request(1, "bench", version, request));
}

/// A whole request with its length field: cut, its header read, its body decoded.
template <class Request>
void take_request(benchmark::State& state, const std::vector<std::byte>& bytes) {
  kafka::FrameReader frames(1 << 20);
  for (auto _ : state) {
    frames.feed(bytes);
    const auto frame = frames.next();
    const auto request = kafka::parse_request(**frame);
    const auto decoded = kafka::decode<Request>(request->body, request->header.api_version);
    if (!decoded) state.SkipWithError("the request can't be read");
    benchmark::DoNotOptimize(decoded);
  }
}

/// Argument: partitions, each with one batch of 1 KiB.
void decode_produce(benchmark::State& state) {
  const auto batch = make_batch(1, 1024);
  kafka::ProduceRequest request;
  request.acks = -1;
  auto& topic = request.topic_data.emplace_back();
  topic.name = "orders";
  for (std::int32_t i = 0; i < state.range(0); ++i)
    topic.partition_data.push_back({PartitionIndex(i), ByteSpan(batch)});
  take_request<kafka::ProduceRequest>(state, request_frame(9, request));
}
BENCHMARK(decode_produce)->ArgName("partitions")->Arg(1)->Arg(100);

void decode_fetch(benchmark::State& state) {
  kafka::FetchRequest request;
  auto& topic = request.topics.emplace_back();
  topic.topic_id = TopicId{};
  for (std::int32_t i = 0; i < state.range(0); ++i) topic.partitions.emplace_back().partition = PartitionIndex(i);
  take_request<kafka::FetchRequest>(state, request_frame(13, request));
}
BENCHMARK(decode_fetch)->ArgName("partitions")->Arg(1)->Arg(100);

void encode_produce_reply(benchmark::State& state) {
  kafka::ProduceResponse response;
  auto& topic = response.responses.emplace_back();
  topic.name = "orders";
  topic.partition_responses.resize(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(kafka::encode_response(1, 9, response));
}
BENCHMARK(encode_produce_reply)->ArgName("partitions")->Arg(1)->Arg(100);

/// Argument: stored batches in one partition's records.
void encode_fetch_reply(benchmark::State& state) {
  const SharedBytes batch = SharedBytes::take(make_batch(1, 1024));
  kafka::FetchResponse response;
  auto& partition = response.responses.emplace_back().partitions.emplace_back();
  partition.records->pieces.assign(static_cast<std::size_t>(state.range(0)), batch);
  for (auto _ : state) benchmark::DoNotOptimize(kafka::encode_response(1, 13, response));
}
BENCHMARK(encode_fetch_reply)->ArgName("batches")->Arg(1)->Arg(16)->Arg(1000);

void encode_metadata_reply(benchmark::State& state) {
  kafka::MetadataResponse response;
  auto& topic = response.topics.emplace_back();
  topic.partitions.resize(static_cast<std::size_t>(state.range(0)));
  for (auto& partition : topic.partitions) partition.replica_nodes = partition.isr_nodes = {NodeId(1)};
  for (auto _ : state) benchmark::DoNotOptimize(kafka::encode_response(1, 12, response));
}
BENCHMARK(encode_metadata_reply)->ArgName("partitions")->Arg(1)->Arg(1000);

}  // namespace
}  // namespace sluice::bench
