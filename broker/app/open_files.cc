#include "broker/app/open_files.h"

#include <sys/resource.h>

#include <algorithm>

namespace sluice::broker {
namespace {

/// Journals, checkpoints, rings, listeners, standard streams: of the process and of each shard.
constexpr std::uint64_t kOthers = 64, kOthersOfShard = 64;
constexpr std::uint64_t kLeastSegmentFiles = 8;

std::uint64_t others(std::uint32_t shards) { return kOthers + kOthersOfShard * shards; }

}  // namespace

std::uint64_t OpenFiles::needed(std::uint32_t shards) const {
  return connections + segment_files * shards + others(shards);
}

OpenFiles fit_open_files(const OpenFiles& wanted, std::uint32_t shards, std::uint64_t limit) {
  if (wanted.needed(shards) <= limit) return wanted;
  const std::uint64_t room = limit - std::min(limit, others(shards));
  OpenFiles fitted;
  fitted.segment_files = std::max(kLeastSegmentFiles, std::min(wanted.segment_files, room / 4 / std::max(shards, 1U)));
  const std::uint64_t files = fitted.segment_files * shards;
  fitted.connections = std::clamp<std::uint64_t>(room - std::min(room, files), 1, wanted.connections);
  return fitted;
}

std::uint64_t raise_open_files(std::uint64_t needed) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return needed;  // nothing is known: accept() says it when it runs out
  if (limit.rlim_cur >= needed) return limit.rlim_cur;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = std::min<rlim_t>(needed, limit.rlim_max);
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

}  // namespace sluice::broker
