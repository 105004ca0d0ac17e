// Every advertised (API, version) is held against bytes that foreign code wrote: our reader finds every field, by name,
// and our writer writes the same bytes again.
#include <gtest/gtest.h>

#include <set>

#include "protocol/kafka/codec.h"
#include "protocol/kafka/messages.h"
#include "tests/protocol/kafka/flatten.h"
#include "tests/protocol/kafka/members.h"
#include "tests/protocol/kafka/vectors.h"

namespace sluice::kafka::test {
namespace {

using Values = std::map<std::string, std::string>;

/// What a message holds, in the words of the vector files: `topics[0].name` -> "...".
class Described {
 public:
  template <class Message>
  static Values of(const Message& message) {
    Described described;
    described.members(message, "");
    return described.values_;
  }

 private:
  template <class T>
  void members(const T& v, const std::string& prefix) {
    for_each_member(v, [&](std::string_view name, const auto& member) { add(prefix + std::string(name), member); });
  }
  template <class T>
  void add(const std::string& path, const T& v) {
    if constexpr (std::is_same_v<T, bool>) {
      values_[path] = v ? "1" : "0";
    } else if constexpr (std::integral<T>) {
      values_[path] = std::to_string(v);
    } else if constexpr (std::is_enum_v<T>) {
      values_[path] = std::to_string(static_cast<std::underlying_type_t<T>>(v));
    } else if constexpr (kIsStrongId<T>) {
      values_[path] = std::to_string(v.value);
    } else if constexpr (std::is_same_v<T, TopicId>) {
      values_[path] = v.hex();
    } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
      values_[path] = std::string(v);
    } else if constexpr (std::is_same_v<T, ByteSpan>) {
      values_[path] = to_hex(v);
    } else if constexpr (std::is_same_v<T, Records>) {
      values_[path] = to_hex(flatten(v.pieces));
    } else if constexpr (kIsOptional<T>) {
      if (v) {
        add(path, *v);
      } else {
        values_[path] = "null";
      }
    } else if constexpr (kIsVector<T>) {
      values_[path + ".size"] = std::to_string(v.size());
      for (std::size_t i = 0; i < v.size(); ++i) add(path + "[" + std::to_string(i) + "]", v[i]);
    } else {
      members(v, path + ".");
    }
  }
  Values values_;
};

/// Each value that the foreign writer set must be there; what a version does not have keeps its default.
void expect_values(const Vector& vector, const Values& found) {
  for (const auto& [path, value] : vector.values) {
    const auto at = found.find(path);
    if (at == found.end()) {
      ADD_FAILURE() << vector.name() << ": we have no " << path;
    } else {
      EXPECT_EQ(at->second, value) << vector.name() << ": " << path;
    }
  }
}

std::string body_hex(const EncodedFrame& frame) {
  const std::vector<std::byte> bytes = flatten(frame.pieces);
  EXPECT_EQ(bytes.size(), frame.size_bytes);
  EXPECT_EQ(load_be<std::int32_t>(bytes.data()) + 4, static_cast<std::int32_t>(bytes.size()));
  return to_hex(ByteSpan(bytes).subspan(4));
}

template <class Message>
void check_request(const Vector& vector) {
  const Result<Request> request = parse_request(vector.frame);
  ASSERT_TRUE(request) << vector.name() << ": " << request.error().message;
  EXPECT_EQ(request->header.api_key, vector.key);
  EXPECT_EQ(request->header.api_version, vector.version);
  const Result<Message> message = decode<Message>(request->body, vector.version);
  ASSERT_TRUE(message) << vector.name() << ": " << message.error().message;
  Values found = Described::of(*message);
  found["correlation_id"] = std::to_string(request->header.correlation_id);
  found["client_id"] = request->header.client_id ? std::string(*request->header.client_id) : "null";
  expect_values(vector, found);
  EXPECT_EQ(
      body_hex(encode_request(request->header.correlation_id, request->header.client_id, vector.version, *message)),
      to_hex(vector.frame))
      << vector.name();
}

template <class Message>
void check_response(const Vector& vector) {
  ByteReader header(vector.frame);
  const auto correlation_id = header.be<std::int32_t>();
  if (response_header_version(api_info(vector.key), vector.version) == 1) {
    EXPECT_EQ(header.varint32(), 0U) << "tagged fields of the header";
  }
  const Result<Message> message = decode<Message>(ByteSpan(vector.frame).subspan(header.position()), vector.version);
  ASSERT_TRUE(message) << vector.name() << ": " << message.error().message;
  Values found = Described::of(*message);
  found["correlation_id"] = std::to_string(correlation_id);
  expect_values(vector, found);
  EXPECT_EQ(body_hex(encode_response(correlation_id, vector.version, *message)), to_hex(vector.frame)) << vector.name();
}

TEST(ForeignVectors, AreReadByNameAndWrittenBackAlike) {
  for (const Vector& vector : foreign_vectors()) {
    const bool known = visit_messages(vector.key, [&](auto api) {
      using Api = decltype(api);
      if (vector.is_request) {
        check_request<typename Api::Request>(vector);
      } else {
        check_response<typename Api::Response>(vector);
      }
    });
    EXPECT_TRUE(known) << vector.name();
  }
}

TEST(ForeignVectors, CoverEveryVersionThatTheTableHas) {
  std::set<std::tuple<bool, ApiKey, std::int16_t>> covered;
  for (const Vector& vector : foreign_vectors()) covered.insert({vector.is_request, vector.key, vector.version});
  for (const ApiInfo& api : kApis) {
    for (std::int16_t version = api.min; version <= api.max; ++version) {
      EXPECT_TRUE(covered.contains({true, api.key, version})) << "request " << api.name << " v" << version;
      EXPECT_TRUE(covered.contains({false, api.key, version})) << "response " << api.name << " v" << version;
    }
  }
}

TEST(ForeignVectors, RecordsAreSlicesOfTheFrameThatKeepItAlive) {
  int looked_at = 0;
  for (const Vector& vector : foreign_vectors()) {
    if (vector.key != ApiKey::fetch || vector.is_request || vector.variant != "full") continue;
    const SharedBytes frame = SharedBytes::copy_of(vector.frame);
    const std::size_t header = response_header_version(api_info(vector.key), vector.version) == 1 ? 5 : 4;
    const auto response = decode<FetchResponse>(frame.span().subspan(header), vector.version, {}, frame.owner());
    ASSERT_TRUE(response);
    ++looked_at;
    const Records& records = *response->responses[0].partitions[0].records;
    ASSERT_EQ(records.pieces.size(), 1U);
    EXPECT_EQ(records.pieces[0].owner(), frame.owner());
    EXPECT_GE(records.pieces[0].data(), frame.data());
    EXPECT_LE(records.pieces[0].data() + records.pieces[0].size(), frame.data() + frame.size());
  }
  EXPECT_EQ(looked_at, 13) << "Fetch 4 to 16";
}

}  // namespace
}  // namespace sluice::kafka::test
