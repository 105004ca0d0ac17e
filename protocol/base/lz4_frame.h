// Reading LZ4 frames straight into the output. The library's own frame reader allocates two blocks of the size that
// a frame's header merely claims (up to 4 MiB each) and copies through them; here a block goes where it belongs.
//
//   frame:  magic 0x184D2204 LE | FLG | BD | [content size u64] | header checksum u8 | block... | u32 0 | [checksum
//   u32] FLG:    bits 7-6 version 01, 5 blocks independent, 4 block checksums, 3 content size, 2 checksum, 0 dictionary
//   id BD:     bits 6-4 largest block: 4 = 64 KiB, 5 = 256 KiB, 6 = 1 MiB, 7 = 4 MiB block:  u32 LE size, bit 31 =
//   stored as is | data | [checksum u32]
//
// The frame's own checksums are skipped over, not verified: the batch's CRC covers every byte of them.
// Source: LZ4 Frame Format Description 1.6.1 (the lz4 project's doc/lz4_Frame_format.md). Internal to this folder.
#pragma once

#include "protocol/base/bounded_output.h"
#include "protocol/base/error.h"

namespace sluice {

/// Decompresses one or several frames that fill `compressed`; skippable frames are passed over.
/// Errors: corrupt, too_large (more than the output's bound), unsupported (a dictionary).
Result<void> read_lz4_frames(ByteSpan compressed, BoundedOutput& out);

}  // namespace sluice
