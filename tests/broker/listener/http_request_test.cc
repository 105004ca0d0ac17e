// The reader of HTTP requests: what it takes, whole and in pieces, and what it refuses and how.
#include "broker/listener/http_request.h"

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

using namespace std::string_view_literals;

Result<std::optional<HttpRequest>> read_whole(std::string_view text) { return HttpRequestReader().feed(text); }

Errc refusal(std::string_view text) {
  const auto read = read_whole(text);
  if (read) {
    ADD_FAILURE() << (*read ? "it was taken" : "it was waited for more");
    return Errc::internal;
  }
  return read.error().code;
}

TEST(HttpRequest, HasMethodPathAndQuery) {
  const auto read = read_whole("GET /metrics?partitions=1&x HTTP/1.1\r\nHost: broker:9100\r\nAccept: */*\r\n\r\n");
  ASSERT_TRUE(read && *read);
  EXPECT_EQ((*read)->method, "GET");
  EXPECT_EQ((*read)->path, "/metrics");
  EXPECT_EQ((*read)->query, "partitions=1&x");
  EXPECT_EQ((*read)->minor_version, 1);
  const auto old = read_whole("HEAD / HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(old && *old);
  EXPECT_EQ((*old)->method, "HEAD");
  EXPECT_EQ((*old)->path, "/");
  EXPECT_EQ((*old)->query, "");
  EXPECT_EQ((*old)->minor_version, 0);
}

TEST(HttpRequest, ComesInAnyPieces) {
  constexpr std::string_view kText = "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n";
  for (std::size_t piece = 1; piece < kText.size(); ++piece) {
    HttpRequestReader reader;
    for (std::size_t at = 0; at < kText.size(); at += piece) {
      const auto read = reader.feed(kText.substr(at, piece));
      ASSERT_TRUE(read) << read.error().message;
      ASSERT_EQ(read->has_value(), at + piece >= kText.size()) << "in pieces of " << piece << ", at " << at;
    }
  }
}

TEST(HttpRequest, WhatComesBehindTheHeadIsIgnored) {
  const auto read = read_whole("GET /a HTTP/1.1\r\n\r\n\0\xff\r\n\r\nGET"sv);
  ASSERT_TRUE(read && *read);
  EXPECT_EQ((*read)->path, "/a");
}

TEST(HttpRequest, MalformedIsRefused) {
  for (const std::string_view text :
       {"\r\n\r\n"sv, "GET\r\n\r\n"sv, "GET /\r\n\r\n"sv, " / HTTP/1.1\r\n\r\n"sv, "GET  HTTP/1.1\r\n\r\n"sv,
        "G\x01T / HTTP/1.1\r\n\r\n"sv, "GET metrics HTTP/1.1\r\n\r\n"sv, "GET http://x/ HTTP/1.1\r\n\r\n"sv,
        "GET /a b HTTP/1.1\r\n\r\n"sv, "GET /\xff HTTP/1.1\r\n\r\n"sv, "GET / FTP/1.1\r\n\r\n"sv,
        "GET / HTTP/1.1\r\nno colon\r\n\r\n"sv, "GET / HTTP/1.1\r\n: no name\r\n\r\n"sv,
        "GET / HTTP/1.1\r\na b: c\r\n\r\n"sv, "GET / HTTP/1.1\r\na: b\0\r\n\r\n"sv,
        "GET / HTTP/1.1\r\na: b\nc: d\r\n\r\n"sv, "GET / HTTP/1.1\n\n\r\n\r\n"sv})
    EXPECT_EQ(refusal(text), Errc::malformed) << text;
  for (const std::string_view text :
       {"GET / HTTP/2.0\r\n\r\n"sv, "GET / HTTP/1.2\r\n\r\n"sv, "GET / HTTP/0.9\r\n\r\n"sv})
    EXPECT_EQ(refusal(text), Errc::unsupported) << text;
}

TEST(HttpRequest, ABadFirstLineIsRefusedBeforeTheEnd) {
  EXPECT_EQ(refusal("\x16\x03\x01\x02\r\n"), Errc::malformed) << "another protocol may never send an empty line";
}

TEST(HttpRequest, TheHeadIsBounded) {
  const std::string line = "GET / HTTP/1.1\r\na: ";
  const auto head_of = [&](std::size_t bytes) { return line + std::string(bytes - line.size() - 4, 'x') + "\r\n\r\n"; };
  EXPECT_TRUE(read_whole(head_of(HttpRequestReader::kMostBytes)));
  EXPECT_EQ(refusal(head_of(HttpRequestReader::kMostBytes + 1)), Errc::too_large);
  HttpRequestReader reader;
  std::size_t fed = 0;
  for (auto read = reader.feed(line); read; read = reader.feed("xxxxxxx")) {
    ASSERT_FALSE(*read);
    ASSERT_LE(fed += 7, HttpRequestReader::kMostBytes);
  }
}

TEST(HttpQuery, HasPairs) {
  EXPECT_TRUE(query_has("partitions=1", "partitions", "1"));
  EXPECT_TRUE(query_has("a=b&partitions=1", "partitions", "1"));
  EXPECT_TRUE(query_has("&&partitions=1&", "partitions", "1"));
  for (const char* query :
       {"", "partitions", "partitions=", "partitions=10", "xpartitions=1", "partitions=1x", "a=partitions=1"})
    EXPECT_FALSE(query_has(query, "partitions", "1")) << query;
}

}  // namespace
}  // namespace sluice::broker
