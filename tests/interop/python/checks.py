"""The newest clients in Python against a broker: `checks.py ADDRESS [NAME]` runs the checks (whose name contains NAME).

confluent-kafka with a current librdkafka, kafka-python 3 and aiokafka; what Debian ships is tested by ../test_*.py.
"""
import asyncio
import contextlib
import sys
import time
import traceback

import aiokafka
import confluent_kafka
import kafka
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions as AioPartitions, NewTopic as AioTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource as AioResource, ConfigResourceType as AioResourceType
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec, \
    ResourceType
from kafka.admin import ConfigResource as PyResource, ConfigResourceType as PyResourceType

ADDRESS = sys.argv[1]
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
COUNT = 300
LIMIT_S = 20


def samples(start):
    """(key, value, headers, timestamp): null and empty ones, bytes that are no text, and enough that repeats; 10 ms apart."""
    some = [(None, b"no key", []), (b"no value", None, []), (b"", b"", []),
            (b"\x00\xff", b"\x80\x7f", [("a", b"1"), ("a", b""), ("b", b"\xff")])]
    some += [(b"k%d" % n, b"a value that repeats %d" % (n % 7), []) for n in range(4, COUNT)]
    return [(*record, start + 10 * n) for n, record in enumerate(some)]


def start_ms():
    return int(time.time() * 1000) - 100_000


def equal(got, expected, what=""):
    if got != expected:
        raise AssertionError(f"{what}: expected {str(expected)[:300]}, got {str(got)[:300]}")


@contextlib.contextmanager
def prompt(kind=Exception, limit_s=10):
    """What must fail, and within a few seconds."""
    began = time.monotonic()
    try:
        yield
    except kind as error:
        took = time.monotonic() - began
        if took > limit_s:
            raise AssertionError(f"it took {took:.1f} s to say {error!r}") from error
        print(f"  told: {error!r}"[:200])
        return
    raise AssertionError("nothing failed")


# ---- confluent-kafka ----

def confluent(**settings):
    return {"bootstrap.servers": ADDRESS, "log_level": 4} | {name.replace("_", "."): value for name, value in settings.items()}


def confluent_admin():
    return AdminClient(confluent())


def done(futures):
    return [future.result(LIMIT_S) for future in futures.values()]


def confluent_make(topic, partitions=1, **options):
    client = confluent_admin()
    done(client.create_topics([NewTopic(topic, partitions, 1, **options)]))


def confluent_reader(**settings):
    return confluent_kafka.Consumer(confluent(group_id="unused", enable_auto_commit=False, auto_offset_reset="error", **settings))


def confluent_read(topic, count, reader=None):
    reader = reader or confluent_reader()
    reader.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    got, deadline = [], time.monotonic() + LIMIT_S
    while len(got) < count:
        if time.monotonic() > deadline:
            raise AssertionError(f"{len(got)} of {count} records came")
        message = reader.poll(0.2)
        if message is not None and message.error():
            raise KafkaException(message.error())
        if message is not None:
            got.append((message.key(), message.value(), message.headers() or [], message.timestamp()[1]))
    reader.close()
    return got


def confluent_round_trip(codec):
    topic, start = f"confluent-{codec}", start_ms()
    confluent_make(topic)
    producer, offsets, sent = confluent_kafka.Producer(confluent(compression_type=codec, enable_idempotence=True, linger_ms=20)), [], samples(start)
    for key, value, headers, timestamp in sent:
        producer.produce(topic, value, key, 0, headers=headers, timestamp=timestamp,
                         on_delivery=lambda error, message: offsets.append(error or message.offset()))
    equal(producer.flush(LIMIT_S), 0, "undelivered")
    equal(offsets, list(range(COUNT)), "offsets")
    equal(confluent_read(topic, COUNT), sent, "records")
    reader = confluent_reader()
    for n in (0, 1, 150, COUNT - 1):
        asked = confluent_kafka.TopicPartition(topic, 0, start + 10 * n - 5)
        equal(reader.offsets_for_times([asked], timeout=LIMIT_S)[0].offset, n, "offset of a time")
    reader.close()
    client, here = confluent_admin(), confluent_kafka.TopicPartition(topic, 0)
    for spec, offset in [(OffsetSpec.earliest(), 0), (OffsetSpec.latest(), COUNT), (OffsetSpec.max_timestamp(), COUNT - 1),
                         (OffsetSpec.for_timestamp(start + 15), 2)]:
        equal(client.list_offsets({here: spec})[here].result(LIMIT_S).offset, offset, "admin's offset")


