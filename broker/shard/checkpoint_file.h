// A group's checkpoint: its content, and the file it is kept in.
//
//   DATA/group-G/checkpoint-INDEX      INDEX: last included index, 20 digits
//
//   0  magic    8 bytes  "SLCKPT\0\1"; the last byte is the version
//   8  frames, each:
//      0 length u32  of the payload, at most 64 KiB
//      4 crc    u32  CRC-32C of everything from byte 8 of the frame to its end
//      8 kind   u8   1 header, 2 partition, 3 table chunk, 4 deleting, 5 end
//      9 last   u8   1: the section ends with this frame; 0: it goes on in the next one
//     10 zero   u16
//     12 payload
//
// Numbers are little endian. A section (frames of one kind up to last = 1) is one Protobuf message of checkpoint.proto.
// The first section is the header, the last is the end, which counts the others; bytes behind it are an error. Always
// written whole: temporary file, sync, rename, sync of the directory (Checkpointer does that).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/raft/raft_group.h"
#include "protocol/base/bytes.h"
#include "protocol/base/error.h"
#include "protocol/base/ids.h"
#include "storage/journal/journal.h"
#include "storage/log/partition_log.h"

namespace sluice::broker {

struct CheckpointedPartition {
  PartitionId id;
  std::string state;      ///< PartitionState::encode()
  storage::LogState log;  ///< durable in segments
};

struct CheckpointedTable {
  std::string name;
  std::vector<std::string> chunks;  ///< TableState::encode()
};

struct CheckpointHeader {
  GroupId group;
  std::string cluster_id;
  SnapshotMeta snapshot;
  std::int64_t group_time_ms = 0;
  std::optional<storage::JournalPosition> journal_position;
};

/// 'Durable up to snapshot.last_index': all that a group needs to go on from there.
struct Checkpoint : CheckpointHeader {
  std::vector<CheckpointedPartition> partitions;
  std::vector<CheckpointedTable> tables;
  std::vector<PartitionId> deleting;  ///< their files may be unlinked
};

inline constexpr std::size_t kCheckpointFrameBytes = 64U << 10;

std::string checkpoint_file_name(LogIndex index);
/// The index in a checkpoint's file name; nullopt when it is not one.
std::optional<LogIndex> parse_checkpoint_file_name(std::string_view name);

/// Builds the file section by section: the header, then partitions, tables' chunks and ids of deleted partitions as
/// they are added, and end(). Sections are split into frames of at most kCheckpointFrameBytes.
class CheckpointWriter {
 public:
  explicit CheckpointWriter(const CheckpointHeader& header);
  void add(const CheckpointedPartition& partition);
  /// The chunks of a table stand one behind the other.
  void add_table_chunk(const std::string& table, std::string rows);
  void add_deleting(const PartitionId& id);
  void end();
  /// What was built and not taken yet, in bytes.
  std::size_t buffered() const { return out_.size(); }
  std::vector<std::byte> take() { return std::exchange(out_, {}).take(); }

 private:
  ByteWriter out_;
  std::uint64_t partitions_ = 0, table_chunks_ = 0, deleting_ = 0;
};

/// The file's bytes, all at once.
std::vector<std::byte> encode_checkpoint(const Checkpoint& checkpoint);
/// Errors: corrupt or malformed, saying where.
Result<Checkpoint> decode_checkpoint(ByteSpan file);

}  // namespace sluice::broker
