"""A disk that is full: producing is refused, reading and deleting go on, nothing acknowledged is lost, service resumes.

Needs a small file system of its own: ext4 on a loop device, or a tmpfs where there are none. Without the right to mount
the tests are skipped.
"""
import os
import random
import subprocess

from confluent_kafka import KafkaError, Producer

import clients
from broker import BrokerTest, wait_until

MIB = 1 << 20
DISK_BYTES = 300 * MIB
SETTINGS = {
    "journal.file_bytes": "4MiB",
    "journal.capacity_bytes": "32MiB",
    "memory.spill_bytes": "1MiB",
    "disk.min_free_bytes": "32MiB",
    "disk.reserve_bytes": "4MiB",
    "log.checkpoint_idle_ms": "100",
}


def run(*command):
    return subprocess.run(command, capture_output=True, text=True)


def mount_small(image, point):
    """Mounts a file system of DISK_BYTES; returns why not, or None."""
    with open(image, "wb") as file:
        file.truncate(DISK_BYTES)
    tries = [[("mkfs.ext4", "-q", "-F", "-m", "0", str(image)), ("mount", "-o", "loop", str(image), str(point))],
             [("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(point))]]
    reasons = []
    for steps in tries:
        for step in steps:
            try:
                done = run(*step)
            except FileNotFoundError:
                reasons.append(f"there is no {step[0]}")
                break
            if done.returncode != 0:
                reasons.append(f"{step[0]}: {done.stderr.strip()}")
                break
        else:
            return None
    return "; ".join(reasons)


class FullDisk(BrokerTest):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("mounting a small file system takes root")
        self.point = self.scratch / "disk"
        self.point.mkdir()
        why_not = mount_small(self.scratch / "image", self.point)
        if why_not:
            self.skipTest(f"no small file system can be mounted: {why_not}")
        # Brokers end first: cleanups run last in, first out.
        self.addCleanup(self.unmount)
        self.node = self.broker(directory=self.point, shards=2, settings=SETTINGS)
        # What it says must not need room on the disk that is full.
        self.noise = random.Random(7).randbytes(2 * MIB)
        self.kept = {}

    def broker(self, **options):
        node = super().broker(start=False, **options)
        node.log_path = self.scratch / "stderr"
        return node.start()

    def unmount(self):
        # The kernel closes the files of a killed process's io_uring a little after its end.
        wait_until(lambda: run("umount", str(self.point)).returncode == 0, "unmounting")

    def free_bytes(self):
        space = os.statvfs(self.point)
        return space.f_bavail * space.f_frsize

    def fill(self, leave_bytes):
        """Takes all but so much of the disk; the broker is at work, so that the last of it may go as we look."""
        with open(self.point / "filler", "ab") as file:
            while (room := self.free_bytes() - leave_bytes) > 0:
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, min(room, 64 * MIB))
                except OSError:
                    if room <= 4096:
                        break
                    try:
                        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, 4096)
                    except OSError:
                        break

    def unfill(self):
        (self.point / "filler").unlink()

    def value(self, topic, nth):
        at = hash((topic, nth)) % MIB
        return b"%s %d " % (topic.encode(), nth) + self.noise[at:at + 100_000]

    def produce_until_refused(self, topic, most):
        """Produces up to `most` records of 100 kB without retries; returns the first refusal's code, or None."""
        codes = []
        producer = Producer(clients.common(self.node) | {"retries": 0, "linger.ms": 0, "acks": "all"})

        def delivered(nth):
            def told(error, message):
                if error is not None:
                    codes.append(error.code())
                else:
                    self.kept[topic, message.offset()] = nth
            return told

        for nth in range(most):
            producer.produce(topic, self.value(topic, nth), partition=0, on_delivery=delivered(nth))
            while len(producer) > 8 and not codes:
                producer.poll(0.2)
            if codes:
                break
        self.assertEqual(producer.flush(clients.LIMIT_S), 0)
        return codes[0] if codes else None

    def read_all(self, topic):
        got = dict(clients.records(self.node, topic))
        for (name, offset), nth in self.kept.items():
            if name == topic:
                self.assertEqual(got.get(offset), self.value(topic, nth), f"{topic} at {offset}")
        return len(got)

    def serves_again(self, topic):
        def served():
            try:
                clients.produce(self.node, topic, ["room"], retries=0)
                return True
            except clients.KafkaException as error:
                self.assertEqual(error.args[0].code(), KafkaError.KAFKA_STORAGE_ERROR)
                return False

        wait_until(served, "producing goes on", 60)

    def test_until_refused_then_a_topic_is_deleted(self):
        for topic in ["kept", "victim", "load"]:
            clients.create_topic(self.node, topic)
        self.assertIsNone(self.produce_until_refused("kept", 50))
        self.assertIsNone(self.produce_until_refused("victim", 400))
        self.fill(leave_bytes=100 * MIB)
        self.assertEqual(self.produce_until_refused("load", 2000), KafkaError.KAFKA_STORAGE_ERROR)
        self.assertTrue(self.node.log_lines("is full", "producing is refused"))
        # Reading and administration go on.
        for topic in ["kept", "victim", "load"]:
            self.read_all(topic)
        clients.create_topic(self.node, "made-when-full")
        clients.delete_topic(self.node, "victim")
        self.assertNotIn("victim", clients.describe(self.node))
        # What it took is given back, and that is enough.
        self.serves_again("load")
        self.assertTrue(self.node.log_lines("has room again"))
        self.read_all("load")
        self.node.kill()
        self.node.start()
        self.read_all("kept")
        self.read_all("load")
        self.assertEqual(clients.produce(self.node, "made-when-full", ["x"]), [(0, 0)])

    def patient_load(self, count, fill_at, leave_bytes):
        """An idempotent producer that is ready to wait, and somebody else who takes the disk while it is at work."""
        producer = Producer(clients.common(self.node) | {"enable.idempotence": True, "linger.ms": 0, "retry.backoff.ms": 50,
                                                         "delivery.timeout.ms": 600_000, "batch.size": 200_000})
        reports = []
        for nth in range(count):
            producer.produce("idempotent", self.value("idempotent", nth), partition=0,
                             on_delivery=lambda error, message: reports.append((error, message.offset())))
            if nth == fill_at:
                self.fill(leave_bytes)
            producer.poll(0)
        return producer, reports

    def verify_patient_load(self, producer, reports, count):
        self.assertEqual(producer.flush(60), 0)
        self.assertEqual([report for report in reports if report[0]], [])
        self.assertEqual(len(reports), count)
        # A retry that meets its own batch behind five later ones is told that it is kept, and not where (error 46).
        told = [offset for _, offset in reports if offset is not None and offset >= 0]
        self.assertEqual(len(told), len(set(told)))
        self.assertLessEqual(set(told), set(range(count)))
        got = clients.records(self.node, "idempotent")
        self.assertEqual([offset for offset, _ in got], list(range(count)))
        self.assertTrue(all(value == self.value("idempotent", nth) for nth, (_, value) in enumerate(got)))

    def test_somebody_else_fills_it(self):
        for topic in ["kept", "victim", "idempotent"]:
            clients.create_topic(self.node, topic)
        self.assertIsNone(self.produce_until_refused("kept", 100))
        self.assertIsNone(self.produce_until_refused("victim", 100))
        producer, reports = self.patient_load(300, fill_at=50, leave_bytes=20 * MIB)
        wait_until(lambda: producer.poll(0.05) is not None and self.node.log_lines("is full"), "the broker notices")
        self.read_all("kept")
        clients.delete_topic(self.node, "victim")
        wait_until(lambda: self.free_bytes() > 25 * MIB, "the topic's space is free")
        self.fill(leave_bytes=20 * MIB)
        # It starts on a disk that is full too, and keeps what it had.
        self.node.kill()
        self.node.start()
        self.read_all("kept")
        self.assertNotIn("victim", clients.describe(self.node))
        self.unfill()
        self.serves_again("kept")
        self.verify_patient_load(producer, reports, 300)

    def test_not_a_byte_left(self):
        """The journal itself may find no room then: what waits for it is acknowledged to nobody until there is some."""
        for topic in ["kept", "idempotent"]:
            clients.create_topic(self.node, topic)
        self.assertIsNone(self.produce_until_refused("kept", 100))
        producer, reports = self.patient_load(300, fill_at=50, leave_bytes=0)
        wait_until(lambda: producer.poll(0.05) is not None and self.node.log_lines("is full"), "the broker notices")
        self.read_all("kept")
        self.unfill()
        self.serves_again("kept")
        self.read_all("kept")
        self.verify_patient_load(producer, reports, 300)
