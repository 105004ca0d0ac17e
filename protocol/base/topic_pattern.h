// Patterns of topic names. Names and patterns are tokens with dots between them:
//
//   orders.created     itself alone
//   orders.*           orders.created, orders.paid; not orders, not orders.eu.paid     `*` is any one token
//   orders.>           orders.created, orders.eu.paid; not orders                      `>` is one token or more, at the
//   end
//   *.paid, orders.*.paid, >
//
// A `*` or `>` within a token (`ord*`) is no pattern. Tokens may be empty, since Kafka's names may hold `..`.
// Shared by broker, client library and command line. Pure and immutable; matching allocates nothing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "protocol/base/error.h"

namespace sluice {

class TopicPattern {
 public:
  static constexpr std::size_t kMostBytes = 249;  ///< as of a topic's name

  /// Errors: invalid_argument, saying what is wrong where.
  static Result<TopicPattern> parse(std::string_view text);

  /// Whether the name matches as a whole. Whether a topic is one that patterns may find is not asked here.
  bool matches(std::string_view name) const;
  /// It has no wildcard: it is a topic's name.
  bool is_literal() const { return literal_; }
  const std::string& text() const { return text_; }

  friend bool operator==(const TopicPattern&, const TopicPattern&) = default;

 private:
  TopicPattern(std::string text, bool literal) : text_(std::move(text)), literal_(literal) {}
  std::string text_;
  bool literal_;
};

}  // namespace sluice
