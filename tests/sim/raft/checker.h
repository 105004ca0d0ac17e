// What must hold in every run, whatever fails. The first thing that does not is kept in words. Owner: SimCluster.
//
//  - one content for each (index, term) ever written, one value for each index ever applied, on whatever node;
//  - a node applies every index once, in order; a checkpoint holds what applying its entries gives;
//  - what was acknowledged stays;
//  - a term has one leader, and a node votes for one candidate in it;
//  - a new leader has all that is committed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "broker/raft/raft_group.h"

namespace sluice::broker::sim {

/// What a node's state machine is: the hash of all that it applied, in order.
struct AppliedState {
  LogIndex index;
  std::uint64_t chain = 0;
};

std::uint64_t digest(const Entry& entry);

class Checker {
 public:
  void wrote(NodeId node, LogIndex index, const Entry& entry);
  /// Applies `entry` to `state`.
  void apply(NodeId node, AppliedState& state, LogIndex index, const Entry& entry);
  void loaded(NodeId node, const AppliedState& state);
  void acknowledged(NodeId node, LogIndex index, const Entry& entry);
  void leads(NodeId node, Term term, const RaftGroup& group);
  void sent(const RaftMessage& message);
  void violated(std::string what) {
    if (violation_.empty()) violation_ = std::move(what);
  }

  bool failed() const { return !violation_.empty(); }
  const std::string& violation() const { return violation_; }
  LogIndex last_committed() const { return committed_.empty() ? LogIndex() : committed_.rbegin()->first; }
  std::size_t acknowledgements() const { return acknowledgements_; }
  std::size_t terms() const { return leaders_.size(); }

 private:
  struct Committed {
    Term term;
    std::uint64_t digest;
  };
  void vote(NodeId voter, Term term, NodeId candidate);
  void commit(NodeId node, LogIndex index, const Entry& entry, const char* how);

  std::string violation_;
  std::map<std::pair<LogIndex, Term>, std::uint64_t> written_;
  std::map<LogIndex, Committed> committed_;
  std::map<LogIndex, std::uint64_t> chains_;
  std::map<Term, NodeId> leaders_;
  std::map<std::pair<NodeId, Term>, NodeId> votes_;
  std::size_t acknowledgements_ = 0;
};

}  // namespace sluice::broker::sim
