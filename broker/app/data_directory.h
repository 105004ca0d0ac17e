// The data directory of a node: locked by one process, and described by node.json, which is written last when the directory
// is made: a directory without it was never served from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/base/error.h"
#include "protocol/base/ids.h"
#include "protocol/base/random.h"
#include "storage/io/disk.h"

namespace sluice::broker {

/// node.json: {"format": 1, "cluster_id": "...", "node_id": 1, "shards": 2}
struct NodeIdentity {
  std::string cluster_id;
  NodeId node{1};
  std::uint32_t shards = 1;
};

/// The directory's lock, held while the object lives. Real file systems only.
class DirectoryLock {
 public:
  /// Makes the directory if needed. Errors: in_use (another process has it), io_error.
  static Result<DirectoryLock> take(const std::string& directory);
  DirectoryLock(DirectoryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  DirectoryLock& operator=(DirectoryLock&&) = delete;
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int fd) : fd_(fd) {}
  int fd_;
};

/// What node.json says; nullopt: there is none, the directory is new. Errors: corrupt, unsupported, io_error.
Result<std::optional<NodeIdentity>> read_identity(storage::Disk& disk, const std::string& directory);
Result<void> write_identity(storage::Disk& disk, const std::string& directory, const NodeIdentity& identity);
NodeIdentity new_identity(Random& random, std::uint32_t shards);

/// Groups of a node: the controller and four a shard. Group g is pinned to shard g mod shards.
std::vector<GroupId> all_groups(std::uint32_t shards);
std::vector<GroupId> groups_of(ShardId shard, std::uint32_t shards);

}  // namespace sluice::broker
