"""A client that behaves, and tells how it is served while others do not: `witness.py PORT TOPIC PARTITION`.

A process of its own, so that what the test does beside costs it nothing but the machine's time. It writes one record of
1 KiB with acks=all, reads it back, and so on, on one connection; a reply that is wrong, an error or a lost connection
ends it. `phase NAME` on stdin begins a phase, `end` or its end makes it tell, as JSON on stdout:
{"error": text or null, "phases": {NAME: {"count", "produce_us": [...], "fetch_us": [...]}}, "offsets": [first, last]}.
Every line `served N` says that N rounds were answered until now.
"""
import json
import os
import pathlib
import select
import subprocess
import sys
import time

import wire
from wire import Connection

RECORD_BYTES = 1024
REPORT_EVERY_S = 0.05


class Witness:
    """The process, as a test sees it. Owner: the test; end() before its broker ends."""

    def __init__(self, broker, topic, partition=0):
        self.process = subprocess.Popen([sys.executable, __file__, str(broker.port), topic, str(partition)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
        self.buffer, self.served, self.told = b"", 0, None

    def phase(self, name):
        self.process.stdin.write(f"phase {name}\n".encode())
        self.process.stdin.flush()

    def read(self, limit_s):
        """Takes what it says within `limit_s`; False: nothing."""
        readable, _, _ = select.select([self.process.stdout], [], [], limit_s)
        if not readable:
            return False
        more = os.read(self.process.stdout.fileno(), 1 << 16)
        *lines, self.buffer = (self.buffer + more).split(b"\n")
        for line in lines:
            if line.startswith(b"served "):
                self.served = int(line[7:])
            elif line:
                self.told = json.loads(line)
        if not more or self.told:
            error = self.told["error"] if self.told else f"it ended with {self.process.wait()}"
            if error:
                raise AssertionError(f"the client that behaves: {error}")
        return bool(more)

    def serves(self, rounds, what, limit_s=60):
        """Waits until so many more rounds were answered. That is progress, whatever the machine's pace."""
        while self.read(0):
            pass
        goal, deadline = self.served + rounds, time.monotonic() + limit_s
        while self.served < goal:
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: {rounds - (goal - self.served)} of {rounds} rounds answered in {limit_s} s")
            self.read(0.2)

    def end(self):
        """Its account."""
        if self.process.poll() is None:
            self.process.stdin.close()
            deadline = time.monotonic() + 60
            while self.told is None and time.monotonic() < deadline:
                self.read(1)
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        if self.told is None:
            raise AssertionError("the client that behaves gave no account")
        return self.told

    def end_after_kill(self):
        """Its account, when the broker was killed under it."""
        while self.told is None:
            try:
                self.read(1)
            except AssertionError:
                if self.told is None:
                    raise
        return self.end()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0


def one_round(connection, topic, partition, number):
    """Writes record `number` and reads it back; (offset, µs to write, µs to read)."""
    value = b"%d " % number
    value += b"." * (RECORD_BYTES - len(value))
    batch = wire.record_batch([value])
    began = time.monotonic_ns()
    connection.send(wire.produce_v3(topic, partition, batch))
    error, offset = wire.produced(connection.reply()[1])
    written = time.monotonic_ns()
    if error:
        raise AssertionError(f"produce of record {number}: error {error}")
    connection.send(wire.fetch(0, -1, [(topic, partition, offset)], wait_ms=1000))
    got = wire.fetched(connection.reply()[1], 11).partitions[topic, partition]
    read = time.monotonic_ns()
    if got.error or value not in got.records:
        raise AssertionError(f"fetch of record {number} at {offset}: error {got.error}, {len(got.records)} bytes")
    return offset, (written - began) // 1000, (read - written) // 1000


def main():
    port, topic, partition = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    phases, phase, error, first, last, number = {}, "warm", None, None, None, 0
    next_report, waiting = 0.0, b""
    try:
        connection = Connection(type("Address", (), {"port": port}), limit_s=120)
        while True:
            if select.select([sys.stdin], [], [], 0)[0]:
                more = os.read(sys.stdin.fileno(), 4096)
                if not more:
                    break
                *lines, waiting = (waiting + more).split(b"\n")
                for line in lines:
                    phase = line.decode().removeprefix("phase ")
            offset, produce_us, fetch_us = one_round(connection, topic, partition, number)
            if last is not None and offset != last + 1:
                raise AssertionError(f"record {number} was written at {offset}, the one before at {last}")
            first, last, number = offset if first is None else first, offset, number + 1
            into = phases.setdefault(phase, {"produce_us": [], "fetch_us": []})
            into["produce_us"].append(produce_us)
            into["fetch_us"].append(fetch_us)
            if time.monotonic() >= next_report:
                next_report = time.monotonic() + REPORT_EVERY_S
                print(f"served {number}", flush=True)
    except (OSError, AssertionError, KeyError) as raised:
        error = f"{type(raised).__name__}: {raised} (phase {phase}, record {number})"
    print(json.dumps({"error": error, "phases": phases, "offsets": [first, last]}), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
    main()
