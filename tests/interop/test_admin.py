"""Topics and logs changed by foreign admin clients: more partitions, less records, other settings, what is on disk.

What neither client library here can ask is asked in kafka-python's own types, over its connection.
"""
import ctypes
import ctypes.util

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ConfigResource, ConfigSource, NewPartitions
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource as PyResource, ConfigResourceType, NewPartitions as PyPartitions
from kafka.errors import InvalidPartitionsError
from kafka.protocol.api import Request, Response
from kafka.protocol.types import Array, Boolean, Int8, Int16, Int32, Int64, Schema, String

from broker import BrokerTest
from clients import LIMIT_S, admin, create_topic, describe, produce, records, watermarks

TEXT = String("utf-8")
NONE, OUT_OF_RANGE, UNKNOWN_TOPIC, INVALID_CONFIG, FENCED, UNKNOWN_EPOCH = 0, 1, 3, 40, 74, 75
SET, DELETE, APPEND, SUBTRACT = range(4)


def message(key, version, request, response):
    """kafka-python's classes for an API that it does not know."""
    answer = type("Answer", (Response,), {"API_KEY": key, "API_VERSION": version, "SCHEMA": Schema(*response)})
    return type("Question", (Request,), {"API_KEY": key, "API_VERSION": version, "RESPONSE_TYPE": answer,
                                         "SCHEMA": Schema(*request)})


DeleteRecords = message(21, 1, [
    ("topics", Array(("name", TEXT), ("partitions", Array(("index", Int32), ("offset", Int64))))), ("timeout_ms", Int32)],
    [("throttle_ms", Int32), ("topics", Array(("name", TEXT), ("partitions", Array(
        ("index", Int32), ("low_watermark", Int64), ("error", Int16)))))])
OffsetForLeaderEpoch = message(23, 2, [
    ("topics", Array(("name", TEXT), ("partitions", Array(("index", Int32), ("current", Int32), ("epoch", Int32)))))],
    [("throttle_ms", Int32), ("topics", Array(("name", TEXT), ("partitions", Array(
        ("error", Int16), ("index", Int32), ("epoch", Int32), ("end", Int64)))))])
DescribeLogDirs = message(35, 1, [
    ("topics", Array(("name", TEXT), ("partitions", Array(Int32))))],
    [("throttle_ms", Int32), ("log_dirs", Array(("error", Int16), ("path", TEXT), ("topics", Array(
        ("name", TEXT), ("partitions", Array(
            ("index", Int32), ("size", Int64), ("lag", Int64), ("is_future", Boolean)))))))])
IncrementalAlterConfigs = message(44, 0, [
    ("resources", Array(("type", Int8), ("name", TEXT), ("configs", Array(
        ("name", TEXT), ("operation", Int8), ("value", TEXT))))), ("validate_only", Boolean)],
    [("throttle_ms", Int32), ("responses", Array(("error", Int16), ("message", TEXT), ("type", Int8), ("name", TEXT)))])


class CPartition(ctypes.Structure):
    """rd_kafka_topic_partition_t, as librdkafka's public header has it."""
    _fields_ = [("topic", ctypes.c_char_p), ("partition", ctypes.c_int32), ("offset", ctypes.c_int64),
                ("metadata", ctypes.c_void_p), ("metadata_size", ctypes.c_size_t), ("opaque", ctypes.c_void_p),
                ("err", ctypes.c_int), ("_private", ctypes.c_void_p)]


class CPartitions(ctypes.Structure):
    _fields_ = [("cnt", ctypes.c_int), ("size", ctypes.c_int), ("elems", ctypes.POINTER(CPartition))]


