// The numbers are stable, every Errc has one, and what is told can be understood again.
#include "protocol/native/error_codes.h"

#include <gtest/gtest.h>

#include <set>

#include "protocol/native/session.pb.h"

namespace sluice::native {
namespace {

/// Every Errc; `internal` is the last of them.
std::vector<Errc> all_errors() {
  std::vector<Errc> all;
  for (int i = 0; i <= static_cast<int>(Errc::internal); ++i) all.push_back(static_cast<Errc>(i));
  return all;
}

TEST(ErrorCodes, EveryErrcHasACodeThatLeadsBackToIt) {
  std::set<ErrorCode> seen;
  for (const Errc errc : all_errors()) {
    const ErrorCode code = to_native(errc);
    EXPECT_EQ(to_errc(code), errc) << errc_name(errc);
    EXPECT_TRUE(seen.insert(code).second) << errc_name(errc);
    if (errc != Errc::internal) EXPECT_NE(code, ErrorCode::internal) << errc_name(errc);
  }
}

TEST(ErrorCodes, AscendWithNamesOfTheirOwn) {
  std::set<std::string_view> names;
  std::uint32_t last = 0;
  for (const ErrorInfo& info : error_codes()) {
    EXPECT_GT(static_cast<std::uint32_t>(info.code), last) << info.name;
    last = static_cast<std::uint32_t>(info.code);
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_EQ(find_error(info.code), &info);
  }
  EXPECT_EQ(find_error(ErrorCode{0}), nullptr);
  EXPECT_EQ(find_error(ErrorCode{1000}), nullptr);
  EXPECT_EQ(error_name(ErrorCode{1000}), "unknown");
}

TEST(ErrorCodes, NumbersAreStable) {
  EXPECT_EQ(static_cast<int>(to_native(Errc::malformed)), 100);
  EXPECT_EQ(static_cast<int>(to_native(Errc::unsupported)), 102);
  EXPECT_EQ(static_cast<int>(to_native(Errc::offset_out_of_range)), 200);
  EXPECT_EQ(static_cast<int>(to_native(Errc::config)), 208);
  EXPECT_EQ(static_cast<int>(to_native(Errc::out_of_order_sequence)), 300);
  EXPECT_EQ(static_cast<int>(to_native(Errc::not_leader)), 400);
  EXPECT_EQ(static_cast<int>(to_native(Errc::busy)), 500);
  EXPECT_EQ(static_cast<int>(to_native(Errc::no_responders)), 600);
  EXPECT_EQ(static_cast<int>(to_native(Errc::io_error)), 900);
  EXPECT_EQ(static_cast<int>(to_native(Errc::internal)), 999);
}

TEST(ErrorCodes, WhatIsToldIsUnderstood) {
  pb::Error told;
  fill_error(told, {Errc::not_leader, "ask node 2"});
  EXPECT_EQ(told.code(), 400U);
  EXPECT_TRUE(told.retriable());
  EXPECT_EQ(to_error(told).code, Errc::not_leader);
  EXPECT_EQ(to_error(told).message, "ask node 2");

  fill_error(told, ErrorCode::unsupported_version, "versions 2 to 3 are not spoken here");
  EXPECT_FALSE(told.retriable());
  EXPECT_EQ(to_error(told).code, Errc::unsupported);

  told.set_code(4711);
  EXPECT_EQ(to_error(told).code, Errc::internal);
  EXPECT_NE(to_error(told).message.find("error 4711"), std::string::npos);
}

}  // namespace
}  // namespace sluice::native
