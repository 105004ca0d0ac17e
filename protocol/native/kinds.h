// What a frame can be: the number in its prefix that says which message its header is. One constexpr table drives
// dispatch; docs/protocol.md holds the same one, and a test compares them. Invariants: numbers are never used again;
// the table ascends. Owner: protocol/native.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::native {

/// The version of the protocol that this code speaks; HELLO and WELCOME agree on one.
inline constexpr std::uint32_t kProtocolVersion = 1;

enum class FrameKind : std::uint16_t {
  hello = 1,
  welcome = 2,
  error = 3,
  notice = 4,
  flow = 5,
  ping = 6,
  pong = 7,
  go_away = 8,
  done = 9,

  layout = 16,
  layout_reply = 17,
  watch_layout = 18,
  layout_changed = 19,

  publish = 32,
  published = 33,
  init_producer = 34,
  producer = 35,

  subscribe = 48,
  subscribed = 49,
  deliver = 50,
  credit = 51,
  subscription_event = 52,
  seek = 53,
  sought = 54,
  pause = 55,
  resume = 56,
  unsubscribe = 57,
  unsubscribed = 58,

  serve = 64,
  serving = 65,
  invoke = 66,
  reply = 67,
  unserve = 68,
  unserved = 69,
  request = 70,
  response = 71,

  offsets = 80,
  offsets_reply = 81,
  create_topic = 82,
  topic_created = 83,
  delete_topic = 84,
  alter_topic = 85,
  grow_topic = 86,
  describe_topic = 87,
  topic_description = 88,
  delete_records = 89,
  records_deleted = 90,
};

enum class Sender : std::uint8_t { client, node, both };

/// What the id of a frame's prefix names.
enum class IdOf : std::uint8_t {
  nothing,       ///< it is 0
  request,       ///< chosen by who asks, echoed by who answers
  subscription,  ///< chosen with SUBSCRIBE
  service,       ///< chosen with SERVE
  any,           ///< of whatever it answers; ERROR alone
};

struct KindInfo {
  FrameKind kind{};
  std::string_view name;  ///< as documented, for example "PUBLISH"
  Sender sender{};
  IdOf id{};
  bool needs_handshake = true;  ///< it may not come before WELCOME
  bool has_payload = false;     ///< bytes may stand behind its header

  constexpr bool from_client() const { return sender != Sender::node; }
  constexpr bool from_node() const { return sender != Sender::client; }
};

