// The data directory of a node: locked by one process, and described by node.json. While the directory is made, that
// file is called node.json.unfinished, and it gets its name last: a directory without node.json was never served from,
// and a start that was interrupted is gone on with under the same identity.
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

struct FoundIdentity {
  NodeIdentity identity;
  bool finished = false;  ///< false: the directory is still to be made, as this identity's
};
/// What node.json says, or else node.json.unfinished; nullopt: there is neither, the directory is new. Errors: corrupt,
/// unsupported, io_error.
Result<std::optional<FoundIdentity>> read_identity(storage::Disk& disk, const std::string& directory);
/// Writes node.json.unfinished, durably, before anything else is made.
Result<void> write_unfinished_identity(storage::Disk& disk, const std::string& directory, const NodeIdentity& identity);
/// Everything is made, durably: node.json gets its name.
Result<void> finish_identity(storage::Disk& disk, const std::string& directory);
NodeIdentity new_identity(Random& random, std::uint32_t shards);

/// Groups of a node: the controller and four a shard. Group g is pinned to shard g mod shards.
std::vector<GroupId> all_groups(std::uint32_t shards);
std::vector<GroupId> groups_of(ShardId shard, std::uint32_t shards);

}  // namespace sluice::broker
