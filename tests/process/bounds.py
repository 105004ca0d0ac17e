"""What every test of a bound looks at: memory, a client that behaves beside, nothing lost. See docs/testing.md.

`$SLUICE_BOUNDS` is `full` for the sizes that the bounds are promised for (`./dev bench bounds`); else they are scaled
down, so that the suite stays short. Each test prints one line with its scale and its figures. Times are told there and
never judged; what is judged are memory, progress, order and what is kept.
"""
import os
import random
import socket
import threading

import clients
from broker import BrokerTest
from witness import Witness, percentile

MIB = 1 << 20
NOISE = random.Random(1).randbytes(MIB)
FULL = os.environ.get("SLUICE_BOUNDS") == "full"
ABOVE_BUDGET = 64 * MIB  # what the process may take beside its memory budget
ROUNDS = 500 if FULL else 60  # of the client that behaves, before and during the abuse


def scaled(full, small):
    return full if FULL else small


class MemoryWatch:
    """The most resident memory that a broker had while it was watched."""

    def __init__(self, broker):
        self.broker, self.peak, self.stopping = broker, 0, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def look(self):
        self.peak = max(self.peak, self.broker.rss_bytes())

    def run(self):
        while not self.stopping.wait(0.02):
            try:
                self.look()
            except (OSError, AttributeError, TypeError):
                return  # it has ended, which others report

    def stop(self):
        self.stopping.set()
        self.thread.join()
        return self.peak


class Crowd:
    """Many raw connections that need not block: bytes to send wait in each, and what comes is thrown away if asked for."""

    def __init__(self, broker, count=0):
        self.broker, self.sockets = broker, []
        for _ in range(count):
            self.add()

    def add(self):
        made = socket.create_connection(("127.0.0.1", self.broker.port), timeout=20)
        made.setblocking(False)
        self.sockets.append(made)
        return made

    def push(self, data, at=None):
        """Sends to each what it takes now of data[at[n]:]; the places reached. A connection that ended is at None."""
        at = [0] * len(self.sockets) if at is None else at
        view = memoryview(data)
        for nth, one in enumerate(self.sockets):
            if at[nth] is None:
                continue
            try:
                while at[nth] < len(data):
                    at[nth] += one.send(view[at[nth]:at[nth] + (1 << 18)])
            except BlockingIOError:
                pass
            except OSError:
                at[nth] = None
        return at

    def ended(self):
        """How many the broker has closed; what it has sent is thrown away."""
        count = 0
        for one in self.sockets:
            try:
                while one.recv(1 << 16):
                    pass
                count += 1
            except BlockingIOError:
                pass
            except OSError:
                count += 1
        return count

    def close(self):
        for one in self.sockets:
            one.close()
        self.sockets = []


class BoundsTest(BrokerTest):
    budget_mib = 64
    settings = {}

    def setUp(self):
        super().setUp()
        self.node = self.broker(*self.flags(), shards=2, settings={"memory.budget_bytes": f"{self.budget_mib}MiB"} |
                                self.settings)
        clients.create_topic(self.node, "good", partitions=2)
        self.witnesses = [Witness(self.node, "good", partition) for partition in range(2)]
        for witness in self.witnesses:
            self.addCleanup(witness.kill)
        self.calm()

    def flags(self):
        return ()

    def calm(self):
        """Warms up, and takes the figures that those of the abuse are held against."""
        self.serve("warm", ROUNDS // 3)
        self.serve("before", ROUNDS)

    def serve(self, phase, rounds=ROUNDS, limit_s=60):
        for witness in self.witnesses:
            witness.phase(phase)
        for witness in self.witnesses:
            witness.serves(rounds, f"{type(self).__name__}, phase {phase}", limit_s)

    def crowd(self, count=0):
        made = Crowd(self.node, count)
        self.addCleanup(made.close)
        return made

    def end(self, scale, peak_bytes):
        """The clients that behave give their account, all that they wrote is there, and memory was bounded."""
        told = [witness.end() for witness in self.witnesses]
        self.account(told)
        self.report(scale, peak_bytes, told)

    def account(self, told):
        for partition, account in enumerate(told):
            first, last = account["offsets"]
            numbers = [int(value.split()[0]) for value in clients.values(self.node, "good", partition)]
            self.assertEqual((first, numbers), (0, list(range(last + 1))), "what was acknowledged is there, in order")

    def report(self, scale, peak_bytes, told):
        said = []
        for what in ("produce_us", "fetch_us"):
            of = {phase: percentile([took for account in told for took in account["phases"].get(phase, {}).get(what, [])],
                                    0.99) for phase in ("before", "during")}
            ratio = of["during"] / of["before"] if of["before"] else 0
            said.append(f"{what[:-3]} p99 {of['before']} -> {of['during']} us ({ratio:.1f} x)")
        print(f"bounds  {self.id().split('.')[-1]}: {scale}; peak {peak_bytes / MIB:.0f} MiB of {self.budget_mib} + "
              f"{ABOVE_BUDGET // MIB}; {'; '.join(said)}", flush=True)
        self.assertLessEqual(peak_bytes, self.budget_mib * MIB + ABOVE_BUDGET)


def open_files_needed(count):
    """Raises this process's limit of open files as far as it may; None, or why `count` can't be had."""
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count:
        return f"{count} open files are needed, and the limit is {hard}"
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return None
