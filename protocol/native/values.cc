// See values.h.
#include "protocol/native/values.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "protocol/native/subscribe.pb.h"

namespace sluice::native {
namespace {

constexpr std::size_t kMostNameBytes = 249;

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMostNameBytes && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

Result<Position::At> to_at(pb::Position::At at) {
  switch (at) {
    case pb::Position::AT_START: return Position::At::start;
    case pb::Position::AT_END: return Position::At::end;
    case pb::Position::AT_OFFSET: return Position::At::offset;
    case pb::Position::AT_TIME: return Position::At::time;
    case pb::Position::AT_MAX_TIME: return Position::At::max_time;
    default: break;
  }
  return fail(Errc::invalid_argument,
              fmt::format("a position is at {}, and 1 (start), 2 (end), 3 (offset), 4 (time) and "
                          "5 (largest time) are known",
                          static_cast<int>(at)));
}

pb::Position::At from_at(Position::At at) {
  switch (at) {
    case Position::At::start: return pb::Position::AT_START;
    case Position::At::end: return pb::Position::AT_END;
    case Position::At::offset: return pb::Position::AT_OFFSET;
    case Position::At::time: return pb::Position::AT_TIME;
    case Position::At::max_time: return pb::Position::AT_MAX_TIME;
  }
  return pb::Position::AT_UNSPECIFIED;
}

}  // namespace

Result<TopicKey> to_topic(std::string_view name, std::string_view id) {
  if (name.empty() == id.empty()) {
    return fail(Errc::invalid_argument, name.empty() ? "a topic is named neither by name nor by id"
                                                     : "a topic is named by name and by id: one of them is enough");
  }
  if (!name.empty()) {
    if (!is_name(name) || name == "." || name == "..") {
      return fail(Errc::invalid_argument,
                  fmt::format("a topic name is 1-{} bytes of [a-zA-Z0-9._-] and not '.' or '..': '{}' is none",
                              kMostNameBytes, name.substr(0, kMostNameBytes)));
    }
    return TopicKey{name, {}};
  }
  const Result<TopicId> parsed = to_topic_id(id);
  if (!parsed) return fail(parsed.error());
  return TopicKey{{}, *parsed};
}

Result<TopicId> to_topic_id(std::string_view bytes) {
  TopicId id;
  if (bytes.size() != id.bytes.size()) {
    return fail(Errc::invalid_argument,
                fmt::format("a topic id has {} bytes, this one {}", id.bytes.size(), bytes.size()));
  }
  std::memcpy(id.bytes.data(), bytes.data(), bytes.size());
  if (id.is_zero()) return fail(Errc::invalid_argument, "a topic id is all zero");
  return id;
}

std::string_view topic_id_bytes(const TopicId& id) {
  if (id.is_zero()) return {};
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

Result<PartitionIndex> to_partition(std::int32_t value) {
  if (value < 0) return fail(Errc::invalid_argument, fmt::format("a partition is {}, and they begin at 0", value));
  return PartitionIndex(value);
}

Result<Offset> to_offset(std::int64_t value) {
  if (value < 0) return fail(Errc::invalid_argument, fmt::format("an offset is {}, and they begin at 0", value));
  return Offset(value);
}

Result<Position> to_position(const pb::Position& position) {
  const Result<Position::At> at = to_at(position.at());
  if (!at) return fail(at.error());
  const bool has_value = *at == Position::At::offset || *at == Position::At::time;
  if (!has_value) return Position{*at, 0};
  if (position.value() < 0) {
    return fail(Errc::invalid_argument,
                fmt::format("a position's {} is {}, and they begin at 0",
                            *at == Position::At::offset ? "offset" : "time in milliseconds", position.value()));
  }
  return Position{*at, position.value()};
}

void fill_position(pb::Position& into, const Position& position) {
  into.set_at(from_at(position.at));
  into.set_value(position.value);
}

Millis to_timeout(std::uint32_t timeout_ms, Millis usual, Millis most) {
  return timeout_ms == 0 ? usual : std::min(Millis(timeout_ms), most);
}

Result<void> check_subject(std::string_view subject) {
  if (is_name(subject)) return {};
  return fail(Errc::invalid_argument, fmt::format("a subject is 1-{} bytes of [a-zA-Z0-9._-]: '{}' is none",
                                                  kMostNameBytes, subject.substr(0, kMostNameBytes)));
}

Result<SharedBytes> PayloadCutter::next(std::uint32_t size) {
  if (size > rest_.size()) {
    return fail(Errc::malformed, fmt::format("{} bytes of the payload are claimed, and {} of {} are left", size,
                                             rest_.size(), frame_.payload.size()));
  }
  const ByteSpan piece = rest_.first(size);
  rest_ = rest_.subspan(size);
  return frame_.share(piece);
}

Result<void> PayloadCutter::finish() const {
  if (rest_.empty()) return {};
  return fail(Errc::malformed,
              fmt::format("{}: its parts claim {} bytes, and its payload has {}", kind_name(frame_.kind),
                          frame_.payload.size() - rest_.size(), frame_.payload.size()));
}

}  // namespace sluice::native
