#include "broker/raft/configuration.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::broker {
namespace {

const RaftConfiguration kTwo = {{NodeId(1), "a:1", ServerRole::voter}, {NodeId(258), "b", ServerRole::standby}};

// Made by libraft 0.22.1's raft_configuration_encode().
constexpr unsigned char kGolden[] = {1,                                         //
                                     2, 0, 0, 0, 0, 0, 0, 0,                    //
                                     1, 0, 0, 0, 0, 0, 0, 0, 'a', ':', '1', 0,  //
                                     1,                                         //
                                     2, 1, 0, 0, 0, 0, 0, 0, 'b', 0,            //
                                     0,                                         //
                                     0, 0, 0, 0, 0, 0, 0};

TEST(RaftConfigurationFormat, GoldenBytes) {
  const std::vector<std::byte> encoded = encode_configuration(kTwo);
  EXPECT_TRUE(std::ranges::equal(encoded, std::as_bytes(std::span(kGolden))));
  EXPECT_EQ(decode_configuration(encoded), kTwo);
}

TEST(RaftConfigurationFormat, IsLibraftsOwn) {
  raft_configuration core = to_core(kTwo);
  raft_buffer buffer;
  ASSERT_EQ(raft_configuration_encode(&core, &buffer), 0);
  EXPECT_EQ(as_text({static_cast<std::byte*>(buffer.base), buffer.len}), as_text(encode_configuration(kTwo)));
  raft_free(buffer.base);
  raft_configuration_close(&core);
}

TEST(RaftConfigurationFormat, RefusesEveryTruncationAndManyLies) {
  const std::vector<std::byte> encoded = encode_configuration(kTwo);
  const std::size_t content = encoded.size() - 7;
  for (std::size_t size = 0; size < content; ++size) {
    EXPECT_FALSE(decode_configuration(ByteSpan(encoded).first(size)).has_value()) << size;
  }
  const auto with = [&](std::size_t at, int value) {
    std::vector<std::byte> bytes = encoded;
    bytes[at] = static_cast<std::byte>(value);
    return decode_configuration(bytes);
  };
  EXPECT_FALSE(with(0, 2)) << "format";
  EXPECT_FALSE(with(1, 3)) << "one server more than there is";
  EXPECT_FALSE(with(8, 0xff)) << "a count without end";
  EXPECT_FALSE(with(13, 1)) << "an id beyond 31 bits";
  EXPECT_FALSE(with(21, 3)) << "an unknown role";
  EXPECT_FALSE(with(21, 0)) << "no voter";
  EXPECT_FALSE(with(encoded.size() - 1, 1)) << "padding";
  std::vector<std::byte> longer = encoded;
  longer.resize(longer.size() + 8);
  EXPECT_FALSE(decode_configuration(longer));
  EXPECT_FALSE(decode_configuration(encode_configuration({kTwo[0], kTwo[0]}))) << "twice the same";
}

TEST(RaftConfigurationChange, ChangesOneServerAndKeepsTheOrder) {
  const auto server = [](int id, ServerRole role) { return RaftServer{NodeId(id), std::to_string(id), role}; };
  using enum ServerRole;
  const RaftConfiguration current = {server(1, voter), server(2, voter), server(3, standby)};
  const RaftConfiguration promoted = {server(3, voter), server(1, voter), server(2, voter)};
  EXPECT_EQ(ordered_change(current, promoted),
            (RaftConfiguration{server(1, voter), server(2, voter), server(3, voter)}));
  EXPECT_EQ(ordered_change(current, {server(4, standby), server(1, voter), server(2, voter), server(3, standby)}),
            (RaftConfiguration{server(1, voter), server(2, voter), server(3, standby), server(4, standby)}));
  EXPECT_TRUE(ordered_change(current, {server(1, voter), server(3, standby)}));
  EXPECT_FALSE(ordered_change(current, {server(1, voter), server(3, voter)})) << "two at once";
  EXPECT_FALSE(ordered_change(current, {server(1, voter), server(2, voter), server(4, standby)})) << "one for another";
  EXPECT_FALSE(ordered_change({server(1, voter)}, {server(1, standby)})) << "no voter left";
  EXPECT_FALSE(ordered_change({server(1, voter)}, {})) << "nothing left";
}

TEST(ConfigurationLogTest, KnowsWhatIsInForceWhere) {
  const auto of = [](int id) { return RaftConfiguration{{NodeId(id), "x", ServerRole::voter}}; };
  ConfigurationLog log;
  EXPECT_EQ(log.at(LogIndex(9)), nullptr);
  for (int i : {1, 5, 9}) log.append(LogIndex(static_cast<std::uint64_t>(i)), of(i));
  EXPECT_EQ(log.at(LogIndex(4))->index, LogIndex(1));
  EXPECT_EQ(log.at(LogIndex(5))->index, LogIndex(5));
  EXPECT_EQ(log.next_after(LogIndex(5))->index, LogIndex(9));
  EXPECT_EQ(log.next_after(LogIndex(9)), nullptr);
  log.truncate(LogIndex(9));
  EXPECT_EQ(log.latest()->configuration, of(5));
  log.trim(LogIndex(7));
  EXPECT_EQ(log.at(LogIndex(4)), nullptr);
  EXPECT_EQ(log.at(LogIndex(7))->index, LogIndex(5));
}

}  // namespace
}  // namespace sluice::broker
