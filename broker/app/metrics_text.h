// A snapshot as Prometheus' text, family by family, so that no step takes long and nothing long is whole in memory.
// Names begin with `sluice_`, units stand last, what each shard has carries the label `shard`. The README lists the
// families worth an alert. Stateless, but for families() being made once.
#pragma once

#include <cstdint>
#include <vector>

#include "broker/app/metrics_snapshot.h"
#include "protocol/base/bytes.h"

namespace sluice::broker {

/// What the process itself adds to a snapshot.
struct ProcessStats {
  double cpu_seconds = 0;
  std::uint64_t resident_bytes = 0;
  double start_time_seconds = 0;  ///< since 1970
};
/// This process, now. `start_time_ms` is its own to know.
ProcessStats process_stats(std::int64_t start_time_ms);

/// How many steps render_family() has.
std::size_t family_count();
/// The text of family number `nth`, in pieces of at most kTextPiece bytes.
std::vector<SharedBytes> render_family(std::size_t nth, const NodeSnapshot& node, const ProcessStats& process);

inline constexpr std::size_t kTextPiece = 32U << 10;

/// Lines of one family; its HELP and TYPE lines come with the first ones alone.
std::vector<SharedBytes> render_partitions(PartitionFigure figure, const std::vector<PartitionValue>& values,
                                           bool first);

}  // namespace sluice::broker
