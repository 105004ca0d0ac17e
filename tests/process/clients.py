"""What tests ask a broker for, by foreign clients: confluent_kafka (librdkafka) and kcat."""
import subprocess

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

LIMIT_S = 30


def common(broker):
    """Settings of every librdkafka client here; it reconnects fast, and keeps its own log to itself."""
    return {
        "bootstrap.servers": broker.address,
        "reconnect.backoff.ms": 20,
        "reconnect.backoff.max.ms": 200,
        "socket.timeout.ms": 20000,
        "log_level": 0,
        "error_cb": lambda error: None,
    }


def admin(broker):
    return AdminClient(common(broker))


def create_topic(broker, name, partitions=1, **settings):
    client = admin(broker)  # a future dies with its client
    made = client.create_topics([NewTopic(name, partitions, 1, config=settings)], request_timeout=LIMIT_S)
    made[name].result(LIMIT_S)


def delete_topic(broker, name):
    client = admin(broker)
    client.delete_topics([name], request_timeout=LIMIT_S)[name].result(LIMIT_S)


def describe(broker):
    """{topic: {partition: leader}} of every topic."""
    metadata = admin(broker).list_topics(timeout=LIMIT_S)
    return {name: {index: partition.leader for index, partition in topic.partitions.items()}
            for name, topic in metadata.topics.items()}


def produce(broker, topic, values, partition=0, timestamps=None, **settings):
    """Produces and waits; [(partition, offset)] in the order of `values`. Raises what a delivery report says."""
    producer = Producer(common(broker) | {"linger.ms": 1} | {name.replace("_", "."): value for name, value in settings.items()})
    done = {}

    def delivered(nth):
        def told(error, message):
            done[nth] = (error, message.partition(), message.offset())
        return told

    for nth, value in enumerate(values):
        extra = {"timestamp": timestamps[nth]} if timestamps else {}
        producer.produce(topic, value, partition=partition, on_delivery=delivered(nth), **extra)
        producer.poll(0)
    left = producer.flush(LIMIT_S)
    if left:
        raise AssertionError(f"{left} records were not delivered within {LIMIT_S} s")
    for error, _, _ in done.values():
        if error is not None:
            raise KafkaException(error)
    return [done[nth][1:] for nth in range(len(values))]


def consumer(broker, **settings):
    """For assign(): no group is ever joined."""
    return Consumer(common(broker) | {
        "group.id": "unused",
        "enable.auto.commit": False,
        "enable.partition.eof": False,
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 20,
    } | settings)


def watermarks(broker, topic, partition=0):
    """(start, end) of a partition."""
    reader = consumer(broker)
    try:
        return reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=LIMIT_S)
    finally:
        reader.close()


def messages(broker, topic, partition=0, start=None):
    """All messages of a partition, from its start or from `start`, up to the end that it has now."""
    reader = consumer(broker)
    try:
        low, end = reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=LIMIT_S)
        position = low if start is None else start
        reader.assign([TopicPartition(topic, partition, position)])
        got = []
        while position < end:
            batch = reader.consume(min(10_000, end - position), timeout=LIMIT_S)
            if not batch:
                raise AssertionError(f"{topic}/{partition}: nothing came at offset {position} of {end}")
            for message in batch:
                if message.error():
                    raise KafkaException(message.error())
                got.append(message)
                position = message.offset() + 1
                if position >= end:
                    break
        return got
    finally:
        reader.close()


def records(broker, topic, partition=0):
    """[(offset, value)]."""
    return [(message.offset(), message.value()) for message in messages(broker, topic, partition)]


def values(broker, topic, partition=0):
    return [value for _, value in records(broker, topic, partition)]


def kcat(broker, *arguments, given=None):
    """Runs kcat to its end; stdout in bytes. Fails if it does."""
    done = subprocess.run(["kcat", "-b", broker.address, *arguments], input=given, capture_output=True, timeout=60)
    if done.returncode != 0:
        raise AssertionError(f"kcat {' '.join(arguments)} ended with {done.returncode}: {done.stderr.decode()}")
    return done.stdout
