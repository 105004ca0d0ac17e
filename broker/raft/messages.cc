#include "broker/raft/messages.h"

namespace sluice::broker {
namespace {

// libraft's message versions, as it writes them itself.
constexpr unsigned char kVoteVersion = 2, kVoteResultVersion = 2, kAppendResultVersion = 2;

const char* fault_of_append(const RaftMessage& message) {
  if (message.entries.size() != message.entry_count) return "its entries do not match their number";
  if ((message.prev_index.value == 0) != (message.prev_term.value == 0)) return "its previous entry has no term";
  Term last = message.prev_term;
  for (std::size_t i = 0; i < message.entries.size(); ++i) {
    const Entry& entry = message.entries[i];
    if (entry.term < last || entry.term.value == 0 || entry.term > message.term)
      return "its entries' terms are out of order";
    last = entry.term;
    switch (entry.type) {
      case EntryType::command:
      case EntryType::barrier: break;
      case EntryType::change:
        // Elsewhere the core takes down a wrong index for it (rule 11).
        if (i != 0) return "a configuration change is not its first entry";
        if (!decode_configuration(entry.payload)) return "its configuration can't be read";
        break;
      default: return "it has an entry of an unknown type";
    }
  }
  return nullptr;
}

const char* fault_of_install(const RaftMessage& message) {
  if (!message.snapshot) return "it has no snapshot";
  const SnapshotMeta& snapshot = *message.snapshot;
  if (snapshot.last_index.value == 0 || snapshot.last_term.value == 0 || snapshot.last_term > message.term)
    return "its snapshot's last entry can't be";
  if (snapshot.configuration_index.value == 0 || snapshot.configuration_index > snapshot.last_index ||
      !decode_configuration(encode_configuration(snapshot.configuration)))
    return "its snapshot's configuration can't be";
  return nullptr;
}

raft_id core_id(NodeId id) { return static_cast<raft_id>(id.value); }

}  // namespace

const char* fault_of(const RaftMessage& message, NodeId self) {
  if (message.to != self) return "it is for another node";
  if (message.from.value <= 0 || message.from == self) return "its sender can't be";
  if (message.term.value == 0) return "it has no term";
  switch (message.kind) {
    case RaftMessage::Kind::append: return fault_of_append(message);
    case RaftMessage::Kind::install_snapshot: return fault_of_install(message);
    case RaftMessage::Kind::append_result:
    case RaftMessage::Kind::vote:
    case RaftMessage::Kind::vote_result:
    case RaftMessage::Kind::timeout_now: return nullptr;
  }
  return "it is of an unknown kind";
}

raft_message to_core(const RaftMessage& message, raft_entry* entries) {
  raft_message core{};
  core.type = static_cast<raft_message_type>(message.kind);
  core.server_id = core_id(message.from);
  core.server_address = "";  // wanted, and used for nothing but to answer to
  switch (message.kind) {
    case RaftMessage::Kind::append: {
      auto& args = core.append_entries;
      args.term = message.term.value;
      args.prev_log_index = message.prev_index.value;
      args.prev_log_term = message.prev_term.value;
      args.leader_commit = message.leader_commit.value;
      args.entries = entries;
      args.n_entries = message.entry_count;
      break;
    }
    case RaftMessage::Kind::append_result: {
      auto& args = core.append_entries_result;
      args.version = kAppendResultVersion;
      args.term = message.term.value;
      args.rejected = message.rejected.value;
      args.last_log_index = message.last_log_index.value;
      args.features = message.features;
      args.capacity = message.capacity;
      break;
    }
    case RaftMessage::Kind::vote: {
      auto& args = core.request_vote;
      args.version = kVoteVersion;
      args.term = message.term.value;
      args.candidate_id = core_id(message.from);
      args.last_log_index = message.last_log_index.value;
      args.last_log_term = message.last_log_term.value;
      args.disrupt_leader = message.disrupt_leader;
      args.pre_vote = message.pre_vote;
      break;
    }
    case RaftMessage::Kind::vote_result: {
      auto& args = core.request_vote_result;
      args.version = kVoteResultVersion;
      args.term = message.term.value;
      args.vote_granted = message.granted;
      args.pre_vote = message.pre_vote;
      args.features = message.features;
      args.capacity = message.capacity;
      break;
    }
    case RaftMessage::Kind::install_snapshot: {
      auto& args = core.install_snapshot;
      args.term = message.term.value;
      args.last_index = message.snapshot->last_index.value;
      args.last_term = message.snapshot->last_term.value;
      args.conf_index = message.snapshot->configuration_index.value;
      raft_configuration_init(&args.conf);  // stays with us until it is installed: the core leaks it on some ways
      args.data = {};
      break;
    }
    case RaftMessage::Kind::timeout_now: {
      auto& args = core.timeout_now;
      args.term = message.term.value;
      args.last_log_index = message.last_log_index.value;
      args.last_log_term = message.last_log_term.value;
      break;
    }
  }
  return core;
}

RaftMessage from_core(const raft_message& core, NodeId self) {
  RaftMessage message;
  message.kind = static_cast<RaftMessage::Kind>(core.type);
  message.from = self;
  message.to = NodeId(static_cast<std::int32_t>(core.server_id));
  switch (core.type) {
    case RAFT_APPEND_ENTRIES:
      message.term = Term(core.append_entries.term);
      message.prev_index = LogIndex(core.append_entries.prev_log_index);
      message.prev_term = Term(core.append_entries.prev_log_term);
      message.leader_commit = LogIndex(core.append_entries.leader_commit);
      message.entry_count = core.append_entries.n_entries;
      break;
    case RAFT_APPEND_ENTRIES_RESULT:
      message.term = Term(core.append_entries_result.term);
      message.rejected = LogIndex(core.append_entries_result.rejected);
      message.last_log_index = LogIndex(core.append_entries_result.last_log_index);
      message.features = core.append_entries_result.features;
      message.capacity = core.append_entries_result.capacity;
      break;
    case RAFT_REQUEST_VOTE:
      message.term = Term(core.request_vote.term);
      message.last_log_index = LogIndex(core.request_vote.last_log_index);
      message.last_log_term = Term(core.request_vote.last_log_term);
      message.disrupt_leader = core.request_vote.disrupt_leader;
      message.pre_vote = core.request_vote.pre_vote;
      break;
    case RAFT_REQUEST_VOTE_RESULT:
      message.term = Term(core.request_vote_result.term);
      message.granted = core.request_vote_result.vote_granted;
      message.pre_vote = core.request_vote_result.pre_vote;
      message.features = core.request_vote_result.features;
      message.capacity = core.request_vote_result.capacity;
      break;
    case RAFT_INSTALL_SNAPSHOT: message.term = Term(core.install_snapshot.term); break;
    case RAFT_TIMEOUT_NOW:
      message.term = Term(core.timeout_now.term);
      message.last_log_index = LogIndex(core.timeout_now.last_log_index);
      message.last_log_term = Term(core.timeout_now.last_log_term);
      break;
  }
  return message;
}

void to_core_entries(std::span<const Entry> entries, void* batch, std::vector<raft_entry>& out) {
  out.clear();
  out.reserve(entries.size());
  for (const Entry& entry : entries) {
    raft_entry core{};
    core.term = entry.term.value;
    core.type = static_cast<raft_entry_type>(entry.type);
    // The core reads configurations alone, and writes nothing.
    core.buf.base = const_cast<std::byte*>(entry.payload.data());
    core.buf.len = entry.payload.size();
    core.batch = batch;
    out.push_back(core);
  }
}

raft_term trail_term(const raft_trail& trail, raft_index index) {
  const unsigned count = trail.front <= trail.back ? trail.back - trail.front : trail.size - trail.front + trail.back;
  // A record tells the last index of its term: the first one, from the left, that reaches `index` is the one.
  raft_term term = 0;
  if (index > trail.offset) {
    for (unsigned i = count; i > 0; --i) {
      const auto& record = trail.records[(trail.front + i - 1) % trail.size];
      if (record.index < index) break;
      term = record.term;
    }
  }
  return term == 0 && index == trail.snapshot.index ? trail.snapshot.term : term;
}

}  // namespace sluice::broker
