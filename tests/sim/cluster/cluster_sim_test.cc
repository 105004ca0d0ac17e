// Runs three simulated nodes on many seeds.
//
//   SLUICE_SIM_SEEDS=5000 SLUICE_SIM_FIRST_SEED=1 ./cluster_sim_test
//
// A seed that fails is printed with the command that runs it again; equal seeds give equal runs. SLUICE_SIM_LOG=1
// prints what the nodes log.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "protocol/base/log.h"
#include "tests/sim/cluster/cluster_world.h"

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

class ClusterSimulation : public ::testing::Test {
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
                  "again: SLUICE_SIM_FIRST_SEED=%llu SLUICE_SIM_SEEDS=1 build/release/cluster_sim_test\n",
                  static_cast<unsigned long long>(seed));
  }
};

TEST_F(ClusterSimulation, KeepsItsPromisesUnderEverySeed) {
  const std::uint64_t first = number_from("SLUICE_SIM_FIRST_SEED", 1), count = number_from("SLUICE_SIM_SEEDS", 200);
  std::uint64_t acknowledged = 0, terms = 0, checkpoints = 0, files = 0;
  int failures = 0;
  for (std::uint64_t seed = first; seed < first + count && failures < 5; ++seed) {
    begin(seed);
    ClusterWorld world(seed);
    const std::string violation = world.run();
    if (count == 1) fmt::print("{}\n", world.summary());
    acknowledged += world.history().acknowledgements();
    terms += world.history().terms();
    checkpoints += world.counts().checkpoints;
    files += world.counts().files_begun;
    if (violation.empty()) continue;
    ++failures;
    ADD_FAILURE() << world.summary() << "\n  " << violation << "\n  " << replay_line;
  }
  if (count < 100 || failures > 0) return;
  // A simulation in which nothing happens proves nothing.
  EXPECT_GT(acknowledged, count * 200);
  EXPECT_GT(terms, count * 10);
  EXPECT_GT(checkpoints, count * 10);
  EXPECT_GT(files, count * 50);
}

TEST_F(ClusterSimulation, IsTheSameForTheSameSeed) {
  const std::uint64_t first = number_from("SLUICE_SIM_FIRST_SEED", 1);
  for (std::uint64_t seed = first; seed < first + 3; ++seed) {
    begin(seed);
    ClusterWorld one(seed), two(seed);
    EXPECT_EQ(one.run(), two.run());
    EXPECT_EQ(one.summary(), two.summary());
  }
}

}  // namespace
}  // namespace sluice::broker::sim
