// A line is one line, whatever clients put into names; and a flood of them is bounded.
#include "protocol/base/log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "protocol/base/line_budget.h"

namespace sluice {
namespace {

std::vector<std::string>& lines() {
  static std::vector<std::string> all;
  return all;
}

TEST(Log, ALineStaysOneLine) {
  lines().clear();
  set_log_sink([](LogLevel, std::string_view line) { lines().emplace_back(line); }, LogLevel::info);
  log_info("topic {}", "a\nb\r\x1b[31m\x7f\t\xc3\xa4");
  log_debug("not asked for");
  log_info("plain");
  set_log_sink(nullptr, LogLevel::off);
  EXPECT_EQ(lines(), (std::vector<std::string>{"topic a\\x0ab\\x0d\\x1b[31m\\x7f\\x09\xc3\xa4", "plain"}));
}

TEST(LineBudget, ABurstThenOneForEachRefill) {
  using std::chrono::seconds;
  LineBudget budget(3, seconds(2));
  const SteadyTime start = seconds(1000);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(budget.take(start), 0U);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(budget.take(start + seconds(1)), std::nullopt);
  EXPECT_EQ(budget.take(start + seconds(2)), 5U);
  EXPECT_EQ(budget.take(start + seconds(3)), std::nullopt);
  EXPECT_EQ(budget.take(start + seconds(4)), 1U);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(budget.take(start + seconds(1000)), 0U) << "no more than the burst is saved";
  EXPECT_EQ(budget.take(start + seconds(1000)), std::nullopt);
}

}  // namespace
}  // namespace sluice
