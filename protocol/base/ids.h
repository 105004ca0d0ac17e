// Strong ids: whole numbers that mean different things do not convert into each other.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace sluice {

template <class Tag, class Rep>
struct StrongId {
  using rep = Rep;
  Rep value{};

  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep v) : value(v) {}
  friend constexpr auto operator<=>(StrongId, StrongId) = default;
  constexpr StrongId next() const { return StrongId(value + 1); }
  constexpr StrongId plus(Rep n) const { return StrongId(value + n); }
};

using NodeId = StrongId<struct NodeIdTag, std::int32_t>;                  ///< a sluiced process; >= 1 (0 = none)
using ShardId = StrongId<struct ShardIdTag, std::uint32_t>;               ///< a thread of a node, from 0
using GroupId = StrongId<struct GroupIdTag, std::uint32_t>;               ///< a Raft group; 0 is the controller
using Term = StrongId<struct TermTag, std::uint64_t>;                     ///< a Raft term
using LogIndex = StrongId<struct LogIndexTag, std::uint64_t>;             ///< an index in a Raft log, from 1
using Offset = StrongId<struct OffsetTag, std::int64_t>;                  ///< a record's place in a partition, from 0
using PartitionIndex = StrongId<struct PartitionIndexTag, std::int32_t>;  ///< a partition within its topic
using LeaderEpoch = StrongId<struct LeaderEpochTag, std::int32_t>;
using ProducerId = StrongId<struct ProducerIdTag, std::int64_t>;  ///< -1 = not idempotent

/// 16 random bytes, never all zero in use; a topic keeps it for life and it is never reused.
struct TopicId {
  std::array<std::uint8_t, 16> bytes{};
  friend constexpr auto operator<=>(const TopicId&, const TopicId&) = default;
  bool is_zero() const { return *this == TopicId{}; }
  /// 32 lower-case hexadecimal digits; the form used in file names and messages.
  std::string hex() const;
};

/// One partition of one topic.
struct PartitionId {
  TopicId topic;
  PartitionIndex index;
  friend constexpr auto operator<=>(const PartitionId&, const PartitionId&) = default;
  /// `TOPICID-P`, also the name of its directory.
  std::string text() const;
};

}  // namespace sluice

template <class Tag, class Rep>
struct std::hash<sluice::StrongId<Tag, Rep>> {
  std::size_t operator()(sluice::StrongId<Tag, Rep> id) const noexcept { return std::hash<Rep>{}(id.value); }
};
template <>
struct std::hash<sluice::TopicId> {
  std::size_t operator()(const sluice::TopicId& id) const noexcept;
};
template <>
struct std::hash<sluice::PartitionId> {
  std::size_t operator()(const sluice::PartitionId& id) const noexcept {
    return std::hash<sluice::TopicId>{}(id.topic) * 31 + static_cast<std::size_t>(id.index.value);
  }
};
