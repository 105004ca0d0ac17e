#include "storage/journal/journal_format.h"

#include <fmt/core.h>

#include <array>
#include <charconv>

#include "protocol/base/check.h"
#include "protocol/base/crc32c.h"

namespace sluice::storage {

namespace {

/// Of all but the CRC's own four bytes.
std::uint32_t file_header_crc(const std::byte* at, std::size_t used, std::uint64_t salt) {
  return crc32c({at + 12, used - 12}, crc32c({at, 8}, journal_crc_seed(salt)));
}

}  // namespace

std::uint32_t journal_crc_seed(std::uint64_t salt) {
  std::array<std::byte, 8> bytes;
  store_le(bytes.data(), salt);
  return crc32c(bytes);
}

std::uint32_t journal_payload_crc(std::uint64_t salt, ByteSpan payload) {
  return crc32c(payload, journal_crc_seed(salt));
}

std::string journal_file_name(std::uint64_t number) { return fmt::format("{:08}.wal", number); }

std::optional<std::uint64_t> journal_file_number(std::string_view name) {
  constexpr std::string_view kSuffix = ".wal";
  if (!name.ends_with(kSuffix)) return std::nullopt;
  name.remove_suffix(kSuffix.size());
  if (name.size() < 8) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc{} || end != name.data() + name.size() || number == 0 || number >= kOpenEnd / 2) {
    return std::nullopt;
  }
  return number;
}

void encode_file_header(const JournalFileHeader& header, MutableByteSpan into) {
  CHECK(into.size() == file_header_span(header.groups.size()));
  std::byte* at = into.data();
  store_le(at, kJournalFileMagic);
  store_le(at + 4, kJournalVersion);
  store_le(at + 6, std::uint16_t{0});
  store_le(at + 12, static_cast<std::uint32_t>(into.size()));
  store_le(at + 16, header.number);
  store_le(at + 24, header.salt);
  store_le(at + 32, header.journal_id);
  store_le(at + 40, header.predecessor);
  store_le(at + 48, header.predecessor_salt);
  store_le(at + 56, header.accepted);
  store_le(at + 64, header.oldest);
  store_le(at + 72, static_cast<std::uint32_t>(header.groups.size()));
  store_le(at + 76, std::uint32_t{0});
  std::size_t used = kFileHeaderFixed;
  for (const JournalGroupState& state : header.groups) {
    store_le(at + used, state.group.value);
    store_le(at + used + 4, state.vote.value);
    store_le(at + used + 8, state.term.value);
    store_le(at + used + 16, state.first_needed.value);
    used += kGroupStateBytes;
  }
  store_le(at + 8, file_header_crc(at, used, header.salt));
}

std::uint32_t file_header_length(ByteSpan first_block) {
  if (first_block.size() < kFileHeaderFixed || load_le<std::uint32_t>(first_block.data()) != kJournalFileMagic)
    return 0;
  const auto length = load_le<std::uint32_t>(first_block.data() + 12);
  if (length == 0 || length % kJournalBlock != 0 || length > kMaxFileHeaderBytes) return 0;
  return length;
}

Result<JournalFileHeader> decode_file_header(ByteSpan bytes) {
  const std::uint32_t length = file_header_length(bytes);
  if (length == 0 || length > bytes.size()) return fail(Errc::corrupt, "no journal file header");
  const std::byte* at = bytes.data();
  const auto groups = load_le<std::uint32_t>(at + 72);
  if (groups > (length - kFileHeaderFixed) / kGroupStateBytes) {
    return fail(Errc::corrupt, "the header's table does not fit in it");
  }
  JournalFileHeader header;
  header.salt = load_le<std::uint64_t>(at + 24);
  const std::size_t used = kFileHeaderFixed + groups * kGroupStateBytes;
  if (load_le<std::uint32_t>(at + 8) != file_header_crc(at, used, header.salt)) {
    return fail(Errc::corrupt, "the header's CRC does not hold");
  }
  if (const auto version = load_le<std::uint16_t>(at + 4); version != kJournalVersion) {
    return fail(Errc::unsupported,
                fmt::format("journal format version {}, this program knows {}", version, kJournalVersion));
  }
  header.header_bytes = length;
  header.number = load_le<std::uint64_t>(at + 16);
  header.journal_id = load_le<std::uint64_t>(at + 32);
  header.predecessor = load_le<std::uint64_t>(at + 40);
  header.predecessor_salt = load_le<std::uint64_t>(at + 48);
  header.accepted = load_le<std::uint64_t>(at + 56);
  header.oldest = load_le<std::uint64_t>(at + 64);
  header.groups.reserve(groups);
  for (std::size_t i = 0; i < groups; ++i) {
    const std::byte* row = at + kFileHeaderFixed + i * kGroupStateBytes;
    header.groups.push_back({GroupId(load_le<std::uint32_t>(row)), NodeId(load_le<std::int32_t>(row + 4)),
                             Term(load_le<std::uint64_t>(row + 8)), LogIndex(load_le<std::uint64_t>(row + 16))});
  }
  return header;
}

