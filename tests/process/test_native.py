"""The native protocol against a real node, by a client that was written from docs/protocol.md. What it publishes Kafka's
clients read byte for byte."""
import socket
import struct
import time

import clients
from broker import BrokerTest
from native_client import KINDS, Messages, NativeClient, NativeError
from wire import record_batch

NO_ACKS = Messages.ACKS_NONE


class Native(BrokerTest):
    def setUp(self):
        super().setUp()
        self.node = self.broker()
        self.client = self.connect()

    def connect(self, **options):
        client = NativeClient(self.node.native_port, **options)
        self.addCleanup(client.close)
        return client

    def create(self, name, partitions=1, **settings):
        listed = [Messages.Setting(name=key.replace("_", "."), value=str(value)) for key, value in settings.items()]
        return self.client.ask("CREATE_TOPIC", name=name, partitions=partitions, settings=listed)[0].topic

    def assert_error(self, code, *question, **fields):
        with self.assertRaises(NativeError) as caught:
            self.client.ask(*question, **fields)
        self.assertEqual(caught.exception.error.code, code, caught.exception)
        return caught.exception.error

    def position(self, topic, at, value=0, partition=0):
        part = Messages.Offsets.Part(topic=topic, partition=partition, position=Messages.Position(at=at, value=value))
        return self.client.ask("OFFSETS", parts=[part])[0].parts[0]


class Connections(Native):
    def test_welcome(self):
        welcome = self.client.welcome
        self.assertEqual((welcome.version, welcome.node_id), (1, 1))
        self.assertEqual([(n.host, n.port) for n in welcome.nodes], [("127.0.0.1", self.node.native_port)])
        self.assertTrue(welcome.server_software.startswith("sluiced/"))
        self.assertGreater(welcome.publish_window_bytes, 0)

    def test_a_version_that_is_not_spoken(self):
        other = self.connect(greet=False)
        with self.assertRaises(NativeError) as caught:
            other.ask("HELLO", min_version=7, max_version=9)
        self.assertEqual(caught.exception.error.code, 105)
        self.assertIsNone(other.receive(), "the node closes behind it")

    def test_nothing_before_hello(self):
        other = self.connect(greet=False)
        with self.assertRaises(NativeError) as caught:
            other.ask("LAYOUT", all=True)
        self.assertEqual(caught.exception.error.code, 106)

    def test_ping(self):
        self.client.send("PING", 5, payload=b"abc")
        self.assertEqual(self.client.receive()[::3], ("PONG", b"abc"))

    def test_rubbish_ends_its_own_connection_alone(self):
        for rubbish in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", struct.pack(">i", 43) + b"\0" * 43,
                        b"\xff" * 64, struct.pack("<IIHHI", 12, 9, KINDS["HELLO"], 0, 1)):
            with socket.create_connection(("127.0.0.1", self.node.native_port), timeout=20) as sent:
                sent.sendall(rubbish)
                try:
                    while sent.recv(4096):
                        pass
                except ConnectionResetError:
                    pass
        self.client.ask("LAYOUT", all=True)

    def test_a_node_that_goes_says_so(self):
        status, _ = self.node.terminate()
        self.assertEqual(status, 0)
        self.assertEqual(self.client.receive()[0], "GOAWAY")
        self.assertIsNone(self.client.receive())
        self.node.start()


