"""Clients among each other: what one writes the others read and find by its time, at the limits, and through the broker's
sudden deaths."""
import json
import random
import time

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as PythonTopicPartition
from kafka.errors import MessageSizeTooLargeError

import clients
from broker import BrokerTest, wait_until
from streams import ConfluentReader, KcatReader, PythonReader, Writer

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def records(start):
    """(key, value, headers, timestamp): null and empty ones, bytes that are no text, sizes from tiny to large."""
    some = [(None, b"plain", [], start), (b"k", None, [], start + 1), (b"", b"", [("empty", b"")], start + 2),
            (b"\x00\xff", bytes(range(256)), [("a", b"1"), ("a", b"\xfe\x00"), ("b", b"2")], start - 5000)]
    chance = random.Random(5)
    some += [(b"%d" % n, chance.randbytes(n) + b"x" * n, [("n", b"%d" % n)], start + n) for n in (1, 127, 128, 5000, 100_000)]
    return some + [(b"many", b"a rather repetitive value %d" % (n % 7), [], start + n) for n in range(500)]


class EachOther(BrokerTest):
    def setUp(self):
        super().setUp()
        self.node = self.broker(shards=2)

    def write_confluent(self, topic, codec, given):
        producer = Producer(clients.common(self.node) | {"compression.type": codec, "linger.ms": 20})
        for key, value, headers, timestamp in given:
            producer.produce(topic, value, key, partition=0, headers=headers, timestamp=timestamp)
        self.assertEqual(producer.flush(clients.LIMIT_S), 0)

    def write_python(self, topic, codec, given):
        producer = KafkaProducer(bootstrap_servers=self.node.address, acks="all", linger_ms=20,
                                 compression_type=None if codec == "none" else codec)
        self.addCleanup(producer.close, 5)
        for key, value, headers, timestamp in given:
            producer.send(topic, value, key, headers, partition=0, timestamp_ms=timestamp)
        producer.flush(30)

    def read_confluent(self, topic):
        return [(m.key(), m.value(), m.headers() or [], m.timestamp()[1]) for m in clients.messages(self.node, topic)]

    def read_python(self, topic):
        reader = KafkaConsumer(bootstrap_servers=self.node.address, group_id=None, enable_auto_commit=False,
                               auto_offset_reset="none")
        self.addCleanup(reader.close)
        here = PythonTopicPartition(topic, 0)
        reader.assign([here])
        reader.seek_to_beginning(here)
        end, got = reader.end_offsets([here])[here], []
        deadline = time.monotonic() + 30
        while reader.position(here) < end:
            self.assertLess(time.monotonic(), deadline, f"{len(got)} of {end} records came")
            for batch in reader.poll(timeout_ms=500).values():
                got += [(r.key, r.value, r.headers, r.timestamp) for r in batch]
        return got

    def read_kcat(self, topic):
        """What can be told of bytes that are no text: which are null, how long they are, and the time."""
        out = clients.kcat(self.node, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q", "-f", "%K %S %T %o\n")
        return [tuple(int(number) for number in line.split()) for line in out.splitlines()]

    def write_kcat(self, topic, codec, values):
        clients.kcat(self.node, "-P", "-t", topic, "-p", "0", "-z", codec, given=b"".join(value + b"\n" for value in values))

    def times(self, topic, asked):
        """{time: offset} of the first record that is not older, which the broker finds inside compressed batches."""
        reader = clients.consumer(self.node)
        self.addCleanup(reader.close)
        parts = [TopicPartition(topic, 0, time_ms) for time_ms in asked]
        return dict(zip(asked, [reader.offsets_for_times([part], timeout=clients.LIMIT_S)[0].offset for part in parts]))

    def check(self, write):
        given = records(int(time.time() * 1000) - 60_000)
        sizes = [(-1 if key is None else len(key), -1 if value is None else len(value), timestamp, n)
                 for n, (key, value, _, timestamp) in enumerate(given)]
        first = {record[3]: n for n, record in reversed(list(enumerate(given)))}
        asked = {time_ms: min(n for n, record in enumerate(given) if record[3] >= time_ms) for time_ms in sorted(first)[-4:] + [given[0][3] - 1]}
        for codec in CODECS:
            topic = f"from-{codec}"
            clients.create_topic(self.node, topic)
            write(topic, codec, given)
            with self.subTest(codec=codec, reader="confluent"):
                self.assertEqual(self.read_confluent(topic), given)
            with self.subTest(codec=codec, reader="python"):
                self.assertEqual(self.read_python(topic), given)
            with self.subTest(codec=codec, reader="kcat"):
                self.assertEqual(self.read_kcat(topic), sizes)
            with self.subTest(codec=codec, times=asked):
                self.assertEqual(self.times(topic, asked), asked)

    def test_from_confluent(self):
        self.check(self.write_confluent)

    def test_from_python(self):
        self.check(self.write_python)

    def test_from_kcat(self):
        """It writes lines, and no times of its own."""
        values = [b"a rather repetitive line %d" % (n % 7) for n in range(500)]
        for codec in CODECS:
            topic = f"from-{codec}"
            clients.create_topic(self.node, topic)
            self.write_kcat(topic, codec, values)
            with self.subTest(codec=codec):
                self.assertEqual([value for _, value, _, _ in self.read_confluent(topic)], values)
                self.assertEqual([value for _, value, _, _ in self.read_python(topic)], values)

    def test_the_time_of_appending(self):
        """What a topic with the broker's times makes of each client's, and what each is told of it."""
        old = int(time.time() * 1000) - 86_400_000
        for codec in CODECS:
            topic = f"stamped-{codec}"
            clients.create_topic(self.node, topic, **{"message.timestamp.type": "LogAppendTime"})
            before = int(time.time() * 1000)
            given = [(b"k", b"a value %d" % (n % 3), [], old + n) for n in range(50)]
            self.write_confluent(topic, codec, given)
            self.write_python(topic, codec, given)
            self.write_kcat(topic, codec, [b"line"] * 50)
            after = int(time.time() * 1000)
            with self.subTest(codec=codec):
                told = [record[3] for record in self.read_confluent(topic)]
                self.assertEqual(len(told), 150)
                self.assertEqual(told, sorted(told))
                self.assertTrue(before <= told[0] and told[-1] <= after, (before, told[0], told[-1], after))
                self.assertEqual([record[3] for record in self.read_python(topic)], told)
                self.assertEqual([record[2] for record in self.read_kcat(topic)], told)
                self.assertEqual(self.times(topic, [told[-1]]), {told[-1]: told.index(told[-1])})


class Limits(BrokerTest):
    LIMIT = 100_000
    AROUND = 72  # of a batch of one such record: its header, and the record's own fields

    def test_a_batch_of_just_the_limit(self):
        node = self.broker()
        clients.create_topic(node, "limited", **{"max.message.bytes": str(self.LIMIT)})
        fits = b"x" * (self.LIMIT - self.AROUND)
        self.assertEqual(clients.produce(node, "limited", [fits]), [(0, 0)])
        with self.assertRaises(KafkaException) as raised:
            clients.produce(node, "limited", [fits + b"x"])
        self.assertEqual(raised.exception.args[0].code(), KafkaError.MSG_SIZE_TOO_LARGE)
        producer = KafkaProducer(bootstrap_servers=node.address, acks="all", retries=0)
        self.addCleanup(producer.close, 5)
        self.assertEqual(producer.send("limited", fits, partition=0).get(30).offset, 1)
        with self.assertRaises(MessageSizeTooLargeError):
            producer.send("limited", fits + b"x", partition=0).get(30)
        self.assertEqual(clients.values(node, "limited"), [fits, fits])

    def test_large_batches_of_many_records(self):
        node = self.broker()
        clients.create_topic(node, "large")
        values = [b"%06d" % n + b"v" * 94 for n in range(30_000)]
        clients.produce(node, "large", values, linger_ms=200, batch_size=1_000_000, batch_num_messages=10_000)
        self.assertEqual(clients.values(node, "large"), values)
        # A reader that asks for little at a time gets whole batches all the same.
        lines = clients.kcat(node, "-C", "-t", "large", "-p", "0", "-o", "beginning", "-e", "-q", "-J",
                             "-X", "fetch.message.max.bytes=1000", "-X", "fetch.max.bytes=1000000").splitlines()
        self.assertEqual([json.loads(line)["payload"].encode() for line in lines], values)


class Deaths(BrokerTest):
    def test_readers_go_on_where_they_were(self):
        seed = random.randrange(1 << 32)
        chance, said = random.Random(seed), f"seed {seed}"
        node = self.broker(shards=2, settings={"memory.spill_bytes": "256KiB", "log.checkpoint_idle_ms": "200"})
        clients.create_topic(node, "numbers", partitions=3)
        writer = Writer(node, "numbers", 3)
        readers = [kind(node, "numbers", n) for n, kind in enumerate([ConfluentReader, PythonReader, KcatReader])]
        try:
            for _ in range(4):
                # All of them are under way, then the broker dies at a random moment.
                before, seen = writer.count, [len(reader.got) for reader in readers]
                wait_until(lambda: writer.count > before and all(len(r.got) > n or r.errors for r, n in zip(readers, seen)),
                           f"everyone goes on, {said}", 60)
                target = writer.count + chance.randrange(2000)
                wait_until(lambda: writer.count >= target, f"the writer goes on, {said}", 60)
                node.kill()
                node.start()
        finally:
            left = writer.stop()
            try:
                wait_until(lambda: all(len(r.got) >= writer.sent[r.partition] or r.errors for r in readers),
                           f"all is read, {said}", 60)
            finally:
                for reader in readers:
                    reader.stop()
        self.assertEqual(left, 0, said)
        writer.verify(self, node, said)
        for reader in readers:
            reader.verify(self, writer.sent[reader.partition], said)
