// Errors are values. One Errc for the whole project; Kafka's codes exist only in protocol/kafka and
// broker/listener, which translate. An Error's message says what happened, to what, and what to do.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace sluice {

enum class Errc {
  // Input that can't be taken, now or ever.
  malformed,         ///< bytes that do not follow their format
  corrupt,           ///< a checksum or an order that does not hold
  unsupported,       ///< understood, but not offered here
  invalid_argument,  ///< a value outside its range
  too_large,         ///< larger than a configured limit
  // The log.
  offset_out_of_range,   ///< below the start of the log or beyond its end, said by a ready leader
  offset_not_available,  ///< can't be told yet; ask again
  unknown_topic,         ///< no such topic or partition
  unknown_topic_id,      ///< no topic with that id
  topic_exists,
  invalid_topic,         ///< an illegal or internal name
  invalid_partitions,    ///< a count of partitions that cannot be had
  invalid_replication,   ///< a replication factor that cannot be had
  fenced_leader_epoch,   ///< the asker's leader epoch is older than ours
  unknown_leader_epoch,  ///< the asker's leader epoch is newer than ours
  // Producers.
  out_of_order_sequence,
  invalid_producer_epoch,
  duplicate_sequence,  ///< a duplicate older than what is remembered
  invalid_timestamp,
  invalid_record,
  // Replication.
  not_leader,       ///< ask again after refreshing metadata
  leadership_lost,  ///< outcome unknown: retry with the same sequence
  not_ready,        ///< starting; ask again
  // Resources.
  busy,           ///< a bound is reached; retry later
  no_space,       ///< the disk is full; service resumes by itself
  limit_reached,  ///< a configured number of things exists already
  timed_out,
  shutting_down,
  // Requests between clients.
  no_responders,    ///< nobody serves the subject
  responders_busy,  ///< all who serve it have as many requests as they take
  responder_gone,   ///< who had the request went away: the outcome is unknown
  // The machine.
  io_error,   ///< the device failed; see the message
  not_found,  ///< no such file or directory
  in_use,     ///< locked by another process
  config,     ///< a wrong setting
  internal,
};

/// The Errc's name as it stands in the source, for example "offset_out_of_range".
std::string_view errc_name(Errc code);

struct Error {
  Errc code = Errc::internal;
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;

/// `return fail(Errc::malformed, "batch length 12 is shorter than its header (61 bytes)");`
inline tl::unexpected<Error> fail(Errc code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}
/// Passes an error on, with a few words before it that say what was being done.
inline tl::unexpected<Error> fail(std::string_view doing, Error error) {
  error.message = std::string(doing) + ": " + error.message;
  return tl::unexpected<Error>(std::move(error));
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace sluice
