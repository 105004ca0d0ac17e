// What was seen of three replicas over all their lives, held against what was promised. Each method is told one
// observation and checks it against all earlier ones; the first violation is kept.
//
// Checked: nothing acknowledged is lost or moved; one value at an offset, on all nodes and for ever; offsets dense; a
// batch stands once; who leads the newest term has all that was acknowledged; a node votes once in a term, and never
// comes back in a term below one that it has told of. A batch's first record carries its number, so that what is read
// can be told. Owner: ClusterWorld. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "broker/raft/raft_group.h"
#include "protocol/base/record_batch.h"

namespace sluice::broker::sim {

using BatchNumber = std::uint64_t;

class ClusterHistory {
 public:
  /// The first violation; empty: none.
  const std::string& violation() const { return violation_; }
  void violate(std::string what) {
    if (violation_.empty()) violation_ = std::move(what);
  }
  /// Goes into the hash by which two runs of a seed are compared.
  void note(std::uint64_t a, std::uint64_t b = 0);
  std::uint64_t hash() const { return hash_; }

  std::vector<std::byte> make_batch(const PartitionId& partition, BatchBuilder::Options options, std::int32_t count,
                                    BatchNumber& number);
  void acknowledged(BatchNumber number, Offset base);
  /// `node` has applied this batch.
  void applied(NodeId node, const PartitionId& partition, Offset expected, ByteSpan batch);
  /// Where what was acknowledged ends.
  Offset acknowledged_end(const PartitionId& partition) const;

  /// `node` leads this term, and has applied its barrier: its partitions end at `ends`.
  void leads(NodeId node, GroupId group, Term term, const std::vector<std::pair<PartitionId, Offset>>& ends);
  void sent(GroupId group, const RaftMessage& message);
  /// `node` has started, in this term.
  void started(NodeId node, GroupId group, Term term);

  std::uint64_t acknowledgements() const { return acknowledgements_; }
  std::uint64_t terms() const { return leaders_.size(); }
  std::uint64_t batches_read() const { return batches_read_; }

 private:
  struct Batch {
    PartitionId partition;
    std::int32_t count = 0;
    std::int64_t base = -1;  ///< -1: not seen yet
  };
  void learn(BatchNumber number, std::int64_t base, const std::string& how);
  void vote(NodeId voter, GroupId group, Term term, NodeId candidate);

  std::string violation_;
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
  std::vector<Batch> batches_;
  std::map<std::pair<PartitionId, std::int64_t>, BatchNumber> known_;  ///< by base offset
  std::map<PartitionId, Offset> acknowledged_end_;
  std::map<std::pair<GroupId, Term>, NodeId> leaders_;
  std::map<GroupId, Term> newest_leader_;
  std::map<std::tuple<NodeId, GroupId, Term>, NodeId> votes_;
  std::map<std::pair<NodeId, GroupId>, Term> told_;  ///< the highest term that a node has told of
  std::uint64_t acknowledgements_ = 0, batches_read_ = 0;
  std::vector<std::byte> scratch_;
};

}  // namespace sluice::broker::sim
