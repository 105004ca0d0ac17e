"""A disk that is slow, or does not answer: the journal fills no further than its bound, producers wait for it, admin calls end
in time, and nothing that was acknowledged is lost.

The disk is throttled for the broker's process alone, by a control group of its own; where that can't be had the tests are
skipped (tests/broker/shard has the same on a simulated disk).
"""
import os
import pathlib
import struct
import threading
import time

import clients
import wire
from broker import wait_until
from bounds import MIB, NOISE, BoundsTest, FULL, MemoryWatch, scaled
from test_metrics import get, parse, total


class Throttle:
    """Writes of one process to the disk of a directory, at so many bytes a second. Control groups of both versions."""

    def __init__(self, directory, pid):
        device = pathlib.Path(f"/sys/dev/block/{os.major(os.stat(directory).st_dev)}:{os.minor(os.stat(directory).st_dev)}")
        if (device / "partition").exists():
            device = device.resolve().parent
        self.device = (device / "dev").read_text().strip()
        first = pathlib.Path("/sys/fs/cgroup/blkio")
        self.second = not first.exists()
        root = pathlib.Path("/sys/fs/cgroup") if self.second else first
        self.group = root / f"sluice-test-{os.getpid()}-{pid}"
        self.group.mkdir()
        try:
            self.limit(None)
            (self.group / "cgroup.procs").write_text(str(pid))
        except OSError:
            self.group.rmdir()
            raise

    def limit(self, bytes_per_second):
        if self.second:
            (self.group / "io.max").write_text(f"{self.device} wbps={bytes_per_second or 'max'}")
        else:
            (self.group / "blkio.throttle.write_bps_device").write_text(f"{self.device} {bytes_per_second or 0}")

    def remove(self):
        """After the process has ended."""
        try:
            self.group.rmdir()
        except OSError:
            pass


class SlowDisk(BoundsTest):
    settings = {"journal.file_bytes": "4MiB", "journal.capacity_bytes": "32MiB"}

    def flags(self):
        return ("--metrics-listen", "127.0.0.1:0")

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("a control group takes root")
        try:
            self.throttle = Throttle(self.node.data, self.node.process.pid)
        except OSError as error:
            self.skipTest(f"the disk of {self.node.data} can't be throttled: {error}")
        self.addCleanup(self.throttle.remove)
        self.addCleanup(self.throttle.limit, None)

    def test_a_journal_that_fills(self):
        clients.create_topic(self.node, "bulk", partitions=8)
        batch = wire.record_batch([NOISE[:900_000]])
        self.throttle.limit(8 * MIB)
        watch = MemoryWatch(self.node)
        kept, refused, fullest, stopping = [0] * 8, [], 0, threading.Event()

        def write(partition):
            connection = wire.Connection(self.node, limit_s=120)
            while not stopping.is_set():
                connection.send(wire.produce_v3("bulk", partition, batch))
                error, offset = wire.produced(connection.reply()[1])
                if error:
                    refused.append(error)
                    break
                kept[partition] = offset + 1
            connection.close()

        threads = [threading.Thread(target=write, args=(partition,)) for partition in range(8)]
        for thread in threads:
            thread.start()
        try:
            deadline = time.monotonic() + 60
            while sum(kept) < scaled(400, 60) and time.monotonic() < deadline:
                values = parse(get(self.node.metrics_address)[1])
                fullest = max(fullest, max(total(values, "sluice_journal_used_bytes", shard=str(shard)) /
                                           total(values, "sluice_journal_capacity_bytes", shard=str(shard))
                                           for shard in range(2)))
            self.serve("during", scaled(50, 3), limit_s=120)
        finally:
            stopping.set()
            self.throttle.limit(None)
            for thread in threads:
                thread.join()
        self.assertEqual(refused, [], "they wait")
        self.assertGreater(fullest, 0.5, "the journal was at its bound")
        self.assertLessEqual(fullest, 1.0)
        self.serve("after", 10)
        self.node.kill()
        told = [witness.end_after_kill() for witness in self.witnesses]
        self.node.start()
        for partition in range(8):
            start, end = clients.watermarks(self.node, "bulk", partition)
            self.assertEqual(start, 0)
            self.assertGreaterEqual(end, kept[partition], "what was acknowledged is there")
        self.report(f"{sum(kept)} batches of 900 KB at 8 MiB/s, journal at {fullest:.0%} of its capacity", watch.stop(), told)

    def create(self, name, timeout_ms):
        connection = wire.Connection(self.node, limit_s=60)
        self.addCleanup(connection.close)
        connection.send(wire.request(wire.CREATE_TOPICS, 2, struct.pack(">i", 1) + wire.string(name) +
                                     struct.pack(">ihii", 1, 1, 0, 0) + struct.pack(">ib", timeout_ms, 0)))
        body = connection.reply()[1]
        return struct.unpack_from(">h", body, 4 + 4 + 2 + len(name))[0]

    def test_admin_calls_end_in_time(self):
        for witness in self.witnesses:
            witness.end()
        self.throttle.limit(2048)  # a block of the journal takes 2 s
        self.assertEqual(self.create("slow", 500), 7, "it was not done in time")
        self.throttle.limit(None)
        wait_until(lambda: "slow" in clients.describe(self.node), "it went on all the same", 60)
        clients.produce(self.node, "slow", [b"a"])

    def test_a_write_that_does_not_end(self):
        """The process ends, rather than being there and serving nobody."""
        if not FULL:
            self.skipTest("it takes half a minute: SLUICE_BOUNDS=full runs it")
        for witness in self.witnesses:
            witness.end()
        self.throttle.limit(32)  # a block takes two minutes
        writer = wire.Connection(self.node)
        self.addCleanup(writer.close)
        writer.send(wire.produce_v3("good", 0, wire.record_batch([b"never"])))
        self.assertEqual(self.node.end_status(limit_s=60), 1)
        self.assertTrue(self.node.log_lines("stopping at once", "the disk does not answer"))
        self.throttle.limit(None)
        self.node.start()
