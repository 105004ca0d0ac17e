"""Reads segment files as they stand on disk: the record batch headers in them. For what no client can tell."""
import struct
from typing import NamedTuple

HEADER = struct.Struct(">qiibIhiqqqhii")  # a record batch, magic v2, up to the record count
BLOCK = 4096
CODECS = {0: "none", 1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}


class Batch(NamedTuple):
    base_offset: int
    epoch: int
    codec: str
    records: int
    size: int


def batches(path):
    """Every record batch of a segment file, in its order; a file that is not whole raises."""
    data = path.read_bytes()
    found, at = [], 0
    while at < len(data):
        if len(data) - at < BLOCK and not any(data[at:]):
            break  # files are written in whole blocks
        base, length, epoch, magic, _, attributes, *_, records = HEADER.unpack_from(data, at)
        if magic != 2 or at + 12 + length > len(data):
            raise AssertionError(f"{path}: no batch at byte {at}")
        found.append(Batch(base, epoch, CODECS[attributes & 7], records, 12 + length))
        at += 12 + length
    return found


def of_partition(directory):
    """All batches of a partition's directory, by offset."""
    return [batch for path in sorted(directory.glob("*.log")) for batch in batches(path)]
