"""Memory topics under foreign clients: the same calls, nothing on disk, and after a restart no record where another was."""
import random
import time

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import ConfigResource

import clients
from broker import BrokerTest, wait_until
from clients import LIMIT_S
from test_admin import librdkafka_delete_records

BLOCK = 1 << 24  # offsets that are reserved at a time


class MemoryTopics(BrokerTest):
    def setUp(self):
        super().setUp()
        self.node = self.broker(shards=2)

    def made(self, name, partitions=1, **settings):
        clients.create_topic(self.node, name, partitions, storage="memory", **settings)
        return name

    def test_kafka_clients_use_them_like_any_other(self):
        topic = self.made("fleeting", partitions=2)
        acknowledged = clients.produce(self.node, topic, [f"{n}" for n in range(1000)], partition=1, enable_idempotence=True)
        self.assertEqual(acknowledged, [(1, n) for n in range(1000)])
        for acks in ["0", "1", "all"]:
            clients.produce(self.node, topic, [f"{n}" for n in range(100)], partition=0, acks=acks)
        wait_until(lambda: clients.watermarks(self.node, topic, 0) == (0, 300), "what was sent with acks=0 is there")
        self.assertEqual(clients.values(self.node, topic, 1), [b"%d" % n for n in range(1000)])

        now = int(time.time() * 1000)
        late = clients.produce(self.node, topic, ["a", "b"], partition=1, timestamps=[now + 60_000, now + 60_001])
        reader = clients.consumer(self.node)
        self.addCleanup(reader.close)
        [found] = reader.offsets_for_times([TopicPartition(topic, 1, now + 60_001)], timeout=LIMIT_S)
        self.assertEqual((1, found.offset), late[1])

        self.assertEqual(librdkafka_delete_records(self.node.address, {(topic, 1): 990}), {(topic, 1): (0, 990)})
        self.assertEqual(clients.values(self.node, topic, 1)[0], b"990")

        self.assertEqual(self.node.partition_directories(), [])
        clients.delete_topic(self.node, topic)
        self.assertNotIn(topic, clients.describe(self.node))

    def test_storage_is_told_and_cannot_be_changed(self):
        topic = self.made("told")
        clients.create_topic(self.node, "kept")
        client = clients.admin(self.node)

        def settings(name):
            resource = ConfigResource(ConfigResource.Type.TOPIC, name)
            return client.describe_configs([resource], request_timeout=LIMIT_S)[resource].result(LIMIT_S)

        self.assertEqual(settings(topic)["storage"].value, "memory")
        self.assertEqual(settings(topic)["retention.bytes"].value, str(64 << 20))
        self.assertEqual(settings("kept")["storage"].value, "log")

        def alter(name, value):
            resource = ConfigResource(ConfigResource.Type.TOPIC, name, set_config={"storage": value})
            client.alter_configs([resource], request_timeout=LIMIT_S)[resource].result(LIMIT_S)

        alter(topic, "memory")
        for name, value in [(topic, "log"), ("kept", "memory")]:
            with self.assertRaises(KafkaException) as raised:
                alter(name, value)
            self.assertEqual(raised.exception.args[0].code(), KafkaError.INVALID_CONFIG)
            self.assertIn("it is fixed when a topic is made", raised.exception.args[0].str())

    def test_oldest_records_go(self):
        topic = self.made("small", **{"retention.bytes": "100000"})
        clients.produce(self.node, topic, ["x" * 1000] * 1000, batch_size=5000)
        start, end = clients.watermarks(self.node, topic)
        self.assertEqual(end, 1000)
        self.assertGreaterEqual(start, 900)
        self.assertLess(start, 960)
        self.assertEqual(len(clients.values(self.node, topic)), end - start)

    def test_each_life_begins_above_all_offsets_of_the_last(self):
        topic = self.made("lives")
        clients.create_topic(self.node, "durable")
        issued = -1
        for life in range(4):
            values = [f"{life}/{n}" for n in range(1 + random.randrange(500))]
            offsets = [offset for _, offset in clients.produce(self.node, topic, values)]
            self.assertGreater(offsets[0], issued)
            self.assertEqual(offsets, list(range(offsets[0], offsets[0] + len(values))))
            self.assertEqual(offsets[0], life * BLOCK)
            issued = offsets[-1]
            clients.produce(self.node, "durable", [f"{life}"])
            if life % 2 == 0:
                self.node.kill()
                self.node.start()
            else:
                self.node.restart()
            start, end = clients.watermarks(self.node, topic)
            self.assertEqual(start, end)
            self.assertGreater(start, issued)
            self.assertEqual(clients.values(self.node, topic), [])
            self.assertEqual(len(clients.values(self.node, "durable")), life + 1)
            # A position of the last life is out of range: it never points at another record.
            reader = clients.consumer(self.node)
            reader.assign([TopicPartition(topic, 0, issued)])
            message = reader.poll(LIMIT_S)
            self.assertIsNotNone(message)
            self.assertIn(message.error().code(), [KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE])
            reader.close()

    def test_a_consumer_goes_on_after_a_kill(self):
        topic = self.made("followed")
        reader = clients.consumer(self.node, **{"auto.offset.reset": "earliest"})
        self.addCleanup(reader.close)
        reader.assign([TopicPartition(topic, 0, 0)])
        self.assertEqual(clients.produce(self.node, topic, ["before"]), [(0, 0)])

        def next_message():
            deadline = time.monotonic() + LIMIT_S
            while time.monotonic() < deadline:
                message = reader.poll(0.2)
                if message is not None and not message.error():
                    return message
            raise AssertionError("nothing came")

        self.assertEqual(next_message().value(), b"before")
        self.node.kill()
        self.node.start()
        self.assertEqual(clients.produce(self.node, topic, ["after"]), [(0, BLOCK)])
        message = next_message()
        self.assertEqual((message.offset(), message.value()), (BLOCK, b"after"))
