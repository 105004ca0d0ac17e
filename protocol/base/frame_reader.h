// Cuts a connection's byte stream into frames that begin with a length, each a slice of the receive buffer, without a
// copy.
//
//   FrameReader frames(length_rule, max_frame_bytes);
//   loop: space = frames.prepare(); n = receive into space; frames.commit(n);
//         while (auto frame = frames.next(); frame && *frame) handle(**frame);
//
// Invariants: memory follows the bytes that arrived, never a claimed length: a buffer starts small and doubles (up to
// kMostEarned it may jump to the size of the connection's last whole frame); the claim is checked as soon as its four
// bytes are there. Where a frame begins, the buffer is as large as what used to come at once: up to kMostFirstCapacity,
// and in bulk up to kMostBulkCapacity, where that is allowed and for a sender whose next frame follows at once; when
// none does, what waits for the next frame is small again. What was handed out is never written again, so slices may be
// read by other threads. Owner: protocol/base; each protocol has its length rule, each connection a reader. Pure: no
// I/O, no clock.
#pragma once

#include <memory>
#include <optional>

#include "protocol/base/bytes.h"
#include "protocol/base/error.h"

namespace sluice {

class FrameReader {
 public:
  static constexpr std::size_t kLeastCapacity = 1 << 10;
  static constexpr std::size_t kMostFirstCapacity = 16 << 10;  ///< of a buffer in which a frame begins
  static constexpr std::size_t kMostBulkCapacity = 512 << 10;  ///< the same, in bulk
  static constexpr std::size_t kLeastSpace = 512;              ///< what `prepare` offers at least

  static constexpr std::size_t kMostEarned = 1 << 20;

  static constexpr std::size_t kLengthBytes = 4;

  /// Says how many bytes follow a length field of kLengthBytes. Errors: malformed; too_large, where these are more than
  /// `max_frame_bytes`.
  using LengthRule = Result<std::size_t> (*)(const std::byte* field, std::size_t max_frame_bytes);

  /// `max_frame_bytes` bounds a frame without its length field.
  FrameReader(LengthRule rule, std::size_t max_frame_bytes) : rule_(rule), max_frame_bytes_(max_frame_bytes) {}
  /// Whether memory may be spent on receiving much at once. Until told otherwise: no.
  void allow_bulk(bool allowed) { bulk_allowed_ = allowed; }
  /// Whether what waits for a frame is to be of kLeastCapacity, whatever used to come at once.
  void hold_least(bool least) { hold_least_ = least; }

  /// Another bound from the next frame on, for example once the client is known.
  void set_max_frame_bytes(std::size_t max_frame_bytes) { max_frame_bytes_ = max_frame_bytes; }

  /// Where to receive the next bytes: never empty. Valid until the next call of any other function.
  MutableByteSpan prepare();
  /// Size of the new buffer that prepare() will take; 0: it goes on with the one that is there.
  std::size_t next_buffer() const;
  /// `n` bytes were received into the space that `prepare` gave.
  void commit(std::size_t n);
  /// `prepare`, copy and `commit`, for bytes that are somewhere else already.
  void feed(ByteSpan bytes);

  /// The next whole frame, without its length field; none when more bytes are needed. After an error the stream has no
  /// frame borders any more: close it. Errors: those of the rule.
  Result<std::optional<SharedBytes>> next();

  /// Bytes received and not yet handed out.
  std::size_t pending() const { return end_ - begin_; }
  /// Size of the receive buffer that this connection holds now.
  std::size_t capacity() const { return capacity_; }
  /// Lets go of the buffer of a connection that fell idle; nothing happens while bytes are pending.
  void release_if_empty();

 private:
  bool must_renew() const;
  std::size_t renewed_capacity() const;
  /// Of a buffer in which a frame begins.
  std::size_t first_capacity() const {
    if (hold_least_) return kLeastCapacity;
    return std::min(first_capacity_, bulk_allowed_ && streaming_ ? kMostBulkCapacity : kMostFirstCapacity);
  }
  /// Moves what is pending into a buffer with room for more.
  void renew();
  /// Size of the pending frame with its length field; 0 while that is not known or not allowed.
  std::size_t claimed_size() const;

  LengthRule rule_;
  std::size_t max_frame_bytes_;
  std::shared_ptr<std::byte[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;  ///< of the bytes not yet handed out
  std::size_t end_ = 0;    ///< of the bytes received
  std::size_t first_capacity_ = kLeastCapacity;
  std::size_t last_size_ = 0;  ///< of the last whole frame, with its length field
  bool bulk_allowed_ = false;
  bool hold_least_ = false;
  bool streaming_ = false;  ///< the last bytes filled the buffer and went beyond the frame they began with
};

}  // namespace sluice
