"""A writer and readers that go on through whatever happens to the broker, and note what they were told."""
import json
import subprocess
import threading

from confluent_kafka import Producer, TopicPartition
from kafka import KafkaConsumer
from kafka import TopicPartition as PythonTopicPartition

import clients


def number_of(value):
    return int(value.split()[0])


class Writer:
    """Writes numbered records to every partition from a thread of its own, and notes what was acknowledged.

    `where` has the address to connect to: a broker, or what stands before it.
    """

    def __init__(self, where, topic, partitions, **settings):
        self.topic, self.partitions = topic, partitions
        self.producer = Producer(clients.common(where) | {
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 1,
            "batch.num.messages": 50,
            "queue.buffering.max.messages": 3000,
            "delivery.timeout.ms": 600_000,
            "retry.backoff.ms": 20,
        } | {name.replace("_", "."): value for name, value in settings.items()})
        self.acknowledged = [{} for _ in range(partitions)]  # number -> offset
        self.failed = []
        self.sent = [0] * partitions
        self.count = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def delivered(self, error, message):
        number = number_of(message.value())
        if error is not None:
            self.failed.append((message.partition(), number, str(error)))
        else:
            self.acknowledged[message.partition()][number] = message.offset()
            self.count += 1

    def run(self):
        partition = 0
        while not self.stopping.is_set():
            value = b"%d %s" % (self.sent[partition], b"." * (self.sent[partition] * 37 % 200))
            try:
                self.producer.produce(self.topic, value, partition=partition, on_delivery=self.delivered)
                self.sent[partition] += 1
                partition = (partition + 1) % self.partitions
                self.producer.poll(0)
            except BufferError:
                self.producer.poll(0.01)

    def stop(self):
        """Stops writing; returns how many records are still not reported after a while."""
        self.stopping.set()
        self.thread.join()
        return self.producer.flush(60)

    def verify(self, test, node, said):
        """What was written is there in order, without gap or duplicate: number n at offset n, as its report said."""
        test.assertEqual(self.failed[:5], [], said)
        for partition in range(self.partitions):
            what = f"partition {partition}, {said}"
            got = [(m.offset(), number_of(m.value())) for m in clients.messages(node, self.topic, partition)]
            acknowledged = self.acknowledged[partition]
            test.assertEqual(len(acknowledged), self.sent[partition], what)
            test.assertEqual(got, [(n, n) for n in range(self.sent[partition])], what)
            test.assertEqual([pair for pair in acknowledged.items() if pair[0] != pair[1]], [], what)


class Reader:
    """Reads one partition from its start, in a thread of its own: (offset, number) of each record, as they came."""

    def __init__(self, where, topic, partition):
        self.where, self.topic, self.partition = where, topic, partition
        self.got, self.errors = [], []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def stop(self):
        self.stopping.set()
        self.thread.join()

    def verify(self, test, count, said):
        """It was given every record once, in order, up to some moment; which is the end if `count` says so."""
        what = f"{type(self).__name__} of partition {self.partition}, {said}"
        test.assertEqual(self.errors, [], what)
        test.assertEqual(self.got, [(n, n) for n in range(count)], what)


class ConfluentReader(Reader):
    def run(self):
        reader = clients.consumer(self.where, **{"socket.timeout.ms": 3000})
        reader.assign([TopicPartition(self.topic, self.partition, 0)])
        while not self.stopping.is_set():
            for message in reader.consume(500, timeout=0.1):
                if message.error():
                    self.errors.append(str(message.error()))
                else:
                    self.got.append((message.offset(), number_of(message.value())))
        reader.close()


class PythonReader(Reader):
    def run(self):
        reader = KafkaConsumer(bootstrap_servers=self.where.address, group_id=None, enable_auto_commit=False,
                               auto_offset_reset="none", reconnect_backoff_ms=20, reconnect_backoff_max_ms=200,
                               request_timeout_ms=5000, api_version=(2, 5), metadata_max_age_ms=2000)
        here = PythonTopicPartition(self.topic, self.partition)
        reader.assign([here])
        reader.seek(here, 0)
        while not self.stopping.is_set():
            for records in reader.poll(timeout_ms=100).values():
                self.got += [(record.offset, number_of(record.value)) for record in records]
        reader.close()


class KcatReader(Reader):
    """kcat ends itself when its only broker is down: it is started again at the offset behind the last one it told."""

    def run(self):
        while not self.stopping.is_set():
            self.process = subprocess.Popen(
                ["kcat", "-b", self.where.address, "-C", "-t", self.topic, "-p", str(self.partition), "-u", "-J",
                 "-o", str(self.got[-1][0] + 1 if self.got else 0), "-X", "auto.offset.reset=error"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for line in self.process.stdout:
                record = json.loads(line)
                self.got.append((record["offset"], number_of(record["payload"])))
            said = self.process.stderr.read().decode(errors="replace")
            self.process.wait()
            self.process.stdout.close()
            self.process.stderr.close()
            if "ERROR" in said and "brokers are down" not in said:
                self.errors.append(said[-500:])
                return

    def stop(self):
        self.stopping.set()
        while self.thread.is_alive():
            self.process.terminate()
            self.thread.join(0.2)
