// The frame of an entry and of its commands; the format is drawn in commands.h.
#include "broker/core/commands.h"

#include <fmt/core.h>

#include <cstring>
#include <limits>

#include "broker/core/command_bodies.h"
#include "protocol/base/check.h"
#include "protocol/base/record_batch.h"

namespace sluice::broker {
namespace {

constexpr std::uint8_t kVersion = 1;

void store_header(std::byte* at, std::uint32_t count, std::int64_t group_time_ms) {
  store_le(at, std::uint32_t{kVersion});
  store_le(at + 4, count);
  store_le(at + 8, group_time_ms);
}
void store_command_header(std::byte* at, CommandKind kind, std::size_t length) {
  CHECK(length <= std::numeric_limits<std::uint32_t>::max());
  store_le(at, std::uint32_t{static_cast<std::uint8_t>(kind)});
  store_le(at + 4, static_cast<std::uint32_t>(length));
}

/// Reads one byte and three that must be zero.
std::optional<std::uint8_t> load_tag(ByteReader& in) {
  const auto word = in.le<std::uint32_t>();
  if (word > 0xff) return std::nullopt;
  return static_cast<std::uint8_t>(word);
}

Result<AppendCommand> read_append(ByteSpan body, std::size_t body_offset) {
  if (body.size() < kAppendHeaderSize + kBatchHeaderSize) {
    return fail(Errc::malformed, fmt::format("an append of {} bytes is too short for a batch", body.size()));
  }
  AppendCommand command;
  std::memcpy(command.partition.topic.bytes.data(), body.data(), 16);
  command.partition.index = PartitionIndex(load_le<std::int32_t>(body.data() + 16));
  if (command.partition.topic.is_zero() || command.partition.index.value < 0 ||
      load_le<std::uint32_t>(body.data() + 20) != 0) {
    return fail(Errc::malformed, fmt::format("an append names no partition: '{}'", command.partition.text()));
  }
  command.batch = body.subspan(kAppendHeaderSize);
  command.batch_offset = body_offset + kAppendHeaderSize;
  const std::uint64_t claimed = std::uint64_t{load_be<std::uint32_t>(command.batch.data() + 8)} + kBatchLengthEnd;
  if (claimed != command.batch.size()) {
    return fail(Errc::malformed, fmt::format("an append to {} holds {} bytes, and its batch says {}",
                                             command.partition.text(), command.batch.size(), claimed));
  }
  return command;
}

}  // namespace

EntryWriter::EntryWriter(MutableByteSpan into) : into_(into) { CHECK(into.size() >= kEntryHeaderSize); }

std::size_t EntryWriter::room() const { return into_.size() - used_; }

MutableByteSpan EntryWriter::append(const PartitionId& partition, ByteSpan batch) {
  CHECK(append_command_size(batch.size()) <= room());
  std::byte* at = into_.data() + used_;
  store_command_header(at, CommandKind::append, kAppendHeaderSize + batch.size());
  at += kCommandHeaderSize;
  std::memcpy(at, partition.topic.bytes.data(), 16);
  store_le(at + 16, partition.index.value);
  store_le(at + 20, std::uint32_t{0});
  at += kAppendHeaderSize;
  if (!batch.empty()) std::memcpy(at, batch.data(), batch.size());
  used_ += append_command_size(batch.size());
  ++count_;
  return {at, batch.size()};
}

std::size_t EntryWriter::finish(std::int64_t group_time_ms) {
  CHECK(count_ > 0, "an entry holds at least one command");
  store_header(into_.data(), count_, group_time_ms);
  return used_;
}

std::vector<std::byte> encode_entry(const Command& command, std::int64_t group_time_ms) {
  const std::string body = encode_body(command);
  std::vector<std::byte> entry(kEntryHeaderSize + kCommandHeaderSize + body.size());
  store_header(entry.data(), 1, group_time_ms);
  store_command_header(entry.data() + kEntryHeaderSize, kind_of(command), body.size());
  if (!body.empty()) std::memcpy(entry.data() + kEntryHeaderSize + kCommandHeaderSize, body.data(), body.size());
  return entry;
}

Result<EntryReader> EntryReader::open(ByteSpan payload) {
  ByteReader in(payload);
  const std::optional<std::uint8_t> version = load_tag(in);
  EntryReader reader;
  reader.payload_ = payload;
  reader.left_ = in.le<std::uint32_t>();
  reader.group_time_ms_ = in.le<std::int64_t>();
  if (in.failed())
    return fail(Errc::malformed, fmt::format("an entry of {} bytes is shorter than its header", payload.size()));
  if (version && *version != kVersion) {
    return fail(
        Errc::unsupported,
        fmt::format("an entry has version {}, and this build reads version {}: run a newer one", *version, kVersion));
  }
  if (!version) return fail(Errc::malformed, "an entry's reserved bytes are not zero");
  if (reader.left_ == 0 || reader.left_ > in.remaining() / kCommandHeaderSize) {
    return fail(Errc::malformed,
                fmt::format("an entry of {} bytes can't hold {} commands", payload.size(), reader.left_));
  }
  return reader;
}

Result<std::variant<AppendCommand, Command>> EntryReader::next() {
  CHECK(!done());
  ByteReader in(payload_.subspan(position_));
  const std::optional<std::uint8_t> kind = load_tag(in);
  const auto length = in.le<std::uint32_t>();
  const ByteSpan body = in.take(length);
  if (in.failed() || !kind) {
    return fail(Errc::malformed, fmt::format("the command at byte {} of an entry of {} is cut off or has no kind",
                                             position_, payload_.size()));
  }
  const std::size_t body_offset = position_ + kCommandHeaderSize;
  if (left_ == 1 && in.remaining() != 0) {
    return fail(Errc::malformed, fmt::format("{} bytes follow the last command of an entry", in.remaining()));
  }
  if (*kind == static_cast<std::uint8_t>(CommandKind::append)) {
    Result<AppendCommand> append = read_append(body, body_offset);
    if (!append) return fail(std::move(append.error()));
    position_ = body_offset + length;
    --left_;
    return *append;
  }
  Result<Command> command = decode_body(static_cast<CommandKind>(*kind), body);
  if (!command) return fail(fmt::format("the command at byte {} of an entry", position_), std::move(command.error()));
  position_ = body_offset + length;
  --left_;
  return std::move(*command);
}

}  // namespace sluice::broker
