// How the process's limit of open files is divided: connections and segment files have bounds of their own, and what
// the system allows may be less. The soft limit is raised as far as it is needed and allowed.
#pragma once

#include <cstdint>

namespace sluice::broker {

struct OpenFiles {
  std::uint64_t connections = 0;    ///< of the node
  std::uint64_t segment_files = 0;  ///< of a shard

  /// What they take together with all else that is open.
  std::uint64_t needed(std::uint32_t shards) const;
};

/// As much of `wanted` as `limit` open files have room for: segment files keep a quarter of it, connections get the
/// rest.
OpenFiles fit_open_files(const OpenFiles& wanted, std::uint32_t shards, std::uint64_t limit);

/// Raises this process's soft limit to `needed` if it is lower, at most to the hard limit. Returns what it is then.
std::uint64_t raise_open_files(std::uint64_t needed);

}  // namespace sluice::broker
