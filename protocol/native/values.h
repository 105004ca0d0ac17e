// Fields of decoded messages as strong types. What a peer sent is checked here once, with an error that names the
// message, the field and the value. Owner: protocol/native. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/base/clock.h"
#include "protocol/base/ids.h"
#include "protocol/native/frame.h"

namespace sluice::native {

namespace pb {
class Position;
}

/// A topic as messages name it: by name, or by id where `name` is empty.
struct TopicKey {
  std::string_view name;
  TopicId id;
};
/// Errors: invalid_argument (neither or both, a name that no topic can have, an id that is not 16 bytes or all zero).
Result<TopicKey> to_topic(std::string_view name, std::string_view id);
/// Errors: invalid_argument (not 16 bytes, all zero).
Result<TopicId> to_topic_id(std::string_view bytes);
/// The id as messages carry it; empty for a zero one.
std::string_view topic_id_bytes(const TopicId& id);

/// Errors: invalid_argument (negative).
Result<PartitionIndex> to_partition(std::int32_t value);
Result<Offset> to_offset(std::int64_t value);

struct Position {
  enum class At : std::uint8_t { start, end, offset, time, max_time };
  At at = At::end;
  std::int64_t value = 0;  ///< an offset or a time in ms; else 0
  friend bool operator==(const Position&, const Position&) = default;
};
/// Errors: invalid_argument (not said which, an unknown one, a negative offset or time).
Result<Position> to_position(const pb::Position& position);
void fill_position(pb::Position& into, const Position& position);

/// 0 = `usual`; never more than `most`.
Millis to_timeout(std::uint32_t timeout_ms, Millis usual, Millis most);

/// A request's subject: 1-249 bytes of [a-zA-Z0-9._-]. Errors: invalid_argument.
Result<void> check_subject(std::string_view subject);

/// Cuts a payload into the pieces that a header claims.
class PayloadCutter {
 public:
  explicit PayloadCutter(const Frame& frame) : frame_(frame), rest_(frame.payload) {}
  /// The next piece, sharing the frame's buffer. Errors: malformed (there are fewer bytes).
  Result<SharedBytes> next(std::uint32_t size);
  /// Errors: malformed (bytes are left that no part claims).
  Result<void> finish() const;

 private:
  const Frame& frame_;
  ByteSpan rest_;
};

}  // namespace sluice::native