class Topics(Native):
    def test_from_the_cradle_to_the_grave(self):
        topic = self.create("orders.created", partitions=3, retention_ms=3600000)
        self.assertEqual((topic.name, len(topic.partitions), len(topic.topic_id)), ("orders.created", 3, 16))
        self.assertEqual([(s.name, s.value) for s in topic.settings], [("retention.ms", "3600000")])
        self.assert_error(204, "CREATE_TOPIC", name="orders.created")
        self.client.ask("GROW_TOPIC", name="orders.created", partitions=5)
        change = Messages.AlterTopic.Change(name="retention.ms", value="1000")
        self.client.ask("ALTER_TOPIC", name="orders.created", changes=[change])
        self.client.publish("orders.created", record_batch([b"a", b"b"]), partition=4)
        described = self.client.ask("DESCRIBE_TOPIC", name="orders.created")[0]
        self.assertEqual(len(described.topic.partitions), 5)
        self.assertEqual([(p.start_offset, p.end_offset) for p in described.partitions], [(0, 0)] * 4 + [(0, 2)])
        self.assertGreater(described.partitions[4].size_bytes, 61)
        self.assertEqual({s.name: s.value for s in described.settings}["retention.ms"], "1000")
        self.assertEqual(len(clients.describe(self.node)["orders.created"]), 5)
        self.client.ask("DELETE_TOPIC", topic_id=topic.topic_id)
        self.assert_error(202, "DESCRIBE_TOPIC", name="orders.created")
        self.assert_error(203, "DESCRIBE_TOPIC", topic_id=topic.topic_id)

    def test_layout_by_name_and_pattern_and_what_changes_it(self):
        for name in ("orders.created", "orders.eu.paid", "audit"):
            self.create(name)
        layout = self.client.ask("LAYOUT", patterns=["orders.>"], names=["nowhere"])[0]
        self.assertEqual([t.name for t in layout.topics], ["orders.created", "orders.eu.paid"])
        self.assertEqual([(e.code, e.topic) for e in layout.errors], [(202, "nowhere")])
        self.assertEqual({(p.leader_node, p.leader_epoch > 0) for t in layout.topics for p in t.partitions}, {(1, True)})
        self.client.send("WATCH_LAYOUT", 77, known_revision=layout.revision)
        other = self.connect()
        other.ask("CREATE_TOPIC", name="orders.new")
        changed = self.client.await_frame(77)[2]
        self.assertNotEqual(changed.revision, layout.revision)

    def test_topics_are_made_where_a_client_asks_for_it(self):
        self.assertEqual(len(self.client.ask("LAYOUT", names=["fresh"])[0].errors), 1)
        layout = self.client.ask("LAYOUT", names=["fresh"], create_missing=True)[0]
        self.assertEqual([t.name for t in layout.topics], ["fresh"])
        self.assertEqual(self.client.publish("fresh", record_batch([b"x"])).base_offset, 0)