void encode_flush_header(const JournalFlushHeader& header, std::byte* into) {
  store_le(into, kJournalFlushMagic);
  store_le(into + 8, header.salt);
  store_le(into + 16, header.number);
  store_le(into + 24, header.sequence);
  store_le(into + 32, header.synced_through);
  store_le(into + 40, header.first_sequence);
  store_le(into + 48, header.payload_bytes);
  store_le(into + 52, header.records);
  store_le(into + 56, header.payload_crc);
  store_le(into + 60, std::uint32_t{0});
  store_le(into + 4, crc32c({into + 8, kFlushHeaderBytes - 8}, journal_crc_seed(header.salt)));
}

std::optional<JournalFlushHeader> decode_unsalted_flush_header(ByteSpan bytes, std::uint64_t number) {
  if (bytes.size() < kFlushHeaderBytes) return std::nullopt;
  return decode_flush_header(bytes, number, load_le<std::uint64_t>(bytes.data() + 8));
}

std::optional<JournalFlushHeader> decode_flush_header(ByteSpan bytes, std::uint64_t number, std::uint64_t salt) {
  if (bytes.size() < kFlushHeaderBytes) return std::nullopt;
  const std::byte* at = bytes.data();
  if (load_le<std::uint32_t>(at) != kJournalFlushMagic || load_le<std::uint64_t>(at + 8) != salt ||
      load_le<std::uint64_t>(at + 16) != number) {
    return std::nullopt;
  }
  if (load_le<std::uint32_t>(at + 4) != crc32c({at + 8, kFlushHeaderBytes - 8}, journal_crc_seed(salt))) {
    return std::nullopt;
  }
  JournalFlushHeader header;
  header.salt = salt;
  header.number = number;
  header.sequence = load_le<std::uint64_t>(at + 24);
  header.synced_through = load_le<std::uint64_t>(at + 32);
  header.first_sequence = load_le<std::uint64_t>(at + 40);
  header.payload_bytes = load_le<std::uint32_t>(at + 48);
  header.records = load_le<std::uint32_t>(at + 52);
  header.payload_crc = load_le<std::uint32_t>(at + 56);
  return header;
}

void encode_record(const JournalRecord& record, std::byte* into) {
  store_le(into, static_cast<std::uint8_t>(record.kind));
  store_le(into + 1, record.type);
  store_le(into + 2, std::uint16_t{0});
  store_le(into + 4, record.group.value);
  store_le(into + 8, record.index.value);
  store_le(into + 16, record.term.value);
  store_le(into + 24, record.payload_bytes);
  store_le(into + 28, record.vote.value);
}

Result<std::optional<JournalRecordReader::View>> JournalRecordReader::next() {
  if (left_ == 0) {
    if (at_ != payload_.size()) return fail(Errc::malformed, "bytes behind the last record of a flush");
    return std::nullopt;
  }
  if (payload_.size() - at_ < kRecordHeaderBytes) return fail(Errc::malformed, "a record does not fit in its flush");
  const std::byte* at = payload_.data() + at_;
  View view;
  view.record.kind = static_cast<JournalRecordKind>(load_le<std::uint8_t>(at));
  view.record.type = load_le<std::uint8_t>(at + 1);
  view.record.group = GroupId(load_le<std::uint32_t>(at + 4));
  view.record.index = LogIndex(load_le<std::uint64_t>(at + 8));
  view.record.term = Term(load_le<std::uint64_t>(at + 16));
  view.record.payload_bytes = load_le<std::uint32_t>(at + 24);
  view.record.vote = NodeId(load_le<std::int32_t>(at + 28));
  const std::uint64_t span = record_span(view.record.payload_bytes);
  if (span > payload_.size() - at_) return fail(Errc::malformed, "a record's payload does not fit in its flush");
  switch (view.record.kind) {
    case JournalRecordKind::entry:
      if (view.record.index.value == 0) return fail(Errc::malformed, "an entry with index 0");
      break;
    case JournalRecordKind::vote:
    case JournalRecordKind::marker: break;
    case JournalRecordKind::reference:
    default:
      return fail(Errc::unsupported, fmt::format("a record of kind {}", static_cast<unsigned>(view.record.kind)));
  }
  view.payload = payload_.subspan(at_ + kRecordHeaderBytes, view.record.payload_bytes);
  view.offset = static_cast<std::uint32_t>(kFlushHeaderBytes + at_ + kRecordHeaderBytes);
  at_ += span;
  --left_;
  return view;
}

}  // namespace sluice::storage
