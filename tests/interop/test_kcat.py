"""kcat, as one would use it by hand; its librdkafka is not the one of test_librdkafka's."""
import json
import pathlib
import subprocess
import time

import clients
import segments
from broker import BrokerTest
from clients import kcat

EVENTS = pathlib.Path("/var/log/dpkg.log")


def events():
    """Real lines: the package manager's log, or lines like its where there is none."""
    if EVENTS.exists() and EVENTS.stat().st_size > 10_000:
        return EVENTS.read_bytes()
    return b"".join(b"2024-01-%02d 10:%02d:00 status installed package-%d:amd64 1.%d-%d\n" % (n % 28 + 1, n % 60, n, n % 7, n)
                    for n in range(5000))


class Kcat(BrokerTest):
    def setUp(self):
        super().setUp()
        self.node = self.broker()

    def test_every_compression_comes_back_as_it_went(self):
        data = events()
        path = self.scratch / "events"
        path.write_bytes(data)
        codecs = ["none", "gzip", "snappy", "lz4", "zstd"]
        for codec in codecs:
            kcat(self.node, "-P", "-t", f"log-{codec}", "-z", codec, "-l", str(path))
        for _ in range(2):
            for codec in codecs:
                with self.subTest(codec=codec):
                    self.assertEqual(kcat(self.node, "-C", "-t", f"log-{codec}", "-o", "beginning", "-e", "-q"), data)
            self.node.restart()
        # What the broker keeps is what the client made, and no client turned its compression off.
        kept = []
        for directory in self.node.partition_directories():
            found = segments.of_partition(directory)
            if found and directory.parent.name != "group-0":  # which holds the broker's own tables
                self.assertEqual(sum(batch.records for batch in found), data.count(b"\n"))
                # librdkafka sends a batch as it is if that is not larger: the first ones may be tiny.
                kept.append(sorted({batch.codec for batch in found} - {"none"}))
        self.assertEqual(sorted(kept), sorted([[]] + [[codec] for codec in codecs[1:]]))

    def test_keys_headers_and_null_values(self):
        kcat(self.node, "-P", "-t", "keyed", "-p", "0", "-K", ":", "-Z", "-H", "from=kcat", "-H", "empty=", given=b"a:1\nb:\n:3\n")
        lines = kcat(self.node, "-C", "-t", "keyed", "-e", "-q", "-J").splitlines()
        got = [json.loads(line) for line in lines]
        self.assertEqual([(r["key"], r["payload"]) for r in got], [("a", "1"), ("b", None), (None, "3")])
        for nth, record in enumerate(got):
            self.assertEqual(record["offset"], nth)
            self.assertEqual(record["headers"], ["from", "kcat", "empty", ""])
            self.assertEqual(record["tstype"], "create")
            self.assertLess(abs(record["ts"] / 1000 - time.time()), 300)

    def test_offsets(self):
        kcat(self.node, "-P", "-t", "numbers", given=b"".join(b"%d\n" % n for n in range(1000)))

        def read(start, *more):
            return kcat(self.node, "-C", "-t", "numbers", "-p", "0", "-o", start, "-e", "-q", "-f", "%o=%s ", *more).decode().split()

        self.assertEqual(read("-3"), ["997=997", "998=998", "999=999"])
        self.assertEqual(read("998"), ["998=998", "999=999"])
        self.assertEqual(read("500", "-c", "2"), ["500=500", "501=501"])
        self.assertEqual(read("beginning"), [f"{n}={n}" for n in range(1000)])
        self.assertEqual(read("end"), [])
        # Where there is nothing yet, or nothing at all any more: -e ends there.
        self.assertEqual(read("1000"), [])

    def test_times(self):
        def at(milliseconds):
            return kcat(self.node, "-C", "-t", "times", "-p", "0", "-o", f"s@{milliseconds}", "-e", "-q", "-f", "%T ").decode().split()

        clients.create_topic(self.node, "times")
        start = int(time.time()) * 1000 - 3_600_000  # retention is by these times too
        for batch in range(5):  # batches of their own, so that the look-up goes within and between them
            clients.produce(self.node, "times", [f"{n}" for n in range(100)],
                            timestamps=[start + batch * 10_000 + n * 100 for n in range(100)])
        self.assertEqual(len(at(start)), 500)
        self.assertEqual(len(at(start - 1)), 500)
        self.assertEqual(at(start + 49_900), [str(start + 49_900)])
        self.assertEqual(at(start + 20_050)[0], str(start + 20_100))
        self.assertEqual(at(start + 19_901)[0], str(start + 20_000))
        self.assertEqual(at(start + 49_901), [])
        queried = kcat(self.node, "-Q", "-t", f"times:0:{start + 10_001}", "-t", "times:0:-1")
        self.assertIn(b"times [0] offset", queried)

    def test_metadata(self):
        clients.create_topic(self.node, "three", partitions=3)
        clients.create_topic(self.node, "one")
        seen = json.loads(kcat(self.node, "-L", "-J"))
        self.assertEqual([broker["name"] for broker in seen["brokers"]], [self.node.address])
        me = seen["brokers"][0]["id"]
        topics = {topic["topic"]: topic["partitions"] for topic in seen["topics"]}
        self.assertEqual({name: len(partitions) for name, partitions in topics.items() if not name.startswith("_")},
                         {"three": 3, "one": 1})
        for partition in topics["three"]:
            self.assertEqual((partition["leader"], partition["replicas"], partition["isrs"]), (me, [{"id": me}], [{"id": me}]))
        self.assertIn(b'topic "one" with 1 partitions', kcat(self.node, "-L", "-t", "one"))

    def test_cluster_table_is_a_topic(self):
        clients.create_topic(self.node, "orders", partitions=2)
        self.assertNotIn(b"_cluster", kcat(self.node, "-L"))
        self.assertIn(b'topic "_cluster" with 1 partitions', kcat(self.node, "-L", "-t", "_cluster"))

        def changes():
            read = kcat(self.node, "-C", "-t", "_cluster", "-o", "beginning", "-e", "-q", "-f", "%o %k %S %h\n")
            return [line.split() for line in read.decode().splitlines()]

        before = changes()
        self.assertEqual([int(change[0]) for change in before], list(range(len(before))))
        self.assertEqual([change[1] for change in before].count("topic/orders"), 2, "creating, then live")
        self.assertIn("topic/_cluster", [change[1] for change in before])
        clients.delete_topic(self.node, "orders")
        self.node.kill()
        self.node.start()
        after = changes()
        self.assertEqual(after[:len(before)], before)
        told = [change for change in after if change[1] == "topic/orders"]
        self.assertEqual(told[-1][2], "-1", "the row is gone: a null value")
        revisions = [int(change[3].removeprefix("revision=")) for change in after]
        self.assertEqual(revisions, sorted(revisions))
        with self.assertRaises(AssertionError):
            kcat(self.node, "-P", "-t", "_cluster", "-p", "0", "-X", "message.timeout.ms=3000", given=b"forged\n")
        self.assertEqual(len(changes()), len(after))

    def test_large_messages(self):
        large = bytes(range(33, 127)) * 10_000
        kcat(self.node, "-P", "-t", "large", "-p", "0", "-X", "message.max.bytes=2000000", given=b"x" + large + b"\n")
        self.assertEqual(kcat(self.node, "-C", "-t", "large", "-e", "-q"), b"x" + large + b"\n")
        with self.assertRaisesRegex(AssertionError, "too large"):
            kcat(self.node, "-P", "-t", "large", "-p", "0", "-X", "message.max.bytes=4000000", given=large * 2 + b"\n")
        self.assertEqual(clients.watermarks(self.node, "large"), (0, 1))


class AutoCreation(BrokerTest):
    def test_on(self):
        node = self.broker(settings={"topics.default_partitions": "4"})
        kcat(node, "-P", "-t", "made", given=b"one\n")
        self.assertEqual(len(clients.describe(node)["made"]), 4)
        # A consumer that looks makes nothing, and neither does a name that no topic may have.
        self.assertNotIn("looked-at", clients.describe(node))
        done = subprocess.run(["kcat", "-b", node.address, "-P", "-t", "no/slash", "-X", "topic.message.timeout.ms=3000"],
                              input=b"x\n", capture_output=True, timeout=60)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual([name for name in clients.describe(node) if not name.startswith("_")], ["made"])

    def test_off(self):
        node = self.broker(settings={"topics.auto_create": "false"})
        done = subprocess.run(["kcat", "-b", node.address, "-P", "-t", "unmade", "-X", "topic.metadata.propagation.max.ms=500"],
                              input=b"x\n", capture_output=True, timeout=60)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"Unknown topic", done.stderr)
        self.assertNotIn("unmade", clients.describe(node))
        clients.create_topic(node, "unmade")
        kcat(node, "-P", "-t", "unmade", given=b"x\n")
        self.assertEqual(clients.values(node, "unmade"), [b"x"])
