// Which Protobuf message the header of each kind is. Dispatch binds to one kind, so this is for what walks over all of
// them: tests, fuzzers, tools that show frames.
#pragma once

#include "protocol/native/kinds.h"
#include "protocol/native/layout.pb.h"
#include "protocol/native/publish.pb.h"
#include "protocol/native/request.pb.h"
#include "protocol/native/session.pb.h"
#include "protocol/native/subscribe.pb.h"
#include "protocol/native/topics.pb.h"

namespace sluice::native {

/// Calls `visit(message)` with an empty header of the kind; false for an unknown kind.
template <class Visit>
bool visit_header(FrameKind kind, Visit&& visit) {
  switch (kind) {
    case FrameKind::hello: return visit(pb::Hello()), true;
    case FrameKind::welcome: return visit(pb::Welcome()), true;
    case FrameKind::error: return visit(pb::Error()), true;
    case FrameKind::notice: return visit(pb::Notice()), true;
    case FrameKind::flow: return visit(pb::Flow()), true;
    case FrameKind::ping: return visit(pb::Ping()), true;
    case FrameKind::pong: return visit(pb::Pong()), true;
    case FrameKind::go_away: return visit(pb::GoAway()), true;
    case FrameKind::done: return visit(pb::Done()), true;
    case FrameKind::layout: return visit(pb::Layout()), true;
    case FrameKind::layout_reply: return visit(pb::LayoutReply()), true;
    case FrameKind::watch_layout: return visit(pb::WatchLayout()), true;
    case FrameKind::layout_changed: return visit(pb::LayoutChanged()), true;
    case FrameKind::publish: return visit(pb::Publish()), true;
    case FrameKind::published: return visit(pb::Published()), true;
    case FrameKind::init_producer: return visit(pb::InitProducer()), true;
    case FrameKind::producer: return visit(pb::Producer()), true;
    case FrameKind::subscribe: return visit(pb::Subscribe()), true;
    case FrameKind::subscribed: return visit(pb::Subscribed()), true;
    case FrameKind::deliver: return visit(pb::Deliver()), true;
    case FrameKind::credit: return visit(pb::Credit()), true;
    case FrameKind::subscription_event: return visit(pb::SubscriptionEvent()), true;
    case FrameKind::seek: return visit(pb::Seek()), true;
    case FrameKind::sought: return visit(pb::Sought()), true;
    case FrameKind::pause: return visit(pb::Pause()), true;
    case FrameKind::resume: return visit(pb::Resume()), true;
    case FrameKind::unsubscribe: return visit(pb::Unsubscribe()), true;
    case FrameKind::unsubscribed: return visit(pb::Unsubscribed()), true;
    case FrameKind::serve: return visit(pb::Serve()), true;
    case FrameKind::serving: return visit(pb::Serving()), true;
    case FrameKind::invoke: return visit(pb::Invoke()), true;
    case FrameKind::reply: return visit(pb::Reply()), true;
    case FrameKind::unserve: return visit(pb::Unserve()), true;
    case FrameKind::unserved: return visit(pb::Unserved()), true;
    case FrameKind::request: return visit(pb::Request()), true;
    case FrameKind::response: return visit(pb::Response()), true;
    case FrameKind::offsets: return visit(pb::Offsets()), true;
    case FrameKind::offsets_reply: return visit(pb::OffsetsReply()), true;
    case FrameKind::create_topic: return visit(pb::CreateTopic()), true;
    case FrameKind::topic_created: return visit(pb::TopicCreated()), true;
    case FrameKind::delete_topic: return visit(pb::DeleteTopic()), true;
    case FrameKind::alter_topic: return visit(pb::AlterTopic()), true;
    case FrameKind::grow_topic: return visit(pb::GrowTopic()), true;
    case FrameKind::describe_topic: return visit(pb::DescribeTopic()), true;
    case FrameKind::topic_description: return visit(pb::TopicDescription()), true;
    case FrameKind::delete_records: return visit(pb::DeleteRecords()), true;
    case FrameKind::records_deleted: return visit(pb::RecordsDeleted()), true;
  }
  return false;
}

}  // namespace sluice::native
