// What the archives do at their borders: lengths, nulls, tagged fields, gather lists, budgets.
#include "protocol/kafka/codec.h"

#include <gtest/gtest.h>

#include "protocol/kafka/messages.h"
#include "tests/protocol/base/counted_memory.h"
#include "tests/protocol/kafka/flatten.h"
#include "tests/protocol/kafka/vectors.h"

namespace sluice::kafka::test {
namespace {

std::string hex_of(const EncodedFrame& frame) { return to_hex(flatten(frame.pieces)); }

template <class Message>
Result<Message> decode_hex(std::string_view hex, std::int16_t version, DecodeLimits limits = {}) {
  static std::vector<std::byte> bytes;  // what views in the message point at
  bytes = from_hex(hex);
  return decode<Message>(bytes, version, limits);
}

TEST(Golden, ClassicMetadataRequest) {
  MetadataRequest request;
  request.topics = {{.topic_id = {}, .name = "orders"}};
  request.allow_auto_topic_creation = false;
  EXPECT_EQ(hex_of(encode_request(5, "me", 4, request)),
            "00000019"  // length
            "0003"
            "0004"      // Metadata v4
            "00000005"  // correlation id
            "0002"
            "6d65"      // client id
            "00000001"  // one topic
            "0006"
            "6f7264657273"  // its name
            "00");          // no auto-creation
}

TEST(Golden, FlexibleMetadataRequestHasAClassicClientId) {
  MetadataRequest request;
  request.topics = {{.topic_id = {}, .name = "orders"}};
  EXPECT_EQ(hex_of(encode_request(5, "me", 9, request)),
            "0000001a"
            "0003"
            "0009"
            "00000005"
            "0002"
            "6d65"
            "00"  // header v2: tagged fields
            "02"  // one topic
            "07"
            "6f7264657273"
            "00"  // its name, no tagged fields
            "01"
            "00"
            "00"    // auto-creation; no operations
            "00");  // no tagged fields
}

TEST(Golden, TaggedFieldsAreWrittenOnlyWhenSet) {
  ProduceResponse response;
  auto& partition = response.responses.emplace_back(ProduceTopicResponse{"t", {}}).partition_responses.emplace_back();
  partition.error_code = ErrorCode::not_leader_or_follower;
  const std::string start =
      "00000001"
      "00"  // correlation id, header's tagged fields
      "02"
      "02"
      "74"
      "02"  // one topic "t", one partition
      "00000000"
      "0006"  // index, error
      "ffffffffffffffff"
      "ffffffffffffffff"
      "ffffffffffffffff"
      "01"
      "00";  // no record errors, no message
  EXPECT_EQ(hex_of(encode_response(1, 10, response)), "00000030" + start +
                                                          "00"
                                                          "00"
                                                          "00000000"
                                                          "00");
  partition.current_leader = {NodeId(2), LeaderEpoch(9)};
  EXPECT_EQ(hex_of(encode_response(1, 10, response)), "0000003b" + start +
                                                          "01"
                                                          "00"
                                                          "09"
                                                          "00000002"
                                                          "00000009"
                                                          "00"
                                                          "00"
                                                          "00000000"
                                                          "00");
}

TEST(Golden, ApiVersionsIsAlwaysAnsweredUnderHeaderV0) {
  ApiVersionsResponse response;
  response.api_keys = {{ApiKey::fetch, 4, 16}};
  EXPECT_EQ(hex_of(encode_response(1, 0, response)),
            "00000010"
            "00000001"
            "0000"
            "00000001"
            "0001"
            "0004"
            "0010");
  EXPECT_EQ(hex_of(encode_response(1, 3, response)),
            "00000013"
            "00000001"
            "0000"
            "02"
            "0001"
            "0004"
            "0010"
            "00"
            "00000000"
            "00");
}

TEST(ApiVersions, AnUnknownVersionIsAnsweredInV0WithKeysAndError) {
  const ApiVersionsAnswer answer = answer_api_versions(5);
  EXPECT_EQ(answer.version, 0);
  EXPECT_EQ(answer.response.error_code, ErrorCode::unsupported_version);
  EXPECT_FALSE(answer.response.api_keys.empty());
  EXPECT_EQ(answer_api_versions(-1).response.error_code, ErrorCode::unsupported_version);
  EXPECT_EQ(answer_api_versions(4).version, 4);
  EXPECT_EQ(answer_api_versions(4).response.error_code, ErrorCode::none);
}

TEST(ApiVersions, AdvertisesExactlyWhatIsServed) {
  std::size_t served = 0;
  for (const ApiInfo& api : kApis) served += api.served;
  const ApiVersionsResponse response = answer_api_versions(3).response;
  ASSERT_EQ(response.api_keys.size(), served);
  for (const ApiVersion& told : response.api_keys) {
    const ApiInfo* api = find_api(told.api_key);
    ASSERT_NE(api, nullptr);
    EXPECT_TRUE(api->served) << api->name;
    EXPECT_EQ(told.min_version, api->min) << api->name;
    EXPECT_EQ(told.max_version, api->max) << api->name;
  }
}

TEST(Writer, FetchedRecordsLeaveAsTheyAreBetweenSlicesOfOneBuffer) {
  const SharedBytes first = SharedBytes::copy_of(as_bytes("first batch"));
  const SharedBytes second = SharedBytes::copy_of(as_bytes("second"));
  const SharedBytes third = SharedBytes::copy_of(as_bytes("third"));
  FetchResponse response;
  auto& partitions = response.responses.emplace_back(FetchTopicResponse{"topic", {}, {}}).partitions;
  partitions.emplace_back().records = Records{{first, SharedBytes{}, second}};
  partitions.emplace_back();  // without records
  partitions.emplace_back().records = Records{{third}};
  for (std::int16_t version = 4; version <= 16; ++version) {
    const EncodedFrame frame = encode_response(9, version, response);
    std::vector<const std::byte*> records;
    const void* buffer = frame.pieces.front().owner().get();
    for (const SharedBytes& piece : frame.pieces) {
      EXPECT_FALSE(piece.empty());
      if (piece.owner().get() != buffer) records.push_back(piece.data());
    }
    EXPECT_EQ(records, (std::vector{first.data(), second.data(), third.data()})) << "v" << version;
    const std::vector<std::byte> bytes = flatten(frame.pieces);
    EXPECT_EQ(frame.size_bytes, bytes.size());
    EXPECT_EQ(load_be<std::int32_t>(bytes.data()), static_cast<std::int32_t>(bytes.size() - 4));
    const auto read = decode<FetchResponse>(ByteSpan(bytes).subspan(version >= 12 ? 9 : 8), version);
    ASSERT_TRUE(read) << read.error().message;
    const auto& got = read->responses[0].partitions;
    ASSERT_EQ(got.size(), 3U);
    EXPECT_EQ(as_text(got[0].records->pieces[0]), "first batchsecond");
    EXPECT_TRUE(got[1].records.has_value());
    EXPECT_EQ(got[1].records->size_bytes(), 0U);
    EXPECT_EQ(as_text(got[2].records->pieces[0]), "third");
  }
}

TEST(Writer, TextsLongerThanTheProtocolCanSayAreCut) {
  ProduceResponse response;
  response.responses.emplace_back(ProduceTopicResponse{"t", {}}).partition_responses.emplace_back().error_message =
      std::string(40'000, 'x');
  for (const std::int16_t version : {std::int16_t{8}, std::int16_t{9}}) {
    const std::vector<std::byte> bytes = flatten(encode_response(1, version, response).pieces);
    const auto read = decode<ProduceResponse>(ByteSpan(bytes).subspan(version >= 9 ? 9 : 8), version);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->responses[0].partition_responses[0].error_message->size(), kMaxStringBytes);
  }
}

TEST(Writer, NullWhereAVersionHasNoneIsAnEmptyValue) {
  MetadataResponse response;
  response.topics.emplace_back();
  const std::vector<std::byte> bytes = flatten(encode_response(1, 11, response).pieces);
  const auto read = decode<MetadataResponse>(ByteSpan(bytes).subspan(9), 11);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->topics[0].name, "");
}

TEST(Reader, NullWhereAValueIsNeededIsMalformed) {
  EXPECT_TRUE(decode_hex<MetadataRequest>("ffffffff", 1));
  const auto topics = decode_hex<MetadataRequest>("ffffffff", 0);
  ASSERT_FALSE(topics);
  EXPECT_EQ(topics.error().code, Errc::malformed);
  EXPECT_EQ(topics.error().message, "Metadata v0: field at byte 0 of 4: null where a value is needed");
  EXPECT_FALSE(decode_hex<MetadataRequest>("00000001ffff", 1)) << "a null name";
}

TEST(Reader, NamesTheFieldThatDoesNotFit) {
  const auto cut = decode_hex<MetadataRequest>(
      "00000001"
      "0006"
      "6f72",
      1);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().message, "Metadata v1: field at byte 4 of 8: 6 bytes are needed and 2 are left");
}