class Publishing(Native):
    def test_kafkas_clients_read_it_byte_for_byte(self):
        self.create("mixed")
        values = [b"", b"with\0nul", b"two\nlines\n", bytes(range(256)), b"x" * 100_000]
        self.assertEqual(self.client.publish("mixed", record_batch(values[:3])).base_offset, 0)
        self.assertEqual(self.client.publish("mixed", record_batch(values[3:]), acks=Messages.ACKS_LEADER).base_offset, 3)
        self.assertEqual(clients.values(self.node, "mixed"), values)

    def test_many_topics_in_one_frame_each_with_its_own_outcome(self):
        self.create("one", partitions=2)
        other = self.create("other")
        batches = [record_batch([b"1"]), record_batch([b"2", b"3"]), record_batch([b"4"]), record_batch([b"5"])[:-1] + b"!"]
        parts = [Messages.PublishPart(topic="one", partition=1, batch_bytes=len(batches[0])),
                 Messages.PublishPart(topic_id=other.topic_id, batch_bytes=len(batches[1])),
                 Messages.PublishPart(topic="nowhere", batch_bytes=len(batches[2])),
                 Messages.PublishPart(topic="one", batch_bytes=len(batches[3]))]
        answer = self.client.ask("PUBLISH", Messages.Publish(parts=parts), b"".join(batches))[0].parts
        self.assertEqual([part.error.code for part in answer], [0, 0, 202, 101])
        self.assertEqual([part.base_offset for part in answer[:2]], [0, 0])
        self.assertGreater(answer[0].leader_epoch, 0)
        self.assertEqual(clients.values(self.node, "other"), [b"2", b"3"])

    def test_a_memory_topic_says_that_it_is_one(self):
        topic = self.create("ticks", storage="memory")
        self.assertEqual(topic.storage, Messages.STORAGE_MEMORY)
        published = self.client.publish("ticks", record_batch([b"t"]))
        self.assertTrue(published.memory)
        self.assertFalse(self.client.publish(self.create("disk").name, record_batch([b"d"])).memory)
        described = self.client.ask("DESCRIBE_TOPIC", name="ticks")[0]
        self.assertEqual((described.topic.storage, described.partitions[0].end_offset), (Messages.STORAGE_MEMORY, published.base_offset + 1))
        self.assertGreater(described.partitions[0].size_bytes, 61)

    def test_without_acknowledgement_nothing_comes_back_but_failures(self):
        self.create("views")
        batch = record_batch([b"v"])
        for topic in ("views", "views", "nowhere", "views"):
            part = Messages.PublishPart(topic=topic, batch_bytes=len(batch))
            self.client.send("PUBLISH", 0, Messages.Publish(acks=NO_ACKS, parts=[part]), batch)
        kind, id_, notice, _ = self.client.receive()
        self.assertEqual((kind, id_, notice.error.code, notice.error.topic, notice.count), ("NOTICE", 0, 202, "nowhere", 1))
        self.client.publish("views", batch)  # behind the others: when it is there, they are
        self.assertEqual(clients.values(self.node, "views"), [b"v"] * 4)

    def test_a_retry_makes_no_duplicate(self):
        self.create("once")
        producer = self.client.ask("INIT_PRODUCER")[0]
        first = record_batch([b"a", b"b"], producer=producer.producer_id, sequence=0)
        for _ in range(3):
            self.assertEqual(self.client.publish("once", first).base_offset, 0)
        gap = self.client.publish("once", record_batch([b"d"], producer=producer.producer_id, sequence=5))
        self.assertEqual(gap.error.code, 300)
        self.assertEqual(clients.values(self.node, "once"), [b"a", b"b"])

    def test_what_is_acknowledged_survives_kill_9(self):
        self.create("kept", partitions=2)
        for nth in range(40):
            self.assertEqual(self.client.publish("kept", record_batch([b"%d" % nth]), partition=nth % 2).base_offset, nth // 2)
        self.node.kill()
        self.node.start()
        for partition in range(2):
            self.assertEqual(clients.values(self.node, "kept", partition), [b"%d" % n for n in range(partition, 40, 2)])

    def test_a_thousand_under_way_at_once(self):
        self.create("busy")
        batch = record_batch([b"x" * 100])
        part = Messages.PublishPart(topic="busy", batch_bytes=len(batch))
        message = Messages.Publish(parts=[part])
        for nth in range(1000):
            self.client.send("PUBLISH", 1000 + nth, message, batch)
        offsets = {}
        for _ in range(1000):
            kind, id_, answer, _ = self.client.receive()
            self.assertEqual(kind, "PUBLISHED")
            offsets[id_] = answer.parts[0].base_offset
        self.assertEqual([offsets[1000 + nth] for nth in range(1000)], list(range(1000)), "in the order of the frames")


class Offsets(Native):
    def test_positions_and_records_deleted(self):
        self.create("log")
        for nth in range(5):
            self.client.publish("log", record_batch([b"%d" % nth], time_ms=1_700_000_000_000 + 1000 * nth))
        at = Messages.Position
        self.assertEqual(self.position("log", at.AT_START).offset, 0)
        self.assertEqual(self.position("log", at.AT_END).offset, 5)
        third = self.position("log", at.AT_TIME, 1_700_000_000_000 + 1500)
        self.assertEqual((third.offset, third.timestamp_ms), (2, 1_700_000_002_000))
        self.assertEqual(self.position("log", at.AT_TIME, 1_800_000_000_000).offset, -1)
        self.assertEqual(self.position("log", at.AT_MAX_TIME).offset, 4)
        self.assertEqual(self.position("log", at.AT_START, partition=7).error.code, 202)
        part = Messages.DeleteRecords.Part(topic="log", before=3)
        self.assertEqual(self.client.ask("DELETE_RECORDS", parts=[part])[0].parts[0].start_offset, 3)
        self.assertEqual(self.position("log", at.AT_START).offset, 3)
        part.before = 9
        self.assertEqual(self.client.ask("DELETE_RECORDS", parts=[part])[0].parts[0].error.code, 200)


class Slow(Native):
    def test_a_client_that_takes_nothing_costs_bounded_memory(self):
        self.create("slow")
        before = self.node.rss_bytes()
        stuck = [self.connect() for _ in range(20)]
        deadline = time.monotonic() + 20
        for client in stuck:
            client.socket.setblocking(False)
        sent = 0
        prefix = struct.pack("<IIHHI", 12 + 64, 0, KINDS["PING"], 0, 3) + b"p" * 64
        while time.monotonic() < deadline:
            moved = 0
            for client in stuck:
                try:
                    moved += client.socket.send(prefix * 1000)
                except BlockingIOError:
                    pass
            sent += moved
            if moved == 0:
                break
        self.assertLess(self.node.rss_bytes() - before, 20 * (12 << 20), f"{sent} bytes were taken")
        self.client.ask("LAYOUT", all=True)
