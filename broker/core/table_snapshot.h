// The content of a table at one moment, as chunks for a checkpoint, taken a few at a time while the table goes on
// changing: whoever writes to the table shows the write here first, and rows that are not taken yet are then kept as
// they were. The format is in table_state.proto. Pure.
// Invariants: rows up to the last one taken are done with; `kept_` holds the old form of all others that changed. The
// table outlives the snapshot and stays where it is. Owner: who takes it.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "broker/core/table_state.h"

namespace sluice::broker {

class TableSnapshot {
 public:
  /// Of `table` as it is now.
  explicit TableSnapshot(const TableState& table);

  const std::string& name() const { return table_.name(); }
  bool done() const { return done_; }
  /// The next chunk, of at most `chunk_bytes` or one larger row; done() must be false.
  std::string next(std::size_t chunk_bytes);
  /// `write` is about to be applied to the table.
  void before(const WriteTableCommand& write);
  /// Of rows that are kept since they changed.
  std::size_t kept_bytes() const { return kept_bytes_; }

 private:
  std::optional<std::string> next_row();

  const TableState& table_;
  std::string ahead_;                                    ///< encoded, and belongs to the next chunk
  std::optional<std::string> last_;                      ///< key of the last row taken
  std::map<std::string, std::optional<TableRow>> kept_;  ///< nullopt: there was none
  std::size_t kept_bytes_ = 0;
  bool done_ = false;
};

}  // namespace sluice::broker