def librdkafka_delete_records(address, parts):
    """rd_kafka_DeleteRecords(), which the Python binding here does not offer: {(topic, partition): (error, low watermark)}
    of {(topic, partition): offset}. librdkafka looks up each partition's leader itself."""
    lib = ctypes.CDLL(ctypes.util.find_library("rdkafka"))
    for name in ("conf_new", "new", "queue_new", "topic_partition_list_new", "DeleteRecords_new", "queue_poll",
                 "event_DeleteRecords_result", "DeleteRecords_result_offsets"):
        getattr(lib, "rd_kafka_" + name).restype = ctypes.c_void_p
    pointer, said = ctypes.c_void_p, ctypes.create_string_buffer(512)
    conf = pointer(lib.rd_kafka_conf_new())
    lib.rd_kafka_conf_set(conf, b"bootstrap.servers", address.encode(), said, len(said))
    client = pointer(lib.rd_kafka_new(0, conf, said, len(said)))
    assert client, said.value
    queue, wanted = pointer(lib.rd_kafka_queue_new(client)), pointer(lib.rd_kafka_topic_partition_list_new(len(parts)))
    for (topic, partition), offset in parts.items():
        lib.rd_kafka_topic_partition_list_add(wanted, topic.encode(), ctypes.c_int32(partition))
        lib.rd_kafka_topic_partition_list_set_offset(wanted, topic.encode(), ctypes.c_int32(partition), ctypes.c_int64(offset))
    asked = pointer(lib.rd_kafka_DeleteRecords_new(wanted))
    lib.rd_kafka_DeleteRecords(client, ctypes.byref(asked), ctypes.c_size_t(1), None, queue)
    event = pointer(lib.rd_kafka_queue_poll(queue, LIMIT_S * 1000))
    try:
        assert event and lib.rd_kafka_event_error(event) == 0, event and lib.rd_kafka_event_error(event)
        result = pointer(lib.rd_kafka_event_DeleteRecords_result(event))
        told = ctypes.cast(lib.rd_kafka_DeleteRecords_result_offsets(result), ctypes.POINTER(CPartitions)).contents
        return {(part.topic.decode(), part.partition): (part.err, part.offset) for part in told.elems[:told.cnt]}
    finally:
        if event:
            lib.rd_kafka_event_destroy(event)
        lib.rd_kafka_DeleteRecords_destroy(asked)
        lib.rd_kafka_topic_partition_list_destroy(wanted)
        lib.rd_kafka_queue_destroy(queue)
        lib.rd_kafka_destroy(client)


