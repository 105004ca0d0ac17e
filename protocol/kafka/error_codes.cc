// Which Kafka error a client gets for which Errc, by API and version; checked against how clients act on each code.
#include "protocol/kafka/error_codes.h"

namespace sluice::kafka {
namespace {

/// APIs whose clients treat errors alike.
enum class Family {
  produce,
  fetch,
  offsets,  ///< ListOffsets, OffsetForLeaderEpoch, DeleteRecords: asked of a partition's leader
  metadata,
  coordinator,  ///< FindCoordinator
  producer_id,  ///< InitProducerId
  controller,   ///< what changes topics and settings
  other,
};

Family family(ApiKey api) {
  switch (api) {
    case ApiKey::produce: return Family::produce;
    case ApiKey::fetch: return Family::fetch;
    case ApiKey::list_offsets:
    case ApiKey::offset_for_leader_epoch:
    case ApiKey::delete_records: return Family::offsets;
    case ApiKey::metadata: return Family::metadata;
    case ApiKey::find_coordinator: return Family::coordinator;
    case ApiKey::init_producer_id: return Family::producer_id;
    case ApiKey::create_topics:
    case ApiKey::delete_topics:
    case ApiKey::create_partitions:
    case ApiKey::alter_configs:
    case ApiKey::incremental_alter_configs: return Family::controller;
    case ApiKey::api_versions:
    case ApiKey::describe_configs:
    case ApiKey::describe_log_dirs:
    case ApiKey::describe_cluster: return Family::other;
  }
  return Family::other;
}

/// Asked in the wrong place: the client must look up who leads, and go there.
ErrorCode elsewhere(Family f) {
  switch (f) {
    case Family::produce:
    case Family::fetch:
    case Family::offsets: return ErrorCode::not_leader_or_follower;
    case Family::metadata: return ErrorCode::leader_not_available;
    case Family::coordinator: return ErrorCode::coordinator_not_available;
    // Any node hands out producer ids. 15 and 16 make Java look up a transaction coordinator, which a producer that is
    // only idempotent does not have.
    case Family::producer_id: return ErrorCode::coordinator_load_in_progress;
    case Family::controller: return ErrorCode::not_controller;
    case Family::other: return ErrorCode::request_timed_out;
  }
  return ErrorCode::unknown_server_error;
}

/// Asked in the right place too early. 78 says so without losing the client's position; before it was known (KIP-207)
/// a fetch gets 6, since Java's consumer does not expect 5 there, and ListOffsets 5.
ErrorCode later(ApiKey api, std::int16_t version) {
  switch (family(api)) {
    case Family::produce: return ErrorCode::leader_not_available;
    case Family::fetch: return version >= 10 ? ErrorCode::offset_not_available : ErrorCode::not_leader_or_follower;
    case Family::offsets:
      if (api == ApiKey::list_offsets && version >= 5) return ErrorCode::offset_not_available;
      return ErrorCode::leader_not_available;
    default: return elsewhere(family(api));
  }
}

/// A bound is reached; the same request may succeed later. 89 only where clients know it (KIP-599): librdkafka takes it
/// as permanent on Produce and drops the records.
ErrorCode under_pressure(ApiKey api, std::int16_t version) {
  const bool knows_quota = (api == ApiKey::create_topics && version >= 6) ||
                           (api == ApiKey::delete_topics && version >= 5) ||
                           (api == ApiKey::create_partitions && version >= 3);
  if (knows_quota) return ErrorCode::throttling_quota_exceeded;
  switch (family(api)) {
    case Family::producer_id:
    case Family::coordinator:
    case Family::metadata: return elsewhere(family(api));
    default: return ErrorCode::request_timed_out;
  }
}

/// No answer was reached and the outcome may be unknown. 7 is retried with the same sequence by producers.
ErrorCode no_answer(ApiKey api) {
  switch (family(api)) {
    case Family::offsets:
    case Family::metadata:
    case Family::coordinator:
    case Family::producer_id: return elsewhere(family(api));
    default: return ErrorCode::request_timed_out;
  }
}

/// From which version on a request carries a leader epoch to be fenced by; older clients refresh their metadata on 6.
bool carries_epoch(ApiKey api, std::int16_t version) {
  return (api == ApiKey::fetch && version >= 9) || (api == ApiKey::list_offsets && version >= 4) ||
         api == ApiKey::offset_for_leader_epoch;
}

bool carries_topic_id(ApiKey api, std::int16_t version) {
  return (api == ApiKey::fetch && version >= 13) || (api == ApiKey::metadata && version >= 10) ||
         (api == ApiKey::delete_topics && version >= 6);
}

/// 56 makes readers and writers refresh their metadata and look for another replica; clients of the versions before it
/// was known (KIP-112) do so on 6.
ErrorCode storage_error(ApiKey api, std::int16_t version) {
  const bool older = (api == ApiKey::fetch && version <= 5) || (api == ApiKey::produce && version <= 3);
  return older ? ErrorCode::not_leader_or_follower : ErrorCode::kafka_storage_error;
}

bool is_config_api(ApiKey api) {
  return api == ApiKey::describe_configs || api == ApiKey::alter_configs || api == ApiKey::incremental_alter_configs;
}

/// The Java consumer throws IllegalStateException for a fetch error that it does not expect, so a fetch gets only codes
/// of its list (1, 3, 6, 56, 74, 75, 78, 100, -1).
ErrorCode fetch_error(Errc code, std::int16_t version) {
  switch (code) {
    // Damage here: 56 makes clients refresh their metadata and find another replica; 2 would stop a Java consumer.
    case Errc::malformed:
    case Errc::corrupt:
    case Errc::io_error: return storage_error(ApiKey::fetch, version);
    case Errc::offset_out_of_range: return ErrorCode::offset_out_of_range;
    case Errc::unknown_topic: return ErrorCode::unknown_topic_or_partition;
    case Errc::unknown_topic_id:
      return carries_topic_id(ApiKey::fetch, version) ? ErrorCode::unknown_topic_id
                                                      : ErrorCode::unknown_topic_or_partition;
    case Errc::fenced_leader_epoch:
      return carries_epoch(ApiKey::fetch, version) ? ErrorCode::fenced_leader_epoch : ErrorCode::not_leader_or_follower;
    case Errc::unknown_leader_epoch:
      return carries_epoch(ApiKey::fetch, version) ? ErrorCode::unknown_leader_epoch
                                                   : ErrorCode::not_leader_or_follower;
    case Errc::not_leader:
    case Errc::leadership_lost:
    case Errc::timed_out:
    case Errc::shutting_down: return ErrorCode::not_leader_or_follower;
    case Errc::offset_not_available:
    case Errc::not_ready:
    case Errc::busy: return later(ApiKey::fetch, version);
    default: return ErrorCode::unknown_server_error;
  }
}

}  // namespace

std::string_view error_name(ErrorCode code) {
  switch (code) {
#define SLUICE_CASE(name, number) \
  case ErrorCode::name: return #name;
    SLUICE_KAFKA_ERROR_CODES(SLUICE_CASE)
#undef SLUICE_CASE
  }
  return "unknown";
}

ErrorCode to_kafka(Errc code, ApiKey api, std::int16_t version) {
  const Family f = family(api);
  if (f == Family::fetch) return fetch_error(code, version);
  switch (code) {
    // Broken records are the client's fault and final: 87, where 2 would be retried.
    case Errc::malformed: return f == Family::produce ? ErrorCode::invalid_record : ErrorCode::invalid_request;
    // A CRC that does not hold on arrival: 2 is retried, and sent anew it may well be whole. Found in a look-up of
    // stored records it is damage of this replica.
    case Errc::corrupt: return f == Family::offsets ? ErrorCode::kafka_storage_error : ErrorCode::corrupt_message;
    // In a version that can carry record batches it is the codec, otherwise the request's version.
    case Errc::unsupported:
      if (f == Family::produce && version >= kFirstServedProduceVersion) return ErrorCode::unsupported_compression_type;
      return ErrorCode::unsupported_version;
    case Errc::invalid_argument:
      // Of topics and partitions it is replicas that were assigned by hand.
      if (api == ApiKey::create_topics || api == ApiKey::create_partitions)
        return ErrorCode::invalid_replica_assignment;
      return is_config_api(api) ? ErrorCode::invalid_config : ErrorCode::invalid_request;
    // Final everywhere; 10 has a meaning of its own only for records (librdkafka and Java split a batch on it).
    case Errc::too_large: return f == Family::produce ? ErrorCode::message_too_large : ErrorCode::invalid_request;

    case Errc::offset_out_of_range: return ErrorCode::offset_out_of_range;
    case Errc::offset_not_available: return later(api, version);
    case Errc::unknown_topic: return ErrorCode::unknown_topic_or_partition;
    case Errc::unknown_topic_id:
      return carries_topic_id(api, version) ? ErrorCode::unknown_topic_id : ErrorCode::unknown_topic_or_partition;
    case Errc::topic_exists: return ErrorCode::topic_already_exists;
    case Errc::invalid_topic: return ErrorCode::invalid_topic;
    case Errc::invalid_partitions: return ErrorCode::invalid_partitions;
    case Errc::invalid_replication: return ErrorCode::invalid_replication_factor;
    case Errc::fenced_leader_epoch: return carries_epoch(api, version) ? ErrorCode::fenced_leader_epoch : elsewhere(f);
    case Errc::unknown_leader_epoch:
      return carries_epoch(api, version) ? ErrorCode::unknown_leader_epoch : elsewhere(f);

    case Errc::out_of_order_sequence: return ErrorCode::out_of_order_sequence_number;
    // 90 is known from InitProducerId v4 on (KIP-588); a producer itself is told 47 and asks InitProducerId.
    case Errc::invalid_producer_epoch:
      return f == Family::producer_id && version >= 4 ? ErrorCode::producer_fenced : ErrorCode::invalid_producer_epoch;
    case Errc::duplicate_sequence: return ErrorCode::duplicate_sequence_number;  // clients count it as delivered
    case Errc::invalid_timestamp: return ErrorCode::invalid_timestamp;
    case Errc::invalid_record: return ErrorCode::invalid_record;

    case Errc::not_leader: return elsewhere(f);
    case Errc::leadership_lost: return no_answer(api);
    case Errc::not_ready: return later(api, version);

    case Errc::busy: return under_pressure(api, version);
    // Clients retry a write on 56 until their own time-out; the broker logs and counts it.
    case Errc::no_space: return storage_error(api, version);
    // A number of things: final for who wants more of them, a wait for producers and producer ids (P3: none is
    // evicted).
    case Errc::limit_reached:
      if (f == Family::produce || f == Family::producer_id) return under_pressure(api, version);
      return api == ApiKey::create_partitions ? ErrorCode::invalid_partitions : ErrorCode::policy_violation;
    case Errc::timed_out: return no_answer(api);
    case Errc::shutting_down: return elsewhere(f);

    case Errc::io_error: return storage_error(api, version);
    case Errc::config: return ErrorCode::invalid_config;
    case Errc::no_responders:  // requests between clients are not Kafka's
    case Errc::responders_busy:
    case Errc::responder_gone:
    case Errc::not_found:
    case Errc::in_use:
    case Errc::internal: break;
  }
  return ErrorCode::unknown_server_error;
}

}  // namespace sluice::kafka
