#include "broker/shard/checkpoint_file.h"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <cstring>

#include "broker/shard/checkpoint.pb.h"
#include "protocol/base/crc32c.h"

namespace sluice::broker {
namespace {

constexpr std::array<char, 8> kMagic{'S', 'L', 'C', 'K', 'P', 'T', '\0', '\1'};
constexpr std::size_t kFrameHeaderSize = 12;
constexpr std::string_view kNamePrefix = "checkpoint-";
constexpr std::size_t kMaxSectionBytes = 256U << 20;

enum class Section : std::uint8_t { header = 1, partition = 2, table_chunk = 3, deleting = 4, end = 5 };

void write_section(ByteWriter& out, Section kind, const google::protobuf::MessageLite& message) {
  const std::string body = message.SerializeAsString();
  std::size_t at = 0;
  do {
    const std::size_t n = std::min(body.size() - at, kCheckpointFrameBytes);
    const std::size_t start = out.size();
    out.le(static_cast<std::uint32_t>(n));
    out.le(std::uint32_t{0});
    out.le(static_cast<std::uint8_t>(kind));
    out.le(static_cast<std::uint8_t>(at + n == body.size()));
    out.le(std::uint16_t{0});
    out.raw(as_bytes(std::string_view(body).substr(at, n)));
    store_le(out.at(start + 4), crc32c(out.span().subspan(start + 8)));
    at += n;
  } while (at < body.size());
}

std::string topic_bytes(const TopicId& id) { return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()}; }
bool read_partition_id(const std::string& topic, std::int32_t partition, PartitionId& id) {
  if (topic.size() != id.topic.bytes.size() || partition < 0) return false;
  std::memcpy(id.topic.bytes.data(), topic.data(), topic.size());
  id.index = PartitionIndex(partition);
  return true;
}

pb::CheckpointHeader header_message(const CheckpointHeader& checkpoint) {
  pb::CheckpointHeader header;
  header.set_version(1);
  header.set_group(checkpoint.group.value);
  header.set_cluster_id(checkpoint.cluster_id);
  header.set_last_index(checkpoint.snapshot.last_index.value);
  header.set_last_term(checkpoint.snapshot.last_term.value);
  header.set_configuration(std::string(as_text(encode_configuration(checkpoint.snapshot.configuration))));
  header.set_configuration_index(checkpoint.snapshot.configuration_index.value);
  header.set_group_time_ms(checkpoint.group_time_ms);
  if (const auto& at = checkpoint.journal_position) {
    auto& position = *header.mutable_journal_position();
    position.set_file(at->file);
    position.set_offset(at->offset);
    position.set_flush_bytes(at->flush_bytes);
    position.set_payload_offset(at->payload_offset);
    position.set_payload_bytes(at->payload_bytes);
  }
  return header;
}

/// Reads the file section by section.
class SectionReader {
 public:
  explicit SectionReader(ByteSpan file) : reader_(file) {}

  bool at_end() const { return reader_.remaining() == 0; }

  Result<Section> next(std::string& body) {
    body.clear();
    std::optional<std::uint8_t> kind;
    for (;;) {
      const std::size_t start = reader_.position();
      const auto length = reader_.le<std::uint32_t>();
      const auto crc = reader_.le<std::uint32_t>();
      if (reader_.failed() || length > kCheckpointFrameBytes || body.size() + length > kMaxSectionBytes)
        return fail(Errc::corrupt, fmt::format("frame at byte {} is cut short or too long", start));
      const ByteSpan rest = reader_.take(kFrameHeaderSize - 8 + length);
      if (reader_.failed() || crc32c(rest) != crc)
        return fail(Errc::corrupt, fmt::format("the checksum of the frame at byte {} does not hold", start));
      const auto frame_kind = static_cast<std::uint8_t>(rest[0]);
      if (kind.value_or(frame_kind) != frame_kind)
        return fail(Errc::corrupt, fmt::format("the frame at byte {} continues a section of another kind", start));
      kind = frame_kind;
      body += as_text(rest.subspan(4));
      if (static_cast<std::uint8_t>(rest[1]) == 1) return static_cast<Section>(*kind);
    }
  }

 private:
  ByteReader reader_;
};

Result<void> read_header(const std::string& body, Checkpoint& out) {
  pb::CheckpointHeader header;
  if (!header.ParseFromString(body) || header.version() != 1)
    return fail(Errc::malformed, "the header is of another version or no Protobuf message");
  out.group = GroupId(header.group());
  out.cluster_id = header.cluster_id();
  out.snapshot.last_index = LogIndex(header.last_index());
  out.snapshot.last_term = Term(header.last_term());
  auto configuration = decode_configuration(as_bytes(header.configuration()));
  if (!configuration) return fail("configuration", configuration.error());
  out.snapshot.configuration = std::move(*configuration);
  out.snapshot.configuration_index = LogIndex(header.configuration_index());
  out.group_time_ms = header.group_time_ms();
  if (header.has_journal_position()) {
    const auto& at = header.journal_position();
    out.journal_position =
        storage::JournalPosition{at.file(), at.offset(), at.flush_bytes(), at.payload_offset(), at.payload_bytes()};
  }
  return {};
}

Result<void> read_partition(const std::string& body, Checkpoint& out) {
  pb::CheckpointPartition message;
  CheckpointedPartition partition;
  if (!message.ParseFromString(body) || !read_partition_id(message.topic_id(), message.partition(), partition.id))
    return fail(Errc::malformed, fmt::format("partition section {} can't be read", out.partitions.size()));
  partition.state = std::move(*message.mutable_state());
  partition.log.start_offset = Offset(message.start_offset());
  partition.log.end_offset = Offset(message.end_offset());
  for (const auto& segment : message.segments())
    partition.log.segments.push_back({Offset(segment.base()), segment.size_bytes(), segment.max_timestamp_ms(),
                                      segment.has_opened_ms() ? segment.opened_ms() : -1});
  out.partitions.push_back(std::move(partition));
  return {};
}

Result<void> read_table_chunk(const std::string& body, Checkpoint& out) {
  pb::CheckpointTableChunk chunk;
  if (!chunk.ParseFromString(body)) return fail(Errc::malformed, "a table's section can't be read");
  if (out.tables.empty() || out.tables.back().name != chunk.table()) out.tables.push_back({chunk.table(), {}});
  out.tables.back().chunks.push_back(std::move(*chunk.mutable_rows()));
  return {};
}

}  // namespace

