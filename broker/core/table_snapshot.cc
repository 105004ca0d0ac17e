// Merges the live rows with those that are kept as they were. See table_snapshot.h.
#include "broker/core/table_snapshot.h"

#include <utility>

#include "broker/core/stored_values.h"
#include "broker/core/table_state.pb.h"
#include "protocol/base/bytes.h"
#include "protocol/base/check.h"

namespace sluice::broker {
namespace {

constexpr std::uint32_t kVersion = 1;

template <class Message>
std::string with_length(const Message& message) {
  const std::string bytes = serialized(message);
  std::string out(sizeof(std::uint32_t), '\0');
  store_le(reinterpret_cast<std::byte*>(out.data()), static_cast<std::uint32_t>(bytes.size()));
  return out += bytes;
}

std::size_t size_of(const std::string& key, const std::optional<TableRow>& row) {
  return key.size() + (row ? row->value.size() : 0);
}

}  // namespace

TableSnapshot::TableSnapshot(const TableState& table) : table_(table) {
  pb::TableHeader header;
  header.set_version(kVersion);
  header.set_name(table.name());
  header.set_revision(table.revision());
  header.set_rows(table.rows().size());
  ahead_ = with_length(header);
}

void TableSnapshot::before(const WriteTableCommand& write) {
  if (done_) return;
  for (const TableWrite& change : write.writes) {
    if ((last_ && change.key <= *last_) || kept_.contains(change.key)) continue;
    const TableRow* const row = table_.find(change.key);
    const auto kept = kept_.emplace(change.key, row ? std::optional(*row) : std::nullopt).first;
    kept_bytes_ += size_of(kept->first, kept->second);
  }
}

/// The next row, encoded; nullopt: that was all.
std::optional<std::string> TableSnapshot::next_row() {
  const auto& rows = table_.rows();
  for (auto live = last_ ? rows.upper_bound(*last_) : rows.begin(); live != rows.end() || !kept_.empty();) {
    pb::TableRow stored;
    if (kept_.empty() || (live != rows.end() && live->first < kept_.begin()->first)) {
      last_ = live->first;
      stored.set_value(live->second.value);
      stored.set_revision(live->second.revision);
    } else {
      const auto kept = kept_.extract(kept_.begin());
      kept_bytes_ -= size_of(kept.key(), kept.mapped());
      last_ = kept.key();
      if (live != rows.end() && live->first == kept.key()) ++live;
      if (!kept.mapped()) continue;
      stored.set_value(kept.mapped()->value);
      stored.set_revision(kept.mapped()->revision);
    }
    stored.set_key(*last_);
    return with_length(stored);
  }
  return std::nullopt;
}

std::string TableSnapshot::next(std::size_t chunk_bytes) {
  CHECK(!done_);
  std::string chunk = std::exchange(ahead_, {});
  while (auto row = next_row()) {
    if (!chunk.empty() && chunk.size() + row->size() > chunk_bytes) {
      ahead_ = std::move(*row);
      return chunk;
    }
    chunk += *row;
  }
  done_ = true;
  return chunk;
}

}  // namespace sluice::broker
