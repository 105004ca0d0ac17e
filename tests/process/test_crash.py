"""kill -9 at random moments, under an idempotent producer: what was acknowledged is there, once, where it was said to be."""
import random
import threading
import time

from confluent_kafka import Producer

import clients
from broker import BrokerTest, wait_until

PARTITIONS = 3


class Writer:
    """Writes numbered records to every partition from a thread of its own, and notes what was acknowledged."""

    def __init__(self, broker, topic):
        self.topic = topic
        self.producer = Producer(clients.common(broker) | {
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 1,
            "batch.num.messages": 50,
            "queue.buffering.max.messages": 3000,
            "delivery.timeout.ms": 600_000,
            "retry.backoff.ms": 20,
        })
        self.acknowledged = [{} for _ in range(PARTITIONS)]  # number -> offset
        self.failed = []
        self.sent = [0] * PARTITIONS
        self.count = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def delivered(self, error, message):
        number = int(message.value().split()[0])
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
                partition = (partition + 1) % PARTITIONS
                self.producer.poll(0)
            except BufferError:
                self.producer.poll(0.01)

    def stop(self):
        """Stops writing; returns how many records are still not reported after a while."""
        self.stopping.set()
        self.thread.join()
        return self.producer.flush(60)


class KillMinusNine(BrokerTest):
    def check(self, kills, seed, **options):
        chance = random.Random(seed)
        node = self.broker(**options)
        clients.create_topic(node, "numbers", partitions=PARTITIONS)
        writer = Writer(node, "numbers")
        try:
            for kill in range(kills):
                # At least one acknowledgement of this life of the broker, then a random moment.
                before = writer.count
                wait_until(lambda: writer.count > before, f"an acknowledgement after kill {kill}", 60)
                more, until = chance.randrange(1500), time.monotonic() + chance.random() * 0.6
                target = writer.count + more
                while writer.count < target and time.monotonic() < until:
                    time.sleep(0.001)
                node.kill()
                node.start()
        finally:
            left = writer.stop()
        self.assertEqual(left, 0, f"seed {seed}")
        self.assertEqual(writer.failed[:5], [], f"seed {seed}")
        self.verify(node, writer, seed)
        node.restart()
        self.verify(node, writer, seed)

    def verify(self, node, writer, seed):
        for partition in range(PARTITIONS):
            got = [(m.offset(), int(m.value().split()[0])) for m in clients.messages(node, "numbers", partition)]
            sent, acknowledged = writer.sent[partition], writer.acknowledged[partition]
            self.assertEqual(len(acknowledged), sent, f"partition {partition}, seed {seed}")
            # In order, no gap, no duplicate: number n is at offset n, which is also what its report said.
            self.assertEqual(got, [(n, n) for n in range(sent)], f"partition {partition}, seed {seed}")
            wrong = [(number, offset) for number, offset in acknowledged.items() if number != offset]
            self.assertEqual(wrong, [], f"partition {partition}, seed {seed}")

    def test_twenty_times(self):
        # Small spills and an early checkpoint, so that a kill meets those too.
        self.check(20, seed=random.randrange(1 << 32), shards=2,
                   settings={"memory.spill_bytes": "256KiB", "log.checkpoint_idle_ms": "200"})

    def test_with_threads_and_one_shard(self):
        self.check(6, seed=random.randrange(1 << 32), shards=1, io_engine="threads", settings={"memory.spill_bytes": "64KiB"})

    def test_a_small_journal_that_goes_round(self):
        self.check(6, seed=random.randrange(1 << 32), shards=1,
                   settings={"journal.file_bytes": "1MiB", "journal.capacity_bytes": "4MiB", "memory.spill_bytes": "256KiB"})


class KilledWhileStarting(BrokerTest):
    def test_again_and_again(self):
        node = self.broker(shards=3)
        clients.create_topic(node, "kept", partitions=PARTITIONS)
        for partition in range(PARTITIONS):
            clients.produce(node, "kept", [f"{n}" for n in range(2000)], partition=partition)
        chance = random.Random()
        node.kill()
        for _ in range(15):
            node.launch()
            time.sleep(chance.random() * 0.15)
            node.kill()
        node.start()
        for partition in range(PARTITIONS):
            self.assertEqual(clients.values(node, "kept", partition), [b"%d" % n for n in range(2000)])

    def test_killed_while_the_data_directory_is_made(self):
        chance = random.Random()
        for nth in range(10):
            node = self.broker(start=False)
            node.launch()
            time.sleep(chance.random() * 0.1)
            node.kill()
            node.start()
            self.assertEqual(clients.produce(node, "first", [f"{nth}"]), [(0, 0)])
            node.kill()