def confluent_admin_check():
    topic, client = "confluent-admin", confluent_admin()
    confluent_make(topic, 2, config={"retention.ms": "1000000"})
    done(client.create_partitions([NewPartitions(topic, 3)]))
    told = client.describe_topics(TopicCollection([topic]), include_authorized_operations=True)[topic].result(LIMIT_S)
    equal(len(told.partitions), 3, "partitions")
    if not told.authorized_operations:
        raise AssertionError("it is not told what one may do to a topic")
    cluster = client.describe_cluster(include_authorized_operations=True).result(LIMIT_S)
    equal([f"{node.host}:{node.port}" for node in cluster.nodes], [ADDRESS], "nodes")
    change = ConfigEntry("retention.ms", "2000000", incremental_operation=AlterConfigOpType.SET)
    done(client.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[change])]))
    [settings] = done(client.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]))
    equal(settings["retention.ms"].value, "2000000", "retention.ms")
    producer = confluent_kafka.Producer(confluent())
    for n in range(10):
        producer.produce(topic, b"%d" % n, partition=2)
    equal(producer.flush(LIMIT_S), 0, "undelivered")
    [deleted] = done(client.delete_records([confluent_kafka.TopicPartition(topic, 2, 4)]))
    equal(deleted.low_watermark, 4, "low watermark")
    done(client.delete_topics([topic]))
    for wrong in (NewTopic("not good", 1, 1), NewTopic("copies", 1, 3), NewTopic("set", 1, 1, config={"no.such": "1"})):
        with prompt(KafkaException):
            done(client.create_topics([wrong]))
    groups = client.list_consumer_groups().result(LIMIT_S)
    equal((groups.valid, [error.code() for error in groups.errors]), ([], [KafkaError._UNSUPPORTED_FEATURE]), "groups")


def confluent_too_large():
    producer, told = confluent_kafka.Producer(confluent(message_max_bytes=4_000_000)), []
    confluent_make("confluent-large")
    for size in (2_000_000, 1_000_000):
        producer.produce("confluent-large", bytes(size), on_delivery=lambda error, message: told.append(error and error.code()))
        producer.flush(LIMIT_S)
    equal(told, [KafkaError.MSG_SIZE_TOO_LARGE, None], "told")


def confluent_group():
    """A group has no coordinator yet, which the client waits for: polls end in time all the same, and so does closing."""
    for settings in ({}, {"group_protocol": "consumer"}):
        reader = confluent_kafka.Consumer(confluent(group_id="g", **settings))
        reader.subscribe(["confluent-none"])
        said = [message.error().str() for message in (reader.poll(0.2) for _ in range(20)) if message]
        print("  told:", said)
        began = time.monotonic()
        reader.close()
        if time.monotonic() - began > 10:
            raise AssertionError("closing took too long")


def confluent_transaction():
    with prompt(KafkaException):
        confluent_kafka.Producer(confluent(transactional_id="t")).init_transactions(LIMIT_S)


# ---- kafka-python ----

def python_reader(**settings):
    return kafka.KafkaConsumer(bootstrap_servers=ADDRESS, group_id=None, enable_auto_commit=False, auto_offset_reset="none", **settings)


