// UniqueFunction: what it holds is moved, called and destroyed exactly once, whether it fits inside or not.
#include "protocol/base/unique_function.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

namespace sluice {
namespace {

/// Counts how many of it live.
struct Counted {
  explicit Counted(int* count) : live(count) { ++*live; }
  Counted(Counted&& other) noexcept : live(other.live) { ++*live; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  Counted& operator=(Counted&&) = delete;
  ~Counted() { --*live; }
  int* live;
};

TEST(UniqueFunction, HoldsWhatCanOnlyBeMoved) {
  UniqueFunction<int(int)> add = [n = std::make_unique<int>(40)](int more) { return *n + more; };
  UniqueFunction<int(int)> moved = std::move(add);
  EXPECT_FALSE(add);
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved(2), 42);
}

TEST(UniqueFunction, KeepsItsState) {
  UniqueFunction<int()> next = [n = 0]() mutable { return ++n; };
  next();
  UniqueFunction<int()> moved = std::move(next);
  EXPECT_EQ(moved(), 2);
}

TEST(UniqueFunction, PassesReferencesAndMoveOnlyArguments) {
  UniqueFunction<void(std::string&, std::unique_ptr<int>)> write = [](std::string& to, std::unique_ptr<int> n) {
    to = std::to_string(*n);
  };
  std::string text;
  write(text, std::make_unique<int>(7));
  EXPECT_EQ(text, "7");
}

template <std::size_t kSize>
struct Callable {
  Counted counted;
  std::array<char, kSize> padding{};
  int operator()() const { return *counted.live; }
};

template <std::size_t kSize>
void expect_one_life() {
  int live = 0;
  {
    UniqueFunction<int()> a = Callable<kSize>{Counted(&live)};
    EXPECT_EQ(live, 1);
    UniqueFunction<int()> b = std::move(a);
    EXPECT_EQ(live, 1);
    EXPECT_EQ(b(), 1);
    a = std::move(b);
    EXPECT_EQ(live, 1);
    EXPECT_EQ(a(), 1);
    a = [] { return 5; };  // what it held goes
    EXPECT_EQ(live, 0);
    EXPECT_EQ(a(), 5);
    a = Callable<kSize>{Counted(&live)};
    EXPECT_EQ(live, 1);
  }
  EXPECT_EQ(live, 0);
}
TEST(UniqueFunction, DestroysOnceWhatFitsInside) { expect_one_life<1>(); }
TEST(UniqueFunction, DestroysOnceWhatDoesNot) { expect_one_life<100>(); }

TEST(UniqueFunctionDeathTest, CallingAnEmptyOneIsOurBug) {
  UniqueFunction<void()> empty;
  UniqueFunction<void()> null = nullptr;
  EXPECT_FALSE(empty || null);
  EXPECT_DEATH(empty(), "empty function");
}

}  // namespace
}  // namespace sluice
