// A table: the map that every replica builds from conditional writes, which are evaluated at apply; its history is a
// topic (table_feed.h). Pure. Bounds: rows and bytes. The checkpoint holds the map; installing one replaces it, never
// merges. Owner: Replica (broker/shard).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/commands.h"
#include "protocol/base/error.h"

namespace sluice::broker {

struct TableRow {
  std::string value;
  std::uint64_t revision = 0;  ///< of the write that made it, > 0
};

struct TableLimits {
  std::size_t max_rows = 200'000;
  std::size_t max_bytes = 256U << 20;
  std::size_t max_row_bytes = 512U << 10;
};

class TableState {
 public:
  explicit TableState(std::string name, TableLimits limits = {});

  /// Applies all writes or none; returns the revision they got. Errors: busy when an expectation did not hold (the
  /// message names the key and its revision now), limit_reached, too_large, invalid_argument (no rows, or one of them
  /// twice).
  Result<std::uint64_t> apply(const WriteTableCommand& command);

  const std::string& name() const { return name_; }
  std::uint64_t revision() const { return revision_; }
  const TableRow* find(std::string_view key) const;
  const std::map<std::string, TableRow, std::less<>>& rows() const { return rows_; }
  std::size_t bytes() const { return bytes_; }  ///< of all keys and values

  /// Name, revision and rows as chunks of at most `chunk_bytes` (or one larger row), all at once; checkpoints take them
  /// one by one (TableSnapshot). The format is in table_state.proto.
  std::vector<std::string> encode(std::size_t chunk_bytes) const;
  /// Errors: malformed, unsupported (version), limit_reached.
  static Result<TableState> decode(const std::vector<std::string>& chunks, TableLimits limits = {});

 private:
  Result<void> check(const WriteTableCommand& command) const;

  std::string name_;
  TableLimits limits_;
  std::map<std::string, TableRow, std::less<>> rows_;
  std::uint64_t revision_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace sluice::broker
