"""Fetch sessions (KIP-227) by hand: Debian's clients in Python and C do not use them, those in Java and Go do."""
import struct
import threading
import time

import clients
import wire
from broker import BrokerTest

NOT_FOUND, INVALID_EPOCH, UNKNOWN_TOPIC_ID, TOPIC_ID_ERROR = 70, 71, 100, 106


class FetchSessions(BrokerTest):
    def setUp(self):
        super().setUp()
        self.node = self.broker(shards=1)  # a session belongs to the shard of its connection
        self.client = self.connection()

    def connection(self):
        client = wire.Connection(self.node)
        self.addCleanup(client.close)
        return client

    def fetch(self, session, epoch, partitions, client=None, **options):
        client = client or self.client
        client.send(wire.fetch(session, epoch, partitions, **options))
        return wire.fetched(client.reply()[1], options.get("version", 11))

    def test_incremental_fetches_tell_what_changed(self):
        clients.create_topic(self.node, "many", partitions=50)
        full = self.fetch(0, 0, [("many", p, 0) for p in range(50)])
        self.assertEqual(full.error, 0)
        self.assertGreater(full.session, 0)
        self.assertEqual(sorted(full.partitions), [("many", p) for p in range(50)])
        self.assertEqual(self.fetch(full.session, 1, []).partitions, {})

        for partition in (7, 31):
            clients.produce(self.node, "many", ["new"], partition=partition)
        told = self.fetch(full.session, 2, [])
        self.assertEqual(sorted(told.partitions), [("many", 7), ("many", 31)])
        for outcome in told.partitions.values():
            self.assertEqual((outcome.error, outcome.high_watermark), (0, 1))
            self.assertIn(b"new", outcome.records)
        # They are told again until the client asks for a later offset.
        self.assertEqual(sorted(self.fetch(full.session, 3, []).partitions), [("many", 7), ("many", 31)])
        self.assertEqual(self.fetch(full.session, 4, [("many", 7, 1), ("many", 31, 1)]).partitions, {})
        # One goes, one comes.
        clients.create_topic(self.node, "more")
        told = self.fetch(full.session, 5, [("more", 0, 0)], forgotten=[("many", 7)])
        self.assertEqual(list(told.partitions), [("more", 0)])
        clients.produce(self.node, "many", ["unseen"], partition=7)
        clients.produce(self.node, "more", ["seen"])
        self.assertEqual(list(self.fetch(full.session, 6, []).partitions), [("more", 0)])

    def test_it_waits_and_is_woken(self):
        clients.create_topic(self.node, "woken", partitions=3)
        session = self.fetch(0, 0, [("woken", p, 0) for p in range(3)]).session
        producing = threading.Timer(0.3, clients.produce, (self.node, "woken", ["at last"], 2))
        started = time.monotonic()
        producing.start()
        told = self.fetch(session, 1, [], wait_ms=15_000)
        producing.join()
        self.assertEqual(list(told.partitions), [("woken", 2)])
        self.assertLess(time.monotonic() - started, 10)

    def test_none_starves(self):
        clients.create_topic(self.node, "turns", partitions=4)
        for partition in range(4):
            clients.produce(self.node, "turns", ["x" * 2000], partition=partition)
        # Each reply has room for one partition's records, and the client never moves on.
        got = self.fetch(0, 0, [("turns", p, 0) for p in range(4)], max_bytes=1)
        served = [index for (_, index), outcome in got.partitions.items() if outcome.records]
        for epoch in range(1, 12):
            reply = self.fetch(got.session, epoch, [], max_bytes=1)
            served += [index for (_, index), outcome in reply.partitions.items() if outcome.records]
        self.assertEqual(served, [0, 1, 2, 3] * 3)

    def test_errors(self):
        clients.create_topic(self.node, "one")
        session = self.fetch(0, 0, [("one", 0, 0)]).session
        for wrong, epoch, error in [(session ^ 1, 1, NOT_FOUND), (0, 1, NOT_FOUND), (session, 2, INVALID_EPOCH)]:
            told = self.fetch(wrong, epoch, [])
            self.assertEqual((told.error, told.session, told.partitions), (error, 0, {}))
        # What was refused changed nothing, and another connection may go on with it.
        self.assertEqual(self.fetch(session, 1, [], client=self.connection()).error, 0)
        self.assertEqual(self.fetch(session, -1, [("one", 0, 0)]).session, 0)
        self.assertEqual(self.fetch(session, 2, []).error, NOT_FOUND, "the client closed it")
        session = self.fetch(0, 0, [("one", 0, 0)]).session
        self.node.restart()
        self.assertEqual(self.fetch(session, 1, [], client=self.connection()).error, NOT_FOUND)

    def test_topic_ids(self):
        clients.create_topic(self.node, "named")
        clients.produce(self.node, "named", ["by id"])
        topic = wire.topic_id(self.client, "named")
        told = self.fetch(0, 0, [(topic, 0, 0)], version=13)
        self.assertIn(b"by id", told.partitions[topic, 0].records)
        self.assertEqual(self.fetch(told.session, 1, [], version=12).error, TOPIC_ID_ERROR)
        self.assertEqual(self.fetch(told.session, 1, [(topic, 0, 1)], version=16).partitions, {})
        clients.delete_topic(self.node, "named")
        gone = self.fetch(told.session, 2, [], version=13, wait_ms=15_000)
        self.assertEqual(gone.partitions[topic, 0].error, UNKNOWN_TOPIC_ID)
        clients.create_topic(self.node, "named")
        gone = self.fetch(told.session, 3, [], version=13)
        self.assertEqual(gone.partitions[topic, 0].error, UNKNOWN_TOPIC_ID, "the new topic is another one")