class Admin(BrokerTest):
    def setUp(self):
        super().setUp()
        self.node = self.broker(shards=2)

    def python_admin(self):
        client = KafkaAdminClient(bootstrap_servers=self.node.address)
        self.addCleanup(client.close)
        return client

    def ask(self, question):
        client = self.python_admin()
        future = client._send_request_to_node(1, question)
        client._wait_for_futures([future])
        return future.value

    def error_of(self, run):
        with self.assertRaises(KafkaException) as raised:
            run()
        return raised.exception.args[0]

    def delete_records(self, topic, partition, before):
        """(error, low watermark)"""
        [(_, [(_, low, error)])] = self.ask(DeleteRecords([(topic, [(partition, before)])], 10_000)).topics
        return error, low

    def grow(self, topic, count, **options):
        client = admin(self.node)
        client.create_partitions([NewPartitions(topic, count, **options)], request_timeout=LIMIT_S)[topic].result(LIMIT_S)

    def settings(self, name, kind=ConfigResource.Type.TOPIC):
        client = admin(self.node)
        resource = ConfigResource(kind, name)
        return client.describe_configs([resource], request_timeout=LIMIT_S)[resource].result(LIMIT_S)

    def alter(self, topic, changes, validate_only=False):
        """`changes`: [(name, operation, value)]; (error, message)"""
        [(error, text, _, _)] = self.ask(IncrementalAlterConfigs([(2, topic, changes)], validate_only)).responses
        return error, text

    def test_more_partitions_that_serve_at_once_and_after_a_kill(self):
        create_topic(self.node, "grown", 2)
        produce(self.node, "grown", [b"before"], partition=1)
        self.grow("grown", 5)
        for partition in range(5):  # no waiting: what is told is served
            produce(self.node, "grown", [b"in %d" % partition], partition=partition)
        self.grow("grown", 6, replica_assignment=[[1]])
        error = self.error_of(lambda: self.grow("grown", 6))
        self.assertEqual(error.code(), KafkaError.INVALID_PARTITIONS)
        self.assertIn("has 6 partitions already", error.str())
        self.assertEqual(self.error_of(lambda: self.grow("grown", 7, replica_assignment=[[9]])).code(),
                         KafkaError.INVALID_REPLICA_ASSIGNMENT)
        self.assertEqual(self.error_of(lambda: self.grow("grown", 30_000)).code(), KafkaError.INVALID_PARTITIONS)
        self.assertEqual(self.error_of(lambda: self.grow("nowhere", 3)).code(), KafkaError.UNKNOWN_TOPIC_OR_PART)
        self.node.kill()
        self.node.start()
        self.assertEqual(set(describe(self.node)["grown"]), set(range(6)))
        self.assertEqual(records(self.node, "grown", 1), [(0, b"before"), (1, b"in 1")])
        self.assertEqual(records(self.node, "grown", 4), [(0, b"in 4")])
        self.assertEqual(produce(self.node, "grown", [b"x"], partition=5), [(5, 0)])

    def test_only_validated(self):
        create_topic(self.node, "asked", 1)
        client = admin(self.node)
        client.create_partitions([NewPartitions("asked", 4)], validate_only=True)["asked"].result(LIMIT_S)
        self.assertEqual(set(describe(self.node)["asked"]), {0})
        self.assertEqual(self.alter("asked", [("retention.ms", SET, "77")], validate_only=True), (NONE, None))
        self.assertEqual(self.alter("asked", [("retention.ms", SET, "x")], validate_only=True)[0], INVALID_CONFIG)
        self.assertEqual(self.settings("asked")["retention.ms"].value, "604800000")

    def test_records_are_deleted_for_good(self):
        create_topic(self.node, "cut", 2)
        produce(self.node, "cut", [b"%d" % n for n in range(100)])
        self.assertEqual(self.delete_records("cut", 0, 40), (NONE, 40))
        self.assertEqual(watermarks(self.node, "cut"), (40, 100))
        self.assertEqual(self.delete_records("cut", 0, 10), (NONE, 40), "the start never goes back")
        self.assertEqual(self.delete_records("cut", 0, 101)[0], OUT_OF_RANGE)
        self.assertEqual(self.delete_records("cut", 0, -2)[0], OUT_OF_RANGE)
        self.assertEqual(self.delete_records("cut", 7, 1)[0], UNKNOWN_TOPIC)
        self.node.kill()
        self.node.start()
        self.assertEqual(records(self.node, "cut"), [(n, b"%d" % n) for n in range(40, 100)])
        self.assertEqual(self.delete_records("cut", 0, -1), (NONE, 100), "-1 is the high watermark")
        self.assertEqual(watermarks(self.node, "cut"), (100, 100))
        self.assertEqual(produce(self.node, "cut", [b"next"]), [(0, 100)])
        self.node.kill()
        self.node.start()
        self.assertEqual(records(self.node, "cut"), [(100, b"next")])

    def test_librdkafka_deletes_records(self):
        create_topic(self.node, "cut", 4)
        for partition in range(4):
            produce(self.node, "cut", [b"x"] * 10, partition=partition)
        told = librdkafka_delete_records(self.node.address, {("cut", 0): 3, ("cut", 1): 11, ("cut", 2): -1, ("cut", 3): 0})
        self.assertEqual({key: value for key, value in told.items() if key != ("cut", 1)},
                         {("cut", 0): (0, 3), ("cut", 2): (0, 10), ("cut", 3): (0, 0)})
        self.assertEqual(told["cut", 1][0], KafkaError.OFFSET_OUT_OF_RANGE)
        self.assertEqual([watermarks(self.node, "cut", partition)[0] for partition in range(4)], [3, 0, 10, 0])

    def test_settings_of_a_topic(self):
        create_topic(self.node, "set", 3, **{"retention.ms": "604800000"})
        told = self.settings("set")
        self.assertEqual(told["retention.ms"].source, ConfigSource.DYNAMIC_TOPIC_CONFIG.value, "given, though the default")
        self.assertEqual(told["segment.bytes"].source, ConfigSource.DEFAULT_CONFIG.value)
        self.assertEqual(told["segment.bytes"].value, "1073741824")
        self.assertFalse(told["segment.bytes"].is_read_only)
        self.assertEqual(self.alter("set", [("max.message.bytes", SET, "1000"), ("retention.ms", DELETE, None)]), (NONE, None))
        told = self.settings("set")
        self.assertEqual((told["max.message.bytes"].value, told["retention.ms"].source),
                         ("1000", ConfigSource.DEFAULT_CONFIG.value))
        # It holds at once, on every partition, and after a crash.
        for life in range(2):
            for partition in range(3):
                error = self.error_of(lambda: produce(self.node, "set", [b"x" * 2000], partition=partition))
                self.assertEqual(error.code(), KafkaError.MSG_SIZE_TOO_LARGE)
                produce(self.node, "set", [b"x" * 500], partition=partition)
            self.node.kill()
            self.node.start()
        self.assertEqual(self.alter("set", [("max.message.bytes", DELETE, None), ("cleanup.policy", APPEND, "delete")])[0], NONE)
        produce(self.node, "set", [b"x" * 2000])

    def test_settings_that_are_refused(self):
        create_topic(self.node, "kept", 1)
        for changes, said in [([("no.such.thing", SET, "1")], "no.such.thing"),
                              ([("retention.ms", SET, "-2")], "retention.ms"),
                              ([("retention.ms", SET, "5"), ("segment.bytes", SET, "1")], "segment.bytes"),
                              ([("cleanup.policy", APPEND, "compact")], "cleanup.policy"),
                              ([("cleanup.policy", SUBTRACT, "delete")], "cleanup.policy"),
                              ([("retention.ms", APPEND, "5")], "retention.ms is no list")]:
            with self.subTest(changes=changes):
                error, text = self.alter("kept", changes)
                self.assertEqual(error, INVALID_CONFIG)
                self.assertIn(said, text)
        self.assertEqual(self.alter("nowhere", [("retention.ms", SET, "5")])[0], UNKNOWN_TOPIC)
        self.assertEqual(self.settings("kept")["retention.ms"].value, "604800000", "one refused setting refuses all")

    def test_all_settings_at_once(self):
        """AlterConfigs: what is not named goes back to its default."""
        create_topic(self.node, "all", 1, **{"retention.ms": "5000000"})
        client = admin(self.node)
        resource = ConfigResource(ConfigResource.Type.TOPIC, "all", set_config={"segment.bytes": "2097152"})
        client.alter_configs([resource], request_timeout=LIMIT_S)[resource].result(LIMIT_S)
        told = self.settings("all")
        self.assertEqual((told["segment.bytes"].value, told["retention.ms"].value), ("2097152", "604800000"))
        resource = ConfigResource(ConfigResource.Type.BROKER, "1", set_config={"log.dirs": "/"})
        error = self.error_of(lambda: client.alter_configs([resource], request_timeout=LIMIT_S)[resource].result(LIMIT_S))
        self.assertEqual(error.code(), KafkaError.INVALID_CONFIG)

    def test_settings_of_the_node(self):
        told = self.settings("1", ConfigResource.Type.BROKER)
        self.assertEqual(told["num.partitions"].value, "1")
        self.assertTrue(told["num.partitions"].is_read_only)
        self.assertEqual(told["num.partitions"].source, ConfigSource.DEFAULT_CONFIG.value)
        self.assertEqual(told["topics.max_partitions"].value, "20000")
        self.assertEqual((told["shards"].value, told["shards"].source), ("2", ConfigSource.STATIC_BROKER_CONFIG.value))
        self.assertEqual(list(told["log.dirs"].synonyms), ["data_dir"])

    def test_kafka_python(self):
        client = self.python_admin()
        create_topic(self.node, "py", 1, **{"retention.ms": "5000000"})
        client.create_partitions({"py": PyPartitions(3)})
        self.assertEqual(set(describe(self.node)["py"]), {0, 1, 2})
        with self.assertRaises(InvalidPartitionsError):
            client.create_partitions({"py": PyPartitions(3)})
        client.alter_configs([PyResource(ConfigResourceType.TOPIC, "py", configs={"segment.bytes": "2097152"})])
        [answer] = client.describe_configs([PyResource(ConfigResourceType.TOPIC, "py")])
        _, _, _, name, configs = answer.resources[0]
        told = {config[0]: config[1] for config in configs}
        self.assertEqual((name, told["segment.bytes"], told["retention.ms"]), ("py", "2097152", "604800000"))

    def test_bytes_on_disk(self):
        create_topic(self.node, "sized", 2)
        produce(self.node, "sized", [b"x" * 1000 for _ in range(50)], partition=1)
        for asked, expected in [(None, {0, 1}), ([("sized", [1])], {1}), ([], set())]:
            [(error, path, topics)] = self.ask(DescribeLogDirs(asked)).log_dirs
            self.assertEqual((error, path), (NONE, str(self.node.data)))
            sizes = {index: size for name, partitions in topics for index, size, _, _ in partitions if name == "sized"}
            self.assertEqual(set(sizes), expected)
            if 1 in sizes:
                self.assertGreater(sizes[1], 50_000)
                self.assertLess(sizes[1], 60_000)

    def test_where_leader_epochs_end(self):
        create_topic(self.node, "epochs", 1)

        def ends_of(*asked):
            """[(error, epoch, end)] of [(epoch, the epoch that is believed to be the current one)]"""
            parts = [(0, current, epoch) for epoch, current in asked]
            [(_, answers)] = self.ask(OffsetForLeaderEpoch([("epochs", parts)])).topics
            return [(error, found, end) for error, _, found, end in answers]

        def end_of(epoch, current=-1):
            return ends_of((epoch, current))[0]

        def now():
            """The epoch of the last record."""
            return max(epoch for epoch, (_, found, _) in enumerate(ends_of(*[(n, -1) for n in range(50)])) if found == epoch)

        produce(self.node, "epochs", [b"first"] * 3)
        first = now()
        self.assertEqual(end_of(first, current=first), (NONE, first, 3))
        self.assertEqual(end_of(first + 1)[1:], (-1, -1), "an epoch of the future")
        self.node.kill()
        self.node.start()  # a start is a new term
        produce(self.node, "epochs", [b"second"] * 2)
        second = now()
        self.assertGreater(second, first)
        self.assertEqual(end_of(first), (NONE, first, 3), "where the next one begins")
        self.assertEqual(end_of(second), (NONE, second, 5))
        self.assertEqual(end_of(second, current=first)[0], FENCED)
        self.assertEqual(end_of(second, current=second + 1)[0], UNKNOWN_EPOCH)
        self.assertEqual(self.ask(OffsetForLeaderEpoch([("nowhere", [(0, -1, 1)])])).topics[0][1][0][0], UNKNOWN_TOPIC)
