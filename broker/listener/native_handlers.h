// One function a kind of question: bytes become the internal requests of broker/service/broker_api.h, and their
// outcomes answers. Handlers decide nothing but what the protocol itself forbids. Owner: broker/listener.
#pragma once

#include "broker/listener/native_call.h"
#include "protocol/native/layout.pb.h"
#include "protocol/native/session.pb.h"

namespace sluice::broker {

using NativeHandler = void (*)(NativeCallPtr call);

/// The handler of a kind that is served, or nullptr.
NativeHandler find_native_handler(native::FrameKind kind);

void handle_layout(NativeCallPtr call);
void handle_watch_layout(NativeCallPtr call);
void handle_publish(NativeCallPtr call);
void handle_init_producer(NativeCallPtr call);
void handle_offsets(NativeCallPtr call);
void handle_create_topic(NativeCallPtr call);
void handle_delete_topic(NativeCallPtr call);
void handle_alter_topic(NativeCallPtr call);
void handle_grow_topic(NativeCallPtr call);
void handle_describe_topic(NativeCallPtr call);
void handle_delete_records(NativeCallPtr call);

/// The nodes whose native listeners are known.
void fill_nodes(const ClusterView& cluster, google::protobuf::RepeatedPtrField<native::pb::Node>& nodes);
/// A topic as LAYOUT_REPLY tells it.
void fill_topic(const BrokerApi& broker, const TopicInfo& topic, bool with_settings, native::pb::TopicLayout& into);
/// A topic as a message names it, for the service.
Result<TopicRef> topic_ref(const std::string& name, const std::string& id);

}  // namespace sluice::broker
