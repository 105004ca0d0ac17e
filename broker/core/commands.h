// The commands that a Raft entry of an ordinary group or of the controller carries: encoding and decoding.
//
//   0 version     u8   1
//   1 reserved    u8 x 3, zero
//   4 count       u32  commands that follow, >= 1
//   8 group time  i64  ms; the leader's wall time, monotone per group
//  16 commands, each:
//     0 kind      u8
//     1 reserved  u8 x 3, zero
//     4 length    u32  of the body
//     8 body
//
// All little endian; the journal's flush CRC covers it. Bodies:
//   append            topic id 16, partition i32, zero u32, one record batch (stamped with its base offset)
//   everything else   the Protobuf message of the same name in commands.proto
// The format belongs to this folder; Replica (broker/shard) writes and applies it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "broker/core/topic_settings.h"
#include "protocol/base/bytes.h"
#include "protocol/base/error.h"
#include "protocol/base/ids.h"

namespace sluice::broker {

enum class CommandKind : std::uint8_t {
  append = 1,
  create_partition = 2,
  delete_partition = 3,
  advance_start = 4,
  alter_partition = 5,
  expire_producers = 6,
  write_table = 7,
  reserve_offsets = 8,
};

/// A batch at its place. The batch's own base offset says where.
struct AppendCommand {
  PartitionId partition;
  ByteSpan batch;                ///< a view into the entry's payload
  std::size_t batch_offset = 0;  ///< of it within the payload, for slicing
};
/// Idempotent: a partition that exists already is left as it is.
struct CreatePartitionCommand {
  PartitionId partition;
  LeaderEpoch epoch_base;
  TopicSettings settings;
};
/// Idempotent. An append behind it in the log is a no-op with an error.
struct DeletePartitionCommand {
  PartitionId partition;
};
/// Moves the start of the log to `start` (retention, DeleteRecords); backwards is a no-op.
struct AdvanceStartCommand {
  PartitionId partition;
  Offset start;
};
struct AlterPartitionCommand {
  PartitionId partition;
  TopicSettings settings;
};
/// Forgets producers of all the group's partitions that were idle since before group time `idle_since_ms`.
struct ExpireProducersCommand {
  std::int64_t idle_since_ms = 0;
};
/// The offsets of a memory topic's partition below `upto` may be issued by the leader whose entry this is, and by
/// nobody later; less than is reserved already is a no-op.
struct ReserveOffsetsCommand {
  PartitionId partition;
  Offset upto;
};
/// One row of a conditional write.
struct TableWrite {
  std::string key;
  std::optional<std::string> value;  ///< nullopt deletes the row
  /// The row's revision that the writer saw: 0 = it must not exist; nullopt = whatever it is.
  std::optional<std::uint64_t> expected_revision;
};
/// All rows or none: if one expectation fails, nothing is written.
struct WriteTableCommand {
  std::string table;
  std::vector<TableWrite> writes;
};

using Command = std::variant<CreatePartitionCommand, DeletePartitionCommand, AdvanceStartCommand, AlterPartitionCommand,
                             ExpireProducersCommand, WriteTableCommand, ReserveOffsetsCommand>;

inline constexpr std::size_t kEntryHeaderSize = 16;
inline constexpr std::size_t kCommandHeaderSize = 8;
inline constexpr std::size_t kAppendHeaderSize = 24;  ///< topic id, partition, zero: before the batch
/// What an append of a batch of n bytes adds to an entry.
inline constexpr std::size_t append_command_size(std::size_t batch_bytes) {
  return kCommandHeaderSize + kAppendHeaderSize + batch_bytes;
}

/// Writes an entry into memory of fixed size (the journal's flush buffer): appends until it is full, then finish().
class EntryWriter {
 public:
  explicit EntryWriter(MutableByteSpan into);
  std::size_t room() const;
  std::uint32_t count() const { return count_; }
  /// Copies the batch in and returns where it lies, for stamping. room() must suffice.
  MutableByteSpan append(const PartitionId& partition, ByteSpan batch);
  /// Fills in the header; returns the entry's size.
  std::size_t finish(std::int64_t group_time_ms);

 private:
  MutableByteSpan into_;
  std::size_t used_ = kEntryHeaderSize;
  std::uint32_t count_ = 0;
};

/// An entry of one command that is not an append.
std::vector<std::byte> encode_entry(const Command& command, std::int64_t group_time_ms);

/// Walks an entry's commands. Errors: malformed, unsupported (version).
class EntryReader {
 public:
  static Result<EntryReader> open(ByteSpan payload);
  std::int64_t group_time_ms() const { return group_time_ms_; }
  bool done() const { return left_ == 0; }
  /// The next command; done() must be false.
  Result<std::variant<AppendCommand, Command>> next();

 private:
  ByteSpan payload_;
  std::size_t position_ = kEntryHeaderSize;
  std::uint32_t left_ = 0;
  std::int64_t group_time_ms_ = 0;
};

}  // namespace sluice::broker
