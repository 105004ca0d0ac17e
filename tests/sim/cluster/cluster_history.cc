#include "tests/sim/cluster/cluster_history.h"

#include <fmt/core.h>

#include <charconv>

namespace sluice::broker::sim {

void ClusterHistory::note(std::uint64_t a, std::uint64_t b) {
  for (std::uint64_t value : {a, b}) hash_ = (hash_ ^ value) * 0x100000001b3ULL + (hash_ >> 31);
}

// ---- Batches ----

std::vector<std::byte> ClusterHistory::make_batch(const PartitionId& partition, BatchBuilder::Options options,
                                                  std::int32_t count, BatchNumber& number) {
  number = batches_.size();
  batches_.push_back({partition, count, -1});
  BatchBuilder builder(options);
  for (std::int32_t i = 0; i < count; ++i)
    builder.add(1'700'000'000'000, std::nullopt, as_bytes(fmt::format("{} record {}", number, i)));
  return builder.build();
}

void ClusterHistory::learn(BatchNumber number, std::int64_t base, const std::string& how) {
  Batch& batch = batches_[number];
  if (batch.base >= 0 && batch.base != base)
    return violate(fmt::format("batch {} of {} stands at {} and, {}, at {}", number, batch.partition.text(), batch.base,
                               how, base));
  batch.base = base;
  const auto [at, first] = known_.emplace(std::pair(batch.partition, base), number);
  if (!first && at->second != number)
    violate(fmt::format("offset {} of {} is batch {} and, {}, batch {}", base, batch.partition.text(), at->second, how,
                        number));
}

void ClusterHistory::acknowledged(BatchNumber number, Offset base) {
  ++acknowledgements_;
  note(number, static_cast<std::uint64_t>(base.value));
  learn(number, base.value, "as it was acknowledged");
  const Batch& batch = batches_[number];
  Offset& end = acknowledged_end_[batch.partition];
  end = std::max(end, base.plus(batch.count));
}

void ClusterHistory::applied(NodeId node, const PartitionId& partition, Offset expected, ByteSpan bytes) {
  ++batches_read_;
  const auto header = parse_batch_header(bytes);
  if (!header || !batch_crc_holds(bytes))
    return violate(
        fmt::format("node {}: what stands at {} of {} is no batch", node.value, expected.value, partition.text()));
  if (header->base_offset != expected)
    return violate(fmt::format("node {}: {} follows where {} of {} should", node.value, header->base_offset.value,
                               expected.value, partition.text()));
  BatchNumber number = ~BatchNumber{0};
  (void)for_each_record(bytes, scratch_, 1U << 20, [&](const RecordView& record) {
    const std::string_view text = as_text(*record.value);
    std::from_chars(text.data(), text.data() + text.size(), number);
    return false;
  });
  if (number >= batches_.size() || batches_[number].partition != partition ||
      batches_[number].count != header->record_count)
    return violate(
        fmt::format("node {}: nobody sent what stands at {} of {}", node.value, expected.value, partition.text()));
  learn(number, expected.value, fmt::format("on node {}", node.value));
}

Offset ClusterHistory::acknowledged_end(const PartitionId& partition) const {
  const auto at = acknowledged_end_.find(partition);
  return at == acknowledged_end_.end() ? Offset(0) : at->second;
}

// ---- Terms and votes ----

void ClusterHistory::leads(NodeId node, GroupId group, Term term,
                           const std::vector<std::pair<PartitionId, Offset>>& ends) {
  note(term.value, static_cast<std::uint64_t>(node.value));
  const auto [at, first] = leaders_.emplace(std::pair(group, term), node);
  if (!first && at->second != node)
    violate(fmt::format("nodes {} and {} both lead term {} of group {}", at->second.value, node.value, term.value,
                        group.value));
  Term& newest = newest_leader_[group];
  if (term < newest) return;  // it has not heard of its successor yet
  newest = term;
  for (const auto& [partition, end] : ends)
    if (end < acknowledged_end(partition))
      violate(fmt::format("node {} leads term {} of group {}, and {} ends there at {}: {} was acknowledged", node.value,
                          term.value, group.value, partition.text(), end.value, acknowledged_end(partition).value));
}

void ClusterHistory::vote(NodeId voter, GroupId group, Term term, NodeId candidate) {
  const auto [at, first] = votes_.emplace(std::tuple(voter, group, term), candidate);
  if (!first && at->second != candidate)
    violate(fmt::format("node {} votes for {} and for {} in term {} of group {}", voter.value, at->second.value,
                        candidate.value, term.value, group.value));
}

void ClusterHistory::sent(GroupId group, const RaftMessage& message) {
  if (message.pre_vote) return;
  Term& told = told_[{message.from, group}];
  told = std::max(told, message.term);
  if (message.kind == RaftMessage::Kind::vote) vote(message.from, group, message.term, message.from);
  if (message.kind == RaftMessage::Kind::vote_result && message.granted)
    vote(message.from, group, message.term, message.to);
}

void ClusterHistory::started(NodeId node, GroupId group, Term term) {
  const auto told = told_.find({node, group});
  if (told != told_.end() && term < told->second)
    violate(fmt::format("node {} comes back in term {} of group {}, and has told of term {}", node.value, term.value,
                        group.value, told->second.value));
}

}  // namespace sluice::broker::sim
