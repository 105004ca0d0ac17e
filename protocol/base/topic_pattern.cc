// See topic_pattern.h.
#include "protocol/base/topic_pattern.h"

#include <fmt/core.h>

#include <optional>

namespace sluice {
namespace {

bool allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-' || c == '*' || c == '>';
}

/// The token at the front of `rest`, which then begins behind its dot; nullopt when the last one was taken.
std::optional<std::string_view> next_token(std::optional<std::string_view>& rest) {
  if (!rest) return std::nullopt;
  const std::size_t dot = rest->find('.');
  const std::string_view token = rest->substr(0, dot);
  if (dot == std::string_view::npos) {
    rest.reset();
  } else {
    rest->remove_prefix(dot + 1);
  }
  return token;
}

/// A byte of a pattern, for an error message.
std::string shown(char c) {
  return c > ' ' && c < 0x7f ? fmt::format("'{}'", c) : fmt::format("byte {:#04x}", static_cast<unsigned char>(c));
}

}  // namespace

Result<TopicPattern> TopicPattern::parse(std::string_view text) {
  if (text.empty()) return fail(Errc::invalid_argument, "a topic pattern is empty");
  if (text.size() > kMostBytes) {
    return fail(Errc::invalid_argument,
                fmt::format("a topic pattern has {} bytes and {} are allowed", text.size(), kMostBytes));
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!allowed(text[i])) {
      return fail(Errc::invalid_argument,
                  fmt::format("a topic pattern holds {} at byte {}: names are of [a-zA-Z0-9._-], '*' stands for one "
                              "token, '>' for one or more at the end",
                              shown(text[i]), i));
    }
  }
  bool literal = true;
  std::optional<std::string_view> rest = text;
  while (const auto token = next_token(rest)) {
    const bool wild = token->find_first_of("*>") != std::string_view::npos;
    if (wild && token->size() > 1) {
      return fail(Errc::invalid_argument,
                  fmt::format("the topic pattern '{}' has a wildcard within the token '{}': '*' "
                              "and '>' stand for whole tokens between dots",
                              text, *token));
    }
    if (*token == ">" && rest) {
      return fail(Errc::invalid_argument,
                  fmt::format("the topic pattern '{}' has a '>' that is not its last token", text));
    }
    literal = literal && !wild;
  }
  return TopicPattern(std::string(text), literal);
}

bool TopicPattern::matches(std::string_view name) const {
  if (literal_) return name == text_;
  std::optional<std::string_view> pattern_rest = text_, name_rest = name;
  for (;;) {
    const auto wanted = next_token(pattern_rest);
    const auto token = next_token(name_rest);
    if (!wanted || !token) return !wanted && !token;
    if (*wanted == ">") return true;
    if (*wanted != "*" && *wanted != *token) return false;
  }
}

}  // namespace sluice
