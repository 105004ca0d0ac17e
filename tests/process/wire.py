"""The Kafka protocol by hand, as far as it takes to say something wrong to a broker."""
import socket
import struct
import time
from typing import NamedTuple

PRODUCE, FETCH, LIST_OFFSETS, METADATA, API_VERSIONS, CREATE_TOPICS, INIT_PRODUCER_ID = 0, 1, 2, 3, 18, 19, 22


def string(text):
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def request(api, version, body=b"", correlation=1, client="test", tags=b""):
    """A whole frame; `tags` is b"\\0" where the version is flexible."""
    payload = struct.pack(">hhi", api, version, correlation) + string(client) + tags + body
    return struct.pack(">i", len(payload)) + payload


def produce_v3(topic, partition, records, acks=-1):
    """A Produce request whose record data is just what is given."""
    return request(PRODUCE, 3, struct.pack(">hhi", -1, acks, 10_000) + struct.pack(">i", 1) + string(topic) +
                   struct.pack(">iii", 1, partition, len(records)) + records)


def produced(body):
    """(error, offset) of the first partition in a reply to produce_v3."""
    at = 4 + 2 + struct.unpack_from(">h", body, 4)[0] + 4 + 4  # topics, name, partitions, index
    return struct.unpack_from(">hq", body, at)


def init_producer_id():
    return request(INIT_PRODUCER_ID, 0, struct.pack(">hi", -1, 60_000))


def list_offsets_v1(topic, partitions, timestamp):
    return request(LIST_OFFSETS, 1, struct.pack(">ii", -1, 1) + string(topic) + struct.pack(">i", len(partitions)) +
                   b"".join(struct.pack(">iq", index, timestamp) for index in partitions))


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC_TABLE = _crc_table()


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def varint(number):
    """Zigzag, as records have it."""
    number, out = number << 1 ^ number >> 63, b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def record(value, nth=0):
    body = b"\0" + varint(0) + varint(nth) + varint(-1) + varint(len(value)) + value + varint(0)
    return varint(len(body)) + body


def record_batch(values, producer=-1, sequence=-1, codec=0, records=None, count=None, time_ms=None):
    """A batch of these values; or of `records`, whatever they are, which claim to be `count`."""
    time_ms = int(time.time() * 1000) if time_ms is None else time_ms
    records = b"".join(record(value, nth) for nth, value in enumerate(values)) if records is None else records
    count = len(values) if count is None else count
    checked = struct.pack(">hiqqqhii", codec, count - 1, time_ms, time_ms, producer,
                          0 if producer >= 0 else -1, sequence, count) + records
    return struct.pack(">qiibI", 0, len(checked) + 9, 0, 2, crc32c(checked)) + checked


class Connection:
    def __init__(self, broker, limit_s=20):
        self.socket = socket.create_connection(("127.0.0.1", broker.port), timeout=limit_s)

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, size):
        got = b""
        while len(got) < size:
            more = self.socket.recv(size - len(got))
            if not more:
                raise ConnectionError(f"closed after {len(got)} of {size} bytes")
            got += more
        return got

    def reply(self):
        """(correlation id, body) of the next reply."""
        size, = struct.unpack(">i", self.receive(4))
        payload = self.receive(size)
        return struct.unpack(">i", payload[:4])[0], payload[4:]

    def is_closed(self):
        """Waits for the other side to close, and tells whether it did without sending anything."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.socket.close()


class Reader:
    """Takes a reply apart, in the classic or the flexible form."""

    def __init__(self, data, flexible=False):
        self.data, self.at, self.flexible = data, 0, flexible

    def take(self, size):
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def unsigned(self):
        value, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def count(self, form="i"):
        """Of an array, bytes or a string; -1 is null."""
        return self.unsigned() - 1 if self.flexible else self.number(form)

    def text(self):
        size = self.count("h")
        return None if size < 0 else self.take(size).decode()

    def tags(self):
        for _ in range(self.unsigned() if self.flexible else 0):
            self.unsigned()
            self.take(self.unsigned())


class FetchedPartition(NamedTuple):
    error: int
    high_watermark: int
    log_start: int
    records: bytes


class Fetched(NamedTuple):
    error: int
    session: int
    partitions: dict  # (topic, partition) -> FetchedPartition; the topic is a name or, from v13 on, an id


def fetch(session, epoch, partitions, forgotten=(), version=11, wait_ms=0, max_bytes=1 << 20, min_bytes=1):
    """A Fetch request, v7 to v16, of [(topic, partition, offset)]; a session's own partitions need not be named."""
    flexible = version >= 12

    def many(items):
        size = bytes([len(items) + 1]) if flexible else struct.pack(">i", len(items))
        return size + b"".join(items)

    def named(topic):
        if version >= 13:
            return topic
        return bytes([len(topic) + 1]) + topic.encode() if flexible else string(topic)

    tags = b"\0" if flexible else b""
    wanted = []
    for topic, index, offset in partitions:
        part = struct.pack(">i", index) + (struct.pack(">i", -1) if version >= 9 else b"") + struct.pack(">q", offset)
        part += (struct.pack(">i", -1) if flexible else b"") + struct.pack(">qi", -1, max_bytes)
        wanted.append(named(topic) + many([part + tags]) + tags)
    gone = [named(topic) + many([struct.pack(">i", index)]) + tags for topic, index in forgotten]
    body = (struct.pack(">i", -1) if version < 15 else b"") + struct.pack(">iiibii", wait_ms, min_bytes, max_bytes, 0, session, epoch)
    body += many(wanted) + many(gone)
    if version >= 11:
        body += b"\1" if flexible else string("")  # the rack
    return request(FETCH, version, body + tags, tags=tags)


def fetched(body, version):
    """The Fetched of a reply's body."""
    reader = Reader(body, version >= 12)
    reader.tags()  # of the header
    reader.number("i")
    error, session = reader.number("h"), reader.number("i")
    partitions = {}
    for _ in range(reader.count()):
        topic = reader.take(16) if version >= 13 else reader.text()
        for _ in range(reader.count()):
            index, code, high, _, start = reader.number("i"), reader.number("h"), *(reader.number("q") for _ in range(3))
            reader.take(16 * max(0, reader.count()))  # aborted transactions
            if version >= 11:
                reader.number("i")
            records = reader.take(max(0, reader.count()))
            reader.tags()
            if (topic, index) in partitions:
                raise AssertionError(f"{topic} [{index}] is listed twice")
            partitions[topic, index] = FetchedPartition(code, high, start, records)
        reader.tags()
    return Fetched(error, session, partitions)


def topic_id(connection, name):
    """The id that Metadata v12 tells."""
    topic = bytes(16) + bytes([len(name) + 1]) + name.encode() + b"\0"
    connection.send(request(METADATA, 12, b"\2" + topic + b"\0\0\0", tags=b"\0"))
    reader = Reader(connection.reply()[1], True)
    reader.tags()
    reader.number("i")
    for _ in range(reader.count()):
        reader.number("i"), reader.text(), reader.number("i"), reader.text(), reader.tags()
    reader.text(), reader.number("i"), reader.count()
    error, told, found = reader.number("h"), reader.text(), reader.take(16)
    if error or told != name:
        raise AssertionError(f"metadata of {name}: error {error}, it tells of {told}")
    return found
