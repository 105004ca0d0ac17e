// Whatever a message holds, its bytes decode to a message that has the same bytes. Values are arbitrary, in every
// version of every API; a failure prints rapidcheck's seed.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <deque>

#include "protocol/kafka/codec.h"
#include "protocol/kafka/messages.h"
#include "tests/protocol/kafka/flatten.h"
#include "tests/protocol/kafka/members.h"

namespace sluice::kafka::test {
namespace {

/// Fills a message with arbitrary values; it owns what the message's views point at.
class Filler {
 public:
  template <class T>
  void fill(T& v) {
    if constexpr (std::is_same_v<T, bool>) {
      v = *rc::gen::arbitrary<bool>();
    } else if constexpr (std::integral<T>) {
      v = pick(rc::gen::arbitrary<T>());
    } else if constexpr (std::is_enum_v<T>) {
      v = static_cast<T>(pick(rc::gen::arbitrary<std::underlying_type_t<T>>()));
    } else if constexpr (kIsStrongId<T>) {
      v = T(pick(rc::gen::arbitrary<typename T::rep>()));
    } else if constexpr (std::is_same_v<T, TopicId>) {
      for (std::uint8_t& b : v.bytes) b = pick(rc::gen::arbitrary<std::uint8_t>());
    } else if constexpr (std::is_same_v<T, std::string_view> || std::is_same_v<T, std::string>) {
      v = text();
    } else if constexpr (std::is_same_v<T, ByteSpan>) {
      v = as_bytes(text());
    } else if constexpr (std::is_same_v<T, Records>) {
      for (int left = pick(rc::gen::inRange(0, 4)); left > 0; --left) {
        v.pieces.push_back(SharedBytes::copy_of(as_bytes(text())));
      }
    } else if constexpr (kIsOptional<T>) {
      v.reset();
      if (*rc::gen::arbitrary<bool>()) fill(v.emplace());
    } else if constexpr (kIsVector<T>) {
      for (int left = pick(rc::gen::inRange(0, 3)); left > 0; --left) fill(v.emplace_back());
    } else {
      for_each_member(v, [&](std::string_view, auto& member) { this->fill(member); });
    }
  }

 private:
  /// At full size from the first case on: rapidcheck would begin with empty messages.
  template <class T>
  static T pick(const rc::Gen<T>& gen) {
    return *rc::gen::resize(rc::kNominalSize, gen);
  }
  const std::string& text() {
    // Lengths around 127 change the size of a compact length.
    const int size = pick(rc::gen::oneOf(rc::gen::inRange(0, 12), rc::gen::inRange(120, 135)));
    return texts_.emplace_back(static_cast<std::size_t>(size), *rc::gen::inRange('a', 'z'));
  }
  std::deque<std::string> texts_;
};

template <class Message>
void check_round_trip(const ApiInfo& api, std::int16_t version) {
  Filler filler;
  Message message;
  filler.fill(message);
  const std::vector<std::byte> once = flatten(encode_response(7, version, message).pieces);
  const std::size_t header = 4 + (response_header_version(api, version) == 1 ? 5U : 4U);
  const Result<Message> read = decode<Message>(ByteSpan(once).subspan(header), version);
  if (!read) RC_FAIL(read.error().message);
  RC_ASSERT(flatten(encode_response(7, version, *read).pieces) == once);
}

template <class Message>
void check_all_versions(const ApiInfo& api, std::string_view kind) {
  for (std::int16_t version = api.min; version <= api.max; ++version) {
    const std::string name = fmt::format("{} v{} {}", api.name, version, kind);
    EXPECT_TRUE(rc::check(name, [&] { check_round_trip<Message>(api, version); })) << name;
  }
}

TEST(RoundTrip, OfEveryMessageHoldsForAnyValues) {
  for (const ApiInfo& api : kApis) {
    visit_messages(api.key, [&](auto messages) {
      using Api = decltype(messages);
      check_all_versions<typename Api::Request>(api, "request");
      check_all_versions<typename Api::Response>(api, "response");
    });
  }
}

}  // namespace
}  // namespace sluice::kafka::test
