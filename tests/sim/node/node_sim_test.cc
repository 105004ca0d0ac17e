// Runs simulated nodes on many seeds.
//
//   SLUICE_SIM_SEEDS=5000 SLUICE_SIM_FIRST_SEED=1 ./node_sim_test
//
// A seed that fails is printed with the command that runs it again; equal seeds give equal runs. SLUICE_SIM_LOG=1 prints what
// the node logs.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "protocol/base/log.h"
#include "tests/sim/node/node_world.h"

namespace sluice::broker::sim {
namespace {

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// A CHECK that fails ends the process, and so does a seed that never ends: the seed is told even then.
char replay_line[160];
constexpr unsigned kSeedLimitSeconds = 300;
void tell_seed(int) {
  const auto written = ::write(STDERR_FILENO, replay_line, std::strlen(replay_line));
  static_cast<void>(written);
  std::signal(SIGABRT, SIG_DFL);
  std::raise(SIGABRT);
}

class NodeSimulation : public ::testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGABRT, tell_seed);
    std::signal(SIGALRM, tell_seed);
    if (std::getenv("SLUICE_SIM_LOG") != nullptr)
      set_log_sink([](LogLevel, std::string_view line) { fmt::print("    {}\n", line); }, LogLevel::debug);
  }
  void TearDown() override {
    ::alarm(0);
    std::signal(SIGABRT, SIG_DFL);
  }
  static void begin(std::uint64_t seed) {
    ::alarm(kSeedLimitSeconds);
    std::snprintf(replay_line, sizeof(replay_line),
                  "again: SLUICE_SIM_FIRST_SEED=%llu SLUICE_SIM_SEEDS=1 build/release/node_sim_test\n",
                  static_cast<unsigned long long>(seed));
  }
};

TEST_F(NodeSimulation, KeepsItsPromisesUnderEverySeed) {
  const std::uint64_t first = number_from("SLUICE_SIM_FIRST_SEED", 1), count = number_from("SLUICE_SIM_SEEDS", 200);
  std::uint64_t acknowledged = 0, in_memory = 0, fatal = 0, flips = 0, died_starting = 0, grown = 0, altered = 0, deletions = 0;
  int failures = 0;
  for (std::uint64_t seed = first; seed < first + count && failures < 5; ++seed) {
    begin(seed);
    NodeWorld world(seed);
    const std::string violation = world.run();
    if (count == 1) fmt::print("{}\n", world.summary());
    acknowledged += world.history().acknowledgements();
    in_memory += world.history().memory_acknowledgements();
    fatal += world.counts().fatal;
    flips += world.counts().flips;
    died_starting += world.counts().died_starting;
    grown += world.changes().grown();
    altered += world.changes().altered();
    deletions += world.changes().deletions();
    if (violation.empty()) continue;
    ++failures;
    ADD_FAILURE() << world.summary() << "\n  " << violation << "\n  " << replay_line;
  }
  if (count < 100 || failures > 0) return;
  // A simulation in which nothing happens proves nothing.
  EXPECT_GT(acknowledged, count * 200);
  EXPECT_GT(in_memory, count * 20);
  EXPECT_GT(fatal, 0U);
  EXPECT_GT(flips, 0U);
  EXPECT_GT(died_starting, 0U);
  EXPECT_GT(grown, count / 2);
  EXPECT_GT(altered, count / 2);
  EXPECT_GT(deletions, count * 5);
}

TEST_F(NodeSimulation, IsTheSameForTheSameSeed) {
  const std::uint64_t first = number_from("SLUICE_SIM_FIRST_SEED", 1);
  for (std::uint64_t seed = first; seed < first + 3; ++seed) {
    begin(seed);
    NodeWorld one(seed), two(seed);
    EXPECT_EQ(one.run(), two.run());
    EXPECT_EQ(one.summary(), two.summary());
  }
}

}  // namespace
}  // namespace sluice::broker::sim