std::string checkpoint_file_name(LogIndex index) { return fmt::format("{}{:020}", kNamePrefix, index.value); }

std::optional<LogIndex> parse_checkpoint_file_name(std::string_view name) {
  if (!name.starts_with(kNamePrefix)) return std::nullopt;
  name.remove_prefix(kNamePrefix.size());
  std::uint64_t index = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  if (error != std::errc{} || end != name.data() + name.size() || name.size() != 20) return std::nullopt;
  return LogIndex(index);
}

CheckpointWriter::CheckpointWriter(const CheckpointHeader& header) {
  out_.raw(as_bytes(std::string_view(kMagic.data(), kMagic.size())));
  write_section(out_, Section::header, header_message(header));
}

void CheckpointWriter::add(const CheckpointedPartition& partition) {
  pb::CheckpointPartition message;
  message.set_topic_id(topic_bytes(partition.id.topic));
  message.set_partition(partition.id.index.value);
  message.set_state(partition.state);
  message.set_start_offset(partition.log.start_offset.value);
  message.set_end_offset(partition.log.end_offset.value);
  for (const storage::SegmentState& segment : partition.log.segments) {
    auto& to = *message.add_segments();
    to.set_base(segment.base.value);
    to.set_size_bytes(segment.size_bytes);
    to.set_max_timestamp_ms(segment.max_timestamp_ms);
    if (segment.opened_ms >= 0) to.set_opened_ms(segment.opened_ms);
  }
  write_section(out_, Section::partition, message);
  ++partitions_;
}

void CheckpointWriter::add_table_chunk(const std::string& table, std::string rows) {
  pb::CheckpointTableChunk chunk;
  chunk.set_table(table);
  chunk.set_rows(std::move(rows));
  write_section(out_, Section::table_chunk, chunk);
  ++table_chunks_;
}

void CheckpointWriter::add_deleting(const PartitionId& id) {
  pb::CheckpointDeleting message;
  message.set_topic_id(topic_bytes(id.topic));
  message.set_partition(id.index.value);
  write_section(out_, Section::deleting, message);
  ++deleting_;
}

void CheckpointWriter::end() {
  pb::CheckpointEnd end;
  end.set_partitions(partitions_);
  end.set_table_chunks(table_chunks_);
  end.set_deleting(deleting_);
  write_section(out_, Section::end, end);
}

std::vector<std::byte> encode_checkpoint(const Checkpoint& checkpoint) {
  CheckpointWriter out(checkpoint);
  for (const CheckpointedPartition& partition : checkpoint.partitions) out.add(partition);
  for (const CheckpointedTable& table : checkpoint.tables)
    for (const std::string& rows : table.chunks) out.add_table_chunk(table.name, rows);
  for (const PartitionId& id : checkpoint.deleting) out.add_deleting(id);
  out.end();
  return out.take();
}

Result<Checkpoint> decode_checkpoint(ByteSpan file) {
  if (file.size() < kMagic.size() || std::memcmp(file.data(), kMagic.data(), kMagic.size()) != 0)
    return fail(Errc::malformed, "not a checkpoint of a version known here");
  SectionReader sections(file.subspan(kMagic.size()));
  Checkpoint out;
  std::string body;
  std::uint64_t chunks = 0;
  for (bool first = true;; first = false) {
    auto kind = sections.next(body);
    if (!kind) return fail(kind.error());
    if (first != (*kind == Section::header)) return fail(Errc::malformed, "the header is not the first section");
    Result<void> read;
    switch (*kind) {
      case Section::header: read = read_header(body, out); break;
      case Section::partition: read = read_partition(body, out); break;
      case Section::table_chunk:
        read = read_table_chunk(body, out);
        ++chunks;
        break;
      case Section::deleting: {
        pb::CheckpointDeleting message;
        PartitionId id;
        if (!message.ParseFromString(body) || !read_partition_id(message.topic_id(), message.partition(), id))
          return fail(Errc::malformed, "a deleted partition's section can't be read");
        out.deleting.push_back(id);
        break;
      }
      case Section::end: {
        pb::CheckpointEnd end;
        if (!end.ParseFromString(body) || end.partitions() != out.partitions.size() || end.table_chunks() != chunks ||
            end.deleting() != out.deleting.size() || !sections.at_end())
          return fail(Errc::corrupt, "the end does not count what stands before it");
        return out;
      }
      default: return fail(Errc::malformed, fmt::format("a section of unknown kind {}", int(*kind)));
    }
    if (!read) return fail(read.error());
  }
}

}  // namespace sluice::broker
