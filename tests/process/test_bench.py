"""The programs of bench/ do what the benchmarks believe of them: they count bytes, and end at an error."""
import json
import os
import pathlib
import subprocess

from broker import BrokerTest, spawn
from clients import create_topic, watermarks

LIMIT_S = 60


def program(name):
    return str(pathlib.Path(os.environ["SLUICED"]).with_name(name))


class BenchPrograms(BrokerTest):
    def setUp(self):
        super().setUp()
        if not os.access(program("bench_produce"), os.X_OK):
            self.skipTest("the benchmarks are not built")

    def peer(self, name, *arguments):
        process = spawn([program(name), *map(str, arguments)], None)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process.stdout.readline().decode().partition("port=")[2].strip()

    def load(self, name, port, **options):
        flags = [word for key, value in options.items() for word in ("--" + key.replace("_", "-"), str(value))]
        done = subprocess.run([program(name), "--port", str(port), *flags], capture_output=True, text=True, timeout=LIMIT_S)
        return done.returncode, done.stdout

    def told(self, *arguments, **options):
        status, out = self.load(*arguments, **options)
        self.assertEqual(status, 0, out)
        return json.loads(out)

    def test_what_is_produced_can_be_fetched(self):
        broker = self.broker()
        create_topic(broker, "bench", 2)
        sent = self.told("bench_produce", broker.port, records=64, in_flight=48, partitions=2, mib=4)
        ends = [watermarks(broker, "bench", p)[1] for p in (0, 1)]
        self.assertLessEqual(abs(ends[0] - ends[1]), 64, "round robin")
        batch_bytes = sent["bytes"] * 64 // sum(ends)
        read = self.told("bench_fetch", broker.port, partition=1, mib=1)
        self.assertGreaterEqual(read["bytes"], 1 << 20)
        self.assertEqual(read["bytes"] % batch_bytes, 0)

    def test_an_error_ends_the_load_with_one(self):
        broker = self.broker(settings={"topics.auto_create": "false"})
        self.assertNotEqual(self.load("bench_produce", broker.port, topic="nothing")[0], 0)
        self.assertNotEqual(self.load("bench_fetch", broker.port, topic="nothing")[0], 0)

    def test_the_floor_acknowledges_every_frame(self):
        port = self.peer("bench_floor", self.scratch / "floor", 4)
        # 6 MiB are more than the file is long: it starts over.
        for in_flight, records, record_bytes, mib in ((48, 64, 1024, 6), (1, 1, 16384, 1)):
            told = self.told("bench_produce", port, records=records, record_bytes=record_bytes, in_flight=in_flight, mib=mib)
            self.assertEqual(told["errors"], 0)

    def test_the_sender_sends_what_is_asked_for(self):
        port = self.peer("bench_sender", 2)
        self.assertEqual(self.told("bench_fetch", port, sender=1, mib=5)["bytes"], 5 << 20)
