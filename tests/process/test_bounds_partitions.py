"""Ten thousand partitions on one small node: made in batches, written to, there after a kill -9, in bounded memory."""
import struct

import clients
import wire
from confluent_kafka.admin import NewTopic

from bounds import BoundsTest, MemoryWatch, scaled

PER_TOPIC = 100


class ManyPartitions(BoundsTest):
    topics = scaled(100, 10)
    budget_mib = 128

    def names(self):
        return [f"wide-{nth}" for nth in range(self.topics)]

    def write_each(self, connection, topic):
        batch = wire.record_batch([b"to " + topic.encode()])
        parts = b"".join(struct.pack(">ii", partition, len(batch)) + batch for partition in range(PER_TOPIC))
        connection.send(wire.request(wire.PRODUCE, 3, struct.pack(">hhii", -1, -1, 60_000, 1) + wire.string(topic) +
                                     struct.pack(">i", PER_TOPIC) + parts))
        reader = wire.Reader(connection.reply()[1])
        reader.number("i"), reader.text()
        return {tuple(reader.number(form) for form in "ihqq")[1:3] for _ in range(reader.number("i"))}

    def ends(self, connection, topic):
        connection.send(wire.list_offsets_v1(topic, range(PER_TOPIC), -1))
        reader = wire.Reader(connection.reply()[1])
        reader.number("i"), reader.text()
        return {(code, offset) for _, code, _, offset in
                (tuple(reader.number(form) for form in "ihqq") for _ in range(reader.number("i")))}

    def test_ten_thousand_partitions(self):
        watch = MemoryWatch(self.node)
        for witness in self.witnesses:
            witness.phase("during")
        admin = clients.admin(self.node)
        for first in range(0, self.topics, 10):
            made = admin.create_topics([NewTopic(name, PER_TOPIC, 1) for name in self.names()[first:first + 10]],
                                       request_timeout=60)
            for future in made.values():
                future.result(60)
        connection = wire.Connection(self.node, limit_s=120)
        for turn in range(2):
            for name in self.names():
                self.assertEqual(self.write_each(connection, name), {(0, turn)})
        self.serve("during")
        connection.close()
        peak = watch.stop()
        told = [witness.end() for witness in self.witnesses]
        self.account(told)
        self.node.kill()
        self.node.start()
        watch = MemoryWatch(self.node)
        connection = wire.Connection(self.node, limit_s=120)
        self.addCleanup(connection.close)
        for name in self.names():
            self.assertEqual(self.ends(connection, name), {(0, 2)})
        for name in self.names():
            self.assertEqual(self.write_each(connection, name), {(0, 2)})
        self.account(told)
        self.report(f"{self.topics * PER_TOPIC} partitions", max(peak, watch.stop()), told)
