#include "broker/app/data_directory.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace sluice::broker {
namespace {
constexpr int kFormat = 1;
constexpr std::uint32_t kGroupsAShard = 4;
constexpr std::size_t kMaxNodeFileBytes = 64U << 10;

std::string node_file(const std::string& directory) { return directory + "/node.json"; }
std::string unfinished_file(const std::string& directory) { return node_file(directory) + ".unfinished"; }

/// What one of the two files says; nullopt: it is not there.
Result<std::optional<NodeIdentity>> read_file_of(storage::Disk& disk, const std::string& path) {
  auto there = disk.exists(path);
  if (!there) return fail(there.error());
  if (!*there) return std::optional<NodeIdentity>();
  auto bytes = storage::read_file(disk, path, kMaxNodeFileBytes);
  if (!bytes) return fail(bytes.error());
  const auto json = nlohmann::json::parse(as_text(*bytes), nullptr, false);
  const auto bad = [&](std::string_view why) { return fail(Errc::corrupt, fmt::format("{}: {}", path, why)); };
  if (!json.is_object()) return bad("it is not a JSON object");
  const auto number = [&](const char* name) -> std::int64_t {
    return json.contains(name) && json[name].is_number_integer() ? json[name].get<std::int64_t>() : -1;
  };
  if (number("format") > kFormat)
    return fail(Errc::unsupported, fmt::format("{}: format {} is newer than this sluiced knows ({}); upgrade it", path,
                                               number("format"), kFormat));
  if (number("format") != kFormat || number("node_id") < 1 || number("node_id") > INT32_MAX || number("shards") < 1 ||
      number("shards") > 256 || !json.contains("cluster_id") || !json["cluster_id"].is_string())
    return bad("format, cluster_id, node_id or shards is missing or out of range");
  return std::optional(NodeIdentity{json["cluster_id"].get<std::string>(),
                                    NodeId(static_cast<std::int32_t>(number("node_id"))),
                                    static_cast<std::uint32_t>(number("shards"))});
}

/// Makes a directory with its parents, durably: a name lives in its parent, so the parent of each that was missing is
/// synced. Returns the system's reason; empty: done.
std::string make_durable(const std::string& directory) {
  std::error_code error;
  std::vector<std::filesystem::path> parents;
  std::filesystem::path at = std::filesystem::absolute(directory, error);
  for (; !error && at.has_relative_path() && !std::filesystem::exists(at, error); at = at.parent_path())
    parents.push_back(at.parent_path());
  if (!error) std::filesystem::create_directories(directory, error);
  if (error) return error.message();
  for (const auto& parent : parents) {
    const int fd = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = fd >= 0 && ::fsync(fd) == 0;
    const int why = errno;
    if (fd >= 0) ::close(fd);
    if (!synced) return fmt::format("{} can't be synced: {}", parent.string(), std::strerror(why));
  }
  return {};
}
}  // namespace

Result<DirectoryLock> DirectoryLock::take(const std::string& directory) {
  if (const std::string why = make_durable(directory); !why.empty())
    return fail(Errc::io_error, fmt::format("data directory {} can't be made: {}", directory, why));
  const std::string path = directory + "/lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return fail(Errc::io_error, fmt::format("{} can't be opened: {}", path, std::strerror(errno)));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int why = errno;
    ::close(fd);
    if (why == EWOULDBLOCK)
      return fail(Errc::in_use,
                  fmt::format("data directory {} is in use by another sluiced; stop that one, or choose another "
                              "with --data-dir",
                              directory));
    return fail(Errc::io_error, fmt::format("{} can't be locked: {}", path, std::strerror(why)));
  }
  return DirectoryLock(fd);
}

DirectoryLock::~DirectoryLock() {
  if (fd_ >= 0) ::close(fd_);
}

Result<std::optional<FoundIdentity>> read_identity(storage::Disk& disk, const std::string& directory) {
  for (const bool finished : {true, false}) {
    auto identity = read_file_of(disk, finished ? node_file(directory) : unfinished_file(directory));
    if (!identity) return fail(identity.error());
    if (*identity) return std::optional(FoundIdentity{std::move(**identity), finished});
  }
  return std::optional<FoundIdentity>();
}

Result<void> write_unfinished_identity(storage::Disk& disk, const std::string& directory,
                                       const NodeIdentity& identity) {
  const nlohmann::ordered_json json{{"format", kFormat},
                                    {"cluster_id", identity.cluster_id},
                                    {"node_id", identity.node.value},
                                    {"shards", identity.shards}};
  return storage::replace_file(disk, unfinished_file(directory), as_bytes(json.dump(2) + "\n"));
}

Result<void> finish_identity(storage::Disk& disk, const std::string& directory) {
  if (auto named = disk.rename(unfinished_file(directory), node_file(directory)); !named) return named;
  return storage::sync_dir_blocking(disk, directory);
}

NodeIdentity new_identity(Random& random, std::uint32_t shards) {
  // As Kafka's: 16 random bytes in base64 for URLs, 22 characters.
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  NodeIdentity identity;
  identity.shards = shards;
  for (int i = 0; i < 22; ++i) identity.cluster_id += kDigits[random.below(i < 21 ? 64 : 4) * (i < 21 ? 1 : 16)];
  return identity;
}

std::vector<GroupId> all_groups(std::uint32_t shards) {
  std::vector<GroupId> groups;
  for (std::uint32_t group = 0; group <= kGroupsAShard * shards; ++group) groups.emplace_back(group);
  return groups;
}

std::vector<GroupId> groups_of(ShardId shard, std::uint32_t shards) {
  std::vector<GroupId> groups = all_groups(shards);
  std::erase_if(groups, [&](GroupId group) { return group.value % shards != shard.value; });
  return groups;
}

}  // namespace sluice::broker
