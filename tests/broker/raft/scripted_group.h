// A RaftGroup under a test's hand: what it asks for is written down as lines, and nothing happens unless the test says
// so.
//
//   write term 2 vote 1                      persist_hard_state
//   leader of term 2, leader 1               role_changed
//   persist 3: command@2 'a', barrier@2      persist_entries
//   1->2 append term 2 after 2@1 +1 commit 2 send
//   install 20@3                             install_snapshot
//   commit 3                                 committed
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/raft/raft_group.h"
#include "protocol/base/random.h"

namespace sluice::broker {

inline RaftConfiguration voters(int count) {
  RaftConfiguration configuration;
  for (int id = 1; id <= count; ++id)
    configuration.push_back({NodeId(id), "node" + std::to_string(id), ServerRole::voter});
  return configuration;
}
inline Entry change_entry(std::uint64_t term, const RaftConfiguration& configuration) {
  return {Term(term), EntryType::change, SharedBytes::take(encode_configuration(configuration))};
}
inline Entry command_entry(std::uint64_t term, std::string_view text) {
  return {Term(term), EntryType::command, SharedBytes::copy_of(as_bytes(text))};
}

class ScriptedGroup final : public RaftOutput {
 public:
  explicit ScriptedGroup(int self, RaftOptions options = {})
      : self_(self), group_(GroupId(7), NodeId(self), "node" + std::to_string(self), options, random_, *this) {}

  RaftGroup& group() { return group_; }
  /// Starts with `recovery`, or with the first entry of a group of `voter_count` voters at term 1.
  Result<void> start(const RaftRecovery& recovery) { return group_.start(recovery, now_); }
  static RaftRecovery fresh(int voter_count) {
    RaftRecovery recovery;
    recovery.first_index = LogIndex(1);
    recovery.hard_state = {Term(1), NodeId(0)};
    recovery.entries.push_back(change_entry(1, voters(voter_count)));
    return recovery;
  }

  Result<LogIndex> submit(std::string_view text) {
    const SharedBytes command = SharedBytes::copy_of(as_bytes(text));
    return group_.submit({&command, 1}, now_);
  }
  void written(std::uint64_t term, int vote) { group_.hard_state_persisted({Term(term), NodeId(vote)}, now_); }
  void persisted(std::uint64_t last, std::uint64_t term) { group_.entries_persisted(LogIndex(last), Term(term), now_); }
  void applied(std::uint64_t index) { group_.applied(LogIndex(index), now_); }
  void receive(RaftMessage message) { group_.receive(std::move(message), now_); }
  /// Goes to the next timeout.
  void timeout() {
    now_ = std::max(now_, group_.next_timeout());
    group_.tick(now_);
  }
  Millis now() const { return now_; }
  void pass(Millis time) { now_ += time; }

  /// A message from `from` to this node.
  RaftMessage message(RaftMessage::Kind kind, int from, std::uint64_t term) const {
    RaftMessage message;
    message.kind = kind;
    message.from = NodeId(from);
    message.to = NodeId(self_);
    message.term = Term(term);
    message.features = 1;
    message.capacity = 65535;
    return message;
  }
  RaftMessage append(int from, std::uint64_t term, std::uint64_t prev, std::uint64_t prev_term,
                     std::vector<Entry> entries, std::uint64_t commit = 0) const {
    RaftMessage out = message(RaftMessage::Kind::append, from, term);
    out.prev_index = LogIndex(prev);
    out.prev_term = Term(prev_term);
    out.entry_count = static_cast<std::uint32_t>(entries.size());
    out.entries = std::move(entries);
    out.leader_commit = LogIndex(commit);
    return out;
  }
  RaftMessage append_result(int from, std::uint64_t term, std::uint64_t last, std::uint64_t rejected = 0) const {
    RaftMessage out = message(RaftMessage::Kind::append_result, from, term);
    out.last_log_index = LogIndex(last);
    out.rejected = LogIndex(rejected);
    return out;
  }
  RaftMessage vote_result(int from, std::uint64_t term, bool pre_vote, bool granted) const {
    RaftMessage out = message(RaftMessage::Kind::vote_result, from, term);
    out.pre_vote = pre_vote;
    out.granted = granted;
    return out;
  }
  /// Elects this node in a group of three at `term`, from follower, by node 2's votes; forgets the transcript.
  void elect(std::uint64_t term) {
    timeout();
    receive(vote_result(2, term, true, true));
    written(term, self_);
    receive(vote_result(2, term, false, true));
    lines_.clear();
  }

