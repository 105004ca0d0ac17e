// Runs the simulation on many seeds.
//
//   SLUICE_SIM_SEEDS=5000 SLUICE_SIM_FIRST_SEED=1 ./raft_sim_test
//
// A seed that fails is printed with the command that runs it again; equal seeds give equal runs.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/sim/raft/sim_cluster.h"

namespace sluice::broker::sim {
namespace {

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(RaftSimulation, KeepsItsPromisesUnderEverySeed) {
  const std::uint64_t first = number_from("SLUICE_SIM_FIRST_SEED", 1), count = number_from("SLUICE_SIM_SEEDS", 200);
  int failures = 0;
  for (std::uint64_t seed = first; seed < first + count && failures < 5; ++seed) {
    SimCluster cluster(seed, Sabotage::none);
    const std::string violation = cluster.run();
    if (count == 1) fmt::print("{}\n", cluster.summary());
    if (violation.empty()) continue;
    ++failures;
    ADD_FAILURE() << cluster.summary() << "\n  " << violation << "\n  again: SLUICE_SIM_FIRST_SEED=" << seed
                  << " SLUICE_SIM_SEEDS=1 ./raft_sim_test";
  }
}

TEST(RaftSimulation, IsTheSameForTheSameSeed) {
  for (std::uint64_t seed : {3U, 4U, 5U}) {
    SimCluster one(seed, Sabotage::none), two(seed, Sabotage::none);
    EXPECT_EQ(one.run(), two.run());
    EXPECT_EQ(one.summary(), two.summary());
  }
}

TEST(RaftSimulation, DoesSomething) {
  std::size_t acknowledged = 0, terms = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SimCluster cluster(seed, Sabotage::none);
    cluster.run();
    acknowledged += cluster.checker().acknowledgements();
    terms += cluster.checker().terms();
  }
  EXPECT_GT(acknowledged, 2000U);
  EXPECT_GT(terms, 50U);
}

/// Whether the checkers notice: a simulation that can't fail proves nothing.
class SabotagedSimulation : public ::testing::TestWithParam<std::pair<const char*, Sabotage>> {};

TEST_P(SabotagedSimulation, IsNoticed) {
  constexpr std::uint64_t kSeeds = 1000;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SimCluster cluster(seed, GetParam().second);
    const std::string violation = cluster.run();
    if (violation.empty()) continue;
    fmt::print("{}: seed {}: {}\n", GetParam().first, seed, violation);
    return;
  }
  ADD_FAILURE() << "not noticed in " << kSeeds << " seeds";
}

INSTANTIATE_TEST_SUITE_P(Raft, SabotagedSimulation,
                         ::testing::Values(std::pair("report_entries_early", Sabotage::report_entries_early),
                                           std::pair("report_hard_state_early", Sabotage::report_hard_state_early),
                                           std::pair("forget_vote", Sabotage::forget_vote),
                                           std::pair("keep_cut_entries", Sabotage::keep_cut_entries),
                                           std::pair("count_install_early", Sabotage::count_install_early),
                                           std::pair("checkpoint_ahead", Sabotage::checkpoint_ahead)),
                         [](const auto& info) { return std::string(info.param.first); });

}  // namespace
}  // namespace sluice::broker::sim
