"""Brokers as they are by default, with many partitions, and loads for them.

Loads are Produce requests (v3, acks=all) built beforehand that carry one batch for each of many partitions, so that the
load generator costs little beside the broker.
"""
import os
import pathlib
import re
import struct
import sys
import time
import urllib.request

import bench_servers as servers
import wire

CREATE_TOPICS = 19
LIMIT_S = 120
DEFAULTS = {"journal.capacity_bytes": "1GiB", "journal.file_bytes": "64MiB", "disk.reserve_bytes": "16MiB"}


def broker(directory):
    """Not started; one shard a core, and the settings that nobody sets."""
    return servers.process.Broker(directory, "--log-level", "warn", "--metrics-listen", "127.0.0.1:0", shards=0,
                                  settings=DEFAULTS)


def metric(broker, name):
    """The sum of a metric over its labels."""
    with urllib.request.urlopen(f"http://{broker.metrics_address}/metrics", timeout=LIMIT_S) as page:
        text = page.read().decode()
    values = re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
    if not values:
        sys.exit(f"bench: the broker serves no metric {name}")
    return sum(map(float, values))


def resident_mib(broker, field="VmRSS"):
    status = pathlib.Path(f"/proc/{broker.process.pid}/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) / 1024


def open_files(broker):
    return len(os.listdir(f"/proc/{broker.process.pid}/fd"))


def create_topic(connection, name, partitions):
    body = struct.pack(">i", 1) + wire.string(name) + struct.pack(">ihiiib", partitions, 1, 0, 0, 60_000, 0)
    connection.send(wire.request(CREATE_TOPICS, 2, body))
    reader = wire.Reader(connection.reply()[1])
    reader.number("i"), reader.number("i"), reader.text()
    error = reader.number("h")
    if error:
        sys.exit(f"bench: topic {name} could not be created: error {error}: {reader.text()}")


def crc32c(data, table=[]):
    if not table:
        for byte in range(256):
            for _ in range(8):
                byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
            table.append(byte)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def varint(value):
    value = value << 1 ^ value >> 63
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def batch(size_bytes):
    """A record batch of one record that is `size_bytes` long as a whole."""
    value = os.urandom(size_bytes)
    while True:
        record = b"\0" + varint(0) + varint(0) + varint(-1) + varint(len(value)) + value + varint(0)
        record = varint(len(record)) + record
        excess = 61 + len(record) - size_bytes
        if excess <= 0:
            break
        value = value[excess:]
    now = int(time.time() * 1000)
    body = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, 1) + record
    return struct.pack(">qiibI", 0, 49 - 12 + len(record) + 12, -1, 2, crc32c(body)) + body


def produce_frame(topic, partitions, records):
    """One Produce request with `records` for each of the partitions."""
    many = b"".join(struct.pack(">ii", index, len(records)) + records for index in partitions)
    body = struct.pack(">hhi", -1, -1, 60_000) + struct.pack(">i", 1) + wire.string(topic)
    return wire.request(wire.PRODUCE, 3, body + struct.pack(">i", len(partitions)) + many)


def base_offsets(reply):
    """{partition: base offset} of a Produce v3 reply with one topic; ends the run at an error."""
    reader = wire.Reader(reply)
    reader.number("i"), reader.text()
    offsets = {}
    for _ in range(reader.number("i")):
        index, error, base, _ = reader.number("i"), reader.number("h"), reader.number("q"), reader.number("q")
        if error:
            sys.exit(f"bench: partition {index} answered with error {error}")
        offsets[index] = base
    return offsets


class Load:
    """Sends the frames round robin over one connection, a few in flight."""

    def __init__(self, connection, frames, in_flight=4):
        self.connection, self.frames, self.in_flight = connection, frames, in_flight
        self.sent = self.waiting = 0

    def step(self):
        """Sends what may be in flight and takes one reply."""
        while self.waiting < self.in_flight:
            self.connection.send(self.frames[self.sent % len(self.frames)])
            self.sent += 1
            self.waiting += 1
        reply = self.connection.reply()[1]
        self.waiting -= 1
        return reply

    def finish(self):
        while self.waiting:
            base_offsets(self.connection.reply()[1])
            self.waiting -= 1