  /// What was asked for since the last call.
  std::string transcript() {
    std::string all = "\n";
    for (const std::string& line : lines_) all += line + "\n";
    lines_.clear();
    return all;
  }
  /// Payloads of the last persist_entries(), sharing their buffers.
  const std::vector<Entry>& last_entries() const { return last_entries_; }
  const std::vector<RaftMessage>& sent() const { return sent_; }

  void persist_hard_state(const HardState& state) override {
    line("write term " + text(state.term) + " vote " + text(state.vote));
  }
  void persist_entries(LogIndex first, std::span<const Entry> entries) override {
    last_entries_.assign(entries.begin(), entries.end());
    std::string out = "persist " + text(first) + ":";
    for (const Entry& entry : entries) {
      static constexpr const char* kNames[] = {"", "command", "barrier", "change"};
      out += std::string(&entry == entries.data() ? " " : ", ") + kNames[static_cast<int>(entry.type)] + "@" +
             text(entry.term);
      if (entry.type == EntryType::command) out += " '" + std::string(as_text(entry.payload)) + "'";
    }
    line(out);
  }
  void send(RaftMessage message) override {
    std::string out = text(message.from) + "->" + text(message.to) + " ";
    switch (message.kind) {
      case RaftMessage::Kind::append:
        out += "append term " + text(message.term) + " after " + text(message.prev_index) + "@" +
               text(message.prev_term) + " +" + std::to_string(message.entry_count) + " commit " +
               text(message.leader_commit);
        break;
      case RaftMessage::Kind::append_result:
        out += message.rejected.value == 0
                   ? "appended term " + text(message.term) + " up to " + text(message.last_log_index)
                   : "refused term " + text(message.term) + " at " + text(message.rejected) + " last " +
                         text(message.last_log_index);
        break;
      case RaftMessage::Kind::vote:
        out += std::string(message.pre_vote ? "pre-vote?" : "vote?") + " term " + text(message.term) + " last " +
               text(message.last_log_index) + "@" + text(message.last_log_term);
        break;
      case RaftMessage::Kind::vote_result:
        out += std::string(message.pre_vote ? "pre-vote " : "vote ") + (message.granted ? "granted" : "denied") +
               " term " + text(message.term);
        break;
      case RaftMessage::Kind::install_snapshot:
        out += "install term " + text(message.term) + " snapshot " + text(message.snapshot->last_index) + "@" +
               text(message.snapshot->last_term) + " configuration " + text(message.snapshot->configuration_index) +
               " of " + std::to_string(message.snapshot->configuration.size());
        break;
      case RaftMessage::Kind::timeout_now:
        out += "timeout now term " + text(message.term) + " last " + text(message.last_log_index);
        break;
    }
    line(out);
    sent_.push_back(std::move(message));
  }
  void committed(LogIndex upto) override { line("commit " + text(upto)); }
  void role_changed(RaftRole role, Term term, NodeId leader) override {
    static constexpr const char* kNames[] = {"follower", "candidate", "leader"};
    line(std::string(kNames[static_cast<int>(role)]) + " in term " + text(term) + ", leader " + text(leader));
  }
  void install_snapshot(const SnapshotMeta& snapshot) override {
    line("install " + text(snapshot.last_index) + "@" + text(snapshot.last_term));
  }

 private:
  template <class Id>
  static std::string text(Id id) {
    return std::to_string(id.value);
  }
  void line(std::string text) { lines_.push_back(std::move(text)); }

  int self_;
  Millis now_{1000};
  std::vector<std::string> lines_;
  std::vector<Entry> last_entries_;
  std::vector<RaftMessage> sent_;
  SeededRandom random_{1};
  RaftGroup group_;
};

}  // namespace sluice::broker
