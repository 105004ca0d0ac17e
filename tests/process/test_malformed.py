"""Bytes that no client sends. Whoever sends them loses that connection, with one line in the log; nobody else notices."""
import os
import random
import socket
import struct

import clients
import wire
from broker import BrokerTest, wait_until
from wire import Connection


class Malformed(BrokerTest):
    def setUp(self):
        super().setUp()
        self.node = self.broker(shards=2)
        clients.create_topic(self.node, "good")
        self.bystander = Connection(self.node)
        self.addCleanup(self.still_served)

    def connect(self):
        connection = Connection(self.node)
        self.addCleanup(connection.close)
        return connection

    def still_served(self):
        """An older connection still is, and a new one is, and nothing was written by accident."""
        for connection in [self.bystander, self.connect()]:
            connection.send(wire.request(wire.API_VERSIONS, 0, correlation=77))
            self.assertEqual(connection.reply()[0], 77)
        self.assertEqual(clients.watermarks(self.node, "good"), (0, 0))

    def refused(self, data, *words):
        """Sending `data` closes the connection without a reply, and one line with `words` says why."""
        before = self.node.log_lines("closing the Kafka connection")
        connection = self.connect()
        try:
            connection.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # closed before all of it was taken
        self.assertTrue(connection.is_closed(), data[:40])
        port = f":{connection.socket.getsockname()[1]}:"
        lines = wait_until(lambda: self.node.log_lines("closing the Kafka connection", port), "a line in the log")
        self.assertEqual(len(lines), 1, lines)
        for word in words:
            self.assertIn(word, lines[0])
        self.assertEqual(len(self.node.log_lines("closing the Kafka connection")), len(before) + 1)

    def test_lengths(self):
        self.refused(struct.pack(">i", -1), "-1 bytes")
        self.refused(struct.pack(">i", -(1 << 31)), "bytes")
        self.refused(struct.pack(">i", (1 << 31) - 1), "2147483647 bytes")
        self.refused(struct.pack(">i", 0), "")
        self.refused(struct.pack(">i", 3) + b"abc", "")

    def test_other_protocols(self):
        self.refused(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n", "HTTP")
        self.refused(bytes.fromhex("1603010200010001fc0303") + os.urandom(40), "TLS")

    def test_random_bytes(self):
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        for _ in range(40):
            with self.subTest(seed=seed):
                connection = self.connect()
                # A length that is possible, then noise: it must end in a refusal or in silence, never in a crash.
                noise = chance.randbytes(chance.randrange(8, 400))
                connection.send(struct.pack(">i", len(noise)) + noise)
                connection.socket.shutdown(socket.SHUT_WR)
                while connection.socket.recv(65536):
                    pass

    def test_claims_cost_no_memory(self):
        largest = 64 << 20
        Connection(self.node).close()
        before = self.node.rss_bytes()
        waiting = [self.connect() for _ in range(50)]
        for connection in waiting:
            connection.send(struct.pack(">i", largest - 100) + b"\0\1")
        # A request on each shard's thread has been served behind these.
        for _ in range(20):
            self.still_served()
        self.assertLess(self.node.rss_bytes() - before, 64 << 20, "50 claims of 64 MiB each")
        self.refused(struct.pack(">i", (1 << 31) - 1) + b"x" * 4096, "2147483647")

    def test_unknown_apis_and_versions(self):
        self.refused(wire.request(999, 0), "api 999 v0")
        self.refused(wire.request(-1, 0), "api -1")
        self.refused(wire.request(wire.METADATA, 99, tags=b"\0"), "Metadata v99")
        self.refused(wire.request(wire.METADATA, -1), "Metadata v-1")
        self.refused(wire.request(wire.FETCH, 3), "Fetch v3")
        self.refused(wire.request(4, 0), "v0")

    def test_unknown_version_of_api_versions(self):
        for version in [5, 99, 32767]:
            connection = self.connect()
            connection.send(wire.request(wire.API_VERSIONS, version, body=b"?" * 20, correlation=5, tags=b"\0"))
            correlation, body = connection.reply()
            error, count = struct.unpack(">hi", body[:6])
            self.assertEqual((correlation, error), (5, 35))
            self.assertEqual(len(body), 6 + count * 6, "a body of version 0")
            apis = [struct.unpack_from(">hhh", body, 6 + nth * 6) for nth in range(count)]
            self.assertIn(wire.API_VERSIONS, [api for api, _, _ in apis])
            # The client goes on with what it learned.
            connection.send(wire.request(wire.API_VERSIONS, 0, correlation=6))
            correlation, body = connection.reply()
            self.assertEqual((correlation, body[:2]), (6, b"\0\0"))

    def test_garbage_bodies(self):
        for api, version, tags, name in [(wire.PRODUCE, 3, b"", "Produce"), (wire.PRODUCE, 9, b"\0", "Produce"),
                                         (wire.FETCH, 4, b"", "Fetch"), (wire.FETCH, 12, b"\0", "Fetch"),
                                         (2, 1, b"", "ListOffsets"), (wire.METADATA, 1, b"", "Metadata"),
                                         (wire.METADATA, 12, b"\0", "Metadata"), (19, 2, b"", "CreateTopics"),
                                         (20, 6, b"\0", "DeleteTopics"), (22, 2, b"\0", "InitProducerId")]:
            with self.subTest(api=name, version=version):
                self.refused(wire.request(api, version, body=b"\x7e\xff\xff\xff" * 8, tags=tags), name)
                self.refused(wire.request(api, version, tags=tags), name)

    def test_a_list_that_claims_too_much(self):
        before = self.node.rss_bytes()
        self.refused(wire.request(wire.METADATA, 1, body=struct.pack(">i", (1 << 31) - 1)), "Metadata")
        self.refused(wire.request(wire.METADATA, 12, body=b"\xff\xff\xff\xff\x0f", tags=b"\0"), "Metadata")
        self.assertLess(self.node.rss_bytes() - before, 32 << 20)

    def test_batches_that_are_none(self):
        """The request is well-formed, so it is answered: with an error for the partition."""
        connection = self.connect()
        # A batch with a claim of everything, and 61 bytes of it.
        header = struct.pack(">qiibIhiqqqhii", 0, (1 << 31) - 1, 0, 2, 0, 0, 0, 0, 0, -1, -1, -1, 1)
        whole = struct.pack(">qiibIhiqqqhii", 0, 49, 0, 2, 0xBAD, 0, 0, 0, 0, -1, -1, -1, 1)
        for records in [b"", b"x", os.urandom(200), header, whole, whole + b"\0"]:
            connection.send(wire.produce_v3("good", 0, records))
            _, body = connection.reply()
            at = 4 + 2 + len("good") + 4 + 4  # topics, name, partitions, index
            error, offset = struct.unpack_from(">hq", body, at)
            self.assertIn(error, (2, 87, 42, 43), records[:70])  # corrupt, invalid record or request, no such format
            self.assertEqual(offset, -1)
        # Nobody hears of it with acks=0: the connection ends.
        silent = self.connect()
        silent.send(wire.produce_v3("good", 0, whole, acks=0))
        self.assertTrue(silent.is_closed())

    def test_requests_cut_short(self):
        whole = wire.request(wire.METADATA, 1, body=struct.pack(">i", 0))
        for size in range(1, len(whole)):
            connection = self.connect()
            connection.send(whole[:size])
            connection.socket.shutdown(socket.SHUT_WR)
            self.assertTrue(connection.is_closed())
        connection = self.connect()
        for byte in whole:  # slow, but whole
            connection.send(bytes([byte]))
        self.assertEqual(connection.reply()[0], 1)

    def test_a_client_that_resets(self):
        for _ in range(20):
            connection = self.connect()
            connection.send(wire.request(wire.METADATA, 1, body=struct.pack(">i", 0)))
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

    def test_many_idle_and_half_open_connections(self):
        before = self.node.rss_bytes()
        idle = [self.connect() for _ in range(100)]
        for connection in [self.connect() for _ in range(100)]:
            connection.send(b"\0\0")  # half a length
            idle.append(connection)
        clients.create_topic(self.node, "beside", partitions=2)
        for partition in range(2):
            clients.produce(self.node, "beside", [f"{n}" for n in range(2000)], partition=partition)
            self.assertEqual(len(clients.values(self.node, "beside", partition)), 2000)
        self.assertLess(self.node.rss_bytes() - before, 96 << 20)
        self.still_served()
        status, _ = self.node.terminate(limit_s=15)
        self.assertEqual(status, 0, "idle connections do not hold up the end")
        self.node.start()
        self.bystander = Connection(self.node)
