"""Requests that claim gigabytes, and batches that unfold to gigabytes: nothing is allocated for a claim, and what is small on
the wire stays bounded in memory."""
import gzip
import struct
import threading
import zlib

import clients
import wire
from bounds import MIB, BoundsTest, MemoryWatch, scaled

GIB = 1 << 30
KAFKA_GZIP = 1


def bomb(size):
    """gzip of `size` zeros, built of a repeated piece: about a thousandth of it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    out, piece = [], bytes(16 * MIB)
    for _ in range(size // len(piece)):
        out.append(packer.compress(piece))
    return b"".join(out) + packer.flush()


class Claims(BoundsTest):
    def test_frames_lists_and_strings_that_claim_gigabytes(self):
        count = scaled(500, 100)
        watch = MemoryWatch(self.node)
        claims = [
            struct.pack(">i", GIB) + bytes(4096),                                    # a frame
            struct.pack(">i", 7 * MIB) + bytes(4096),                                # one that may be, and never comes
            wire.request(wire.METADATA, 1, struct.pack(">i", (1 << 31) - 1)),        # an array
            wire.request(wire.METADATA, 12, b"\xff\xff\xff\xff\x0f", tags=b"\0"),    # a compact one
            wire.request(wire.METADATA, 1, struct.pack(">ih", 1, 32767) + b"x"),     # a string
            wire.request(wire.PRODUCE, 3, struct.pack(">hhii", -1, -1, 1000, 1) + wire.string("good") +
                         struct.pack(">iii", 1, 0, GIB)),                            # records
            wire.request(wire.PRODUCE, 9, b"\0" + struct.pack(">hi", -1, 1000) + b"\2" + b"\xff\xff\xff\xff\x07", tags=b"\0"),
            wire.request(wire.FETCH, 4, struct.pack(">iiiibi", -1, 0, 1, 1 << 30, 0, (1 << 30))),
            wire.produce_v3("good", 0, struct.pack(">qiibIhiqqqhii", 0, (1 << 31) - 1, 0, 2, 0, 0, 0, 0, 0, -1, -1, -1, 1)),
        ]
        for _ in range(count // len(claims) + 1):
            for claim in claims:
                self.crowd(1).push(claim)
        self.serve("during")
        self.end(f"{(count // len(claims) + 1) * len(claims)} connections", watch.stop())

    def test_lists_as_long_as_a_request_may_be(self):
        """Millions of small elements that are really there: what they are taken apart into is bounded too."""
        count = scaled(60, 12)
        watch = MemoryWatch(self.node)
        many = 45_000
        requests = [
            wire.list_offsets_v1("good", range(many), -1),
            wire.request(wire.METADATA, 1, struct.pack(">i", many) + struct.pack(">h", 3) * 0 +
                         b"".join(wire.string(f"t{n}") for n in range(many))),
            wire.request(wire.FETCH, 4, struct.pack(">iiiibi", -1, 0, 1, 1 << 20, 0, 1) + wire.string("good") +
                         struct.pack(">i", many) + b"".join(struct.pack(">iqi", n, 0, 1 << 20) for n in range(many))),
            wire.request(wire.CREATE_TOPICS, 2, struct.pack(">i", many // 4) +
                         b"".join(wire.string(f"!{n}") + struct.pack(">ihii", 1, 1, 0, 0) for n in range(many // 4)) +
                         struct.pack(">ib", 1000, 0)),
            wire.request(21, 0, struct.pack(">i", 1) + wire.string("good") + struct.pack(">i", many) +
                         b"".join(struct.pack(">iq", n, 0) for n in range(many)) + struct.pack(">i", 1000)),
        ]
        crowds = [self.crowd(count) for _ in requests]
        at = [[0] * count for _ in requests]
        stopping = threading.Event()

        def abuse():
            while not stopping.wait(0.01):
                for crowd, request, places in zip(crowds, requests, at):
                    crowd.push(request, places)
        thread = threading.Thread(target=abuse)
        thread.start()
        try:
            self.serve("during")
        finally:
            stopping.set()
            thread.join()
        self.end(f"{count * len(requests)} requests of up to {max(map(len, requests)) / MIB:.1f} MB", watch.stop())

    def test_batches_that_unfold_to_gigabytes(self):
        """ListOffsets by time has to look into a batch: however much that claims to be, and whoever else asks."""
        clients.create_topic(self.node, "bombs", partitions=4)
        packed = bomb(scaled(512, 128) * MIB)
        batch = wire.record_batch(None, codec=KAFKA_GZIP, records=packed, count=1)
        writer = wire.Connection(self.node)
        for partition in range(4):
            writer.send(wire.produce_v3("bombs", partition, batch))
            self.assertEqual(wire.produced(writer.reply()[1])[0], 0)
        writer.close()
        watch = MemoryWatch(self.node)
        count = scaled(50, 8)
        crowd = self.crowd(count)
        ask = wire.list_offsets_v1("bombs", range(4), 1000) * scaled(20, 4)
        crowd.push(ask)
        self.serve("during")
        self.end(f"{count} clients, {len(packed) // 1024} KiB that unfold to {scaled(512, 128)} MiB", watch.stop())
