"""Connections: as many as are allowed, more than that, slow ones, and ones that died without a word."""
import resource
import socket
import struct
import subprocess
import time

import clients
import wire
from broker import BrokerTest, wait_until
from bounds import MIB, BoundsTest, MemoryWatch, open_files_needed, scaled

HALF = struct.pack(">i", 1000) + b"\0\3"


class ManyConnections(BoundsTest):
    limit = scaled(10_000, 1500)
    settings = {"kafka.max_connections": str(scaled(10_000, 1500))}

    def test_ten_thousand_and_no_more(self):
        """All that are allowed are served, wherever the kernel puts them; one more is told at once; a place that comes free
        is taken."""
        why_not = open_files_needed(self.limit + 200)
        if why_not:
            self.skipTest(why_not)
        wait_until(self.none_but_the_witnesses, "the connections of the set-up are gone")
        watch = MemoryWatch(self.node)
        crowd = self.crowd(self.limit - 2)  # the witnesses have one each
        ask = wire.request(wire.API_VERSIONS, 0)
        crowd.push(ask)
        for one in crowd.sockets:
            one.setblocking(True)
            one.settimeout(60)
            self.assertTrue(one.recv(1 << 16), "it is served")
            one.setblocking(False)
        self.serve("during")
        for _ in range(50):
            self.refused()
        lines = self.node.log_lines("refusing the Kafka connection", f"{self.limit} are open", "kafka.max_connections")
        self.assertIn(len(lines), (1, 2), "whoever is refused does not fill the log")
        crowd.sockets.pop().close()
        wait_until(lambda: self.served(ask), "the place that came free is taken")
        self.serve("during", 10)
        peak = watch.stop()
        crowd.close()
        self.end(f"{self.limit} connections", peak)

    def none_but_the_witnesses(self):
        """How many connections the kernel has between us and the broker."""
        told = subprocess.run(["ss", "-Htn", "state", "established", f"( dport = :{self.node.port} )"], capture_output=True,
                              text=True)
        return told.returncode != 0 or len(told.stdout.splitlines()) == 2

    def refused(self):
        late = wire.Connection(self.node)
        try:
            self.assertTrue(late.is_closed(), "it is told at once, and not left waiting")
        finally:
            late.close()

    def served(self, ask):
        late = wire.Connection(self.node)
        try:
            late.send(ask)
            return bool(late.socket.recv(1 << 16))
        except ConnectionError:
            return False
        finally:
            late.close()


class SlowConnections(BoundsTest):
    settings = {"kafka.idle_timeout_ms": "3000", "kafka.frame_timeout_ms": "2000"}

    def test_slow_loris_half_open_and_idle(self):
        """One byte now and then, half a request and silence, no request at all, and a peer that is gone without a word: all
        of them are closed after their time, and nobody else is."""
        count = scaled(1000, 100)
        watch = MemoryWatch(self.node)
        drip, half, idle = (self.crowd(count) for _ in range(3))
        half.push(HALF)
        gone = self.crowd(count // 10)
        gone.push(HALF)
        self.silence(gone)
        began = time.monotonic()
        sent, ended = 0, 0
        while ended < 3 * count and time.monotonic() < began + 60:
            drip.push(bytes([HALF[sent % len(HALF)]]) if sent < len(HALF) else b".")
            sent += 1
            self.serve("during", 5)
            ended = drip.ended() + half.ended() + idle.ended()
        self.assertEqual(ended, 3 * count, f"{drip.ended()} that drip, {half.ended()} half, {idle.ended()} idle")
        # And those that nobody speaks for: the broker holds nothing but the witnesses' connections any more.
        self.serve("during")
        self.end(f"{3 * count + count // 10} connections", watch.stop())
        lines = self.node.log_lines("a request is incomplete after")
        self.assertGreater(len(lines), 0)
        self.assertLess(len(lines), 450, "lines about them are bounded")

    def silence(self, crowd):
        """Their ends vanish without a packet: closed in repair mode, where the kernel lets us; else they just stay silent."""
        TCP_REPAIR = 19
        for one in crowd.sockets:
            try:
                one.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
            except OSError:
                return
        crowd.close()


class LimitOfOpenFiles(BrokerTest):
    def limited(self, soft, hard, **options):
        node = self.broker(start=False, **options)
        command = node.command
        node.command = lambda: ["prlimit", f"--nofile={soft}:{hard}", *command()]
        return node.start()

    def test_the_soft_limit_is_raised(self):
        node = self.limited(256, resource.getrlimit(resource.RLIMIT_NOFILE)[1], settings={"kafka.max_connections": "2000"})
        self.assertGreater(resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE)[0], 2000)
        self.assertEqual(node.log_lines("open files are allowed"), [])
        held = [wire.Connection(node) for _ in range(600)]
        for one in held:
            one.send(wire.request(wire.API_VERSIONS, 0))
            one.reply()
            one.close()

    def test_a_low_hard_limit_is_told_and_kept_to(self):
        node = self.limited(400, 400)
        line, = node.log_lines("400 open files are allowed", "kafka.max_connections", "raise the limit")
        allowed = int(line.split("kafka.max_connections is ")[1].split()[0])
        self.assertGreater(allowed, 50)
        held = [wire.Connection(node) for _ in range(allowed)]
        for one in held:
            one.send(wire.request(wire.API_VERSIONS, 0))
            one.reply()
        late = wire.Connection(node)
        self.assertTrue(late.is_closed())
        self.assertEqual(node.log_lines("cannot accept"), [])
        for one in [*held, late]:
            one.close()
        clients.produce(node, "events", [b"a"])
