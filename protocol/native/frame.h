// The native protocol's frames. All numbers of the prefix are little endian:
//
//    0  u32  size           of everything behind this field: 12 at least, the receiver's max_frame_bytes at most
//    4  u32  header_bytes   of the Protobuf message that follows the prefix
//    8  u16  kind           which message that is: kinds.h
//   10  u16  reserved       0; a receiver ignores it
//   12  u32  id             of the request, subscription or service it belongs to, or 0
//   16  header, then payload: the rest of the frame
//
// The kind stands outside of the header, so that a receiver parses into a message that it uses again and again.
// Payloads are bytes as they are (record batches, bodies of requests): on the way in they are slices of the receive
// buffer, on the way out pieces of a gather list, and only short ones are copied.
//
// Owner: protocol/native. Pure: no I/O, no clock. Thread safety: none; frames and pieces may go to other threads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "protocol/base/frame_reader.h"
#include "protocol/native/kinds.h"

namespace google::protobuf {
class MessageLite;
}

namespace sluice::native {

inline constexpr std::size_t kPrefixBytes = 16;
/// What of the prefix is counted by `size`.
inline constexpr std::size_t kCountedPrefixBytes = kPrefixBytes - sluice::FrameReader::kLengthBytes;
/// What a side takes that has not said otherwise.
inline constexpr std::size_t kDefaultMaxFrameBytes = 64U << 20;
/// What a node takes of a header from a client: parsed messages are larger than their bytes.
inline constexpr std::size_t kMaxClientHeaderBytes = 256U << 10;

/// The length rule of native frames. Errors: malformed (shorter than a prefix), too_large; the message guesses where
/// somebody speaks another protocol.
Result<std::size_t> frame_length(const std::byte* field, std::size_t max_frame_bytes);

/// Cuts a stream into frames, each without its size field; `parse_frame` takes them apart.
class FrameReader : public sluice::FrameReader {
 public:
  explicit FrameReader(std::size_t max_frame_bytes = kDefaultMaxFrameBytes)
      : sluice::FrameReader(frame_length, max_frame_bytes) {}
};

/// One frame, taken apart: views into `bytes`.
struct Frame {
  FrameKind kind{};
  std::uint32_t id = 0;
  ByteSpan header;
  ByteSpan payload;
  SharedBytes bytes;  ///< all of it but its size field

  /// The slice of the frame that `part`, a view into its payload, covers.
  SharedBytes share(ByteSpan part) const { return share_part(bytes, part); }
};

/// `bytes` as FrameReader gives them. Any kind is taken. Errors: malformed (a header longer than the frame), too_large
/// (a header longer than `max_header_bytes`).
Result<Frame> parse_frame(SharedBytes bytes, std::size_t max_header_bytes = kDefaultMaxFrameBytes);

/// Parses the frame's header into `message`, which is cleared first and may be used again. Errors: malformed, naming
/// the kind; a payload behind a kind that has none is malformed too.
Result<void> parse_header(const Frame& frame, google::protobuf::MessageLite& message);

/// Puts frames one behind the other into a gather list. Prefixes, headers and payload pieces of up to kMostCopied bytes
/// share chunks, the first of which is as large as what was written before the last take(); larger pieces stay where
/// they are. An empty writer holds no memory.
class FrameWriter {
 public:
  static constexpr std::size_t kMostCopied = 512;
  static constexpr std::size_t kLeastChunk = 1U << 10;
  static constexpr std::size_t kMostChunk = 64U << 10;

  /// The frame must fit into 4 GiB.
  void add(FrameKind kind, std::uint32_t id, const google::protobuf::MessageLite& header,
           std::span<const SharedBytes> payload = {});
  void add(FrameKind kind, std::uint32_t id, const google::protobuf::MessageLite& header, ByteSpan short_payload);

  /// Of all frames added since the last take().
  std::size_t size_bytes() const { return size_bytes_; }
  bool empty() const { return size_bytes_ == 0; }
  /// Copies the larger pieces out of buffers that they share with others.
  void own_pieces();
  /// What goes to the socket, in order. The writer is empty again.
  std::vector<SharedBytes> take();

 private:
  std::byte* room(std::size_t size);
  void begin(FrameKind kind, std::uint32_t id, const google::protobuf::MessageLite& header, std::size_t payload_bytes);
  void copy(ByteSpan bytes);
  /// What was written into the chunk since the last cut becomes a piece.
  void cut();

  std::vector<SharedBytes> pieces_;
  std::shared_ptr<std::byte[]> chunk_;
  std::size_t capacity_ = 0;  // of chunk_
  std::size_t begin_ = 0;     // of what is no piece yet
  std::size_t end_ = 0;       // of what is written
  std::size_t copied_ = 0;    // into chunks since the last take()
  std::size_t next_chunk_ = kLeastChunk;
  std::size_t size_bytes_ = 0;
};

/// One frame on its own.
std::vector<SharedBytes> encode_frame(FrameKind kind, std::uint32_t id, const google::protobuf::MessageLite& header,
                                      std::span<const SharedBytes> payload = {});

}  // namespace sluice::native
