// The native protocol's error codes: stable numbers of their own, whatever becomes of Errc. The hundreds tell families
// apart. docs/protocol.md lists them with what a client does about each, and a test compares.
// Invariants: a number is never used again; every Errc has exactly one code. Owner: protocol/native.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "protocol/base/error.h"

namespace sluice::native {

namespace pb {
class Error;
}

enum class ErrorCode : std::uint32_t {
  // The frame or the request can't be taken as it is.
  malformed = 100,
  corrupt = 101,
  unsupported = 102,
  invalid_argument = 103,
  too_large = 104,
  unsupported_version = 105,
  protocol_violation = 106,  ///< well-formed and out of order: the connection is closed
  // Topics, partitions, offsets.
  offset_out_of_range = 200,
  offset_not_available = 201,
  unknown_topic = 202,
  unknown_topic_id = 203,
  topic_exists = 204,
  invalid_topic = 205,
  invalid_partitions = 206,
  invalid_replication = 207,
  invalid_setting = 208,
  fenced_leader_epoch = 209,
  unknown_leader_epoch = 210,
  // Producers and their records.
  out_of_order_sequence = 300,
  invalid_producer_epoch = 301,
  duplicate_sequence = 302,
  invalid_timestamp = 303,
  invalid_record = 304,
  // Where to ask.
  not_leader = 400,
  leadership_lost = 401,
  not_ready = 402,
  // Bounds and time.
  busy = 500,
  no_space = 501,
  limit_reached = 502,
  timed_out = 503,
  shutting_down = 504,
  // Requests between clients.
  no_responders = 600,
  responders_busy = 601,
  responder_gone = 602,
  // The machine.
  io_error = 900,
  not_found = 901,
  in_use = 902,
  internal = 999,
};

struct ErrorInfo {
  ErrorCode code;
  std::string_view name;
  Errc errc;       ///< what it is within the project
  bool retriable;  ///< the same request may succeed later, or at another node
};
/// All of them, ascending.
std::span<const ErrorInfo> error_codes();

/// nullptr for a number that this version does not know.
const ErrorInfo* find_error(ErrorCode code);
/// Its name, or "unknown".
std::string_view error_name(ErrorCode code);
bool is_retriable(ErrorCode code);

ErrorCode to_native(Errc code);
/// Of a code that a newer node may have told: `internal` where it is unknown.
Errc to_errc(ErrorCode code);

/// Fills in code, message and whether it is retriable.
void fill_error(pb::Error& into, ErrorCode code, std::string_view message);
void fill_error(pb::Error& into, const Error& error);
/// An error that a node told: its message, and its Errc. Says the number of a code that is not known here.
Error to_error(const pb::Error& told);

}  // namespace sluice::native
