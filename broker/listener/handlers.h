// One function an API: bytes become the internal requests of broker/service/broker_api.h, and their outcomes replies.
// Handlers decide nothing but codes, versions and what the protocol itself forbids. Owner: broker/listener.
#pragma once

#include "broker/listener/kafka_call.h"

namespace sluice::broker {

using Handler = void (*)(CallPtr call);

/// The handler of a served API in that version, or nullptr. ApiVersions is served in every version: an unknown one is
/// answered with those that are known.
Handler find_handler(kafka::ApiKey api, std::int16_t version);

/// The topic of a name that a client sent. One that is longer than any topic's is cut, and stays unknown: it stands
/// once in a request, and is copied for each of a hundred thousand partitions.
inline TopicRef topic_named(std::string_view name) { return {std::string(cut_topic_name(name)), {}}; }

void handle_produce(CallPtr call);
void handle_fetch(CallPtr call);
void handle_list_offsets(CallPtr call);
void handle_metadata(CallPtr call);
void handle_find_coordinator(CallPtr call);
void handle_api_versions(CallPtr call);
void handle_create_topics(CallPtr call);
void handle_delete_topics(CallPtr call);
void handle_delete_records(CallPtr call);
void handle_init_producer_id(CallPtr call);
void handle_offset_for_leader_epoch(CallPtr call);
void handle_describe_configs(CallPtr call);
void handle_alter_configs(CallPtr call);
void handle_describe_log_dirs(CallPtr call);
void handle_create_partitions(CallPtr call);
void handle_incremental_alter_configs(CallPtr call);
void handle_describe_cluster(CallPtr call);

}  // namespace sluice::broker
