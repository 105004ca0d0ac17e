"""Replies that get lost and connections that break, between clients and the broker: nothing is lost, doubled or moved."""
import random

import clients
from broker import BrokerTest, wait_until
from proxy import KINDS, Proxy
from streams import ConfluentReader, PythonReader, Writer

PARTITIONS = 3
ENOUGH = {"cut": 15, "lost": 25, "torn": 25, "silent": 4}  # of each fault; a silent one costs the client's time-out


class LossyNetwork(BrokerTest):
    def check(self, seed, **options):
        said = f"seed {seed}"
        proxy = Proxy(seed, cut=0.02, lost=0.05, torn=0.05, silent=0.01)
        self.addCleanup(proxy.close)
        # Clients connect to where the broker says it is: to the proxy.
        node = self.broker(settings={"kafka.advertise": proxy.address}, **options)
        proxy.broker_port = node.port
        proxy.calm = True
        clients.create_topic(proxy, "numbers", partitions=PARTITIONS)
        proxy.calm = False
        writer = Writer(proxy, "numbers", PARTITIONS, socket_timeout_ms=1000, request_timeout_ms=1000)
        readers = [ConfluentReader(proxy, "numbers", 0), PythonReader(proxy, "numbers", 1)]
        try:
            wait_until(lambda: all(proxy.counts[kind] >= ENOUGH[kind] for kind in KINDS), f"faults enough, {said}", 90)
        finally:
            proxy.calm = True
            left = writer.stop()
            try:
                wait_until(lambda: all(len(r.got) >= writer.sent[r.partition] or r.errors for r in readers), f"all is read, {said}", 30)
            finally:
                for reader in readers:
                    reader.stop()
        self.assertEqual(left, 0, said)
        writer.verify(self, node, said)
        for reader in readers:
            reader.verify(self, writer.sent[reader.partition], said)

    def test_idempotent_producer(self):
        self.check(random.randrange(1 << 32), shards=2)

    def test_idempotent_producer_with_threads(self):
        self.check(random.randrange(1 << 32), shards=1, io_engine="threads")
