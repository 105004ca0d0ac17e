// See frame.h.
#include "protocol/native/frame.h"

#include <fmt/core.h>
#include <google/protobuf/message_lite.h>

#include <cstring>
#include <limits>

namespace sluice::native {
namespace {

/// People point browsers, TLS clients and Kafka clients at this port; what they send first reads as a huge length.
std::string_view guess(std::uint32_t size) {
  if ((size & 0xffffff) == 0x010316 || (size & 0xffffff) == 0x030316)
    return " (this looks like TLS on a plaintext listener)";
  if (size == 0x20544547 || size == 0x54534f50 || size == 0x44414548 || size == 0x20545550) {
    return " (this looks like HTTP)";
  }
  if ((size & 0xffffff) == 0) return " (this looks like a Kafka client: its port is another one)";
  return "";
}

}  // namespace

Result<std::size_t> frame_length(const std::byte* field, std::size_t max_frame_bytes) {
  const auto size = load_le<std::uint32_t>(field);
  if (size < kCountedPrefixBytes) {
    return fail(Errc::malformed,
                fmt::format("a frame claims {} bytes, and its prefix alone has {}", size, kCountedPrefixBytes));
  }
  if (size > max_frame_bytes) {
    return fail(Errc::too_large,
                fmt::format("a frame claims {} bytes and {} are allowed{}", size, max_frame_bytes, guess(size)));
  }
  return size;
}

Result<Frame> parse_frame(SharedBytes bytes, std::size_t max_header_bytes) {
  if (bytes.size() < kCountedPrefixBytes) {
    return fail(Errc::malformed, fmt::format("a frame of {} bytes is shorter than its prefix", bytes.size()));
  }
  Frame frame;
  const auto header_bytes = load_le<std::uint32_t>(bytes.data());
  frame.kind = FrameKind{load_le<std::uint16_t>(bytes.data() + 4)};
  frame.id = load_le<std::uint32_t>(bytes.data() + 8);
  const ByteSpan rest = bytes.span().subspan(kCountedPrefixBytes);
  if (header_bytes > rest.size()) {
    return fail(Errc::malformed, fmt::format("{}: its header claims {} bytes, and {} follow its prefix",
                                             kind_name(frame.kind), header_bytes, rest.size()));
  }
  if (header_bytes > max_header_bytes) {
    return fail(Errc::too_large, fmt::format("{}: its header has {} bytes and {} are allowed: send less at once",
                                             kind_name(frame.kind), header_bytes, max_header_bytes));
  }
  frame.header = rest.first(header_bytes);
  frame.payload = rest.subspan(header_bytes);
  frame.bytes = std::move(bytes);
  return frame;
}

Result<void> parse_header(const Frame& frame, google::protobuf::MessageLite& message) {
  if (!message.ParseFromArray(frame.header.data(), static_cast<int>(frame.header.size()))) {
    return fail(Errc::malformed,
                fmt::format("{}: its header of {} bytes is not the message of this kind, or a text in it is not UTF-8",
                            kind_name(frame.kind), frame.header.size()));
  }
  const KindInfo* info = find_kind(frame.kind);
  if (info && !info->has_payload && !frame.payload.empty()) {
    return fail(Errc::malformed, fmt::format("{}: {} bytes stand behind its header, and this kind has no payload",
                                             info->name, frame.payload.size()));
  }
  return {};
}

std::byte* FrameWriter::room(std::size_t size) {
  if (capacity_ - end_ < size) {
    cut();
    capacity_ = std::max(size, next_chunk_);
    next_chunk_ = std::min(2 * next_chunk_, kMostChunk);
    chunk_ = std::make_shared_for_overwrite<std::byte[]>(capacity_);
    begin_ = end_ = 0;
  }
  std::byte* at = chunk_.get() + end_;
  end_ += size;
  copied_ += size;
  return at;
}

void FrameWriter::cut() {
  if (begin_ == end_) return;
  pieces_.emplace_back(chunk_, ByteSpan(chunk_.get() + begin_, end_ - begin_), capacity_);
  begin_ = end_;
}

void FrameWriter::copy(ByteSpan bytes) {
  if (!bytes.empty()) std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
}

void FrameWriter::begin(FrameKind kind, std::uint32_t id, const google::protobuf::MessageLite& header,
                        std::size_t payload_bytes) {
  const std::size_t header_bytes = header.ByteSizeLong();
  const std::size_t size = kCountedPrefixBytes + header_bytes + payload_bytes;
  CHECK(size <= std::numeric_limits<std::uint32_t>::max(), "a frame's size is a u32");
  std::byte* at = room(kPrefixBytes + header_bytes);
  store_le(at, static_cast<std::uint32_t>(size));
  store_le(at + 4, static_cast<std::uint32_t>(header_bytes));
  store_le(at + 8, static_cast<std::uint16_t>(kind));
  store_le(at + 10, std::uint16_t{0});
  store_le(at + 12, id);
  header.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(at + kPrefixBytes));
  size_bytes_ += FrameReader::kLengthBytes + size;
}

void FrameWriter::add(FrameKind kind, std::uint32_t id, const google::protobuf::MessageLite& header,
                      std::span<const SharedBytes> payload) {
  std::size_t payload_bytes = 0;
  for (const SharedBytes& piece : payload) payload_bytes += piece.size();
  begin(kind, id, header, payload_bytes);
  for (const SharedBytes& piece : payload) {
    if (piece.size() <= kMostCopied) {
      copy(piece);
    } else {
      cut();
      pieces_.push_back(piece);
    }
  }
}

void FrameWriter::add(FrameKind kind, std::uint32_t id, const google::protobuf::MessageLite& header,
                      ByteSpan short_payload) {
  begin(kind, id, header, short_payload.size());
  copy(short_payload);
}

void FrameWriter::own_pieces() {
  for (SharedBytes& piece : pieces_) {
    if (piece.charge() > std::max(piece.size(), kMostChunk)) piece = SharedBytes::copy_of(piece);
  }
}

std::vector<SharedBytes> FrameWriter::take() {
  cut();
  chunk_.reset();
  capacity_ = begin_ = end_ = size_bytes_ = 0;
  next_chunk_ = std::clamp(std::exchange(copied_, 0), kLeastChunk, kMostChunk);
  return std::exchange(pieces_, {});
}

std::vector<SharedBytes> encode_frame(FrameKind kind, std::uint32_t id, const google::protobuf::MessageLite& header,
                                      std::span<const SharedBytes> payload) {
  FrameWriter writer;
  writer.add(kind, id, header, payload);
  return writer.take();
}

}  // namespace sluice::native
