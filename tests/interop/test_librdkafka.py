"""librdkafka through confluent_kafka: idempotent producing, topics and their errors, offsets, times, headers."""
import time

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import NewTopic

import clients
from broker import BrokerTest
from clients import LIMIT_S


class Producing(BrokerTest):
    def setUp(self):
        super().setUp()
        self.node = self.broker(shards=2)

    def test_idempotent_with_headers_keys_and_times(self):
        clients.create_topic(self.node, "all", partitions=3)
        producer = Producer(clients.common(self.node) | {"enable.idempotence": True, "linger.ms": 2, "compression.type": "lz4"})
        reports = []
        start = int(time.time() * 1000)
        for n in range(3000):
            producer.produce("all", f"value {n}", key=f"key {n}" if n % 2 else None, partition=n % 3, timestamp=start + n,
                             headers=[("nth", b"%d" % n), ("twice", b"a"), ("twice", None)],
                             on_delivery=lambda error, message: reports.append((error, message.partition(), message.offset())))
            producer.poll(0)
        self.assertEqual(producer.flush(LIMIT_S), 0)
        self.assertEqual([report for report in reports if report[0]], [])
        self.assertEqual(sorted(report[1:] for report in reports), [(p, o) for p in range(3) for o in range(1000)])
        for partition in range(3):
            for at, message in enumerate(clients.messages(self.node, "all", partition)):
                n = at * 3 + partition
                self.assertEqual(message.offset(), at)
                self.assertEqual(message.value(), b"value %d" % n)
                self.assertEqual(message.key(), b"key %d" % n if n % 2 else None)
                self.assertEqual(message.headers(), [("nth", b"%d" % n), ("twice", b"a"), ("twice", None)])
                self.assertEqual(message.timestamp()[1], start + n)

    def test_acks(self):
        for acks in ["0", "1", "all"]:
            clients.create_topic(self.node, f"acks-{acks}")
            clients.produce(self.node, f"acks-{acks}", [f"{n}" for n in range(500)], acks=acks)
            got = clients.values(self.node, f"acks-{acks}")
            # Behind acks=0 nothing says that they came; they come in order.
            self.assertEqual(got, [b"%d" % n for n in range(500)][:len(got)] if acks == "0" else [b"%d" % n for n in range(500)])

    def test_too_large_a_message(self):
        clients.create_topic(self.node, "small", **{"max.message.bytes": "1000"})
        with self.assertRaises(KafkaException) as raised:
            clients.produce(self.node, "small", ["x" * 2000])
        self.assertEqual(raised.exception.args[0].code(), KafkaError.MSG_SIZE_TOO_LARGE)
        self.assertEqual(clients.produce(self.node, "small", ["x" * 100]), [(0, 0)])

    def test_append_time(self):
        clients.create_topic(self.node, "stamped", **{"message.timestamp.type": "LogAppendTime"})
        before = int(time.time() * 1000)
        clients.produce(self.node, "stamped", ["a", "b"], timestamps=[before - 86_400_000, before - 86_400_000])
        for message in clients.messages(self.node, "stamped"):
            self.assertGreaterEqual(message.timestamp()[1], before - 1000)

    def test_time_far_ahead_is_refused(self):
        clients.create_topic(self.node, "ahead")
        with self.assertRaises(KafkaException) as raised:
            clients.produce(self.node, "ahead", ["x"], timestamps=[int(time.time() * 1000) + 2 * 3_600_000])
        self.assertEqual(raised.exception.args[0].code(), KafkaError.INVALID_TIMESTAMP)

    def test_transactions_are_refused_clearly(self):
        producer = Producer(clients.common(self.node) | {"transactional.id": "t", "socket.timeout.ms": 5000})
        with self.assertRaises(KafkaException):
            producer.init_transactions(5)


class Offsets(BrokerTest):
    def test_watermarks_and_times(self):
        node = self.broker(shards=2)
        clients.create_topic(node, "timed", partitions=2)
        self.assertEqual(clients.watermarks(node, "timed"), (0, 0))
        start = int(time.time() * 1000) - 1_000_000
        clients.produce(node, "timed", [f"{n}" for n in range(100)], timestamps=[start + 1000 * n for n in range(100)])
        self.assertEqual(clients.watermarks(node, "timed"), (0, 100))
        self.assertEqual(clients.watermarks(node, "timed", 1), (0, 0))
        reader = clients.consumer(node)

        def at(timestamp, partition=0):
            return reader.offsets_for_times([TopicPartition("timed", partition, timestamp)], timeout=LIMIT_S)[0].offset

        end = -1  # librdkafka's word for 'behind the last'
        for timestamp, offset in [(0, 0), (start, 0), (start + 1, 1), (start + 50_000, 50), (start + 50_001, 51),
                                  (start + 99_000, 99), (start + 99_001, end)]:
            self.assertEqual(at(timestamp), offset, timestamp - start)
        self.assertEqual(at(start, 1), end)
        reader.close()

    def test_out_of_range_is_told(self):
        node = self.broker()
        clients.create_topic(node, "short")
        clients.produce(node, "short", ["a", "b"])
        reader = clients.consumer(node, **{"auto.offset.reset": "error"})
        reader.assign([TopicPartition("short", 0, 100)])
        message = reader.poll(LIMIT_S)
        self.assertEqual(message.error().code(), KafkaError._AUTO_OFFSET_RESET)
        reader.close()

    def test_a_waiting_fetch_is_woken(self):
        node = self.broker(shards=2)
        clients.create_topic(node, "woken")
        reader = clients.consumer(node, **{"fetch.wait.max.ms": 60_000, "socket.timeout.ms": 90_000})
        reader.assign([TopicPartition("woken", 0, 0)])
        self.assertIsNone(reader.poll(0.5))  # its fetch waits now
        started = time.monotonic()
        clients.produce(node, "woken", ["at last"])
        message = reader.poll(LIMIT_S)
        self.assertEqual(message.value(), b"at last")
        self.assertLess(time.monotonic() - started, 20, "it came by being woken, not by the end of the wait")
        reader.close()


