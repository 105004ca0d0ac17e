"""Deletion and retention: files go, but only behind a checkpoint; a name made again starts anew, and its epoch never falls."""
import struct

import kafka

import clients
import wire
from broker import BrokerTest, wait_until

MIB = 1 << 20
QUICK = {"log.checkpoint_idle_ms": "100", "log.retention_check_ms": "200", "memory.spill_bytes": "256KiB"}


def leader_epochs(node, topic):
    """{partition: leader epoch}, from Metadata v7, which clients compare."""
    connection = wire.Connection(node)
    connection.send(wire.request(wire.METADATA, 7, body=struct.pack(">i", 1) + wire.string(topic) + b"\0"))
    _, body = connection.reply()
    connection.close()
    at = 4  # throttle time

    def take(form):
        nonlocal at
        values = struct.unpack_from(form, body, at)
        at += struct.calcsize(form)
        return values[0] if len(values) == 1 else values

    def skip_string():
        nonlocal at
        length = take(">h")
        at += max(length, 0)

    for _ in range(take(">i")):  # brokers
        take(">i"), skip_string(), take(">i"), skip_string()
    skip_string()  # cluster id
    take(">i")  # controller
    assert take(">i") == 1
    error = take(">h")
    skip_string()
    take(">b")
    assert error == 0, error
    epochs = {}
    for _ in range(take(">i")):
        _, index, _, epoch = take(">hiii")
        epochs[index] = epoch
        for _ in range(3):  # replicas, in sync, offline
            count = take(">i")
            at += 4 * count
    return epochs


class Deletion(BrokerTest):
    def test_files_go_and_the_name_starts_anew(self):
        node = self.broker(shards=2, settings=QUICK)
        clients.create_topic(node, "other")
        clients.produce(node, "other", ["stays"])
        last = {}
        for life in range(2):
            clients.create_topic(node, "again", partitions=3)
            self.assertEqual(clients.watermarks(node, "again", 1), (0, 0))
            epochs = leader_epochs(node, "again")
            for partition, epoch in epochs.items():
                self.assertGreater(epoch, last.get(partition, -1))
            last = epochs
            for partition in range(3):
                values = [f"{life} {n}" for n in range(500)]
                self.assertEqual(clients.produce(node, "again", values, partition=partition)[0], (partition, 0))
                self.assertEqual(clients.values(node, "again", partition), [value.encode() for value in values])
            wait_until(lambda: len(node.partition_directories()) == 4, "its files are there")
            clients.delete_topic(node, "again")
            wait_until(lambda: len(node.partition_directories()) == 1, "its files go", 20)
            if life == 0:
                node.kill()
                node.start()
                self.assertEqual(len(node.partition_directories()), 1)
        self.assertEqual(clients.values(node, "other"), [b"stays"])

    def test_killed_right_after_it(self):
        node = self.broker(shards=2)  # no checkpoint comes soon
        for name in ["gone", "stays"]:
            clients.create_topic(node, name, partitions=4)
            for partition in range(4):
                clients.produce(node, name, [name] * 10, partition=partition)
        before = leader_epochs(node, "gone")
        clients.delete_topic(node, "gone")
        node.kill()
        node.settings |= QUICK
        node.start()
        self.assertNotIn("gone", clients.describe(node))
        wait_until(lambda: len(node.partition_directories()) == 4, "the files go after the restart")
        clients.create_topic(node, "gone", partitions=4)
        for partition, epoch in leader_epochs(node, "gone").items():
            self.assertGreater(epoch, before[partition])
            self.assertEqual(clients.watermarks(node, "gone", partition), (0, 0))
            self.assertEqual(clients.values(node, "stays", partition), [b"stays"] * 10)

    def test_a_consumer_in_the_middle(self):
        # kafka-python: librdkafka 2.0.2 never ends a consumer whose topic was deleted under it. Fetches are told error 3.
        node = self.broker(shards=2, settings=QUICK | {"topics.auto_create": "false"})
        clients.create_topic(node, "read")
        clients.produce(node, "read", ["x" * 1000] * 100)
        here = kafka.TopicPartition("read", 0)
        reader = kafka.KafkaConsumer(bootstrap_servers=node.address, group_id=None, max_poll_records=10)
        self.addCleanup(reader.close)
        reader.assign([here])
        reader.seek(here, 0)
        wait_until(lambda: reader.poll(timeout_ms=100), "records")
        clients.delete_topic(node, "read")
        clients.create_topic(node, "read")
        clients.produce(node, "read", ["new"])
        reader.seek(here, 0)
        got = wait_until(lambda: [r for records in reader.poll(timeout_ms=100).values() for r in records if r.value == b"new"],
                         "records of the new topic")
        self.assertEqual(got[0].offset, 0)


class Retention(BrokerTest):
    def start_moves(self, node, topic, records):
        """Produces 6 MiB of records; returns the (start, end) that the partition ends up with."""
        clients.produce(node, topic, [b"%d " % n + b"r" * 10_000 for n in range(records)], batch_size=50_000)
        return wait_until(lambda: (marks := clients.watermarks(node, topic))[0] > 0 and marks, "the start moves")

    def test_by_bytes(self):
        node = self.broker(shards=2, settings=QUICK)
        clients.create_topic(node, "bounded", **{"segment.bytes": str(MIB), "retention.bytes": str(2 * MIB)})
        clients.create_topic(node, "unbounded", **{"segment.bytes": str(MIB)})
        clients.produce(node, "unbounded", [b"u" * 10_000] * 300)
        self.start_moves(node, "bounded", 600)

        def size():
            return sum(path.stat().st_size for directory in node.partition_directories() for path in directory.glob("*.log"))

        # What is kept: at least what was asked for, and not more than a segment beyond it.
        wait_until(lambda: size() < (2 + 1 + 1 + 3) * MIB, "the files go")
        start, end = clients.watermarks(node, "bounded")
        self.assertEqual(end, 600)
        self.assertGreater((end - start) * 10_000, 2 * MIB - MIB)
        got = clients.messages(node, "bounded")
        self.assertEqual([m.offset() for m in got], list(range(start, end)))
        self.assertTrue(all(m.value().startswith(b"%d " % m.offset()) for m in got))
        self.assertEqual(clients.watermarks(node, "unbounded"), (0, 300))
        node.kill()
        node.start()
        restarted, end = clients.watermarks(node, "bounded")
        self.assertGreaterEqual(restarted, start)
        self.assertEqual(end, 600)
        reader = clients.consumer(node, **{"auto.offset.reset": "earliest"})
        reader.assign([clients.TopicPartition("bounded", 0, 0)])  # what is gone: from the earliest
        self.assertEqual(reader.poll(clients.LIMIT_S).offset(), restarted)
        reader.close()

    def test_by_time(self):
        node = self.broker(shards=1, settings=QUICK)
        clients.create_topic(node, "short", **{"segment.bytes": str(MIB), "retention.ms": "1000"})
        self.start_moves(node, "short", 300)
        wait_until(lambda: clients.watermarks(node, "short") == (300, 300), "all of it expires")
        self.assertEqual(clients.produce(node, "short", ["next"]), [(0, 300)])
