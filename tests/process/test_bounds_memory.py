"""The memory budget of the node under clients that send much, take little, or go away: nothing grows past it, and who
behaves is served."""
import struct
import threading

import clients
import wire
from bounds import MIB, NOISE, BoundsTest, MemoryWatch, scaled


def large_batch(size):
    """A valid batch of `size` bytes or a little less."""
    return wire.record_batch([NOISE[:size - 100]])


class MemoryBudget(BoundsTest):
    def test_pipelined_produce_that_never_reads(self):
        """Each connection sends one large request after the other and takes no reply."""
        count = scaled(200, 30)
        clients.create_topic(self.node, "bulk", partitions=8)
        batch = large_batch(900_000)
        crowd = self.crowd(count)
        watch = MemoryWatch(self.node)
        frames = [wire.produce_v3("bulk", partition, batch) * 4 for partition in range(8)]
        at = [[0] * count, [0] * count]
        self.serve_beside(lambda: crowd.push(frames[0] + frames[5], at[0]))
        self.end(f"{count} connections, 7 MB each", watch.stop())

    def serve_beside(self, abuse):
        """Goes on with the abuse while the witnesses have their rounds."""
        stopping = threading.Event()

        def run():
            while not stopping.is_set():
                abuse()
                stopping.wait(0.01)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            self.serve("during")
        finally:
            stopping.set()
            thread.join()

    def test_half_received_frames(self):
        count = scaled(1000, 200)
        crowd = self.crowd(count)
        watch = MemoryWatch(self.node)
        frame = struct.pack(">i", 8 * MIB) + NOISE[:600_000]
        at = [0] * count
        self.serve_beside(lambda: crowd.push(frame, at))
        self.end(f"{count} connections, 0.6 of 8 MB each", watch.stop())

    def test_requests_left_behind(self):
        """Connections that send a large request and close at once, again and again."""
        clients.create_topic(self.node, "bulk", partitions=8)
        batch = large_batch(900_000)
        frames = [wire.produce_v3("bulk", partition, batch) * 4 for partition in range(8)]
        watch = MemoryWatch(self.node)
        rounds = [0]

        def abuse():
            crowd, at = self.crowd(8), None
            for _ in range(20):
                at = crowd.push(frames[rounds[0] % 8], at)
            crowd.close()
            rounds[0] += 1
        self.serve_beside(abuse)
        self.end(f"{rounds[0] * 8} connections, 3.6 MB each", watch.stop())