inline constexpr std::array kKinds = {
    KindInfo{FrameKind::hello, "HELLO", Sender::client, IdOf::request, false},
    KindInfo{FrameKind::welcome, "WELCOME", Sender::node, IdOf::request, false},
    KindInfo{FrameKind::error, "ERROR", Sender::node, IdOf::any, false},
    KindInfo{FrameKind::notice, "NOTICE", Sender::node, IdOf::nothing},
    KindInfo{FrameKind::flow, "FLOW", Sender::node, IdOf::nothing},
    KindInfo{FrameKind::ping, "PING", Sender::both, IdOf::request, true, true},
    KindInfo{FrameKind::pong, "PONG", Sender::both, IdOf::request, true, true},
    KindInfo{FrameKind::go_away, "GOAWAY", Sender::node, IdOf::nothing},
    KindInfo{FrameKind::done, "DONE", Sender::node, IdOf::request},

    KindInfo{FrameKind::layout, "LAYOUT", Sender::client, IdOf::request},
    KindInfo{FrameKind::layout_reply, "LAYOUT_REPLY", Sender::node, IdOf::request},
    KindInfo{FrameKind::watch_layout, "WATCH_LAYOUT", Sender::client, IdOf::request},
    KindInfo{FrameKind::layout_changed, "LAYOUT_CHANGED", Sender::node, IdOf::request},

    KindInfo{FrameKind::publish, "PUBLISH", Sender::client, IdOf::request, true, true},
    KindInfo{FrameKind::published, "PUBLISHED", Sender::node, IdOf::request},
    KindInfo{FrameKind::init_producer, "INIT_PRODUCER", Sender::client, IdOf::request},
    KindInfo{FrameKind::producer, "PRODUCER", Sender::node, IdOf::request},

    KindInfo{FrameKind::subscribe, "SUBSCRIBE", Sender::client, IdOf::subscription},
    KindInfo{FrameKind::subscribed, "SUBSCRIBED", Sender::node, IdOf::subscription},
    KindInfo{FrameKind::deliver, "DELIVER", Sender::node, IdOf::subscription, true, true},
    KindInfo{FrameKind::credit, "CREDIT", Sender::client, IdOf::subscription},
    KindInfo{FrameKind::subscription_event, "SUBSCRIPTION_EVENT", Sender::node, IdOf::subscription},
    KindInfo{FrameKind::seek, "SEEK", Sender::client, IdOf::subscription},
    KindInfo{FrameKind::sought, "SOUGHT", Sender::node, IdOf::subscription},
    KindInfo{FrameKind::pause, "PAUSE", Sender::client, IdOf::subscription},
    KindInfo{FrameKind::resume, "RESUME", Sender::client, IdOf::subscription},
    KindInfo{FrameKind::unsubscribe, "UNSUBSCRIBE", Sender::client, IdOf::subscription},
    KindInfo{FrameKind::unsubscribed, "UNSUBSCRIBED", Sender::node, IdOf::subscription},

    KindInfo{FrameKind::serve, "SERVE", Sender::client, IdOf::service},
    KindInfo{FrameKind::serving, "SERVING", Sender::node, IdOf::service},
    KindInfo{FrameKind::invoke, "INVOKE", Sender::node, IdOf::service, true, true},
    KindInfo{FrameKind::reply, "REPLY", Sender::client, IdOf::service, true, true},
    KindInfo{FrameKind::unserve, "UNSERVE", Sender::client, IdOf::service},
    KindInfo{FrameKind::unserved, "UNSERVED", Sender::node, IdOf::service},
    KindInfo{FrameKind::request, "REQUEST", Sender::client, IdOf::request, true, true},
    KindInfo{FrameKind::response, "RESPONSE", Sender::node, IdOf::request, true, true},

    KindInfo{FrameKind::offsets, "OFFSETS", Sender::client, IdOf::request},
    KindInfo{FrameKind::offsets_reply, "OFFSETS_REPLY", Sender::node, IdOf::request},
    KindInfo{FrameKind::create_topic, "CREATE_TOPIC", Sender::client, IdOf::request},
    KindInfo{FrameKind::topic_created, "TOPIC_CREATED", Sender::node, IdOf::request},
    KindInfo{FrameKind::delete_topic, "DELETE_TOPIC", Sender::client, IdOf::request},
    KindInfo{FrameKind::alter_topic, "ALTER_TOPIC", Sender::client, IdOf::request},
    KindInfo{FrameKind::grow_topic, "GROW_TOPIC", Sender::client, IdOf::request},
    KindInfo{FrameKind::describe_topic, "DESCRIBE_TOPIC", Sender::client, IdOf::request},
    KindInfo{FrameKind::topic_description, "TOPIC_DESCRIPTION", Sender::node, IdOf::request},
    KindInfo{FrameKind::delete_records, "DELETE_RECORDS", Sender::client, IdOf::request},
    KindInfo{FrameKind::records_deleted, "RECORDS_DELETED", Sender::node, IdOf::request},
};

namespace detail {
inline constexpr std::size_t kKindNumbers = 96;
/// Place in kKinds by number, from 1; 0 = no such kind.
inline constexpr auto kPlaces = [] {
  std::array<std::uint8_t, kKindNumbers> places{};
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    places[static_cast<std::size_t>(kKinds[i].kind)] = static_cast<std::uint8_t>(i + 1);
  }
  return places;
}();
}  // namespace detail

/// nullptr for a kind that this version does not know.
constexpr const KindInfo* find_kind(FrameKind kind) {
  const auto number = static_cast<std::size_t>(kind);
  if (number >= detail::kKindNumbers || detail::kPlaces[number] == 0) return nullptr;
  return &kKinds[detail::kPlaces[number] - 1U];
}

/// Its documented name, or "UNKNOWN".
constexpr std::string_view kind_name(FrameKind kind) {
  const KindInfo* info = find_kind(kind);
  return info ? info->name : "UNKNOWN";
}

}  // namespace sluice::native
