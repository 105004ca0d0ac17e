"""A real `sluiced` under test: start, kill, restart, and what it said. Ends only processes that it started.

Data lives under $SLUICE_TEST_DIR, $TMPDIR or the checkout's build/, so that it is on a disk and not on a tmpfs.
The binary is $SLUICED, which run_all sets.
"""
import ctypes
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

READY = re.compile(r"sluiced ready kafka=([0-9.]+):([0-9]+) data=(\S+) shards=([0-9]+) io=(uring|threads)"
                   r"(?: native=([0-9.]+):([0-9]+))?(?: metrics=(127\.0\.0\.1:[0-9]+))?\n")
START_LIMIT_S = 60
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)

# Small files, so that a test's broker costs megabytes and not a gigabyte of disk.
SMALL = {
    "journal.file_bytes": "8MiB",
    "journal.capacity_bytes": "64MiB",
    "disk.reserve_bytes": "1MiB",
}


def wait_until(condition, what, limit_s=30.0):
    """Polls until `condition()` is true and returns that value; after `limit_s` the test fails, saying `what`."""
    deadline = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit_s:.0f} s: {what}")
        time.sleep(0.02)


def scratch_directory():
    """A new directory on a real disk."""
    root = os.environ.get("SLUICE_TEST_DIR") or os.environ.get("TMPDIR")
    parent = pathlib.Path(root) if root else pathlib.Path(__file__).resolve().parents[2] / "build" / "process-tests"
    parent.mkdir(parents=True, exist_ok=True)
    return pathlib.Path(tempfile.mkdtemp(prefix="sluiced-", dir=parent))


def run_to_end(*arguments, limit_s=20, cwd=None):
    """Runs sluiced to its end and returns (status, stdout, stderr); for starts that must fail."""
    done = subprocess.run([os.environ["SLUICED"], *arguments], capture_output=True, text=True, timeout=limit_s, cwd=cwd)
    return done.returncode, done.stdout, done.stderr


def spawn(command, log, cpus=None):
    """Starts a server that says on stdout when it is ready; on these `cpus` alone if they are given."""
    def prepare():
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # should who started it be killed, it ends too
        if cpus:
            os.sched_setaffinity(0, cpus)
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, preexec_fn=prepare)


def cpu_seconds(pid):
    """User and system time of all threads of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


class Broker:
    """One data directory and the process that serves it. Keeps its port over restarts."""

    def __init__(self, directory, *flags, shards=2, io_engine="auto", settings=None, cpus=None):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "data"
        self.log_path = self.directory / "stderr"
        self.flags, self.shards, self.io_engine, self.cpus = flags, shards, io_engine, cpus
        self.settings = SMALL | (settings or {})
        self.port = 0
        self.native_port = 0
        self.process = None
        self.ready_line = None

    def command(self):
        command = [os.environ["SLUICED"], "--data-dir", str(self.data), "--kafka-listen", f"127.0.0.1:{self.port}",
                   "--native-listen", f"127.0.0.1:{self.native_port}"]
        if self.shards:
            command += ["--shards", str(self.shards)]
        command += ["--io-engine", self.io_engine, *self.flags]
        for name, value in self.settings.items():
            command += ["--set", f"{name}={value}"]
        return command

    def start(self):
        """Starts it and waits for the ready line."""
        self.launch()
        self.await_ready()
        return self

    def launch(self):
        assert self.process is None, "it runs already"
        with open(self.log_path, "ab") as log:
            self.process = spawn(self.command(), log, self.cpus)

    def await_ready(self):
        line, deadline = b"", time.monotonic() + START_LIMIT_S
        out = self.process.stdout.fileno()
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([out], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise AssertionError(f"no ready line within {START_LIMIT_S} s")
            more = os.read(out, 4096)
            if not more:
                status = self.process.wait()
                self.process = None
                raise AssertionError(f"sluiced ended with {status} before it was ready: {self.log()[-2000:]}")
            line += more
        self.ready_line = line.decode()
        match = READY.fullmatch(self.ready_line)
        if not match:
            raise AssertionError(f"unexpected ready line: {self.ready_line!r}")
        self.port = int(match[2])
        self.io_name, self.shards_said = match[5], int(match[4])
        self.native_port = int(match[7] or 0)
        self.metrics_address = match[8]

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def terminate(self, limit_s=30):
        """SIGTERM; returns (exit status, what came on stdout after the ready line)."""
        process, self.process = self.process, None
        process.terminate()
        try:
            rest, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"SIGTERM did not end it within {limit_s} s")
        return process.returncode, rest.decode()

    def kill(self):
        """SIGKILL. A broker that had died by itself is an error of its own."""
        process, self.process = self.process, None
        if process is None:
            return
        died = process.poll()
        process.kill()
        process.wait()
        process.stdout.close()
        if died is not None:
            raise AssertionError(f"sluiced had ended by itself with {died}: {self.log()[-2000:]}")

    def end_status(self, limit_s=10):
        """Waits for it to end by itself; the exit status."""
        process, self.process = self.process, None
        status = process.wait(limit_s)
        process.stdout.close()
        return status

    def restart(self):
        status, _ = self.terminate()
        if status != 0:
            raise AssertionError(f"SIGTERM: it ended with {status}")
        return self.start()

    def log(self):
        """Everything that any of its processes wrote to stderr."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_lines(self, *words):
        return [line for line in self.log().splitlines() if all(word in line for word in words)]

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)

    def rss_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

    def partition_directories(self):
        """The directories of topics' partitions that are on disk. Group 0 has those of the broker's own tables, which come and stay as they like."""
        return sorted(path for path in self.data.glob("group-*/*-*") if path.is_dir() and path.parent.name != "group-0")


class BrokerTest(unittest.TestCase):
    """Gives tests brokers that end with them; at the end no broker may have died by itself."""

    def setUp(self):
        self.brokers = []
        self.scratch = scratch_directory()
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)

    def broker(self, *flags, start=True, directory=None, **options):
        directory = pathlib.Path(directory) if directory else self.scratch / f"broker-{len(self.brokers)}"
        directory.mkdir(parents=True, exist_ok=True)
        broker = Broker(directory, *flags, **options)
        self.brokers.append(broker)
        self.addCleanup(self._end, broker)
        return broker.start() if start else broker

    def _end(self, broker):
        broker.last_log = broker.log()
        broker.kill()

    def said(self):
        """For a failure's report: the end of each broker's log."""
        return "\n".join(f"--- the broker said:\n{broker.last_log[-4000:]}" for broker in self.brokers)
