"""kill -9 at random moments, under an idempotent producer: what was acknowledged is there, once, where it was said to be."""
import random
import time

import clients
from broker import BrokerTest, wait_until
from streams import Writer

PARTITIONS = 3


class KillMinusNine(BrokerTest):
    def check(self, kills, seed, **options):
        chance = random.Random(seed)
        node = self.broker(**options)
        clients.create_topic(node, "numbers", partitions=PARTITIONS)
        writer = Writer(node, "numbers", PARTITIONS)
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
        writer.verify(self, node, f"seed {seed}")
        node.restart()
        writer.verify(self, node, f"seed {seed}")

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