TEST(Reader, LengthsOutOfRangeAreMalformed) {
  EXPECT_FALSE(decode_hex<MetadataRequest>("fffffffe", 1)) << "an array of -2";
  EXPECT_FALSE(
      decode_hex<MetadataRequest>("00000001"
                                  "fffe",
                                  1))
      << "a string of -2";
  EXPECT_FALSE(
      decode_hex<FindCoordinatorRequest>("818002"
                                         "00",
                                         3))
      << "a compact string of 32768";
  EXPECT_FALSE(decode_hex<MetadataRequest>("ffffffff7f", 9)) << "a varint beyond 32 bits";
  EXPECT_FALSE(decode_hex<MetadataRequest>("808080808001", 9)) << "a varint of six bytes";
}

TEST(Reader, AClaimedArrayAllocatesNothing) {
  const std::vector<std::byte> bytes = from_hex(
      "7fffffff"
      "0001"
      "61");
  const std::size_t before = allocated_bytes();
  const auto request = decode<MetadataRequest>(bytes, 1);
  EXPECT_LT(allocated_bytes() - before, 2048U);
  ASSERT_FALSE(request);
  EXPECT_NE(request.error().message.find("an array of 2147483647 elements does not fit into the 3 bytes left"),
            std::string::npos);
}

TEST(Reader, ElementsOfAllArraysShareOneBudget) {
  FetchRequest request;
  for (int t = 0; t < 10; ++t) request.topics.emplace_back(FetchTopic{"t", {}, std::vector<FetchPartition>(9)});
  const std::vector<std::byte> bytes = flatten(encode_request(1, "", 4, request).pieces);
  const ByteSpan body = ByteSpan(bytes).subspan(4 + 10);
  EXPECT_TRUE(decode<FetchRequest>(body, 4, {.max_elements = 100}));
  const auto too_many = decode<FetchRequest>(body, 4, {.max_elements = 99});
  ASSERT_FALSE(too_many);
  EXPECT_NE(too_many.error().message.find("more than the 8 that this message may still hold"), std::string::npos);
}

