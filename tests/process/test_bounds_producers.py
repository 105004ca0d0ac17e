"""Producer ids without end: as many idempotent producers as the node remembers are served, more wait, none is forgotten."""
import struct

import clients
import wire
from bounds import BoundsTest, MemoryWatch, scaled

PER_REQUEST = 100  # one batch of another producer to each partition
AT = 8 + 4 + 4 + 1 + 4 + 2 + 4 + 8 + 8  # of the producer id in a batch
REQUEST_TIMED_OUT = 7


class Stamp:
    """Batches that differ in their producer id alone. The CRC is linear, so that a table of what each byte changes does."""

    def __init__(self):
        self.base = wire.record_batch([b"one"], producer=0, sequence=0)
        checked = bytearray(self.base[21:])
        zero, at = wire.crc32c(checked), AT - 21
        self.crc, self.changes = zero, []
        for byte in range(8):
            changes = []
            for value in range(256):
                checked[at + byte] = value
                changes.append(wire.crc32c(checked) ^ zero)
            checked[at + byte] = 0
            self.changes.append(changes)

    def batch(self, producer):
        crc, raw = self.crc, struct.pack(">q", producer)
        for byte in range(8):
            crc ^= self.changes[byte][raw[byte]]
        return self.base[:17] + struct.pack(">I", crc) + self.base[21:AT] + raw + self.base[AT + 8:]


class ProducerIds(BoundsTest):
    cap, count = scaled((100_000, 1_000_000), (2_000, 10_000))
    settings = {"log.max_producers": str(scaled(100_000, 2_000))}
    budget_mib = scaled(256, 64)

    def ids(self, connection, count):
        """That many new producer ids, asked for 50 at a time."""
        got = []
        while len(got) < count:
            ask = min(50, count - len(got))
            connection.send(wire.init_producer_id() * ask)
            for _ in range(ask):
                _, error, producer, _ = struct.unpack(">ihqh", connection.reply()[1])
                self.assertEqual(error, 0)
                got.append(producer)
        return got

    def write(self, connection, producers):
        """One batch of each producer, each to another partition; the error of each."""
        parts = b"".join(struct.pack(">ii", partition, len(batch)) + batch
                         for partition, batch in enumerate(map(self.stamp.batch, producers)))
        connection.send(wire.request(wire.PRODUCE, 3, struct.pack(">hhii", -1, -1, 30_000, 1) + wire.string("idempotent") +
                                     struct.pack(">i", len(producers)) + parts))
        reader = wire.Reader(connection.reply()[1])
        reader.number("i"), reader.text()
        codes = {}
        for _ in range(reader.number("i")):
            partition, code, _, _ = (reader.number(form) for form in "ihqq")
            codes[partition] = code
        return [codes[partition] for partition in range(len(producers))]

    def test_a_million_producers(self):
        clients.create_topic(self.node, "idempotent", partitions=PER_REQUEST)
        self.stamp = Stamp()
        watch = MemoryWatch(self.node)
        for witness in self.witnesses:
            witness.phase("during")
        connection = wire.Connection(self.node, limit_s=120)
        self.addCleanup(connection.close)
        taken, first, waiting = 0, None, None
        for _ in range(self.count // PER_REQUEST):
            producers = self.ids(connection, PER_REQUEST)
            codes = self.write(connection, producers)
            self.assertLessEqual(set(codes), {0, REQUEST_TIMED_OUT})
            taken += codes.count(0)
            first = first or producers
            waiting = producers if any(codes) else waiting
        self.assertEqual(taken, self.cap, "as many as the node remembers")
        self.assertEqual(self.write(connection, waiting), [REQUEST_TIMED_OUT] * PER_REQUEST, "new ones wait")
        # The first ones are known still: what they send again is no new record.
        ends = clients.watermarks(self.node, "idempotent", 7)
        self.assertEqual(self.write(connection, first), [0] * PER_REQUEST)
        self.assertEqual(clients.watermarks(self.node, "idempotent", 7), ends)
        self.serve("during")
        # Neither does a restart let anybody in, or forget anybody.
        peak = watch.stop()
        told = [witness.end() for witness in self.witnesses]
        self.node.kill()
        self.node.start()
        connection = wire.Connection(self.node, limit_s=120)
        self.addCleanup(connection.close)
        self.assertEqual(self.write(connection, first), [0] * PER_REQUEST)
        self.assertEqual(self.write(connection, waiting), [REQUEST_TIMED_OUT] * PER_REQUEST)
        self.assertEqual(clients.watermarks(self.node, "idempotent", 7), ends)
        self.node.restart()
        self.account(told)
        self.report(f"{self.count} producers, {self.cap} remembered", peak, told)
