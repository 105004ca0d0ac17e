#include "protocol/base/error.h"

namespace sluice {

std::string_view errc_name(Errc code) {
  switch (code) {
    case Errc::malformed: return "malformed";
    case Errc::corrupt: return "corrupt";
    case Errc::unsupported: return "unsupported";
    case Errc::invalid_argument: return "invalid_argument";
    case Errc::too_large: return "too_large";
    case Errc::offset_out_of_range: return "offset_out_of_range";
    case Errc::offset_not_available: return "offset_not_available";
    case Errc::unknown_topic: return "unknown_topic";
    case Errc::unknown_topic_id: return "unknown_topic_id";
    case Errc::topic_exists: return "topic_exists";
    case Errc::invalid_topic: return "invalid_topic";
    case Errc::invalid_partitions: return "invalid_partitions";
    case Errc::invalid_replication: return "invalid_replication";
    case Errc::fenced_leader_epoch: return "fenced_leader_epoch";
    case Errc::unknown_leader_epoch: return "unknown_leader_epoch";
    case Errc::out_of_order_sequence: return "out_of_order_sequence";
    case Errc::invalid_producer_epoch: return "invalid_producer_epoch";
    case Errc::duplicate_sequence: return "duplicate_sequence";
    case Errc::invalid_timestamp: return "invalid_timestamp";
    case Errc::invalid_record: return "invalid_record";
    case Errc::not_leader: return "not_leader";
    case Errc::leadership_lost: return "leadership_lost";
    case Errc::not_ready: return "not_ready";
    case Errc::busy: return "busy";
    case Errc::no_space: return "no_space";
    case Errc::limit_reached: return "limit_reached";
    case Errc::timed_out: return "timed_out";
    case Errc::shutting_down: return "shutting_down";
    case Errc::no_responders: return "no_responders";
    case Errc::responders_busy: return "responders_busy";
    case Errc::responder_gone: return "responder_gone";
    case Errc::io_error: return "io_error";
    case Errc::not_found: return "not_found";
    case Errc::in_use: return "in_use";
    case Errc::config: return "config";
    case Errc::internal: return "internal";
  }
  return "unknown";
}

}  // namespace sluice
