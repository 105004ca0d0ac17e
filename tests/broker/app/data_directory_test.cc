// The data directory: its lock, its node.json under damage, and who owns which group.
#include "broker/app/data_directory.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/broker/app/scratch.h"

namespace sluice::broker {
namespace {

class NodeFile : public ::testing::Test {
 protected:
  /// What is read of a node.json of that text: "cluster/node/shards", or the error's name.
  std::string read(const std::string& text) {
    write_text(path_, text);
    const auto found = read_identity(*disk_, scratch_.path());
    if (!found) {
      message_ = found.error().message;
      EXPECT_NE(message_.find(path_), std::string::npos) << message_;
      return std::string(errc_name(found.error().code));
    }
    if (!*found) return "nothing";
    EXPECT_TRUE((*found)->finished);
    const NodeIdentity& identity = (*found)->identity;
    return fmt::format("{}/{}/{}", identity.cluster_id, identity.node.value, identity.shards);
  }
  void make(const NodeIdentity& identity) {
    ASSERT_TRUE(write_unfinished_identity(*disk_, scratch_.path(), identity));
    ASSERT_TRUE(finish_identity(*disk_, scratch_.path()));
  }

  Scratch scratch_;
  const std::string path_ = scratch_ / "node.json";
  std::unique_ptr<storage::Disk> disk_ = storage::make_thread_disk({});
  std::string message_;
};

TEST_F(NodeFile, NewDirectoryHasNone) {
  const auto found = read_identity(*disk_, scratch_.path());
  ASSERT_TRUE(found);
  EXPECT_FALSE(*found);
}

TEST_F(NodeFile, GoldenText) {
  make({"abcDEF-_0123456789xyzQ", NodeId(7), 3});
  EXPECT_EQ(read_text(path_),
            "{\n  \"format\": 1,\n  \"cluster_id\": \"abcDEF-_0123456789xyzQ\",\n  \"node_id\": 7,\n  \"shards\": 3\n}\n");
  EXPECT_EQ(read(read_text(path_)), "abcDEF-_0123456789xyzQ/7/3");
}

TEST_F(NodeFile, UnfinishedDirectoryKeepsItsIdentity) {
  ASSERT_TRUE(write_unfinished_identity(*disk_, scratch_.path(), {"first", NodeId(1), 5}));
  EXPECT_FALSE(std::filesystem::exists(path_));
  auto found = read_identity(*disk_, scratch_.path());
  ASSERT_TRUE(found && *found);
  EXPECT_FALSE((*found)->finished);
  EXPECT_EQ((*found)->identity.cluster_id, "first");
  EXPECT_EQ((*found)->identity.shards, 5U);
  ASSERT_TRUE(finish_identity(*disk_, scratch_.path()));
  EXPECT_EQ(read(read_text(path_)), "first/1/5");
}

TEST_F(NodeFile, EveryTruncationIsCorrupt) {
  make({"abcDEF-_0123456789xyzQ", NodeId(7), 3});
  const std::string whole = read_text(path_);
  for (std::size_t size = 0; size + 2 <= whole.size(); ++size) EXPECT_EQ(read(whole.substr(0, size)), "corrupt") << size;
  EXPECT_EQ(read(whole.substr(0, whole.size() - 1)), "abcDEF-_0123456789xyzQ/7/3") << "the last newline says nothing";
}

TEST_F(NodeFile, FlippedBitsAreNeverTakenForAnIdentityOutOfRange) {
  make({"abcDEF-_0123456789xyzQ", NodeId(7), 3});
  const std::string whole = read_text(path_);
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    write_text(path_, damaged);
    const auto found = read_identity(*disk_, scratch_.path());
    if (!found) {
      EXPECT_TRUE(found.error().code == Errc::corrupt || found.error().code == Errc::unsupported) << found.error().message;
      continue;
    }
    ASSERT_TRUE(*found) << "a damaged file is no new directory";
    EXPECT_GE((*found)->identity.node.value, 1);
    EXPECT_GE((*found)->identity.shards, 1U);
    EXPECT_LE((*found)->identity.shards, 256U);
  }
}

TEST_F(NodeFile, ContentOutOfRange) {
  const auto with = [this](const char* format, const char* cluster, const char* node, const char* shards) {
    return read(fmt::format(R"({{"format": {}, "cluster_id": {}, "node_id": {}, "shards": {}}})", format, cluster, node, shards));
  };
  EXPECT_EQ(with("1", "\"c\"", "2147483647", "256"), "c/2147483647/256");
  EXPECT_EQ(with("2", "\"c\"", "1", "1"), "unsupported");
  EXPECT_EQ(message_, path_ + ": format 2 is newer than this sluiced knows (1); upgrade it");
  EXPECT_EQ(with("0", "\"c\"", "1", "1"), "corrupt");
  EXPECT_EQ(message_, path_ + ": format, cluster_id, node_id or shards is missing or out of range");
  for (const char* format : {"-1", "\"1\"", "1.0", "null", "18446744073709551615"}) EXPECT_EQ(with(format, "\"c\"", "1", "1"), "corrupt");
  for (const char* cluster : {"1", "null", "[]", "{}"}) EXPECT_EQ(with("1", cluster, "1", "1"), "corrupt");
  for (const char* node : {"0", "-1", "2147483648", "18446744073709551615", "9223372036854775808", "1e3", "\"1\"", "null"})
    EXPECT_EQ(with("1", "\"c\"", node, "1"), "corrupt") << node;
  for (const char* shards : {"0", "257", "-1", "4294967297", "1.5", "[1]"}) EXPECT_EQ(with("1", "\"c\"", "1", shards), "corrupt") << shards;
  for (const char* text : {"[]", "1", "null", "\"node\"", "{}", "{\"format\": 1}", "\xff\xfe", "{}{}"})
    EXPECT_EQ(read(text), "corrupt") << text;
  EXPECT_EQ(read("[]"), "corrupt");
  EXPECT_EQ(message_, path_ + ": it is not a JSON object");
  // Deep nesting and size are bounded: neither a crash nor memory without end.
  EXPECT_EQ(read(std::string(60'000, '[')), "corrupt");
  EXPECT_EQ(read(std::string(65'537, ' ')), "too_large");
}

TEST(DirectoryLock, IsTakenOnce) {
  const Scratch scratch;
  const std::string directory = scratch / "made/with/parents";
  {
    auto first = DirectoryLock::take(directory);
    ASSERT_TRUE(first);
    EXPECT_TRUE(std::filesystem::is_directory(directory));
    const auto second = DirectoryLock::take(directory);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::in_use);
    EXPECT_EQ(second.error().message, "data directory " + directory +
                                          " is in use by another sluiced; stop that one, or choose another with --data-dir");
    const DirectoryLock moved(std::move(*first));
    EXPECT_FALSE(DirectoryLock::take(directory)) << "a lock that moved is still held";
    EXPECT_TRUE(DirectoryLock::take(scratch / "other")) << "each directory has its own";
  }
  EXPECT_TRUE(DirectoryLock::take(directory)) << "it ends with its owner";
}

TEST(DirectoryLock, SaysWhyThereCanBeNoDirectory) {
  const Scratch scratch;
  write_text(scratch / "file", "not a directory");
  for (const char* name : {"file", "file/below"}) {
    const auto lock = DirectoryLock::take(scratch / name);
    ASSERT_FALSE(lock) << name;
    EXPECT_EQ(lock.error().code, Errc::io_error);
    EXPECT_NE(lock.error().message.find(scratch / name), std::string::npos) << lock.error().message;
  }
}

TEST(NewIdentity, IsSixteenRandomBytesInUrlBase64) {
  SeededRandom random(5);
  std::set<std::string> ids;
  for (int i = 0; i < 200; ++i) {
    const NodeIdentity identity = new_identity(random, 9);
    EXPECT_EQ(identity.node, NodeId(1));
    EXPECT_EQ(identity.shards, 9U);
    EXPECT_EQ(identity.cluster_id.size(), 22U);
    EXPECT_EQ(identity.cluster_id.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
              std::string::npos);
    EXPECT_NE(std::string_view("AQgw").find(identity.cluster_id.back()), std::string_view::npos) << "two bits in the last digit";
    EXPECT_TRUE(ids.insert(identity.cluster_id).second);
  }
}

TEST(GroupsOf, EveryGroupHasOneShard) {
  for (const std::uint32_t shards : {1U, 2U, 3U, 7U, 16U, 256U}) {
    const auto all = all_groups(shards);
    EXPECT_EQ(all.size(), 4 * shards + 1) << "the controller's and four a shard";
    std::set<GroupId> seen;
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
      const auto mine = groups_of(ShardId(shard), shards);
      EXPECT_TRUE(std::ranges::is_sorted(mine));
      EXPECT_EQ(mine.size(), shard == 0 ? 5U : 4U);
      for (const GroupId group : mine) {
        EXPECT_EQ(group.value % shards, shard);
        EXPECT_TRUE(seen.insert(group).second) << "group " << group.value << " has two shards";
      }
    }
    EXPECT_EQ(seen, std::set<GroupId>(all.begin(), all.end()));
    EXPECT_EQ(groups_of(ShardId(0), shards).front(), GroupId(0)) << "the controller is on shard 0";
  }
}

}  // namespace
}  // namespace sluice::broker
