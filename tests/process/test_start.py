"""Starting and ending: the ready line, settings, the data directory, SIGTERM, restarts."""
import signal
import threading

from confluent_kafka import Producer

import clients
from broker import SMALL, BrokerTest, run_to_end, wait_until


class ReadyLine(BrokerTest):
    def check(self, io_engine, shards):
        broker = self.broker(shards=shards, io_engine=io_engine)
        expected = f"sluiced ready kafka=127.0.0.1:{broker.port} data={broker.data} shards={shards} io={broker.io_name} native=127.0.0.1:{broker.native_port}\n"
        self.assertEqual(broker.ready_line, expected)
        if io_engine != "auto":
            self.assertEqual(broker.io_name, io_engine)
        produced = clients.produce(broker, "events", [f"record {n}" for n in range(50)])
        self.assertEqual([offset for _, offset in produced], list(range(50)))
        status, rest = broker.terminate()
        self.assertEqual((status, rest), (0, ""), "SIGTERM is a clean end, and stdout has the ready line alone")
        broker.start()
        self.assertEqual(clients.values(broker, "events"), [b"record %d" % n for n in range(50)])

    def test_threads_one_shard(self):
        self.check("threads", 1)

    def test_threads_three_shards(self):
        self.check("threads", 3)

    def test_uring_one_shard(self):
        self.skip_without_uring()
        self.check("uring", 1)

    def test_uring_three_shards(self):
        self.skip_without_uring()
        self.check("uring", 3)

    def skip_without_uring(self):
        probe = self.broker(start=False, shards=1, io_engine="auto").start()
        name = probe.io_name
        probe.terminate()
        if name != "uring":
            self.skipTest("io_uring is not allowed here")


class Ending(BrokerTest):
    def test_sigterm_under_load_loses_nothing(self):
        broker = self.broker()
        clients.create_topic(broker, "load", partitions=3)
        producer = Producer(clients.common(broker) | {"enable.idempotence": True, "linger.ms": 1})
        acknowledged, stop = [], threading.Event()

        def delivered(error, message):
            if error is None:
                acknowledged.append((message.partition(), message.offset(), message.value()))

        def load():
            n = 0
            while not stop.is_set():
                try:
                    producer.produce("load", b"%d" % n, partition=n % 3, on_delivery=delivered)
                    n += 1
                except BufferError:
                    pass
                producer.poll(0.001 if n % 100 == 0 else 0)

        thread = threading.Thread(target=load)
        thread.start()
        try:
            wait_until(lambda: len(acknowledged) > 2000, "2000 acknowledged records")
            status, _ = broker.terminate(limit_s=20)
        finally:
            stop.set()
            thread.join()
        self.assertEqual(status, 0)
        producer.purge()
        producer.flush(5)
        broker.start()
        kept = {(p, o): v for p in range(3) for o, v in clients.records(broker, "load", p)}
        lost = [record for record in acknowledged if kept.get(record[:2]) != record[2]]
        self.assertEqual(lost, [])

    def test_sigint_ends_it_too(self):
        broker = self.broker()
        process, broker.process = broker.process, None
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(20), 0)
        process.stdout.close()

    def test_restart_keeps_topics_offsets_and_settings(self):
        broker = self.broker(shards=3)
        clients.create_topic(broker, "kept", partitions=7, **{"message.timestamp.type": "LogAppendTime"})
        for partition in range(7):
            clients.produce(broker, "kept", [f"{partition}-{n}" for n in range(partition + 1)], partition=partition)
        before = clients.describe(broker)
        for _ in range(2):
            broker.restart()
            self.assertEqual(clients.describe(broker), before)
            for partition in range(7):
                self.assertEqual([value for _, value in clients.records(broker, "kept", partition)],
                                 [b"%d-%d" % (partition, n) for n in range(partition + 1)])
        broker.kill()
        broker.start()
        self.assertEqual(clients.describe(broker), before)
        self.assertEqual(clients.produce(broker, "kept", ["next"], partition=6), [(6, 7)])

    def test_shards_flag_may_be_left_out_later(self):
        broker = self.broker(shards=3)
        broker.terminate()
        broker.shards = 0
        broker.start()
        self.assertEqual(broker.shards_said, 3)


class NativeListener(BrokerTest):
    def test_it_can_be_switched_off(self):
        broker = self.broker(shards=1, settings={"native.listen": ""})
        self.assertNotIn("native=", broker.ready_line)
        self.assertEqual(clients.produce(broker, "events", ["one"])[0][1], 0)


