// See error_codes.h.
#include "protocol/native/error_codes.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "protocol/base/check.h"
#include "protocol/native/session.pb.h"

namespace sluice::native {
namespace {

using C = ErrorCode;

/// Where several codes stand for one Errc, the first of them is what to_native gives.
constexpr std::array kErrors = {
    ErrorInfo{C::malformed, "malformed", Errc::malformed, false},
    // Sent again it may well arrive whole.
    ErrorInfo{C::corrupt, "corrupt", Errc::corrupt, true},
    ErrorInfo{C::unsupported, "unsupported", Errc::unsupported, false},
    ErrorInfo{C::invalid_argument, "invalid_argument", Errc::invalid_argument, false},
    ErrorInfo{C::too_large, "too_large", Errc::too_large, false},
    ErrorInfo{C::unsupported_version, "unsupported_version", Errc::unsupported, false},
    ErrorInfo{C::protocol_violation, "protocol_violation", Errc::malformed, false},

    ErrorInfo{C::offset_out_of_range, "offset_out_of_range", Errc::offset_out_of_range, false},
    ErrorInfo{C::offset_not_available, "offset_not_available", Errc::offset_not_available, true},
    ErrorInfo{C::unknown_topic, "unknown_topic", Errc::unknown_topic, false},
    ErrorInfo{C::unknown_topic_id, "unknown_topic_id", Errc::unknown_topic_id, false},
    ErrorInfo{C::topic_exists, "topic_exists", Errc::topic_exists, false},
    ErrorInfo{C::invalid_topic, "invalid_topic", Errc::invalid_topic, false},
    ErrorInfo{C::invalid_partitions, "invalid_partitions", Errc::invalid_partitions, false},
    ErrorInfo{C::invalid_replication, "invalid_replication", Errc::invalid_replication, false},
    ErrorInfo{C::invalid_setting, "invalid_setting", Errc::config, false},
    ErrorInfo{C::fenced_leader_epoch, "fenced_leader_epoch", Errc::fenced_leader_epoch, true},
    ErrorInfo{C::unknown_leader_epoch, "unknown_leader_epoch", Errc::unknown_leader_epoch, true},

    ErrorInfo{C::out_of_order_sequence, "out_of_order_sequence", Errc::out_of_order_sequence, false},
    ErrorInfo{C::invalid_producer_epoch, "invalid_producer_epoch", Errc::invalid_producer_epoch, false},
    ErrorInfo{C::duplicate_sequence, "duplicate_sequence", Errc::duplicate_sequence, false},
    ErrorInfo{C::invalid_timestamp, "invalid_timestamp", Errc::invalid_timestamp, false},
    ErrorInfo{C::invalid_record, "invalid_record", Errc::invalid_record, false},

    ErrorInfo{C::not_leader, "not_leader", Errc::not_leader, true},
    ErrorInfo{C::leadership_lost, "leadership_lost", Errc::leadership_lost, true},
    ErrorInfo{C::not_ready, "not_ready", Errc::not_ready, true},

    ErrorInfo{C::busy, "busy", Errc::busy, true},
    ErrorInfo{C::no_space, "no_space", Errc::no_space, true},
    ErrorInfo{C::limit_reached, "limit_reached", Errc::limit_reached, false},
    ErrorInfo{C::timed_out, "timed_out", Errc::timed_out, true},
    ErrorInfo{C::shutting_down, "shutting_down", Errc::shutting_down, true},

    // Nobody may be there yet, or again; the one who asks knows how long that is worth waiting for.
    ErrorInfo{C::no_responders, "no_responders", Errc::no_responders, true},
    ErrorInfo{C::responders_busy, "responders_busy", Errc::responders_busy, true},
    // It may have done the work: only the caller knows whether twice is harmless.
    ErrorInfo{C::responder_gone, "responder_gone", Errc::responder_gone, false},

    ErrorInfo{C::io_error, "io_error", Errc::io_error, true},
    ErrorInfo{C::not_found, "not_found", Errc::not_found, false},
    ErrorInfo{C::in_use, "in_use", Errc::in_use, false},
    ErrorInfo{C::internal, "internal", Errc::internal, false},
};

}  // namespace

std::span<const ErrorInfo> error_codes() { return kErrors; }

const ErrorInfo* find_error(ErrorCode code) {
  const auto found = std::lower_bound(kErrors.begin(), kErrors.end(), code,
                                      [](const ErrorInfo& info, ErrorCode wanted) { return info.code < wanted; });
  return found != kErrors.end() && found->code == code ? &*found : nullptr;
}

std::string_view error_name(ErrorCode code) {
  const ErrorInfo* info = find_error(code);
  return info ? info->name : "unknown";
}

bool is_retriable(ErrorCode code) {
  const ErrorInfo* info = find_error(code);
  return info && info->retriable;
}

ErrorCode to_native(Errc code) {
  for (const ErrorInfo& info : kErrors) {
    if (info.errc == code) return info.code;
  }
  return ErrorCode::internal;
}

Errc to_errc(ErrorCode code) {
  const ErrorInfo* info = find_error(code);
  return info ? info->errc : Errc::internal;
}

void fill_error(pb::Error& into, ErrorCode code, std::string_view message) {
  into.set_code(static_cast<std::uint32_t>(code));
  into.set_message(message.data(), message.size());
  into.set_retriable(is_retriable(code));
}

void fill_error(pb::Error& into, const Error& error) { fill_error(into, to_native(error.code), error.message); }

Error to_error(const pb::Error& told) {
  const ErrorCode code{told.code()};
  if (find_error(code)) return {to_errc(code), told.message()};
  return {Errc::internal, fmt::format("{} (error {}, which is not known here)", told.message(), told.code())};
}

}  // namespace sluice::native
