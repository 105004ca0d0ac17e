// The formats of journal files, all little-endian; what writer, replay and reader share.
//
// A file NNNNNNNN.wal is a header and then flushes, back to back, each a multiple of 4 KiB:
//
//   | file header | flush | flush | ... | unused, or stale flushes of the file's former life |
//
// File header, version 1; 4 KiB, or the next multiple of 4 KiB that holds its table:
//
//     0  magic "SLWL"         4  version u16, flags u16 (0)    8  crc u32 over [0, 8) and [12, 80 + 24 * groups)
//    12  header bytes u32    16  file number u64              24  salt u64, random
//    32  journal id u64      40  predecessor's number u64     48  predecessor's salt u64
//    56  accepted u64        64  oldest u64                   72  groups u32   76  0 u32
//    80  groups times:  group u32 | vote i32 | term u64 | first needed index u64
//
//   predecessor: the file whose flushes come before this one's; 0: none. accepted: the last flush sequence of it that
//   counts, or kOpenEnd when this file was prepared while the predecessor was still being written: then sequences
//   run on from one to the other. oldest: the lowest file number that is needed once this header is durable.
//
// Flush: 64 bytes of header, the records, zeros up to the next 4 KiB:
//
//     0  magic "SLWF"         4  crc u32 over [8, 64)          8  salt u64 of the file
//    16  file number u64     24  sequence u64, dense          32  synced_through u64
//    40  sequence of the file's first flush u64               48  payload bytes u32   52  records u32
//    56  crc u32 of the payload                               60  0 u32
//
//   synced_through: all flushes up to this sequence were durable when this one was written.
//
// Record, 8-byte aligned, its payload behind it, zeros up to the next 8 bytes:
//
//     0  kind u8   1  entry type u8   2  0 u16   4  group u32   8  index u64   16  term u64
//    24  payload bytes u32   28  vote i32
//
// Every CRC is CRC32C that starts from the CRC of the file's salt, so that nothing of a recycled file's former life
// passes. Owner: Journal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/error.h"
#include "protocol/base/ids.h"

namespace sluice::storage {

inline constexpr std::uint32_t kJournalFileMagic = 0x4c574c53;   // "SLWL"
inline constexpr std::uint32_t kJournalFlushMagic = 0x46574c53;  // "SLWF"
inline constexpr std::uint16_t kJournalVersion = 1;
inline constexpr std::size_t kJournalBlock = 4096;
inline constexpr std::size_t kFileHeaderFixed = 80;
inline constexpr std::size_t kGroupStateBytes = 24;
inline constexpr std::size_t kFlushHeaderBytes = 64;
inline constexpr std::size_t kRecordHeaderBytes = 32;
inline constexpr std::uint64_t kOpenEnd = ~std::uint64_t{0};
inline constexpr std::uint32_t kMaxFileHeaderBytes = 16U << 20;

enum class JournalRecordKind : std::uint8_t {
  entry = 1,
  vote = 2,
  reference = 3,  ///< reserved: a payload that lies in a segment; refused as unsupported
  marker = 4,     ///< written when the shard falls idle: carries nothing but its flush's synced_through
};

struct JournalGroupState {
  GroupId group;
  NodeId vote;
  Term term;
  LogIndex first_needed;
  friend bool operator==(const JournalGroupState&, const JournalGroupState&) = default;
};

struct JournalFileHeader {
  std::uint64_t number = 0;
  std::uint64_t salt = 0;
  std::uint64_t journal_id = 0;
  std::uint64_t predecessor = 0;
  std::uint64_t predecessor_salt = 0;
  std::uint64_t accepted = kOpenEnd;
  std::uint64_t oldest = 0;
  std::uint32_t header_bytes = 0;  ///< set by decoding
  std::vector<JournalGroupState> groups;
  friend bool operator==(const JournalFileHeader&, const JournalFileHeader&) = default;
};

struct JournalFlushHeader {
  std::uint64_t salt = 0;
  std::uint64_t number = 0;
  std::uint64_t sequence = 0;
  std::uint64_t synced_through = 0;
  std::uint64_t first_sequence = 0;
  std::uint32_t payload_bytes = 0;
  std::uint32_t records = 0;
  std::uint32_t payload_crc = 0;
  friend bool operator==(const JournalFlushHeader&, const JournalFlushHeader&) = default;
};

struct JournalRecord {
  JournalRecordKind kind = JournalRecordKind::entry;
  std::uint8_t type = 0;
  GroupId group;
  LogIndex index;
  Term term;
  NodeId vote;
  std::uint32_t payload_bytes = 0;
  friend bool operator==(const JournalRecord&, const JournalRecord&) = default;
};

constexpr std::uint64_t journal_round_up(std::uint64_t size, std::uint64_t to) { return (size + to - 1) / to * to; }
/// Bytes that a record takes within a flush.
constexpr std::uint64_t record_span(std::uint64_t payload_bytes) {
  return journal_round_up(kRecordHeaderBytes + payload_bytes, 8);
}
/// Bytes that a flush takes in the file.
constexpr std::uint64_t flush_span(std::uint64_t payload_bytes) {
  return journal_round_up(kFlushHeaderBytes + payload_bytes, kJournalBlock);
}
constexpr std::uint64_t file_header_span(std::uint64_t groups) {
  return journal_round_up(kFileHeaderFixed + groups * kGroupStateBytes, kJournalBlock);
}

/// What a file's CRCs start from.
std::uint32_t journal_crc_seed(std::uint64_t salt);
std::uint32_t journal_payload_crc(std::uint64_t salt, ByteSpan payload);

/// "00000042.wal"; more digits from 10^8 on.
std::string journal_file_name(std::uint64_t number);
/// The number in such a name; nullopt for any other.
std::optional<std::uint64_t> journal_file_number(std::string_view name);

/// `into` is file_header_span(header.groups.size()) zeroed bytes.
void encode_file_header(const JournalFileHeader& header, MutableByteSpan into);
/// How long the header that starts with these 4 KiB says it is; 0 when it can't be a header.
std::uint32_t file_header_length(ByteSpan first_block);
/// Errors: corrupt; unsupported (a version from the future).
Result<JournalFileHeader> decode_file_header(ByteSpan bytes);

void encode_flush_header(const JournalFlushHeader& header, std::byte* into);
/// The header at `bytes` if it is one, its own CRC holds, and it is of the file with this number and salt.
std::optional<JournalFlushHeader> decode_flush_header(ByteSpan bytes, std::uint64_t number, std::uint64_t salt);
/// The same with the salt that it carries itself: to tell whether a file whose header is lost was ever used.
std::optional<JournalFlushHeader> decode_unsalted_flush_header(ByteSpan bytes, std::uint64_t number);

void encode_record(const JournalRecord& record, std::byte* into);

/// Walks the records of one flush's payload.
class JournalRecordReader {
 public:
  JournalRecordReader(ByteSpan payload, std::uint32_t records) : payload_(payload), left_(records) {}
  struct View {
    JournalRecord record;
    ByteSpan payload;
    std::uint32_t offset = 0;  ///< of the payload, within the flush
  };
  /// nullopt behind the last one. Errors: malformed, unsupported.
  Result<std::optional<View>> next();

 private:
  ByteSpan payload_;
  std::uint32_t left_;
  std::size_t at_ = 0;
};

}  // namespace sluice::storage