def python_round_trip(codec):
    topic, start = f"python-{codec}", start_ms()
    sent, here = samples(start), kafka.TopicPartition(topic, 0)
    admin = kafka.KafkaAdminClient(bootstrap_servers=ADDRESS)
    admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}})
    producer = kafka.KafkaProducer(bootstrap_servers=ADDRESS, compression_type=None if codec == "none" else codec, linger_ms=20)
    futures = [producer.send(topic, value, key, headers, partition=0, timestamp_ms=timestamp) for key, value, headers, timestamp in sent]
    equal([future.get(LIMIT_S).offset for future in futures], list(range(COUNT)), "offsets")
    producer.close()
    reader = python_reader()
    reader.assign([here])
    reader.seek_to_beginning(here)
    got, deadline = [], time.monotonic() + LIMIT_S
    while len(got) < COUNT and time.monotonic() < deadline:
        for records in reader.poll(timeout_ms=500).values():
            got += [(r.key, r.value, list(r.headers), r.timestamp) for r in records]
    equal(got, sent, "records")
    for n in (0, 1, 150, COUNT - 1):
        found = reader.offsets_for_times({here: start + 10 * n - 5})[here]
        equal((found.offset, found.timestamp), (n, start + 10 * n), "offset of a time")
    equal((reader.beginning_offsets([here]), reader.end_offsets([here])), ({here: 0}, {here: COUNT}), "ends")
    reader.close()
    admin.close()


def python_admin():
    topic = "python-admin"
    admin = kafka.KafkaAdminClient(bootstrap_servers=ADDRESS)
    admin.create_topics({topic: {"num_partitions": 2, "replication_factor": 1, "configs": {"retention.ms": "1000000"}}}, wait_for_metadata=True)
    if topic not in admin.list_topics():
        raise AssertionError("it is not listed")
    admin.create_partitions({topic: 3})
    [described] = admin.describe_topics([topic])
    equal(len(described["partitions"]), 3, "partitions")
    equal(len(admin.describe_cluster()["brokers"]), 1, "brokers")
    resource = [PyResource(PyResourceType.TOPIC, topic)]
    equal(admin.describe_configs(resource)["topic"][topic]["retention.ms"]["value"], "1000000", "retention.ms")
    for incremental in (True, False):
        admin.alter_configs([PyResource(PyResourceType.TOPIC, topic, {"retention.ms": "2000000"})], incremental=incremental)
        equal(admin.describe_configs(resource)["topic"][topic]["retention.ms"]["value"], "2000000", "retention.ms")
    here = kafka.TopicPartition(topic, 0)
    equal(list(admin.list_partition_offsets({here: kafka.OffsetSpec.LATEST}))[0], here, "offsets")
    admin.delete_records({here: 0})
    admin.describe_log_dirs()
    admin.delete_topics([topic])
    with prompt():
        admin.create_topics({"not good": {}})
    with prompt():
        admin.list_groups()
    admin.close()


def python_group():
    reader = kafka.KafkaConsumer("python-none", bootstrap_servers=ADDRESS, group_id="g")
    began = time.monotonic()
    try:
        reader.poll(timeout_ms=2000)
    except Exception as error:
        print(f"  told: {error!r}")
    reader.close(**({"timeout_ms": 2000}))
    if time.monotonic() - began > 10:
        raise AssertionError("it took too long")


def python_transaction():
    producer = kafka.KafkaProducer(bootstrap_servers=ADDRESS, transactional_id="t")
    with prompt():
        producer.init_transactions()
    producer.close(timeout=2)


# ---- aiokafka ----

