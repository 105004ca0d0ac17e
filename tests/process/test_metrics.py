"""--metrics-listen: what a scrape tells moves with what clients do, and others' traffic goes on beside bad scrapers."""
import re
import socket
import urllib.error
import urllib.request

from confluent_kafka import KafkaException

import clients
from broker import BrokerTest, run_to_end, wait_until

SAMPLE = re.compile(r'([a-z_]+)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"')


def get(address, path="/metrics"):
    with urllib.request.urlopen(f"http://{address}{path}", timeout=20) as reply:
        return reply.headers, reply.read().decode()


def parse(text):
    """{(name, labels): value}; the test fails on what is no line of the format, and on a family that is not in one piece."""
    values, seen, current = {}, set(), None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split()[2]
            assert current not in seen, f"{current} comes again"
            seen.add(current)
        elif not line.startswith("# TYPE "):
            match = SAMPLE.fullmatch(line)
            assert match and match[1].startswith(current), line
            values[match[1], tuple(sorted(LABEL.findall(match[2] or "")))] = float(match[3])
    return values


def total(values, name, **labels):
    """The sum over all shards of what has these labels."""
    return sum(value for (found, has), value in values.items() if found == name and labels.items() <= dict(has).items())


class Metrics(BrokerTest):
    def setUp(self):
        super().setUp()
        self.node = self.broker("--metrics-listen", "127.0.0.1:0")

    def scrape(self, path="/metrics"):
        return parse(get(self.node.metrics_address, path)[1])

    def test_counters_move_with_traffic(self):
        before = self.scrape()
        data = b"".join(b"line %d\n" % n for n in range(5000))
        path = self.scratch / "lines"
        path.write_bytes(data)
        clients.create_topic(self.node, "lines", partitions=4)
        clients.kcat(self.node, "-P", "-t", "lines", "-l", str(path))
        got = clients.kcat(self.node, "-C", "-t", "lines", "-o", "beginning", "-e", "-q")
        self.assertEqual(sorted(got.splitlines()), sorted(data.splitlines()))
        after = self.scrape()

        def more(name, **labels):
            return total(after, name, **labels) - total(before, name, **labels)

        self.assertEqual(more("sluice_produced_records_total"), 5000)
        self.assertGreaterEqual(more("sluice_produced_batches_total"), 1)
        self.assertGreater(more("sluice_produced_bytes_total"), len(data))
        self.assertEqual(more("sluice_fetched_bytes_total"), more("sluice_produced_bytes_total"))
        self.assertGreaterEqual(more("sluice_kafka_requests_total", api="Produce"), 1)
        self.assertGreaterEqual(more("sluice_kafka_requests_total", api="Fetch"), 1)
        self.assertEqual(more("sluice_kafka_requests_total", api="CreateTopics"), 1)
        self.assertEqual(more("sluice_produce_seconds_count"), more("sluice_kafka_requests_total", api="Produce"))
        self.assertEqual(more("sluice_produce_seconds_bucket", le="+Inf"), more("sluice_produce_seconds_count"))
        self.assertGreater(more("sluice_produce_seconds_sum"), 0)
        self.assertGreaterEqual(more("sluice_fetch_read_seconds_count"), 1)
        self.assertGreaterEqual(more("sluice_journal_flushes_total"), 1)
        self.assertGreaterEqual(more("sluice_journal_written_bytes_total"), more("sluice_produced_bytes_total"))
        self.assertEqual(total(after, "sluice_journal_write_seconds_count"), total(after, "sluice_journal_flushes_total"))
        self.assertGreaterEqual(more("sluice_kafka_connections_opened_total"), 3)
        self.assertGreater(more("sluice_kafka_received_bytes_total"), len(data))
        self.assertGreater(more("sluice_loop_turn_seconds_count"), 0)
        self.assertEqual(total(after, "sluice_partitions"), 4)
        self.assertEqual(total(after, "sluice_topics"), 1)
        self.assertEqual(total(after, "sluice_raft_groups"), total(after, "sluice_raft_groups_led"))
        self.assertEqual(total(after, "sluice_shards"), 2)
        self.assertEqual(total(after, "sluice_disk_full"), 0)
        self.assertLess(0, total(after, "sluice_disk_bytes", kind="free"))
        self.assertAlmostEqual(total(after, "process_resident_memory_bytes"), self.node.rss_bytes(), delta=32 << 20)
        for (name, labels), value in before.items():
            if name.endswith(("_total", "_count", "_bucket")):
                self.assertGreaterEqual(after[name, labels], value, f"{name} {labels} went back")

    def test_errors_and_failed_connections(self):
        clients.create_topic(self.node, "small", **{"max.message.bytes": "1000"})
        with self.assertRaises(KafkaException):
            clients.produce(self.node, "small", [b"x" * 5000])
        with socket.create_connection(("127.0.0.1", self.node.port)) as rude:
            rude.sendall(b"GET / HTTP/1.1\r\n\r\n")
            self.assertEqual(rude.recv(100), b"")
        values = self.scrape()
        self.assertEqual(total(values, "sluice_kafka_errors_total", api="Produce", error="message_too_large"), 1)
        self.assertEqual(total(values, "sluice_kafka_connections_failed_total"), 1)
        wait_until(lambda: total(self.scrape(), "sluice_kafka_connections") == 0, "no connection is open")

    def test_spill_and_checkpoint_are_seen(self):
        self.node = self.broker("--metrics-listen", "127.0.0.1:0", shards=1, settings={
            "memory.spill_bytes": "64KiB", "log.checkpoint_idle_ms": 200})
        clients.produce(self.node, "events", [b"x" * 1000] * 500)
        wait_until(lambda: total(self.scrape(), "sluice_checkpoints_total") >= 1, "a checkpoint")
        values = self.scrape()
        self.assertGreater(total(values, "sluice_spilled_bytes_total"), 300_000)
        self.assertGreaterEqual(total(values, "sluice_spill_writes_total"), 1)

    def test_partitions_on_demand_in_pages(self):
        clients.create_topic(self.node, "many", partitions=700)
        clients.create_topic(self.node, "other", partitions=3)
        clients.produce(self.node, "other", [b"abc"] * 10, partition=1)
        headers, text = get(self.node.metrics_address, "/metrics?partitions=1")
        self.assertEqual(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        self.assertEqual(headers["Transfer-Encoding"], "chunked")
        values = parse(text)
        for family in ("log_end_offset", "log_start_offset", "size_bytes"):
            of = {(dict(labels)["topic"], dict(labels)["partition"]): value for (name, labels), value in values.items()
                  if name == f"sluice_partition_{family}"}
            expected = {("many", str(n)) for n in range(700)} | {("other", str(n)) for n in range(3)} | {("_cluster", "0")}
            self.assertEqual(set(of), expected)
            if family == "log_end_offset":
                self.assertEqual(of["other", "1"], 10)
            if family == "size_bytes":
                self.assertGreater(of["other", "1"], 30)
                self.assertEqual(of["other", "2"], 0)
        plain = get(self.node.metrics_address)[1]
        self.assertNotIn("sluice_partition_", plain)
        self.assertLess(len(plain), 100_000, "partitions do not make a scrape grow")

    def test_all_else_is_refused_and_bad_clients_end(self):
        for path, method, status in (("/", "GET", 404), ("/metrics/", "GET", 404), ("/metrics", "POST", 405)):
            with self.assertRaises(urllib.error.HTTPError) as raised:
                urllib.request.urlopen(urllib.request.Request(f"http://{self.node.metrics_address}{path}", method=method),
                                       timeout=20)
            self.assertEqual(raised.exception.code, status, path)
            raised.exception.close()
        host, port = self.node.metrics_address.split(":")
        with socket.create_connection((host, int(port))) as oversized:
            oversized.settimeout(20)
            oversized.sendall(b"GET /metrics HTTP/1.1\r\nx: " + b"y" * 100_000)
            self.assertTrue(oversized.recv(1000).startswith(b"HTTP/1.1 431 "))
        slow = [socket.create_connection((host, int(port))) for _ in range(20)]  # more than are served at once
        try:
            clients.produce(self.node, "events", [b"a"])
            self.assertTrue(self.scrape(), "once those that say nothing are hung up on")
        finally:
            for connection in slow:
                connection.close()

    def test_is_off_by_default_and_told_when_it_cannot_listen(self):
        silent = self.broker()
        self.assertIsNone(silent.metrics_address)
        self.assertNotIn(" metrics=", silent.ready_line)
        status, out, err = run_to_end("--data-dir", str(self.scratch / "third"), "--kafka-listen", "127.0.0.1:0",
                                      "--native-listen", "127.0.0.1:0", "--metrics-listen", self.node.metrics_address)
        self.assertEqual((status, out), (3, ""), err)
        self.assertIn("metrics.listen", err)

    def test_goes_with_sigterm_while_somebody_scrapes(self):
        host, port = self.node.metrics_address.split(":")
        with socket.create_connection((host, int(port))) as half:
            half.sendall(b"GET /metrics HTTP/1.1\r\n")
            status, rest = self.node.terminate()
            self.assertEqual((status, rest), (0, ""))
