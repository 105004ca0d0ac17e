"""Clients that ask for much and take nothing of it: their replies are bounded, and they hold up neither who writes nor who
reads."""
import socket
import struct

import clients
import wire
from bounds import MIB, NOISE, BoundsTest, MemoryWatch, scaled


class SlowReaders(BoundsTest):
    def lazy(self):
        """A connection whose kernel buffers hold little, so that what the broker sends stays with the broker."""
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.connect(("127.0.0.1", self.node.port))
        made.settimeout(20)
        self.addCleanup(made.close)
        return made

    def fill(self, topic, batches):
        clients.create_topic(self.node, topic, partitions=4)
        batch = wire.record_batch([NOISE[:900_000]])
        filler = wire.Connection(self.node)
        self.addCleanup(filler.close)
        for nth in range(batches):
            filler.send(wire.produce_v3(topic, nth % 4, batch))
            self.assertEqual(wire.produced(filler.reply()[1])[0], 0)
        return filler, batch

    def test_consumers_that_never_take_a_reply(self):
        count = scaled(1000, 150)
        self.fill("bulk", 80)
        watch = MemoryWatch(self.node)
        lazy = [self.lazy() for _ in range(count)]
        for nth, one in enumerate(lazy):
            one.send(b"".join(wire.fetch(0, -1, [("bulk", (nth + more) % 4, (nth + more) % 20)], max_bytes=8 * MIB)
                              for more in range(4)))
        self.serve("during")
        self.end(f"{count} consumers, 4 fetches each", watch.stop())

    def test_consumers_that_hold_on_to_what_is_new(self):
        """Each has a reply of what was just written: the memory that the journal writes from must come free all the same."""
        count = scaled(300, 60)
        filler, batch = self.fill("bulk", 4)
        watch = MemoryWatch(self.node)
        for nth in range(count):
            one = self.lazy()
            end = nth // 4 + 1
            # More than the kernel's buffers take, so that some of it stays with the broker.
            one.send(wire.fetch(0, -1, [("bulk", nth % 4, end)], wait_ms=30_000, max_bytes=8 * MIB) * 8)
            filler.send(wire.produce_v3("bulk", nth % 4, batch))
            self.assertEqual(wire.produced(filler.reply()[1]), (0, end))
        self.serve("during")
        self.end(f"{count} consumers at the tail", watch.stop())

    def test_consumers_that_wait_for_more_than_there_is(self):
        """A fetch that waits holds no records meanwhile."""
        count = scaled(1000, 100)
        self.fill("bulk", 40)
        watch = MemoryWatch(self.node)
        for nth in range(count):
            request = wire.fetch(0, -1, [("bulk", nth % 4, nth % 9)], wait_ms=60_000, max_bytes=8 * MIB, min_bytes=1 << 30)
            self.lazy().send(request)
        self.serve("during")
        self.end(f"{count} consumers that want 1 GiB", watch.stop())

    def test_metadata_that_nobody_takes(self):
        count = scaled(1000, 100)
        for nth in range(5):
            clients.create_topic(self.node, f"wide-{nth}", partitions=400)
        watch = MemoryWatch(self.node)
        ask = wire.request(wire.METADATA, 1, struct.pack(">i", -1)) * 200
        lazy = [self.lazy() for _ in range(count)]
        for one in lazy:
            one.send(ask)
        self.serve("during")
        self.end(f"{count} clients, 200 requests each", watch.stop())
