// Damaged frames give a clean error or a value, never a crash, and never more memory than a fixed multiple of what
// came.
#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <span>

#include "tests/protocol/base/counted_memory.h"
#include "tests/protocol/native/flatten.h"
#include "tests/protocol/native/samples.h"
#include "tests/protocol/native/take_apart.h"

namespace sluice::native {
namespace {

/// An empty part takes two bytes on the wire and so much more in memory; take_apart holds it three times, and texts of
/// errors come on top.
constexpr std::size_t kMemoryPerByte = 400;
constexpr std::size_t kMemoryForErrors = 16 << 10;

class Damage : public ::testing::Test {
 protected:
  // Protobuf tells stderr about every text that is not UTF-8.
  google::protobuf::LogHandler* const handler_ = google::protobuf::SetLogHandler(nullptr);
  ~Damage() override { google::protobuf::SetLogHandler(handler_); }

  static void take(ByteSpan frame) {
    const SharedBytes bytes = SharedBytes::copy_of(frame);
    const std::size_t before = allocated_bytes();
    take_apart(bytes);
    EXPECT_LE(allocated_bytes() - before, kMemoryPerByte * frame.size() + kMemoryForErrors);
  }
  /// Every sample's frame without its size field.
  static std::vector<std::vector<std::byte>> frames() {
    std::vector<std::vector<std::byte>> out;
    for (const Sample& sample : samples()) {
      std::vector<std::byte> bytes = flatten(sample.encoded());
      bytes.erase(bytes.begin(), bytes.begin() + 4);
      out.push_back(std::move(bytes));
    }
    return out;
  }
};

TEST_F(Damage, WhatIsWholeIsTaken) {
  for (const auto& frame : frames()) EXPECT_TRUE(take_apart(SharedBytes::copy_of(frame)));
}

TEST_F(Damage, TruncatedAnywhere) {
  for (const auto& frame : frames()) {
    for (std::size_t size = 0; size < frame.size(); ++size) {
      take(ByteSpan(frame).first(size));
      // The same with a header length that follows: the message itself is cut.
      if (size < kCountedPrefixBytes) continue;
      std::vector<std::byte> cut(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size));
      store_le(cut.data(), static_cast<std::uint32_t>(size - kCountedPrefixBytes));
      take(cut);
    }
  }
}

TEST_F(Damage, EveryBitFlipped) {
  for (auto frame : frames()) {
    for (std::size_t bit = 0; bit < 8 * frame.size(); ++bit) {
      const std::byte mask{static_cast<std::uint8_t>(1U << bit % 8)};
      frame[bit / 8] ^= mask;
      take(frame);
      frame[bit / 8] ^= mask;
    }
  }
}

TEST_F(Damage, EveryByteClaimsAsMuchAsItCan) {
  for (auto frame : frames()) {
    for (std::size_t i = 0; i < frame.size(); ++i) {
      const std::byte was = frame[i];
      for (const int claim : {0x00, 0x7f, 0x80, 0xff}) {
        frame[i] = std::byte{static_cast<std::uint8_t>(claim)};
        take(frame);
      }
      frame[i] = was;
    }
  }
}

TEST_F(Damage, EveryKindReadsEveryOthersBytes) {
  for (auto frame : frames()) {
    for (const KindInfo& info : kKinds) {
      store_le(frame.data() + 4, static_cast<std::uint16_t>(info.kind));
      take(frame);
    }
  }
}

TEST_F(Damage, ManyEmptyPartsCostABoundedMultiple) {
  for (const KindInfo& info : kKinds) {
    for (const int field : {1, 2, 3, 4}) {
      std::vector<std::byte> frame(kCountedPrefixBytes + 20'000);
      store_le(frame.data(), std::uint32_t{20'000});
      store_le(frame.data() + 4, static_cast<std::uint16_t>(info.kind));
      for (std::size_t i = kCountedPrefixBytes; i < frame.size(); i += 2) {
        frame[i] = static_cast<std::byte>(field << 3 | 2);  // a length-delimited field of no bytes
      }
      take(frame);
    }
  }
}

TEST_F(Damage, AnyBytes) {
  EXPECT_TRUE(rc::check([](const std::vector<std::uint8_t>& bytes) {
    const auto info = kKinds[static_cast<std::size_t>(*rc::gen::inRange<int>(0, static_cast<int>(kKinds.size())))];
    std::vector<std::byte> frame(kCountedPrefixBytes + bytes.size());
    std::ranges::copy(std::as_bytes(std::span(bytes)), frame.begin() + kCountedPrefixBytes);
    store_le(frame.data(), static_cast<std::uint32_t>(*rc::gen::inRange<std::size_t>(0, bytes.size() + 1)));
    store_le(frame.data() + 4, static_cast<std::uint16_t>(info.kind));
    take(frame);
  }));
}

}  // namespace
}  // namespace sluice::native
