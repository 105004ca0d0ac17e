// Fetch sessions (KIP-227) of one shard: which partitions a client fetches, so that it sends, and is told, only what
// changed. Pure: no I/O, the time is told.
//
// A session is opened by a full fetch (epoch 0) and then used by incremental ones (epoch 1, 2, ...), each of which
// names the partitions that are new, changed or forgotten. The reply to one lists only partitions with records, an
// error, a diverging epoch, or another high watermark or log start than the client was told last. Partitions whose
// records were sent go behind the others, so that within a session none starves when the budget of a reply is spent.
//
// A session belongs to the shard that its client was connected to when it opened it. Any connection of that shard may
// use it; on another shard it is unknown (error 70), and the client opens a new one, as it does after every reconnect
// anyway: Java and franz-go clients never take a session along to another connection.
//
// Bounds: sessions, and partitions in all of them. What doesn't fit is answered in full and with session 0, which to a
// client means that it has no session (any more). To make room a session is evicted that is
//   1. orphaned: the connection that used it last has ended,
//   2. or stale: the least recently used one, if unused for `evict_after`,
//   3. or smaller than the new one, and older than `evict_after`: large sessions save the most.
// Kafka's rules (FetchSessionCache), but for (1), and for its followers, which are not Kafka clients here.
// Thread safety: the shard's thread. Owner: KafkaServer; requests under way share it.
#pragma once

#include <tsl/robin_map.h>
#include <tsl/robin_set.h>

#include <cstdint>
#include <list>
#include <memory>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/service/broker_api.h"
#include "protocol/base/clock.h"
#include "protocol/base/random.h"
#include "protocol/kafka/error_codes.h"
#include "protocol/kafka/fetch.h"

namespace sluice::broker {

/// So much of a name as tells it from all that topics can have: names are compared and copied for every partition.
inline std::string_view cut_topic_name(std::string_view name) { return name.substr(0, kMaxTopicNameSize + 1); }

struct FetchSessionLimits {
  std::size_t max_sessions = 1000;
  std::size_t max_partitions = 50'000;  ///< of all sessions; each takes some 250 bytes
  Nanos evict_after = std::chrono::minutes(2);
};

/// What one Fetch asks for: of the request itself, or of its session.
struct FetchPlan {
  struct Part {
    std::shared_ptr<const TopicRef> topic;
    kafka::FetchPartition partition;
  };
  enum class Session : std::uint8_t { none, open, use };

  kafka::ErrorCode error = kafka::ErrorCode::none;  ///< of the whole request: 70, 71, 106; then there are no parts
  Session session = Session::none;
  std::int32_t session_id = 0;     ///< with Session::use
  std::int32_t session_epoch = 0;  ///< with Session::use: what the session has while this request is its newest
  bool by_id = false;              ///< topics are named by id
  std::uint64_t connection = 0;
  std::vector<Part> parts;  ///< each partition once
};

class FetchSessions {
 public:
  FetchSessions(Random& random, FetchSessionLimits limits) : random_(random), limits_(limits) {}

  /// A number for a new connection; never 0.
  std::uint64_t connect();
  /// Orphans the sessions that this connection was the last to use; what it still asked for opens none.
  void disconnect(std::uint64_t connection, SteadyTime now);
  /// Forgets sessions that have been orphans for `evict_after`.
  void expire(SteadyTime now);

  /// Takes a request: notes what it changes of its session, and says what is to be read, in which order.
  FetchPlan plan(const kafka::FetchRequest& request, std::int16_t version, std::uint64_t connection, SteadyTime now);

  /// The reply to a plan: made at once, part by part in the order of the plan.
  class Reply;
  Reply reply(const FetchPlan& plan, SteadyTime now);

  /// The epoch of a session's next request; 0 and -1 mean other things.
  static std::int32_t epoch_after(std::int32_t epoch);

  std::size_t session_count() const { return sessions_.size(); }
  std::size_t partition_count() const { return partition_count_; }

 private:
  /// Views into the TopicRef of the partition's own entry; names as cut_topic_name() leaves them.
  struct Key {
    std::string_view name;
    TopicId id;
    PartitionIndex partition;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept;
  };
  struct Entry {
    FetchPlan::Part part;
    // What the client was told last; -1 where it is to be told in any case.
    Offset high_watermark{-1};
    Offset log_start_offset{-1};
  };
  using Entries = std::list<Entry>;
  using Recency = std::list<std::int32_t>;
  struct Session {
    std::int32_t epoch = 1;  ///< that the next request must have
    bool by_id = false;
    bool orphaned = false;
    bool in_by_size = false;
    std::uint64_t connection = 0;
    SteadyTime opened{0};
    SteadyTime last_used{0};
    std::size_t counted = 0;    ///< its share of partition_count_
    Recency::iterator recency;  ///< in recent_ or orphans_
    Entries entries;            ///< in the order in which they are read
    tsl::robin_map<Key, Entries::iterator, KeyHash> by_key;
  };
  using Sessions = std::unordered_map<std::int32_t, Session>;

  static Key key_of(const FetchPlan::Part& part);
  static std::vector<FetchPlan::Part> parts_of(const kafka::FetchRequest& request);
  /// False if a name is longer than any topic's: the session is not kept then.
  static bool update(Session& session, const kafka::FetchRequest& request);
  /// Whether the session, which may have grown, still fits; others may be evicted for it.
  bool fits(Sessions::iterator session, SteadyTime now);
  FetchPlan plan_use(const kafka::FetchRequest& request, std::int16_t version, std::uint64_t connection,
                     SteadyTime now);
  Sessions::iterator open(const FetchPlan& plan, SteadyTime now);
  std::int32_t new_id();
  void touch(Sessions::iterator session, std::uint64_t connection, SteadyTime now);
  void remove(Sessions::iterator session);
  /// Evicts until so many partitions have room, those of one session; false if there is no one (more) to evict.
  bool make_room(std::size_t sessions, std::size_t partitions, SteadyTime now);
  bool evict_one(std::size_t for_partitions, SteadyTime now);

  Random& random_;
  const FetchSessionLimits limits_;
  std::uint64_t last_connection_ = 0;
  tsl::robin_set<std::uint64_t> connections_;
  Sessions sessions_;
  std::size_t partition_count_ = 0;
  Recency recent_;                                          // of sessions with a connection: least recently used first
  Recency orphans_;                                         // of those without: longest without first
  std::set<std::pair<std::size_t, std::int32_t>> by_size_;  // (partitions, id) of those past `evict_after`
};

class FetchSessions::Reply {
 public:
  /// Of the whole reply: none, or 71 when the session was used again meanwhile; then no part is listed.
  kafka::ErrorCode error() const { return error_; }
  std::int32_t session_id() const { return session_id_; }
  /// The next part's outcome: whether the reply lists it.
  bool lists(const kafka::FetchPartitionResponse& outcome);

 private:
  friend class FetchSessions;
  kafka::ErrorCode error_ = kafka::ErrorCode::none;
  std::int32_t session_id_ = 0;
  Session* session_ = nullptr;
  bool full_ = true;
  Entries::iterator next_;
};

}  // namespace sluice::broker
