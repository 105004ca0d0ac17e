// Looking for times inside one batch: what the searches of a log on disk and of one in memory share. A batch whose CRC
// holds but whose records can't be decoded counts as one record at its base offset with the batch's largest time, so
// that nothing behind it is hidden by it. Stateless. Internal to storage/log.
#pragma once

#include <cstdint>
#include <optional>

#include "protocol/base/bytes.h"
#include "protocol/base/error.h"
#include "protocol/base/ids.h"
#include "storage/log/partition_log.h"

namespace sluice::storage {

/// The first record of `batch` from offset `start` on whose time is `timestamp_ms` or later; nullopt: none.
/// Errors: corrupt.
Result<std::optional<TimeMatch>> first_from_time(ByteSpan batch, Offset start, std::int64_t timestamp_ms,
                                                 std::size_t max_decompressed_bytes);
/// Of its records from offset `start` on the one with the largest time, the first of equals. Errors: corrupt.
Result<std::optional<TimeMatch>> largest_time(ByteSpan batch, Offset start, std::size_t max_decompressed_bytes);

}  // namespace sluice::storage
