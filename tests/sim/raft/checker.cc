#include "tests/sim/raft/checker.h"

#include <fmt/core.h>

#include <functional>
#include <string_view>

namespace sluice::broker::sim {
namespace {

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  a ^= b + 0x9e3779b97f4a7c15U + (a << 6) + (a >> 2);
  return (a ^ (a >> 29)) * 0xbf58476d1ce4e5b9U;
}

}  // namespace

std::uint64_t digest(const Entry& entry) {
  return mix(std::hash<std::string_view>{}(as_text(entry.payload)), static_cast<std::uint64_t>(entry.type));
}

void Checker::wrote(NodeId node, LogIndex index, const Entry& entry) {
  const auto [at, first] = written_.emplace(std::pair(index, entry.term), digest(entry));
  if (!first && at->second != digest(entry))
    violated(fmt::format("node {} writes another entry {} of term {} than was written before", node.value, index.value,
                         entry.term.value));
}

void Checker::commit(NodeId node, LogIndex index, const Entry& entry, const char* how) {
  const auto [at, first] = committed_.emplace(index, Committed{entry.term, digest(entry)});
  if (!first && (at->second.term != entry.term || at->second.digest != digest(entry)))
    violated(fmt::format("node {} {} entry {} of term {}, which was committed with term {}{}", node.value, how,
                         index.value, entry.term.value, at->second.term.value,
                         at->second.digest == digest(entry) ? "" : " and another content"));
}

void Checker::apply(NodeId node, AppliedState& state, LogIndex index, const Entry& entry) {
  if (index != state.index.next())
    violated(fmt::format("node {} applies {} behind {}", node.value, index.value, state.index.value));
  commit(node, index, entry, "applies");
  state.index = index;
  state.chain = mix(mix(state.chain, index.value), mix(digest(entry), entry.term.value));
  loaded(node, state);
}

void Checker::loaded(NodeId node, const AppliedState& state) {
  const auto [at, first] = chains_.emplace(state.index, state.chain);
  if (!first && at->second != state.chain)
    violated(fmt::format("node {} has another state at {} than others", node.value, state.index.value));
}

void Checker::acknowledged(NodeId node, LogIndex index, const Entry& entry) {
  commit(node, index, entry, "acknowledges");
  ++acknowledgements_;
}

void Checker::leads(NodeId node, Term term, const RaftGroup& group) {
  const auto [at, first] = leaders_.emplace(term, node);
  if (!first && at->second != node)
    violated(fmt::format("nodes {} and {} both lead term {}", at->second.value, node.value, term.value));
  if (committed_.empty()) return;
  const auto& [index, committed] = *committed_.rbegin();
  if (group.last_index() < index || (index >= group.first_index() && group.term_at(index) != committed.term))
    violated(
        fmt::format("node {} leads term {} without entry {}, which is committed", node.value, term.value, index.value));
}

void Checker::vote(NodeId voter, Term term, NodeId candidate) {
  const auto [at, first] = votes_.emplace(std::pair(voter, term), candidate);
  if (!first && at->second != candidate)
    violated(fmt::format("node {} votes for {} and for {} in term {}", voter.value, at->second.value, candidate.value,
                         term.value));
}

void Checker::sent(const RaftMessage& message) {
  if (message.pre_vote) return;
  if (message.kind == RaftMessage::Kind::vote) vote(message.from, message.term, message.from);
  if (message.kind == RaftMessage::Kind::vote_result && message.granted) vote(message.from, message.term, message.to);
}

}  // namespace sluice::broker::sim
