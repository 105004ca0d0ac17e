#include "broker/net/address.h"

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

TEST(Address, ReadsWhatPeopleWrite) {
  EXPECT_EQ(parse_host_port("10.0.0.1:9092").value(), (HostPort{"10.0.0.1", 9092}));
  EXPECT_EQ(parse_host_port("broker-1.local:0").value(), (HostPort{"broker-1.local", 0}));
  EXPECT_EQ(parse_host_port("[::1]:65535").value(), (HostPort{"::1", 65535}));
  EXPECT_EQ(parse_host_port(":9092").value(), (HostPort{"", 9092}));
}

TEST(Address, RefusesWithTheTextItWasGiven) {
  for (const char* text : {"", "host", "host:", "host:x", "host:70000", "host:-1", "host:90 ", "::1:9092", "[::1:9092",
                           "[host]:1", "ho st:1", "http://host:1"}) {
    const auto parsed = parse_host_port(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Errc::config);
    EXPECT_NE(parsed.error().message.find(text), std::string::npos);
  }
}

TEST(Address, WritesBracketsAroundIpv6) {
  EXPECT_EQ(host_port_text("::1", 80), "[::1]:80");
  EXPECT_EQ(host_port_text("localhost", 80), "localhost:80");
}

}  // namespace
}  // namespace sluice::broker