async def aio_round_trip(codec):
    topic, start = f"aio-{codec}", start_ms()
    sent, here = samples(start), aiokafka.TopicPartition(topic, 0)
    admin = AIOKafkaAdminClient(bootstrap_servers=ADDRESS)
    await admin.start()
    await admin.create_topics([AioTopic(topic, 1, 1)])
    await admin.close()
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=ADDRESS, compression_type=None if codec == "none" else codec,
                                         enable_idempotence=True, linger_ms=20)
    await producer.start()
    futures = [await producer.send(topic, value, key, 0, timestamp, headers) for key, value, headers, timestamp in sent]
    equal([(await future).offset for future in futures], list(range(COUNT)), "offsets")
    await producer.stop()
    reader = aiokafka.AIOKafkaConsumer(bootstrap_servers=ADDRESS, enable_auto_commit=False, auto_offset_reset="none",
                                       isolation_level="read_committed")
    await reader.start()
    reader.assign([here])
    await reader.seek_to_beginning(here)
    got = []
    while len(got) < COUNT:
        record = await asyncio.wait_for(reader.getone(), LIMIT_S)
        got.append((record.key, record.value, list(record.headers), record.timestamp))
    equal(got, sent, "records")
    for n in (0, 1, 150, COUNT - 1):
        found = (await reader.offsets_for_times({here: start + 10 * n - 5}))[here]
        equal((found.offset, found.timestamp), (n, start + 10 * n), "offset of a time")
    equal((await reader.beginning_offsets([here]), await reader.end_offsets([here])), ({here: 0}, {here: COUNT}), "ends")
    await reader.stop()


async def aio_admin():
    topic = "aio-admin"
    admin = AIOKafkaAdminClient(bootstrap_servers=ADDRESS)
    await admin.start()
    try:
        await admin.create_topics([AioTopic(topic, 2, 1, topic_configs={"retention.ms": "1000000"})])
        await admin.create_partitions({topic: AioPartitions(3)})
        [described] = await admin.describe_topics([topic])
        equal(len(described["partitions"]), 3, "partitions")
        await admin.alter_configs([AioResource(AioResourceType.TOPIC, topic, {"retention.ms": "2000000"})])
        [answer] = await admin.describe_configs([AioResource(AioResourceType.TOPIC, topic)])
        equal({config[0]: config[1] for config in answer.resources[0][4]}["retention.ms"], "2000000", "retention.ms")
        equal(len((await admin.describe_cluster())["brokers"]), 1, "brokers")
        here = aiokafka.TopicPartition(topic, 0)
        equal(await admin.delete_records({here: RecordsToDelete(before_offset=0)}), {here: 0}, "low watermark")
        await admin.delete_topics([topic])
        if topic in await admin.list_topics():
            raise AssertionError("it is still listed")
    finally:
        await admin.close()


async def aio_transaction():
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=ADDRESS, transactional_id="t")
    with prompt():
        await asyncio.wait_for(producer.start(), LIMIT_S)
    await producer.stop()


def coroutine(function, *arguments):
    return lambda: asyncio.run(function(*arguments))


CHECKS = {f"confluent-{codec}": lambda codec=codec: confluent_round_trip(codec) for codec in CODECS}
CHECKS |= {"confluent-admin": confluent_admin_check, "confluent-too-large": confluent_too_large, "confluent-group": confluent_group,
           "confluent-transaction": confluent_transaction}
CHECKS |= {f"python-{codec}": lambda codec=codec: python_round_trip(codec) for codec in CODECS}
CHECKS |= {"python-admin": python_admin, "python-group": python_group, "python-transaction": python_transaction}
CHECKS |= {f"aio-{codec}": coroutine(aio_round_trip, codec) for codec in CODECS}
CHECKS |= {"aio-admin": coroutine(aio_admin), "aio-transaction": coroutine(aio_transaction)}


def main():
    failed = False
    for name, run in CHECKS.items():
        if len(sys.argv) > 2 and sys.argv[2] not in name:
            continue
        began = time.monotonic()
        try:
            run()
            print(f"ok {name} ({(time.monotonic() - began) * 1000:.0f} ms)", flush=True)
        except Exception as error:
            failed = True
            print(f"FAILED {name}: {error!r}\n{traceback.format_exc()}", flush=True)
    return 1 if failed else 0


sys.exit(main())
