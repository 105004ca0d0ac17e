#include "broker/raft/raft_group.h"

#include <utility>

#include "broker/raft/core.h"

namespace sluice::broker {

RaftGroup::RaftGroup(GroupId group, NodeId self, std::string address, RaftOptions options, Random& random,
                     RaftOutput& output)
    : core_(std::make_unique<Core>(group, self, std::move(address), options, random, output)) {}
RaftGroup::~RaftGroup() = default;

Result<void> RaftGroup::start(const RaftRecovery& recovery, Millis now) { return core_->start(recovery, now); }
Result<LogIndex> RaftGroup::submit(std::span<const SharedBytes> commands, Millis now) {
  return core_->submit(commands, now);
}
bool RaftGroup::can_submit(std::size_t bytes) const { return core_->can_submit(bytes); }
Result<LogIndex> RaftGroup::submit_configuration(const RaftConfiguration& configuration, Millis now) {
  return core_->submit_configuration(configuration, now);
}
void RaftGroup::hard_state_persisted(const HardState& state, Millis now) { core_->hard_state_persisted(state, now); }
void RaftGroup::entries_persisted(LogIndex last, Term last_term, Millis now) {
  core_->entries_persisted(last, last_term, now);
}
void RaftGroup::applied(LogIndex index, Millis now) { core_->applied(index, now); }
void RaftGroup::snapshot_taken(LogIndex last_index, std::uint32_t trailing, Millis now) {
  core_->snapshot_taken(last_index, trailing, now);
}
void RaftGroup::snapshot_installed(const SnapshotMeta& snapshot, Millis now) {
  core_->snapshot_installed(snapshot, now);
}
void RaftGroup::receive(RaftMessage message, Millis now) { core_->receive(std::move(message), now); }
void RaftGroup::tick(Millis now) { core_->tick(now); }
Millis RaftGroup::next_timeout() const { return core_->next_timeout(); }
Result<void> RaftGroup::transfer_leadership(NodeId to, Millis now) { return core_->transfer_leadership(to, now); }

RaftRole RaftGroup::role() const { return core_->role(); }
bool RaftGroup::ready() const { return core_->ready(); }
bool RaftGroup::failed() const { return core_->failed(); }
Term RaftGroup::term() const { return core_->term(); }
NodeId RaftGroup::leader() const { return core_->leader(); }
LogIndex RaftGroup::last_index() const { return core_->last_index(); }
LogIndex RaftGroup::first_index() const { return core_->first_index(); }
LogIndex RaftGroup::commit_index() const { return core_->commit_index(); }
Term RaftGroup::term_at(LogIndex index) const { return core_->term_at(index); }
const RaftConfiguration& RaftGroup::configuration() const { return core_->configuration(); }
LogIndex RaftGroup::configuration_index() const { return core_->configuration_index(); }
GroupId RaftGroup::group() const { return core_->group(); }

}  // namespace sluice::broker
