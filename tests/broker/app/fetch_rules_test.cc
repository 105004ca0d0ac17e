// What Fetch and ListOffsets answer at the edges of a log and of leader epochs, by a whole node: a partition with
// records of two epochs.

#include <chrono>

#include "tests/broker/app/rules_node.h"

namespace sluice::broker {
namespace {

using kafka::ErrorCode;

constexpr std::int64_t kTime = 1'700'000'000'000;

class FetchRules : public RulesNode {
 protected:
  /// Offsets 0 to 3 are of the first epoch, 4 and 5 of the second; each batch has two records, a second apart.
  void SetUp() override {
    start();
    for (const std::string_view topic : {"log", "empty", "packed"}) create(topic);
    append("log", batch(0));
    append("log", batch(2));
    first_ = list(kafka::kLatestTimestamp).leader_epoch;
    start();
    append("log", batch(4));
    second_ = list(kafka::kLatestTimestamp).leader_epoch;
    ASSERT_GT(second_, first_);
  }

  static std::vector<std::byte> batch(int nth, Codec codec = Codec::none) {
    BatchBuilder builder({.codec = codec});
    for (int i = nth; i < nth + 2; ++i) builder.add(kTime + 1000 * i, std::nullopt, as_bytes(std::string(500, 'x')));
    return builder.build();
  }
  void append(std::string_view topic, ByteSpan records) {
    ASSERT_EQ(produce(topic, records).error_code, ErrorCode::none);
  }

  kafka::ListOffsetsPartitionResponse list(std::int64_t timestamp, std::int16_t version = 8,
                                           std::string_view topic = "log", LeaderEpoch believed = LeaderEpoch(-1)) {
    kafka::ListOffsetsRequest request;
    request.topics.push_back({topic, {{PartitionIndex(0), believed, timestamp}}});
    return client_->ask<kafka::ListOffsetsResponse>(version, request)->topics.at(0).partitions.at(0);
  }
  /// "offset @ seconds, epoch 1 or 2".
  std::string found(std::int64_t timestamp, std::int16_t version = 8, std::string_view topic = "log") {
    const auto entry = list(timestamp, version, topic);
    if (entry.error_code != ErrorCode::none) return std::string(error_name(entry.error_code));
    const int epoch = entry.leader_epoch == first_ ? 1 : entry.leader_epoch == second_ ? 2 : entry.leader_epoch.value;
    const std::int64_t time = entry.timestamp < 0 ? entry.timestamp : (entry.timestamp - kTime) / 1000;
    return fmt::format("{} @ {}, epoch {}", entry.offset.value, time, epoch);
  }

  struct Ask {
    std::int64_t offset = 0;
    std::int16_t version = 12;
    LeaderEpoch believed{-1};
    LeaderEpoch last_fetched{-1};
    std::int32_t max_bytes = 1 << 20;
    std::int32_t max_wait_ms = 0;
    std::int32_t min_bytes = 1;
    std::string_view topic = "log";
  };
  KafkaReply<kafka::FetchResponse> fetch(const Ask& ask) {
    kafka::FetchRequest request;
    request.max_wait_ms = ask.max_wait_ms;
    request.min_bytes = ask.min_bytes;
    request.max_bytes = ask.max_bytes;
    kafka::FetchPartition part;
    part.fetch_offset = Offset(ask.offset);
    part.partition_max_bytes = ask.max_bytes;
    part.current_leader_epoch = ask.believed;
    part.last_fetched_epoch = ask.last_fetched;
    request.topics.push_back({ask.topic, {}, {part}});
    return client_->ask<kafka::FetchResponse>(ask.version, request);
  }
  /// "base offsets of the batches", an error, or where the epochs part.
  std::string fetched(const Ask& ask) {
    auto reply = fetch(ask);
    if (reply->responses.size() != 1 || reply->responses[0].partitions.size() != 1) return "not one partition";
    const auto& entry = reply->responses[0].partitions[0];
    if (entry.error_code != ErrorCode::none) return std::string(error_name(entry.error_code));
    if (entry.diverging_epoch.end_offset.value >= 0) {
      EXPECT_TRUE(!entry.records || entry.records->size_bytes() == 0);
      return fmt::format("parts at {}, epoch {}", entry.diverging_epoch.end_offset.value,
                         entry.diverging_epoch.epoch == first_ ? 1 : 2);
    }
    std::string offsets;
    for (const SharedBytes& piece : entry.records.value_or(kafka::Records{}).pieces) {
      for (ByteSpan rest = piece; !rest.empty();) {
        const auto header = parse_batch_header(rest);
        if (!header || header->size_bytes > rest.size()) return "a batch that is not whole";
        offsets += fmt::format("{}{}", offsets.empty() ? "" : " ", header->base_offset.value);
        rest = rest.subspan(header->size_bytes);
      }
    }
    return offsets;
  }

