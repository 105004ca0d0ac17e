// Damaged bytes give a clean error or a value, never a crash, and never more memory than a fixed multiple of what came.
#include <gtest/gtest.h>

#include <random>

#include "protocol/kafka/codec.h"
#include "protocol/kafka/messages.h"
#include "tests/protocol/base/counted_memory.h"
#include "tests/protocol/kafka/vectors.h"

namespace sluice::kafka::test {
namespace {

/// The largest ratio of an element in memory to its smallest encoding, with room for error texts.
constexpr std::size_t kMemoryPerByte = 64;
constexpr std::size_t kMemoryForErrors = 4096;

template <class Message>
bool reads(ByteSpan body, std::int16_t version) {
  const Result<Message> message = decode<Message>(body, version);
  if (!message) {
    EXPECT_EQ(message.error().code, Errc::malformed);
    EXPECT_FALSE(message.error().message.empty());
    return false;
  }
  return true;
}

/// Whatever the reader let through, the writer can write.
template <class Message>
void reads_and_writes(ByteSpan body, std::int16_t version) {
  if (const Result<Message> message = decode<Message>(body, version)) {
    EXPECT_GT(encode_response(1, version, *message).size_bytes, 0U);
  }
}

/// Where the body of a vector begins.
std::size_t body_at(const Vector& vector) {
  if (!vector.is_request) return response_header_version(api_info(vector.key), vector.version) == 1 ? 5 : 4;
  const Result<Request> request = parse_request(vector.frame);
  return request ? vector.frame.size() - request->body.size() : 0;
}

template <class Visit>
void visit_message(const Vector& vector, Visit&& visit) {
  visit_messages(vector.key, [&](auto api) {
    using Api = decltype(api);
    if (vector.is_request) {
      visit.template operator()<typename Api::Request>();
    } else {
      visit.template operator()<typename Api::Response>();
    }
  });
}

TEST(Damage, EveryTruncationIsAnErrorAndCheap) {
  for (const Vector& vector : foreign_vectors()) {
    const ByteSpan body = ByteSpan(vector.frame).subspan(body_at(vector));
    visit_message(vector, [&]<class Message>() {
      for (std::size_t size = 0; size < body.size(); ++size) {
        // A copy of exactly that size, so that a sanitizer sees a read past its end.
        const std::vector<std::byte> cut(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(size));
        const std::size_t before = allocated_bytes();
        EXPECT_FALSE(reads<Message>(cut, vector.version)) << vector.name() << " cut to " << size;
        EXPECT_LE(allocated_bytes() - before, kMemoryPerByte * size + kMemoryForErrors) << vector.name();
      }
      EXPECT_TRUE(reads<Message>(body, vector.version)) << vector.name();
    });
  }
}

TEST(Damage, OfRandomBytesIsAnErrorOrAValueAndCheap) {
  std::mt19937_64 random(20240607);
  for (const Vector& vector : foreign_vectors()) {
    std::vector<std::byte> body(vector.frame.begin() + static_cast<std::ptrdiff_t>(body_at(vector)),
                                vector.frame.end());
    if (body.empty()) continue;
    visit_message(vector, [&]<class Message>() {
      for (int round = 0; round < 100; ++round) {
        std::vector<std::byte> damaged = body;
        for (std::uint64_t left = 1 + random() % 4; left > 0; --left) {
          std::byte& at = damaged[random() % damaged.size()];
          // A flipped bit, or a byte that lengths are sensitive to.
          at = random() % 2 ? at ^ std::byte{static_cast<unsigned char>(1U << random() % 8)}
                            : std::byte{static_cast<unsigned char>(random() % 2 ? 0xff : 0x7f)};
        }
        const std::size_t before = allocated_bytes();
        reads<Message>(damaged, vector.version);
        EXPECT_LE(allocated_bytes() - before, kMemoryPerByte * damaged.size() + kMemoryForErrors) << vector.name();
        reads_and_writes<Message>(damaged, vector.version);
      }
    });
  }
}

TEST(Damage, OfRequestHeadersIsAnErrorOrAValue) {
  for (const Vector& vector : foreign_vectors()) {
    if (!vector.is_request) continue;
    for (std::size_t size = 0; size < body_at(vector); ++size) {
      const std::vector<std::byte> cut(vector.frame.begin(), vector.frame.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_FALSE(parse_request(cut)) << vector.name() << " cut to " << size;
    }
  }
}

}  // namespace
}  // namespace sluice::kafka::test