TEST(Reader, UnknownTaggedFieldsArePassedOver) {
  // DescribeCluster v0: false, two tagged fields (7: three bytes, 200: none).
  EXPECT_TRUE(
      decode_hex<DescribeClusterRequest>("01"
                                         "02"
                                         "07"
                                         "03"
                                         "aabbcc"
                                         "c801"
                                         "00",
                                         0));
  EXPECT_FALSE(
      decode_hex<DescribeClusterRequest>("01"
                                         "02"
                                         "07"
                                         "03"
                                         "aabb",
                                         0))
      << "longer than the message";
}

TEST(Reader, ATaggedFieldMustBeAsLongAsItsValue) {
  // ApiVersions v3 response, empty, with tag 1 (finalized features epoch, int64).
  const std::string start =
      "0000"
      "01"
      "00000000"
      "01";
  const auto whole = decode_hex<ApiVersionsResponse>(start +
                                                         "01"
                                                         "08"
                                                         "0000000000000005",
                                                     3);
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_EQ(whole->finalized_features_epoch, 5);
  EXPECT_FALSE(decode_hex<ApiVersionsResponse>(start + "01"
                                                       "09"
                                                       "0000000000000005ff",
                                               3))
      << "too long";
  EXPECT_FALSE(decode_hex<ApiVersionsResponse>(start + "01"
                                                       "07"
                                                       "0000000000000005",
                                               3))
      << "too short";
}

TEST(Reader, BytesBehindTheMessageAreLeftAlone) {
  EXPECT_TRUE(
      decode_hex<MetadataRequest>("ffffffff"
                                  "00",
                                  1));
}

TEST(Header, OfUnknownApisAndVersionsCanBeReadFarEnoughToAnswer) {
  const std::vector<std::byte> unknown = from_hex(
      "7fff"
      "0003"
      "00000009"
      "ffff"
      "0102");
  const auto request = parse_request(unknown);
  ASSERT_TRUE(request);
  EXPECT_EQ(find_api(request->header.api_key), nullptr);
  EXPECT_EQ(request->header.correlation_id, 9);
  EXPECT_EQ(request->header.client_id, std::nullopt);
  EXPECT_EQ(request->body.size(), 2U);
  // ApiVersions of a future version is flexible.
  const std::vector<std::byte> future = from_hex(
      "0012"
      "0063"
      "00000009"
      "0001"
      "63"
      "01"
      "05"
      "01"
      "ff"
      "0102");
  const auto api_versions = parse_request(future);
  ASSERT_TRUE(api_versions);
  EXPECT_EQ(api_versions->header.client_id, "c");
  EXPECT_EQ(api_versions->body.size(), 2U);
}

TEST(Metadata, AnEmptyListAsksForAllInV0Only) {
  MetadataRequest request;
  EXPECT_TRUE(request.asks_for_all(1));
  request.topics.emplace();
  EXPECT_TRUE(request.asks_for_all(0));
  EXPECT_FALSE(request.asks_for_all(1));
}

}  // namespace
}  // namespace sluice::kafka::test