class WrongSettings(BrokerTest):
    def refused(self, status, words, *arguments, address="127.0.0.1:0"):
        """Starting with `arguments` says one sentence with `words` in it, and nothing else, and ends with `status`."""
        got, out, err = run_to_end("--kafka-listen", address, "--native-listen", "127.0.0.1:0", *arguments,
                                   cwd=self.scratch)
        self.assertEqual((got, out), (status, ""), err)
        lines = err.splitlines()
        self.assertEqual(len(lines), 1, err)
        self.assertTrue(lines[0].startswith("sluiced: "), err)
        for word in words:
            self.assertIn(word, lines[0])

    def config(self, text):
        path = self.scratch / "sluiced.toml"
        path.write_text(text)
        return str(path)

    def test_flags(self):
        self.refused(2, ["no.such_setting"], "--set", "no.such_setting=1")
        self.refused(2, ["NAME=VALUE", "lonely"], "--set", "lonely")
        self.refused(2, ["--no-such-flag"], "--no-such-flag")
        self.refused(2, ["shards", "many"], "--shards", "many")
        self.refused(2, ["shards", "257"], "--shards", "257")
        self.refused(2, ["io_engine", "aio", "uring"], "--io-engine", "aio")
        self.refused(2, ["journal.file_bytes", "12XiB"], "--set", "journal.file_bytes=12XiB")
        self.refused(2, ["kafka.listen", "nowhere"], "--set", "kafka.listen=nowhere")
        self.refused(2, ["topics.auto_create", "yes"], "--set", "topics.auto_create=yes")
        self.assertEqual(sorted(self.scratch.iterdir()), [], "a wrong setting leaves nothing behind")

    def test_address_that_can_not_be_had(self):
        broker = self.broker(shards=1)
        self.refused(3, ["kafka.listen", str(broker.port), "in use", "--kafka-listen"], "--data-dir", "other", "--shards", "2", address=broker.address)
        self.refused(3, ["native.listen", str(broker.native_port), "in use", "--native-listen"], "--data-dir", "native",
                     "--set", f"native.listen=127.0.0.1:{broker.native_port}")
        self.refused(2, ["kafka.advertise", "70000"], "--set", "kafka.advertise=localhost:70000", "--data-dir", "third")

    def test_file(self):
        self.refused(2, ["sluiced.toml:3"], "--config", self.config("shards = 2\n\nlog_level = = 3\n"))
        self.refused(2, ["sluiced.toml:2", "kafka.nothing"], "--config", self.config("[kafka]\nnothing = 1\n"))
        self.refused(2, ["sluiced.toml:4", "log_level", "loud"], "--config", self.config("# a\n\n# c\nlog_level = 'loud'\n"))
        self.refused(2, ["sluiced.toml:1", "shards"], "--config", self.config("shards = [1, 2]\n"))
        self.refused(2, ["missing.toml"], "--config", "missing.toml")

    def test_file_is_read_and_flags_win(self):
        path = self.config('shards = 3\nio_engine = "threads"\n[kafka]\nmax_connections = 50\n[topics]\nauto_create = false\n')
        broker = self.broker("--config", path, shards=1, io_engine="threads")
        self.assertEqual((broker.shards_said, broker.io_name), (1, "threads"))

    def test_shards_of_the_data_directory(self):
        broker = self.broker(shards=2)
        broker.terminate()
        self.refused(2, ["shards", "3", "made with 2", str(broker.data)], "--shards", "3", "--data-dir", str(broker.data))
        broker.start()

    def test_data_directory_in_use(self):
        broker = self.broker()
        self.refused(3, ["in use", str(broker.data)], "--data-dir", str(broker.data))
        self.assertTrue(broker.running)
        broker.kill()
        broker.start()

    def test_damaged_node_file(self):
        broker = self.broker()
        broker.terminate()
        (broker.data / "node.json").write_text("{}")
        self.refused(1, ["node.json"], "--data-dir", str(broker.data))

    def test_help_and_version(self):
        status, out, err = run_to_end("--help")
        self.assertEqual((status, err), (0, ""))
        for name in [*SMALL, "data_dir", "kafka.listen", "topics.auto_create"]:
            self.assertIn(name, out)
        status, out, err = run_to_end("--version")
        self.assertEqual((status, err), (0, ""))
        self.assertRegex(out, r"^sluiced \d+\.\d+\.\d+\n$")
