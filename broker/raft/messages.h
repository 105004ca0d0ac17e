// RaftMessage <-> libraft's message, and what a message from a peer must look like before the core sees it: the core's
// own checks are asserts that the packaged library is built without. Owner: RaftGroup::Core.
#pragma once

#include <vector>

#include "broker/raft/raft_group.h"
#include "broker/raft/raft_library.h"

namespace sluice::broker {

/// What is wrong with a message, whatever the state of the group; nullptr: nothing.
const char* fault_of(const RaftMessage& message, NodeId self);
/// The core's form. Entries are `entries` (as made by to_core_entries), a snapshot's configuration stays behind.
raft_message to_core(const RaftMessage& message, raft_entry* entries);
RaftMessage from_core(const raft_message& message, NodeId self);
/// The core's form of entries; their payloads are borrowed. `batch` is what the core frees when it is done with them.
void to_core_entries(std::span<const Entry> entries, void* batch, std::vector<raft_entry>& out);

/// Term of an entry of the core's log, or of the last one in its snapshot; 0: it has neither.
raft_term trail_term(const raft_trail& trail, raft_index index);

}  // namespace sluice::broker
