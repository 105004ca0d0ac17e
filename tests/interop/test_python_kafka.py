"""kafka-python 2.0.2: a client of its own, old API versions, its own compression and record code."""
import time

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import InvalidConfigurationError, InvalidPartitionsError, InvalidReplicationFactorError, \
    InvalidTopicError, TopicAlreadyExistsError, UnknownTopicOrPartitionError

from broker import BrokerTest

# The broker that it takes ours for; told "0.11" it uses Fetch v3, which is older than what is offered (4).
VERSIONS = [(1, 0), (2, 0), (2, 5)]


class PythonKafka(BrokerTest):
    def setUp(self):
        super().setUp()
        self.node = self.broker(shards=2)

    def made(self, client):
        self.addCleanup(client.close)
        return client

    def producer(self, **settings):
        client = KafkaProducer(bootstrap_servers=self.node.address, **settings)
        self.addCleanup(client.close, 5)
        return client

    def consumer(self, topic, partition=0, **settings):
        client = self.made(KafkaConsumer(bootstrap_servers=self.node.address, group_id=None, enable_auto_commit=False,
                                         auto_offset_reset="none", **settings))
        client.assign([TopicPartition(topic, partition)])
        return client

    def read(self, reader, count):
        got, deadline = [], time.monotonic() + 30
        while len(got) < count:
            self.assertLess(time.monotonic(), deadline, f"{len(got)} of {count} records came")
            for records in reader.poll(timeout_ms=1000).values():
                got += records
        return got

    def test_produce_and_consume_with_old_versions(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                topic = f"v{version[0]}.{version[1]}"
                producer = self.producer(api_version=version, acks="all", linger_ms=2)
                futures = [producer.send(topic, b"value %d" % n, key=b"k" if n % 2 else None, partition=0, headers=[("n", b"%d" % n)])
                           for n in range(300)]
                self.assertEqual([future.get(30).offset for future in futures], list(range(300)))
                reader = self.consumer(topic, api_version=version)
                reader.seek_to_beginning()
                got = self.read(reader, 300)
                self.assertEqual([(r.offset, r.value, r.key, r.headers) for r in got],
                                 [(n, b"value %d" % n, b"k" if n % 2 else None, [("n", b"%d" % n)]) for n in range(300)])

    def test_it_finds_out_the_version_itself(self):
        producer = self.producer(acks=1)
        self.assertEqual(producer.send("probed", b"x").get(30).offset, 0)
        self.assertGreaterEqual(producer.config["api_version"], (2, 0))

    def test_compression(self):
        for codec in ["gzip", "snappy", "lz4", "zstd"]:
            with self.subTest(codec=codec):
                producer = self.producer(compression_type=codec, acks="all", linger_ms=20)
                futures = [producer.send(f"c-{codec}", b"a rather repetitive value " * 10, partition=0) for _ in range(200)]
                self.assertEqual([future.get(30).offset for future in futures], list(range(200)))
                reader = self.consumer(f"c-{codec}")
                reader.seek_to_beginning()
                self.assertEqual({r.value for r in self.read(reader, 200)}, {b"a rather repetitive value " * 10})

    def test_offsets_and_times(self):
        start = int(time.time() * 1000) - 500_000
        producer = self.producer(acks="all")
        for n in range(50):
            producer.send("times", b"%d" % n, partition=0, timestamp_ms=start + n * 1000)
        producer.flush(30)
        here = TopicPartition("times", 0)
        reader = self.consumer("times")
        self.assertEqual(reader.beginning_offsets([here]), {here: 0})
        self.assertEqual(reader.end_offsets([here]), {here: 50})
        found = reader.offsets_for_times({here: start + 20_500})[here]
        self.assertEqual((found.offset, found.timestamp), (21, start + 21_000))
        self.assertIsNone(reader.offsets_for_times({here: start + 60_000})[here])
        reader.seek(here, 45)
        self.assertEqual([r.value for r in self.read(reader, 5)], [b"%d" % n for n in range(45, 50)])
        self.assertEqual(reader.position(here), 50)

    def test_out_of_range(self):
        self.producer().send("short", b"x").get(30)
        reader = self.consumer("short")
        reader.seek(TopicPartition("short", 0), 10)
        with self.assertRaises(kafka.errors.OffsetOutOfRangeError):
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                reader.poll(timeout_ms=500)

    def test_what_it_describes(self):
        admin = self.made(KafkaAdminClient(bootstrap_servers=self.node.address))
        admin.create_topics([NewTopic("described", 2, 1)])
        cluster = admin.describe_cluster()
        self.assertEqual([f"{broker['host']}:{broker['port']}" for broker in cluster["brokers"]], [self.node.address])
        me = cluster["brokers"][0]["node_id"]
        self.assertEqual(cluster["controller_id"], me)
        self.assertTrue(cluster["cluster_id"])
        [topic] = admin.describe_topics(["described"])
        self.assertEqual((topic["error_code"], topic["topic"], topic["is_internal"]), (0, "described", False))
        self.assertEqual([(p["partition"], p["leader"], p["replicas"], p["isr"]) for p in topic["partitions"]],
                         [(0, me, [me], [me]), (1, me, [me], [me])])
        [broker] = admin.describe_configs([ConfigResource(ConfigResourceType.BROKER, str(me))])
        self.assertIn("num.partitions", [config[0] for config in broker.resources[0][4]])

    def test_topics(self):
        admin = self.made(KafkaAdminClient(bootstrap_servers=self.node.address))
        admin.create_topics([NewTopic("made", 3, 1, topic_configs={"retention.ms": "1000000"})])
        self.assertIn("made", admin.list_topics())
        self.assertEqual(self.consumer("made").partitions_for_topic("made"), {0, 1, 2})
        for error, topic in [(TopicAlreadyExistsError, NewTopic("made", 1, 1)),
                             (InvalidPartitionsError, NewTopic("zero", 0, 1)),
                             (InvalidReplicationFactorError, NewTopic("copies", 1, 3)),
                             (InvalidReplicationFactorError, NewTopic("copies", 1, 0)),
                             (InvalidTopicError, NewTopic("a b", 1, 1)),
                             (InvalidConfigurationError, NewTopic("set", 1, 1, topic_configs={"nothing": "1"}))]:
            with self.subTest(error=error.__name__), self.assertRaises(error):
                admin.create_topics([topic])
        admin.delete_topics(["made"])
        self.assertNotIn("made", admin.list_topics())
        with self.assertRaises(UnknownTopicOrPartitionError):
            admin.delete_topics(["made"])