class Topics(BrokerTest):
    def setUp(self):
        super().setUp()
        self.node = self.broker(shards=2)
        self.admin = clients.admin(self.node)

    def create(self, *topics, **options):
        """{name: None or error code}."""
        futures = self.admin.create_topics(list(topics), request_timeout=LIMIT_S, **options)
        return {name: self.code(future) for name, future in futures.items()}

    @staticmethod
    def code(future):
        try:
            return future.result(LIMIT_S)
        except KafkaException as error:
            return error.args[0].code()

    def test_errors(self):
        self.assertEqual(self.create(NewTopic("good", 2, 1)), {"good": None})
        cases = {
            "exists": (NewTopic("good", 2, 1), KafkaError.TOPIC_ALREADY_EXISTS),
            "name": (NewTopic("not good", 1, 1), KafkaError.TOPIC_EXCEPTION),
            "dots": (NewTopic("..", 1, 1), KafkaError.TOPIC_EXCEPTION),
            "long": (NewTopic("x" * 250, 1, 1), KafkaError.TOPIC_EXCEPTION),
            "replication": (NewTopic("copies", 1, 3), KafkaError.INVALID_REPLICATION_FACTOR),
            "many": (NewTopic("many", 30_000, 1), KafkaError.POLICY_VIOLATION),  # more than topics.max_partitions
            "config": (NewTopic("config", 1, 1, config={"no.such.setting": "1"}), KafkaError.INVALID_CONFIG),
            "value": (NewTopic("value", 1, 1, config={"retention.ms": "soon"}), KafkaError.INVALID_CONFIG),
            "policy": (NewTopic("policy", 1, 1, config={"cleanup.policy": "compact"}), KafkaError.INVALID_CONFIG),
            "assignment": (NewTopic("assigned", 1, replica_assignment=[[99]]), None),
        }
        for what, (topic, code) in cases.items():
            with self.subTest(what=what):
                got = self.create(topic)[topic.topic]
                if code is None:
                    self.assertIsNotNone(got)
                else:
                    self.assertEqual(got, code)
        known = [name for name in clients.describe(self.node) if not name.startswith("_")]
        self.assertEqual(known, ["good"], "what was refused left nothing")

    def test_one_request_with_good_and_bad(self):
        got = self.create(NewTopic("a", 1, 1), NewTopic("b b", 1, 1), NewTopic("c", 3, 1))
        self.assertEqual(got, {"a": None, "b b": KafkaError.TOPIC_EXCEPTION, "c": None})
        self.assertEqual(len(clients.describe(self.node)["c"]), 3)

    def test_validate_only_makes_nothing(self):
        self.assertEqual(self.create(NewTopic("tried", 1, 1), validate_only=True), {"tried": None})
        self.assertNotIn("tried", clients.describe(self.node))

    def test_delete(self):
        self.assertEqual(self.create(NewTopic("gone", 3, 1)), {"gone": None})
        clients.produce(self.node, "gone", ["x"])
        futures = self.admin.delete_topics(["gone", "never-was"], request_timeout=LIMIT_S)
        self.assertEqual({name: self.code(future) for name, future in futures.items()},
                         {"gone": None, "never-was": KafkaError.UNKNOWN_TOPIC_OR_PART})
        self.assertNotIn("gone", clients.describe(self.node))
        self.node.kill()
        self.node.start()
        self.assertNotIn("gone", clients.describe(self.node))

    def test_the_partition_limit(self):
        node = self.broker(settings={"topics.max_partitions": "10"})
        clients.create_topic(node, "eight", partitions=8)
        with self.assertRaises(KafkaException):
            clients.create_topic(node, "three", partitions=3)
        clients.create_topic(node, "two", partitions=2)
        clients.delete_topic(node, "eight")
        clients.create_topic(node, "three", partitions=3)
