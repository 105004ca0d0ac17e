// Random histories of a log on a simulated disk, held against the list of what was appended. SLUICE_SIM_SEEDS says how
// many (200); SLUICE_SIM_SEED runs one. A failure prints its seed.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/storage/log/log_machine.h"

namespace sluice::storage {
namespace {

class History {
 public:
  explicit History(std::uint64_t seed) : m_(seed, options_of(seed), 1 + seed % 5) {}

  void run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFatalFailure() && !testing::Test::HasNonfatalFailure(); ++i) step();
    settle();
    m_.check_all(700);
    check_times();
  }

 private:
  static LogOptions options_of(std::uint64_t seed) {
    SeededRandom random(seed ^ 0x10600);
    LogOptions options;
    options.segment_bytes = 500 + random.below(20'000);
    options.index_interval_bytes = 1 + random.below(2000);
    options.tail_bytes = random.one_in(3) ? 0 : random.below(10'000);
    options.max_decompressed_bytes = 1U << 20;
    if (random.one_in(2)) options.segment_ms = static_cast<std::int64_t>(random.below(200));
    if (random.one_in(2)) {
      options.direct_run_bytes = 8192;  // the least that always has a whole block
      options.segment_bytes = 10'000 + random.below(100'000);
    }
    return options;
  }

  void step() {
    switch (m_.random.below(16)) {
      case 0:
      case 1:
      case 2:
      case 3: return append();
      case 4:
      case 5: return start_spill();
      case 6: return start_sync();
      case 7:
      case 8: return start_read();
      case 9:
      case 10: return run_a_little();
      case 11: return advance();
      case 12: return m_.log->drop_tail();
      case 13: return check_times();
      case 14: return m_.random.one_in(2) ? settle() : void();
      default: return m_.random.one_in(4) ? die() : void();
    }
  }

  void append() {
    const auto batches = 1 + m_.random.below(8);
    for (std::uint64_t i = 0; i < batches; ++i) {
      std::vector<std::int64_t> times;
      const auto records = 1 + m_.random.below(5);
      for (std::uint64_t r = 0; r < records; ++r) {
        now_ += static_cast<std::int64_t>(m_.random.below(3));
        times.push_back(now_ + (m_.random.one_in(10) ? static_cast<std::int64_t>(m_.random.below(100)) - 50 : 0));
      }
      const Codec codec = m_.random.one_in(3) ? static_cast<Codec>(m_.random.below(5)) : Codec::none;
      if (m_.random.one_in(20)) epoch_ = epoch_.next();
      const std::uint64_t one_large_in = m_.options.direct_run_bytes == 8192 ? 3 : 15;
      m_.append(times, m_.random.one_in(one_large_in) ? m_.random.below(6000) : m_.random.below(200), codec, now_,
                epoch_);
    }
  }
  void start_spill() {
    if (m_.log->spilling()) return;
    const auto done = [](const Result<void>& result) { EXPECT_TRUE(result) << result.error().message; };
    m_.random.one_in(3) ? m_.log->spill_hurriedly(done) : m_.log->spill(done);
  }
  void start_sync() {
    if (syncing_) return;
    syncing_ = true;
    // Half of them as a checkpoint does it: what is returned is the log as it stood at the mark.
    const bool marked = m_.random.one_in(2);
    if (marked) m_.log->mark();
    const Offset start = m_.log->start_offset(), end = m_.log->end_offset();
    m_.log->sync([this, marked, start, end](Result<LogState> state) {
      syncing_ = false;
      ASSERT_TRUE(state) << state.error().message;
      m_.checkpoint = *state;
      if (!marked) return;
      EXPECT_EQ(state->start_offset, start);
      EXPECT_EQ(state->end_offset, end);
      if (m_.log->has_garbage()) {
        m_.log->remove_garbage([](Result<void> result) { EXPECT_TRUE(result) << result.error().message; });
      }
    });
  }
  void start_read() {
    const auto span = static_cast<std::uint64_t>(m_.log->end_offset().value - m_.start.value) + 1;
    const Offset offset = m_.start.plus(static_cast<std::int64_t>(m_.random.below(span)));
    const std::size_t max_bytes = m_.random.below(5000);
    const Offset limit = m_.random.one_in(2) ? m_.log->end_offset() : any_boundary();
    m_.log->read(offset, max_bytes, limit, [this, offset, max_bytes, limit](Result<LogRead> read) {
      if (!read) {
        EXPECT_TRUE(read.error().code == Errc::offset_out_of_range && offset < m_.start) << read.error().message;
        return;
      }
      m_.check_read(*read, offset, max_bytes, limit);
    });
  }
  Offset any_boundary() { return m_.journal.empty() ? Offset(0) : m_.journal[m_.random.below(m_.journal.size())].next; }
  void run_a_little() {
    const auto events = m_.random.below(12);
    for (std::uint64_t i = 0; i < events; ++i) m_.scheduler.run_next();
  }
  void settle() { m_.scheduler.run_until_idle(); }
  void advance() {
    if (!m_.random.one_in(3)) return;
    const auto span = static_cast<std::uint64_t>(m_.log->end_offset().value - m_.start.value) + 1;
    const std::uint64_t step = m_.random.one_in(6) ? span : 1 + span / 3;
    m_.advance_start(m_.start.plus(static_cast<std::int64_t>(m_.random.below(step))));
  }
  void check_times() {
    const Offset limit = m_.random.one_in(2) ? m_.log->end_offset() : any_boundary();
    const std::int64_t time = static_cast<std::int64_t>(m_.random.below(static_cast<std::uint64_t>(now_) + 60));
    const auto found = m_.find_time(time, limit);
    ASSERT_TRUE(found) << found.error().message;
    expect_match(*found, m_.expected_time(time, limit), "first from " + std::to_string(time));
    const auto largest = m_.find_max_time(limit);
    ASSERT_TRUE(largest) << largest.error().message;
    expect_match(*largest, m_.expected_max(limit), "largest");
  }
  static void expect_match(const std::optional<TimeMatch>& got, const std::optional<TimeMatch>& expected,
                           const std::string& what) {
    ASSERT_EQ(got.has_value(), expected.has_value()) << what;
    if (!got) return;
    EXPECT_EQ(got->offset, expected->offset) << what;
    EXPECT_EQ(got->timestamp_ms, expected->timestamp_ms) << what;
  }
  void die() {
    syncing_ = false;
    const auto kind = m_.random.below(3);
    if (kind == 0) m_.store.crash(m_.random);
    if (kind == 1) m_.store.kill();
    if (kind == 2) settle();
    m_.shut_down();
    spoil_indexes();
    m_.restart();
  }
  void spoil_indexes() {
    for (const std::string& path : m_.store.files()) {
      if (!path.ends_with(".index") || !m_.random.one_in(3)) continue;
      auto content = m_.store.read_view(path).value();
      if (content.empty()) continue;
      switch (m_.random.below(4)) {
        case 0: content.clear(); break;
        case 1: content.resize(m_.random.below(content.size())); break;
        case 2: content[m_.random.below(content.size())] ^= std::byte{0x10}; break;
        default: content.insert(content.end(), content.begin(), content.end()); break;
      }
      m_.store.put_file(path, content);
    }
  }

  LogMachine m_;
  std::int64_t now_ = 1000;
  bool syncing_ = false;
  LeaderEpoch epoch_{1};
};

TEST(LogModel, RandomHistories) {
  const char* one = std::getenv("SLUICE_SIM_SEED");
  const char* count = std::getenv("SLUICE_SIM_SEEDS");
  const std::uint64_t first = one ? std::strtoull(one, nullptr, 10) : 1;
  const std::uint64_t seeds = one ? 1 : count ? std::strtoull(count, nullptr, 10) : 200;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    SCOPED_TRACE("SLUICE_SIM_SEED=" + std::to_string(seed));
    History(seed).run(150);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace sluice::storage
