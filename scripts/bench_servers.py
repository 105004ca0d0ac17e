"""The servers that benchmarks measure, pinned to the server's core, and the load that is pinned to the other one.

The broker is started as the tests of real processes start it (tests/process/broker.py). Ends only processes that it
started.
"""
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys

import bench_machine

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
os.environ.setdefault("SLUICED", str(BUILD / "sluiced"))
sys.path.insert(0, str(ROOT / "tests" / "process"))
sys.dont_write_bytecode = True
import broker as process  # noqa: E402
import clients  # noqa: E402

SERVER_CORE, LOAD_CORE = bench_machine.cores()
# Full rate: 1 KiB records in 64 KiB batches, 3 MiB in flight: two writes of the floor, and one to come.
BULK = {"record_bytes": 1024, "records": 64, "in_flight": 48}


class Scratch:
    """A directory on a real disk that goes with the `with`."""

    def __enter__(self):
        self.path = process.scratch_directory()
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


class Peer:
    """A small program that the broker is measured against."""

    def __init__(self, program, *arguments):
        self.process = process.spawn([str(BUILD / program), *map(str, arguments)], None, {SERVER_CORE})
        line = self.process.stdout.readline().decode()
        found = re.search(r"ready port=(\d+)", line)
        if not found:
            sys.exit(f"bench: {program} did not start: {line!r}")
        self.port = int(found[1])

    def cpu_seconds(self):
        return process.cpu_seconds(self.process.pid)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Broker(process.Broker):
    """A broker with one shard on the server's core, and a journal of `journal_mib` in files of a sixteenth of it."""

    def __init__(self, directory, journal_mib, shards=1, cpus=None, settings=None):
        sizes = {"journal.capacity_bytes": f"{journal_mib}MiB", "journal.file_bytes": f"{max(journal_mib // 16, 1)}MiB",
                 "disk.reserve_bytes": "16MiB"}
        super().__init__(directory, "--log-level", "warn", shards=shards, cpus=cpus or {SERVER_CORE},
                         settings=sizes | (settings or {}))
        self.start()

    def topic(self, name, partitions=1):
        clients.create_topic(self, name, partitions)

    def stop(self):
        self.kill()


def start_load(program, port, cpus=None, **options):
    """Starts a load generator; `options` are its flags."""
    command = [str(BUILD / program), "--port", str(port)]
    for name, value in options.items():
        command += ["--" + name.replace("_", "-"), str(value)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                            preexec_fn=lambda: os.sched_setaffinity(0, cpus or {LOAD_CORE}))


def end_load(load):
    """What it says in the end, and how busy it kept its core."""
    out = load.stdout.read()
    _, status, used = os.wait4(load.pid, 0)
    load.returncode = os.waitstatus_to_exitcode(status)
    if load.returncode:
        sys.exit(f"bench: {load.args[0]} ended with {load.returncode}: {out}")
    result = json.loads(out)
    result["load_core_busy"] = (used.ru_utime + used.ru_stime) / result["seconds"]
    return result


def measured(server, directory, **options):
    """Runs bench_produce to its end; its figures, and those of the server and of the disk meanwhile."""
    before, disk = server.cpu_seconds(), bench_machine.DiskUse(directory)
    result = end_load(start_load("bench_produce", server.port, **options))
    cpu, busy, written = server.cpu_seconds() - before, disk.busy(), disk.written_bytes()
    result["cpu_s_per_gb"] = cpu / (result["bytes"] / 1e9)
    result["core_busy"] = cpu / result["seconds"]
    result["disk_busy"] = busy
    result["disk_bytes_per_byte"] = None if written is None else written / result["bytes"]
    return result


def percent(values):
    """The median of shares, as people read it."""
    known = [value for value in values if value is not None]
    return f"{statistics.median(known) * 100:.0f} %" if known else "unknown"


def what_limits(name, runs):
    """A sentence on who was busy in runs of measured()."""
    amplified = [run["disk_bytes_per_byte"] for run in runs if run["disk_bytes_per_byte"] is not None]
    return (f"{name}: its core busy {percent(run['core_busy'] for run in runs)} (spinning included), the load generator's "
            f"{percent(run['load_core_busy'] for run in runs)}, the disk {percent(run['disk_busy'] for run in runs)}"
            + (f"; {statistics.median(amplified):.2f} bytes written to the disk a byte produced" if amplified else ""))