  LeaderEpoch first_, second_;
};

TEST_F(FetchRules, TheEdgesOfTheLog) {
  EXPECT_EQ(fetched({.offset = 0}), "0 2") << "what one read finds: the rest lies in memory";
  EXPECT_EQ(fetched({.offset = 3}), "2") << "the first batch contains the offset";
  EXPECT_EQ(fetched({.offset = 6}), "");
  EXPECT_EQ(fetched({.offset = 7}), "offset_out_of_range");
  EXPECT_EQ(fetched({.offset = -1}), "offset_out_of_range");
  EXPECT_EQ(fetched({.offset = 0, .topic = "empty"}), "");
  EXPECT_EQ(fetched({.offset = 1, .topic = "empty"}), "offset_out_of_range");
  EXPECT_EQ(fetched({.offset = 0, .topic = "missing"}), "unknown_topic_or_partition");
}

TEST_F(FetchRules, TheFirstBatchIsGivenWhateverTheBudget) {
  EXPECT_EQ(fetched({.offset = 0, .max_bytes = 1}), "0");
  EXPECT_EQ(fetched({.offset = 2, .max_bytes = 0}), "2");
  EXPECT_EQ(fetched({.offset = 0, .max_bytes = 2500}), "0 2");
}

TEST_F(FetchRules, WhatEndsAWait) {
  constexpr std::int32_t kLong = 40'000;
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(fetched({.offset = 0, .max_wait_ms = kLong}), "0 2") << "there is enough";
  EXPECT_EQ(fetched({.offset = 6, .max_wait_ms = kLong, .min_bytes = 0}), "") << "nothing is enough";
  EXPECT_EQ(fetched({.offset = 9, .max_wait_ms = kLong}), "offset_out_of_range");
  EXPECT_EQ(fetched({.offset = 5, .last_fetched = first_, .max_wait_ms = kLong}), "parts at 4, epoch 1");
  EXPECT_EQ(fetched({.offset = 0, .max_wait_ms = 20, .min_bytes = 1 << 20}), "0 2") << "what is there when time is up";
  kafka::FetchRequest nothing;
  nothing.max_wait_ms = kLong;
  nothing.min_bytes = 1;
  EXPECT_TRUE(client_->ask<kafka::FetchResponse>(12, nothing)->responses.empty());
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(kLong)) << "none of these waited";
}

TEST_F(FetchRules, TheLeaderEpochFences) {
  EXPECT_EQ(fetched({.offset = 4, .believed = second_}), "4");
  EXPECT_EQ(fetched({.offset = 4, .believed = first_}), "fenced_leader_epoch");
  EXPECT_EQ(fetched({.offset = 4, .believed = second_.plus(1)}), "unknown_leader_epoch");
  EXPECT_EQ(fetched({.offset = 4, .version = 9, .believed = first_}), "fenced_leader_epoch");
  EXPECT_EQ(fetched({.offset = 4, .version = 8, .believed = first_}), "4") << "older versions carry none";
  EXPECT_EQ(list(-1, 4, "log", first_).error_code, ErrorCode::fenced_leader_epoch);
  EXPECT_EQ(list(-1, 4, "log", second_.plus(1)).error_code, ErrorCode::unknown_leader_epoch);
  EXPECT_EQ(list(-1, 3, "log", first_).error_code, ErrorCode::none);
}

TEST_F(FetchRules, AReaderOfAnotherHistoryIsToldWhereItParts) {
  EXPECT_EQ(fetched({.offset = 4, .last_fetched = first_}), "4") << "it read to that epoch's end";
  EXPECT_EQ(fetched({.offset = 5, .last_fetched = first_}), "parts at 4, epoch 1");
  EXPECT_EQ(fetched({.offset = 5, .last_fetched = second_}), "4");
  EXPECT_EQ(fetched({.offset = 7, .last_fetched = second_}), "parts at 6, epoch 2");
  EXPECT_EQ(fetched({.offset = 5, .last_fetched = second_.plus(1)}), "unknown_leader_epoch");
  EXPECT_EQ(fetched({.offset = -1, .last_fetched = first_}), "offset_out_of_range");
  EXPECT_EQ(fetched({.offset = 5, .version = 11, .last_fetched = first_}), "4") << "older versions carry none";
}

TEST_F(FetchRules, ZstdIsForOldClientsToo) {
  append("packed", batch(0));
  append("packed", batch(2, Codec::zstd));
  append("packed", batch(4));
  for (const std::int16_t version : {4, 9, 10}) {
    EXPECT_EQ(fetched({.offset = 0, .version = version, .topic = "packed"}), "0 2 4");
    EXPECT_EQ(fetched({.offset = 2, .version = version, .topic = "packed"}), "2 4");
  }
}

TEST_F(FetchRules, OffsetsOfTimes) {
  EXPECT_EQ(found(kTime), "0 @ 0, epoch 1");
  EXPECT_EQ(found(kTime + 1), "1 @ 1, epoch 1") << "within a batch";
  EXPECT_EQ(found(kTime + 3001), "4 @ 4, epoch 2");
  EXPECT_EQ(found(kTime + 5001), "-1 @ -1, epoch -1");
  EXPECT_EQ(found(0, 8, "empty"), "-1 @ -1, epoch -1");
}

TEST_F(FetchRules, OffsetsOfEnds) {
  EXPECT_EQ(found(kafka::kEarliestTimestamp), "0 @ -1, epoch 1");
  EXPECT_EQ(found(kafka::kLatestTimestamp), "6 @ -1, epoch 2");
  EXPECT_EQ(found(kafka::kMaxTimestamp), "5 @ 5, epoch 2");
  EXPECT_EQ(found(kafka::kEarliestLocalTimestamp), "0 @ -1, epoch 1");
  EXPECT_EQ(found(kafka::kMaxTimestamp, 6), "unsupported_version");
  EXPECT_EQ(found(kafka::kEarliestLocalTimestamp, 7), "unsupported_version");
  EXPECT_EQ(found(kafka::kMaxTimestamp, 8, "empty"), "-1 @ -1, epoch -1");
  EXPECT_EQ(found(kafka::kEarliestTimestamp, 8, "missing"), "unknown_topic_or_partition");
}

}  // namespace
}  // namespace sluice::broker
