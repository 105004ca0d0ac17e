// Which names a pattern matches, and what is no pattern. A slow matcher that tries every way is the model.
#include "protocol/base/topic_pattern.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <vector>

namespace sluice {
namespace {

bool matches(std::string_view pattern, std::string_view name) {
  const Result<TopicPattern> parsed = TopicPattern::parse(pattern);
  EXPECT_TRUE(parsed) << pattern << ": " << (parsed ? "" : parsed.error().message);
  return parsed && parsed->matches(name);
}
std::string refusal(std::string_view pattern) {
  const Result<TopicPattern> parsed = TopicPattern::parse(pattern);
  EXPECT_FALSE(parsed) << pattern;
  if (parsed) return "";
  EXPECT_EQ(parsed.error().code, Errc::invalid_argument);
  return parsed.error().message;
}

TEST(TopicPattern, WithoutWildcardIsAName) {
  EXPECT_TRUE(matches("orders.created", "orders.created"));
  EXPECT_FALSE(matches("orders.created", "orders.created.eu"));
  EXPECT_FALSE(matches("orders.created", "orders"));
  EXPECT_FALSE(matches("orders", "Orders"));
  EXPECT_TRUE(TopicPattern::parse("orders.created")->is_literal());
  EXPECT_FALSE(TopicPattern::parse("orders.*")->is_literal());
  EXPECT_FALSE(TopicPattern::parse(">")->is_literal());
  EXPECT_EQ(TopicPattern::parse("orders.*")->text(), "orders.*");
}

TEST(TopicPattern, AStarIsOneToken) {
  EXPECT_TRUE(matches("orders.*", "orders.created"));
  EXPECT_FALSE(matches("orders.*", "orders"));
  EXPECT_FALSE(matches("orders.*", "orders.eu.created"));
  EXPECT_FALSE(matches("orders.*", "order.created"));
  EXPECT_TRUE(matches("*.created", "orders.created"));
  EXPECT_TRUE(matches("orders.*.created", "orders.eu.created"));
  EXPECT_FALSE(matches("orders.*.created", "orders.eu.paid"));
  EXPECT_FALSE(matches("orders.*.created", "orders.eu.west.created"));
  EXPECT_TRUE(matches("*", "orders"));
  EXPECT_FALSE(matches("*", "orders.created"));
  EXPECT_TRUE(matches("*.*", "orders.created"));
}

TEST(TopicPattern, AGreaterIsOneTokenOrMoreAtTheEnd) {
  EXPECT_TRUE(matches("orders.>", "orders.created"));
  EXPECT_TRUE(matches("orders.>", "orders.eu.created"));
  EXPECT_FALSE(matches("orders.>", "orders"));
  EXPECT_FALSE(matches("orders.>", "ordersx.created"));
  EXPECT_TRUE(matches(">", "orders"));
  EXPECT_TRUE(matches(">", "a.b.c"));
  EXPECT_TRUE(matches("*.>", "a.b.c"));
  EXPECT_FALSE(matches("*.>", "a"));
}

TEST(TopicPattern, TokensMayBeEmptySinceNamesMayHoldTwoDots) {
  EXPECT_TRUE(matches("a..b", "a..b"));
  EXPECT_TRUE(matches("a.*.b", "a..b"));
  EXPECT_TRUE(matches("a.*", "a."));
  EXPECT_TRUE(matches("*.a", ".a"));
  EXPECT_TRUE(matches("a.>", "a."));
  EXPECT_FALSE(matches("a.b", "a..b"));
  EXPECT_FALSE(matches("a", "a."));
  EXPECT_FALSE(matches("a.", "a"));
}

TEST(TopicPattern, RefusalsSayWhatIsWrongAndWhere) {
  EXPECT_EQ(refusal(""), "a topic pattern is empty");
  EXPECT_EQ(refusal(std::string(250, 'a')), "a topic pattern has 250 bytes and 249 are allowed");
  EXPECT_TRUE(TopicPattern::parse(std::string(249, 'a')));
  EXPECT_NE(refusal("orders created").find("byte 0x20 at byte 6"), std::string::npos);
  EXPECT_NE(refusal("orders/created").find("'/' at byte 6"), std::string::npos);
  EXPECT_NE(refusal("or\xc3\xa4").find("byte 0xc3 at byte 2"), std::string::npos);
  EXPECT_NE(refusal("ord*").find("within the token 'ord*'"), std::string::npos);
  EXPECT_NE(refusal("a.**").find("within the token '**'"), std::string::npos);
  EXPECT_NE(refusal("a.b>").find("within the token 'b>'"), std::string::npos);
  EXPECT_NE(refusal("orders.>.paid").find("not its last token"), std::string::npos);
  EXPECT_NE(refusal(">.").find("not its last token"), std::string::npos);
}

std::vector<std::string> tokens(const std::string& text) {
  std::vector<std::string> out(1);
  for (const char c : text) {
    if (c == '.') {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}
bool model(const std::string& pattern, const std::string& name) {
  const auto wanted = tokens(pattern), given = tokens(name);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == ">") return given.size() > i;
    if (i >= given.size() || (wanted[i] != "*" && wanted[i] != given[i])) return false;
  }
  return wanted.size() == given.size();
}

TEST(TopicPattern, IsAsTheModelSays) {
  EXPECT_TRUE(rc::check([] {
    const auto text = [](std::string letters) {
      return rc::gen::container<std::string>(rc::gen::elementOf(std::move(letters)));
    };
    const std::string pattern = *rc::gen::suchThat(
        text("ab.*>.."), [](const std::string& p) { return static_cast<bool>(TopicPattern::parse(p)); });
    const std::string name = *text("ab..");
    RC_ASSERT(TopicPattern::parse(pattern)->matches(name) == model(pattern, name));
  }));
}

}  // namespace
}  // namespace sluice
