#include "broker/listener/native_handlers.h"

#include <array>

namespace sluice::broker {
namespace {

using native::FrameKind;

struct Route {
  FrameKind kind;
  NativeHandler handler;
};
constexpr std::array kRoutes = {
    Route{FrameKind::layout, handle_layout},
    Route{FrameKind::watch_layout, handle_watch_layout},
    Route{FrameKind::publish, handle_publish},
    Route{FrameKind::init_producer, handle_init_producer},
    Route{FrameKind::offsets, handle_offsets},
    Route{FrameKind::create_topic, handle_create_topic},
    Route{FrameKind::delete_topic, handle_delete_topic},
    Route{FrameKind::alter_topic, handle_alter_topic},
    Route{FrameKind::grow_topic, handle_grow_topic},
    Route{FrameKind::describe_topic, handle_describe_topic},
    Route{FrameKind::delete_records, handle_delete_records},
};

}  // namespace

NativeHandler find_native_handler(FrameKind kind) {
  if (kind == FrameKind::publish) return handle_publish;
  for (const Route& route : kRoutes) {
    if (route.kind == kind) return route.handler;
  }
  return nullptr;
}

Result<TopicRef> topic_ref(const std::string& name, const std::string& id) {
  const Result<native::TopicKey> key = native::to_topic(name, id);
  if (!key) return fail(key.error());
  return TopicRef{std::string(key->name), key->id};
}

}  // namespace sluice::broker
