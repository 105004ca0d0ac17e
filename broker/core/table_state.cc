// Conditional writes and the stored form of a table. See table_state.h and table_state.proto.
#include "broker/core/table_state.h"

#include <fmt/core.h>

#include <algorithm>

#include "broker/core/stored_values.h"
#include "broker/core/table_snapshot.h"
#include "broker/core/table_state.pb.h"
#include "protocol/base/bytes.h"

namespace sluice::broker {
namespace {

constexpr std::uint32_t kVersion = 1;

/// A key for people: cut, and without what a terminal would take as commands.
std::string shown(std::string_view key) {
  constexpr std::size_t kShown = 100;
  std::string text(key.substr(0, kShown));
  for (char& c : text) c = c < ' ' || c == 0x7f ? '?' : c;
  return key.size() > kShown ? text + "..." : text;
}

std::size_t row_size(std::string_view key, std::string_view value) { return key.size() + value.size(); }

bool names_a_key_twice(const std::vector<TableWrite>& writes) {
  if (writes.size() < 2) return false;
  std::vector<std::string_view> keys;
  keys.reserve(writes.size());
  for (const TableWrite& write : writes) keys.emplace_back(write.key);
  std::sort(keys.begin(), keys.end());
  return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
}

/// Reads the messages of all chunks, one after another.
class ChunkReader {
 public:
  explicit ChunkReader(const std::vector<std::string>& chunks) : chunks_(chunks) {}
  bool done() {
    while (chunk_ < chunks_.size() && position_ == chunks_[chunk_].size()) {
      ++chunk_;
      position_ = 0;
    }
    return chunk_ == chunks_.size();
  }
  template <class Message>
  bool read(Message& message) {
    if (done()) return false;
    ByteReader in(as_bytes(chunks_[chunk_]).subspan(position_));
    const ByteSpan bytes = in.take(in.le<std::uint32_t>());
    position_ += in.position();
    constexpr std::size_t kMostBytes = 0x7fffffff;  // Protobuf's own limit
    return !in.failed() && bytes.size() <= kMostBytes &&
           message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  }

 private:
  const std::vector<std::string>& chunks_;
  std::size_t chunk_ = 0;
  std::size_t position_ = 0;
};

}  // namespace

TableState::TableState(std::string name, TableLimits limits) : name_(std::move(name)), limits_(limits) {}

const TableRow* TableState::find(std::string_view key) const {
  const auto at = rows_.find(key);
  return at == rows_.end() ? nullptr : &at->second;
}

Result<void> TableState::check(const WriteTableCommand& command) const {
  if (command.writes.empty() || names_a_key_twice(command.writes)) {
    return fail(Errc::invalid_argument, fmt::format("a write to table {} must name one row or more, each once", name_));
  }
  std::size_t rows = rows_.size();
  std::size_t bytes = bytes_;
  for (const TableWrite& write : command.writes) {
    const TableRow* row = find(write.key);
    const std::uint64_t revision = row ? row->revision : 0;
    if (write.expected_revision && *write.expected_revision != revision) {
      return fail(Errc::busy, fmt::format("row '{}' of table {} has revision {}, not {}: read it again",
                                          shown(write.key), name_, revision, *write.expected_revision));
    }
    if (row) {
      --rows;
      bytes -= row_size(write.key, row->value);
    }
    if (!write.value) continue;
    const std::size_t size = row_size(write.key, *write.value);
    if (size > limits_.max_row_bytes) {
      return fail(Errc::too_large, fmt::format("row '{}' of table {} would have {} bytes, and a row has {} at most",
                                               shown(write.key), name_, size, limits_.max_row_bytes));
    }
    ++rows;
    bytes += size;
  }
  // What makes a table smaller is always taken, even in one that is over its limits.
  if ((rows > limits_.max_rows && rows > rows_.size()) || (bytes > limits_.max_bytes && bytes > bytes_)) {
    return fail(Errc::limit_reached, fmt::format("table {} would have {} rows and {} bytes, and it may have {} and {}: "
                                                 "delete rows first",
                                                 name_, rows, bytes, limits_.max_rows, limits_.max_bytes));
  }
  return {};
}

Result<std::uint64_t> TableState::apply(const WriteTableCommand& command) {
  if (auto ok = check(command); !ok) return fail(std::move(ok.error()));
  ++revision_;
  for (const TableWrite& write : command.writes) {
    auto at = rows_.lower_bound(write.key);
    const bool exists = at != rows_.end() && at->first == write.key;
    if (exists) bytes_ -= row_size(write.key, at->second.value);
    if (!write.value) {
      if (exists) rows_.erase(at);
      continue;
    }
    if (!exists) at = rows_.emplace_hint(at, write.key, TableRow{});
    at->second = {*write.value, revision_};
    bytes_ += row_size(write.key, *write.value);
  }
  return revision_;
}

std::vector<std::string> TableState::encode(std::size_t chunk_bytes) const {
  std::vector<std::string> chunks;
  for (TableSnapshot all(*this); !all.done();) chunks.push_back(all.next(chunk_bytes));
  return chunks;
}

Result<TableState> TableState::decode(const std::vector<std::string>& chunks, TableLimits limits) {
  ChunkReader in(chunks);
  pb::TableHeader header;
  if (!in.read(header)) return fail(Errc::malformed, "a stored table does not begin with its header");
  if (header.version() > kVersion) {
    return fail(Errc::unsupported, fmt::format("stored table: version {} is newer than {}, which this build reads",
                                               header.version(), kVersion));
  }
  if (header.version() != kVersion || header.name().empty()) {
    return fail(Errc::malformed,
                fmt::format("stored table '{}' has version {}", shown(header.name()), header.version()));
  }
  if (header.rows() > limits.max_rows) {
    return fail(Errc::limit_reached, fmt::format("stored table {} has {} rows, and {} are allowed",
                                                 shown(header.name()), header.rows(), limits.max_rows));
  }
  TableState table(header.name(), limits);
  table.revision_ = header.revision();
  pb::TableRow stored;
  while (!in.done()) {
    if (!in.read(stored)) {
      return fail(Errc::malformed, fmt::format("stored table {}: what follows row {} is no row", shown(table.name_),
                                               table.rows_.size()));
    }
    if ((!table.rows_.empty() && stored.key() <= table.rows_.rbegin()->first) || stored.revision() == 0 ||
        stored.revision() > table.revision_) {
      return fail(Errc::malformed,
                  fmt::format("stored table {}: row '{}' with revision {} is out of order, or above {}",
                              shown(table.name_), shown(stored.key()), stored.revision(), table.revision_));
    }
    const std::size_t size = row_size(stored.key(), stored.value());
    table.bytes_ += size;
    if (size > limits.max_row_bytes || table.bytes_ > limits.max_bytes || table.rows_.size() == header.rows()) {
      return fail(Errc::limit_reached, fmt::format("stored table {} exceeds its limits at row '{}'", shown(table.name_),
                                                   shown(stored.key())));
    }
    table.rows_.emplace_hint(table.rows_.end(), stored.key(), TableRow{stored.value(), stored.revision()});
  }
  if (table.rows_.size() != header.rows()) {
    return fail(Errc::malformed, fmt::format("stored table {} has {} rows instead of {}", shown(table.name_),
                                             table.rows_.size(), header.rows()));
  }
  return table;
}

}  // namespace sluice::broker
